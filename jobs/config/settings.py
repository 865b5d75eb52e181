"""The settings, one validated and frozen configuration. The environment (NDVR_SECTION__KEY) overrides the YAML file."""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields
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
    SparkConfig,
)
from jobs.config.training import Cosine, TrainingConfig
from models.embedding_models import Method
from models.registry import descriptor_id, get_backbone
from udfs.decoding.settings import DecoderSettings
from udfs.describing.settings import DescribeSettings, Precision
from udfs.video import DecodeLimits, SamplingRule


class DescribeConfig(Section):
    """How videos are described, and the limits for one video."""

    backbone: str = Field(DescribeSettings.backbone, description="name of the CNN, from models/registry.py")
    sample_fps: PositiveFloat = Field(SamplingRule.sample_fps, description="frames sampled per second of video")
    min_frames: Positive = Field(
        SamplingRule.min_frames, description="least number of frames; a shorter clip is sampled more densely"
    )
    weights_dir: Path | None = Field(None, description="folder with weights files, on every node")
    allow_download: bool = Field(
        DescribeSettings.allow_download, description="let torch.hub download weights if they are not on the node"
    )
    precision: Precision = Field(DescribeSettings.precision, description="auto: bf16 if the hardware supports it")
    cut_borders: bool = Field(
        DescribeSettings.cuts_borders, description="cut uniform borders off frames before the CNN"
    )
    store_thumbnails: bool = Field(
        DescribeSettings.stores_thumbnails,
        description="store the sampled frames as small pictures, 4 KB each; false: the second look opens files again",
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
        4000, description="videos between two commits; a killed run loses at most this many"
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
    def decoder(self) -> DecoderSettings:
        """How videos are decoded for the backbone."""
        return DecoderSettings(
            get_backbone(self.backbone).input_px,
            SamplingRule(**{field.name: getattr(self, field.name) for field in fields(SamplingRule)}),
            DecodeLimits(**{field.name: getattr(self, field.name) for field in fields(DecodeLimits)}),
        )


class ManifestConfig(Section):
    """How the manifest is read, and which files it may name."""

    roots: tuple[str, ...] = Field(
        (), description="folders or URIs that may be read, in addition to the manifest's folder"
    )
    is_complete: bool = Field(False, description="a known video that the manifest does not list counts as removed")
    look_at_files: bool = Field(
        True, description="check size and time of each listed file, and describe a replaced file again"
    )
    check_days: Positive = Field(
        1,
        description="check each file on one day of this many, chosen by a hash of its id; new, moved and lost files in "
        "every run",
    )


class QuarantineConfig(Section):
    """When a failed video is tried again."""

    retry_after_hours: PositiveFloat = Field(
        24.0, description="wait before the second attempt; it doubles with each attempt"
    )
    max_attempts: Positive = Field(5, description="attempts before a video is no longer retried")


class EmbeddingsConfig(Section):
    """How descriptors become the vectors that the search compares."""

    method: Method = Field(Method.AUTO, description="auto: the best model in this package")
    window_seconds: PositiveFloat = Field(4.0, description="length of the segments of a video")
    hop_seconds: PositiveFloat = Field(2.0, description="time from the start of one segment to the start of the next")
    artefact_dir: Path | None = Field(None, description="folder with your own model, on every node")

    @model_validator(mode="after")
    def _check_that_windows_leave_no_gap(self) -> Self:
        if self.hop_seconds > self.window_seconds:
            raise ValueError(
                f"hop_seconds must be at most window_seconds ({self.window_seconds:g}), got {self.hop_seconds:g}: "
                "footage between two windows would not be searched"
            )
        return self


class PairsConfig(Section):
    """How pairs of videos that share footage are found."""

    min_cosine_similarity: Cosine | None = Field(
        None, description="threshold for whole videos, if the model has no verifier; null: the threshold of the model"
    )
    search: Literal["faiss", "inverted_index"] = Field("faiss", description="inverted_index: only for methods bow_*")
    min_match_probability: Fraction | None = Field(
        None, description="threshold for verified pairs; null: the threshold of the verifier"
    )
    min_candidate_similarity: Cosine = Field(
        0.3, description="two videos with segments this similar are a candidate pair"
    )
    min_common_videos: Annotated[int, Field(ge=2)] = Field(
        8, description="footage that this many unrelated videos show is an intro: relation common"
    )
    plan: Literal["auto", "exact", "cells"] = Field(
        "auto", description="how FAISS searches (jobs/pairing/candidates.py); auto: choose by cost"
    )
    incremental: bool = Field(
        True, description="search only videos that the last search did not see, and reuse its pairs"
    )
    max_exact_teraflop: PositiveFloat = Field(
        200.0, description="plan auto: use cells if exact search needs more operations"
    )
    block_rows: Positive = Field(32_768, description="embeddings in one block; a task loads two blocks")
    cell_rows: Positive = Field(1000, description="average number of embeddings in a cell when cells are trained")
    max_cell_growth: PositiveFloat = Field(
        4.0, description="ndvr maintain retrains the cells of a lake that has grown by more than this factor"
    )
    min_search_recall: Fraction = Field(
        0.99, description="share of the pairs that cells must find, estimated on a sample"
    )
    num_probes: Positive | None = Field(
        None, description="cells in which an embedding is searched; null: the fewest that reach min_search_recall"
    )
    recall_rows: Annotated[int, Field(ge=0)] = Field(
        512, description="approximate number of embeddings on which recall is estimated"
    )
    searched_again_fraction: Fraction = Field(
        0.01,
        description="after cells are retrained, share of the stored videos that each night searches again; 0: none",
    )
    seed: Annotated[int, Field(ge=0)] = Field(0, description="seed of the cells and samples")


class ClustersConfig(Section):
    """How pairs become clusters, and which video of each is kept: see udfs/clustering and docs/decisions/0007."""

    relations: tuple[Literal["copy", "contained", "overlap"], ...] = Field(
        ("copy",), description="relations of the pairs that join videos into clusters", min_length=1
    )
    min_path_probability: Fraction = Field(
        0.8, description="lowest product of the probabilities on the path from a member to the keeper"
    )
    max_hops: Positive = Field(2, description="largest number of pairs on such a path")
    min_bridge_probability: Fraction = Field(
        0.9, description="a single weaker pair does not connect two groups of two or more videos"
    )
    same_time_seconds: Annotated[float, Field(ge=0)] = Field(
        3600.0, description="uploads within this time of the first count as simultaneous"
    )
    same_size_ratio: Annotated[float, Field(gt=0, le=1)] = Field(
        0.95, description="this share of the largest size (pixels or duration) counts as equal to it"
    )
    pairs_per_task: Positive = Field(
        200_000, description="cluster on the driver up to this many pairs; beyond that, pairs in one Spark task"
    )
    max_driver_pairs: Positive = Field(
        2_000_000, description="find connected components on the driver up to this many pairs, with Spark beyond that"
    )
    max_component_pairs: Positive = Field(
        1_000_000, description="of a component with more pairs, use only the most probable ones"
    )

    @model_validator(mode="after")
    def _check_that_no_single_task_is_thinned(self) -> Self:
        if self.max_component_pairs < self.pairs_per_task:
            raise ValueError(
                f"max_component_pairs must be at least pairs_per_task ({self.pairs_per_task}), got "
                f"{self.max_component_pairs}: a component that fits in one task keeps all its pairs"
            )
        return self


class Config(BaseSettings):
    """All settings of a run. Frozen; unknown keys are errors."""

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
    spark: SparkConfig = SparkConfig()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read the environment first, then the file."""
        del dotenv_settings, file_secret_settings  # the file and the environment are enough places
        file = YamlConfigSettingsSource(settings_cls, yaml_file=settings_cls.model_config.get("yaml_file"))
        return init_settings, env_settings, file

    def fingerprint(self) -> str:
        """Return 16 hex digits that change exactly if a setting that affects the rows of tables changes."""
        others: dict[str, bool | set[str]] = dict.fromkeys(
            ("training", "quality", "maintenance", "metrics", "spark"), True
        )
        others["pairs"] = {"max_cell_growth", "searched_again_fraction"}  # upkeep of a search that goes on
        others["manifest"] = {"check_days"}  # when a file is checked, not what is found
        canonical = json.dumps(self.model_dump(mode="json", exclude=others), sort_keys=True)
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]
