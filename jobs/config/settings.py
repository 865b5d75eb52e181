"""One validated, frozen configuration: YAML file < environment (NDVR_SECTION__KEY)."""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields
from enum import StrEnum
from pathlib import Path  # noqa: TC003 - pydantic reads it when the program runs
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    YamlConfigSettingsSource,
)

from jobs.config.operation import (
    Fraction,
    MaintenanceConfig,
    MetricsConfig,
    Positive,
    PositiveFloat,
    QualityConfig,
    Section,
)
from models.embedding_models import Method
from models.registry import descriptor_id, get_backbone
from udfs.describing.settings import DescribeSettings, Precision
from udfs.video import DecodeLimits, SamplingRule

Cosine = Annotated[float, Field(ge=-1, le=1)]


class DescribeConfig(Section):
    """How videos become descriptors, and what one video may cost."""

    backbone: str = Field(DescribeSettings.backbone, description="which CNN: see models/registry.py")
    sample_fps: PositiveFloat = Field(SamplingRule.sample_fps, description="frames sampled per second of video")
    min_frames: Positive = Field(
        SamplingRule.min_frames, description="least number of frames; a shorter clip is sampled more densely"
    )
    weights_dir: Path | None = Field(None, description="folder on every node that holds weights files")
    allow_download: bool = Field(
        DescribeSettings.allow_download, description="let torch.hub download weights that are found nowhere else"
    )
    precision: Precision = Field(DescribeSettings.precision, description="auto: bf16 where the hardware supports it")
    cut_borders: bool = Field(
        DescribeSettings.cuts_borders, description="cut uniform borders off frames before the CNN"
    )
    batch_frames: Positive = Field(
        DescribeSettings.batch_frames, description="frames per CNN batch (8 fits a CPU's cache; try 256 on a GPU)"
    )
    decoders_per_task: Positive = Field(
        DescribeSettings.num_decoders, description="decoder processes of each Spark task"
    )
    gpus_per_task: Fraction = Field(
        0.0, description="GPUs that Spark reserves for each describing task; 0: use spark.task.resource.gpu.amount"
    )
    videos_per_task: Positive = Field(16, description="videos in one Spark task")
    videos_per_commit: Positive = Field(
        4000, description="videos between two commits: the most work that a killed run can lose"
    )
    max_file_bytes: Positive = Field(DecodeLimits.max_file_bytes, description="a larger file is quarantined")
    max_frame_pixels: Positive = Field(
        DecodeLimits.max_frame_pixels,
        description="a video with larger frames is quarantined, before memory is allocated",
    )
    max_duration_seconds: PositiveFloat = Field(
        DecodeLimits.max_duration_seconds, description="a longer video is quarantined"
    )
    max_streams: Positive = Field(DecodeLimits.max_streams, description="a file with more streams is quarantined")
    stall_timeout_seconds: PositiveFloat = Field(
        DecodeLimits.stall_timeout_seconds, description="a decoder that reports nothing for this long is killed"
    )
    total_timeout_seconds: PositiveFloat = Field(
        DecodeLimits.total_timeout_seconds, description="wall-clock limit for one video"
    )
    decoder_memory_bytes: Positive = Field(
        DecodeLimits.decoder_memory_bytes,
        description="address space of a decoder process, beyond what it uses at start",
    )

    @property
    def descriptor_id(self) -> str:
        """The id of the descriptors that these settings produce."""
        backbone = get_backbone(self.backbone)
        return descriptor_id(backbone, self.sample_fps, self.min_frames, cuts_borders=self.cut_borders)

    @property
    def sampling(self) -> SamplingRule:
        """Which frames of a video are sampled."""
        return SamplingRule(sample_fps=self.sample_fps, min_frames=self.min_frames)

    @property
    def limits(self) -> DecodeLimits:
        """The most that one video may cost."""
        return DecodeLimits(**{field.name: getattr(self, field.name) for field in fields(DecodeLimits)})


class ManifestConfig(Section):
    """What the manifest may point at."""

    roots: tuple[str, ...] = Field((), description="folders or URIs, beside the manifest's own, that may be read")
    is_complete: bool = Field(False, description="a known video that the manifest does not name has been removed")
    look_at_files: bool = Field(
        True, description="look at size and time of each named file: replaced ones are done anew"
    )


class QuarantineConfig(Section):
    """When a video that failed is tried again."""

    retry_after_hours: PositiveFloat = Field(24.0, description="wait before the second try; doubles each time")
    max_attempts: Positive = Field(5, description="tries before a video is left alone")


class EmbeddingsConfig(Section):
    """How descriptors become the vectors that are compared."""

    method: Method = Field(Method.AUTO, description="auto: the best that is shipped")
    window_seconds: PositiveFloat = Field(4.0, description="length of the segments that longer videos are cut into")
    hop_seconds: PositiveFloat = Field(2.0, description="from the start of one segment to that of the next")
    artefact_dir: Path | None = Field(None, description="folder on every node that holds a model of your own")

    @model_validator(mode="after")
    def _check_that_windows_leave_no_gap(self) -> Self:
        if self.hop_seconds > self.window_seconds:
            raise ValueError(
                f"hop_seconds must be at most window_seconds ({self.window_seconds:g}), got {self.hop_seconds:g}: what "
                "lies between two windows would not be searched"
            )
        return self


class Objective(StrEnum):
    """What a head learns; also the method that it is stored under (`models.embedding_models.Method`)."""

    DISCRIMINATIVE = "discriminative"
    CONTRASTIVE = "contrastive"
    BATCH_HARD = "batch_hard"
    TRIPLET = "triplet"
    WHITENED = "whitened"


class TrainingConfig(Section):
    """How `ndvr train-triplets` trains; null takes the objective's own number (`jobs.training.heads.choose_config`)."""

    objective: Objective = Field(Objective.DISCRIMINATIVE, description="what is learnt")
    fusion: Literal["early", "late"] | None = Field(None, description="embed the averaged descriptor, or each frame")
    source: str = Field("attributes['source_id']", description="SQL: videos of one footage share its value")
    held_out: str | None = Field(None, description="SQL: videos that judge the epochs; null: 15 % of the sources")
    licence: str = Field("not stated", description="of the numbers, for the card")
    frames_per_video: Positive = Field(12, description="frames looked at, at most")
    num_views: Positive = Field(10, description="edited views of each frame")
    max_negative_cosine: Cosine = Field(0.97, description="nearer to the anchor, a video may be an unknown duplicate")
    max_negatives_per_pair: Positive = Field(20, description="the hardest so many of a pair (objective triplet)")
    layers: tuple[Positive, ...] | None = Field(None, description="outputs of each layer", min_length=1)
    margin: PositiveFloat | None = Field(None, description="of the triplet loss")
    learning_rate: PositiveFloat | None = Field(None, description="of Adam")
    weight_decay: Annotated[float, Field(ge=0)] | None = Field(None, description="of Adam")
    batch_size: Positive | None = Field(None, description="triplets or frames in a batch")
    epochs: Positive | None = Field(None, description="passes over the training views")
    temperature: PositiveFloat | None = Field(None, description="of InfoNCE")
    koleo_weight: Annotated[float, Field(ge=0)] | None = Field(None, description="of the KoLeo term")
    seed: Annotated[int, Field(ge=0)] = Field(0, description="of everything that is drawn")


class PairsConfig(Section):
    """Which two videos are a pair."""

    min_cosine_similarity: Cosine | None = Field(
        None, description="of whole videos, unverified; null: the model decides"
    )
    search: Literal["faiss", "inverted_index"] = Field("faiss", description="inverted_index: for methods bow_* alone")
    min_match_probability: Fraction | None = Field(None, description="null: the threshold of the model's verifier")
    min_candidate_similarity: Cosine = Field(0.3, description="of two segments, to make their videos a candidate")
    min_common_videos: Annotated[int, Field(ge=2)] = Field(
        8, description="an overlap with a second that so many unrelated videos show is an intro: relation common"
    )
    plan: Literal["auto", "exact", "cells"] = Field(
        "auto", description="how FAISS searches: jobs/pairing/candidates.py"
    )
    incremental: bool = Field(True, description="search only what the last search did not see, where its pairs stand")
    max_exact_teraflop: PositiveFloat = Field(200.0, description="auto: cells where exact search would take more")
    block_rows: Positive = Field(32_768, description="embeddings in one block; a task holds two")
    cell_rows: Positive = Field(1000, description="embeddings in a cell, on average")
    min_search_recall: Fraction = Field(0.99, description="share of pairs that cells are to find, by a sample")
    num_probes: Positive | None = Field(
        None, description="cells that an embedding is looked for in; null: as few as find min_search_recall"
    )
    recall_rows: Annotated[int, Field(ge=0)] = Field(512, description="embeddings that recall is estimated on, about")
    seed: Annotated[int, Field(ge=0)] = Field(0, description="of the cells and the samples")


class ClustersConfig(Section):
    """Which pairs make a cluster, and which of its videos is kept: see udfs/clustering and docs/decisions/0007."""

    relations: tuple[Literal["copy", "contained", "overlap"], ...] = Field(
        ("copy",), description="pairs that join videos to clusters", min_length=1
    )
    min_path_probability: Fraction = Field(0.9, description="of a path to the keeper: its probabilities multiplied")
    max_hops: Positive = Field(2, description="pairs on such a path")
    min_bridge_probability: Fraction = Field(0.9, description="of a lone pair between two sides of two or more videos")
    same_time_seconds: Annotated[float, Field(ge=0)] = Field(3600.0, description="published so soon after: at once")
    same_size_ratio: Annotated[float, Field(gt=0, le=1)] = Field(0.95, description="of pixels or duration: as large")
    pairs_per_task: Positive = Field(200_000, description="up to so many the driver clusters alone")
    max_driver_pairs: Positive = Field(2_000_000, description="with more, components are found by Spark")
    max_component_pairs: Positive = Field(1_000_000, description="of a larger component the surest pairs alone count")

    @model_validator(mode="after")
    def _check_that_small_catalogues_are_whole(self) -> Self:
        if self.max_component_pairs < self.pairs_per_task:
            raise ValueError(
                f"max_component_pairs must be at least pairs_per_task ({self.pairs_per_task}), got "
                f"{self.max_component_pairs}: what one task can hold must not be thinned"
            )
        return self


class Config(BaseSettings):
    """Everything a run can be told. Frozen; unknown keys are errors."""

    model_config = SettingsConfigDict(
        env_prefix="NDVR_", env_nested_delimiter="__", frozen=True, extra="forbid", validate_default=True
    )

    manifest: ManifestConfig = ManifestConfig()
    describe: DescribeConfig = DescribeConfig()
    quarantine: QuarantineConfig = QuarantineConfig()
    embeddings: EmbeddingsConfig = EmbeddingsConfig()
    training: TrainingConfig = TrainingConfig()
    pairs: PairsConfig = PairsConfig()
    clusters: ClustersConfig = ClustersConfig()
    quality: QualityConfig = QualityConfig()
    maintenance: MaintenanceConfig = MaintenanceConfig()
    metrics: MetricsConfig = MetricsConfig()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take the environment first, then the file."""
        del dotenv_settings, file_secret_settings  # two more places to look in would be two too many
        file = YamlConfigSettingsSource(settings_cls, yaml_file=settings_cls.model_config.get("yaml_file"))
        return init_settings, env_settings, file

    def fingerprint(self) -> str:
        """Return 16 hex digits that change whenever a setting that decides the tables' rows does, and only then."""
        others = {"training", "quality", "maintenance", "metrics"}
        canonical = json.dumps(self.model_dump(mode="json", exclude=others), sort_keys=True)
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]
