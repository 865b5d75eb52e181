"""The compared methods. Each is trained on the train split and calibrated on the calibrate split."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from benchmarks.accuracy.counts import order_ids
from jobs.commands.train_codebook import CodebookSettings, Variant, fit_on_lake, pack_codebook
from jobs.config.settings import Config, DescribeConfig, PairsConfig
from jobs.config.training import Objective, TrainingConfig
from jobs.errors import UsageError
from jobs.evaluation.truth import SEGMENT_COLUMNS
from jobs.tables.pairs import find_evidence
from jobs.tables.thumbnails import read_sources
from jobs.training.augmentations import choose_videos, describe_augmented_videos
from jobs.training.calibrate_model import calibrate_model, fit_model_verifier
from jobs.training.heads import train_model
from jobs.training.labelling import embed_lake, embed_videos, label_augmented_videos
from models.artefact import CARD_FILE, pack_artefact, read_artefact, unpack_artefact, write_artefact
from models.embedding_models import Method, find_model

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from jobs.lake.lake import Lake
    from jobs.training.augmentations import AugmentedVideos
    from models.embedding_models import EmbeddingModel

TRAIN = "attributes['split'] = 'train'"
CALIBRATE = "attributes['split'] = 'calibrate'"
BY_FOOTAGE = Config(training=TrainingConfig(source="attributes['footage_id']"))
TARGET_PRECISION = 0.99
MIXTURE_PRECISION = 0.97
"""Of the verifier, on a mixture in which takes are as frequent as copies: such a mixture is rarer than a user's."""
BACKBONE = "efficientnet_lite0_ndvr"
DESCRIPTORS = DescribeConfig().descriptor_id


@dataclass(frozen=True)
class Ranked:
    """The pairs of the benchmark, scored by one method.

    Attributes:
        name: name of the method in the printed table.
        pairs: columns left_id, right_id, score; a higher score means a more probable copy.
        threshold: the method reports pairs with at least this score; None if it has no threshold.
    """

    name: str
    pairs: pd.DataFrame
    threshold: float | None

    def find_pairs(self) -> set[tuple[str, str]]:
        """Return the pairs at or above the threshold, with the smaller id first; all pairs without a threshold."""
        is_found = self.pairs["score"] >= (self.threshold or 0)
        found = self.pairs[is_found].astype({"left_id": str, "right_id": str})
        return order_ids(zip(found["left_id"], found["right_id"], strict=True))


def training_config(objective: Objective) -> Config:
    """Return the settings of a training. The calibrate split validates its epochs."""
    training = {
        "objective": objective,
        "source": "attributes['footage_id']",
        "held_out": CALIBRATE,
        "licence": "Apache-2.0",
        "max_negatives_per_pair": 5,
    }
    return Config(training=TrainingConfig.model_validate(training))


class MethodTrainer:
    """Trains the methods that are not trained yet, and ranks the pairs of the benchmark by each.

    Args:
        lake: lake with the described test catalogue.
        calibration_lake: lake with the described catalogue of the calibrate split.
        training_lake: lake with the described, unedited clips of the train and calibrate splits.
        calibration_truth: truth.csv of the catalogue of the calibrate split.
        work: folder of models and views; a later run reuses them.
        report: called with a line of text for each step.
    """

    def __init__(
        self,
        lake: Lake,
        calibration_lake: Lake,
        training_lake: Lake,
        calibration_truth: Path,
        work: Path,
        report: Callable[[str], None],
    ) -> None:
        self._lake = lake
        self._calibration_lake = calibration_lake
        self._training_lake = training_lake
        self._calibration_truth = calibration_truth
        self._work = work
        self._report = report
        self._augmented_videos: AugmentedVideos | None = None

    @property
    def augmented_videos(self) -> AugmentedVideos:
        """The augmented videos of the train and calibrate splits. They are described once for all methods."""
        if self._augmented_videos is None:
            self._report("describing augmented videos of the train and calibrate splits")
            config = training_config(Objective.CONTRASTIVE)
            videos = choose_videos(self._training_lake, "true", config.training)
            self._augmented_videos = describe_augmented_videos(
                self._training_lake.spark, videos, config, self._work / "views", lambda *_: None
            )
        return self._augmented_videos

    def rank_all(self) -> list[Ranked]:
        """Rank all pairs by every method."""
        trained = [
            ("BoW, vector", Method.BOW_VECTOR, self._train_codebook(Variant.VECTOR)),
            ("BoW, layers", Method.BOW_LAYER, self._train_codebook(Variant.LAYER)),
            ("DML, early fusion", Method.TRIPLET, self._train_head(Objective.TRIPLET)),
            ("DML, late fusion", Method.TRIPLET, self._fuse_late(self._train_head(Objective.TRIPLET))),
            ("discriminative", Method.DISCRIMINATIVE, self.train_default()),
            ("whitened", Method.WHITENED, self._train_head(Objective.WHITENED)),
            ("batch-hard", Method.BATCH_HARD, self._train_head(Objective.BATCH_HARD)),
            ("InfoNCE + KoLeo", Method.CONTRASTIVE, self._train_head(Objective.CONTRASTIVE)),
        ]
        ranked = [self._rank("averaged", find_model(Method.AVERAGED, BACKBONE, DESCRIPTORS), threshold=None)]
        ranked += [
            self._rank(name, model := find_model(method, BACKBONE, DESCRIPTORS, folder), _threshold_of(model))
            for name, method, folder in trained
        ]
        shipped = find_model(Method.AUTO, BACKBONE, DESCRIPTORS)
        return [*ranked, self._rank_verified(shipped)]

    def train_default(self) -> Path:
        """Train and calibrate the default model, fit its verifier, and return its folder."""
        folder = self._train_head(Objective.DISCRIMINATIVE)
        if find_model(Method.AUTO, BACKBONE, DESCRIPTORS, folder).verifier is None:
            self._report("fitting the verifier")
            lake, truth = self._calibration_lake, self._calibration_truth
            self._report(fit_model_verifier(lake, folder, truth, MIXTURE_PRECISION, BY_FOOTAGE))
        return folder

    def _train_codebook(self, variant: Variant) -> Path:
        folder = self._work / "models" / f"bow_{variant}"
        if not (folder / CARD_FILE).exists():
            self._report(f"training {folder.name}")
            settings = CodebookSettings(variant=variant, num_words=300, where=TRAIN)
            codebook, facts = fit_on_lake(self._training_lake, settings)
            write_artefact(folder, pack_codebook(codebook, settings, facts))
            self._calibrate(folder)
        return folder

    def _fuse_late(self, trained: Path) -> Path:
        """Embed single frames by a network trained on averaged descriptors: the late fusion of the paper."""
        folder = trained.with_name(f"{trained.name}-late")
        if not (folder / CARD_FILE).exists():
            tensors, card = unpack_artefact(read_artefact(trained))
            write_artefact(folder, pack_artefact(tensors, replace(card, fusion="late")))
            self._calibrate(folder)
        return folder

    def _train_head(self, objective: Objective) -> Path:
        folder = self._work / "models" / objective
        if not (folder / CARD_FILE).exists():
            self._report(f"training {folder.name}")
            config = training_config(objective)
            head = train_model(self.augmented_videos, [], config, self._work, lambda *_: None)
            write_artefact(folder, head.pack(config, TRAIN))
            self._calibrate(folder)
        return folder

    def _calibrate(self, folder: Path) -> None:
        """Fit the threshold on augmented videos of the calibrate split."""
        model = find_model(Method.AUTO, BACKBONE, DESCRIPTORS, folder)
        held_out = self.augmented_videos.select(self.augmented_videos.is_held_out)
        try:
            self._report(calibrate_model(folder, label_augmented_videos(held_out, model), TARGET_PRECISION))
        except UsageError as error:  # a method that cannot reach the precision is compared without a threshold
            self._report(f"{folder.name}: {error}")

    def _rank_verified(self, model: EmbeddingModel) -> Ranked:
        """Rank the pairs as the nightly job does: search candidates by segments, align their frames, and verify."""
        self._report("aligning the candidates of the shipped model")
        if model.verifier is None:
            raise UsageError(f"{model.model_id} has no verifier; run with --write first")
        rows = embed_lake(self._lake, model, "true", Config()).cache()
        looked = find_evidence(rows, read_sources(self._lake, DESCRIPTORS, Config()), PairsConfig())
        found = looked.select("left_id", "right_id", *SEGMENT_COLUMNS, "evidence").toPandas()
        rows.unpersist()
        score = model.verifier.predict_probability(np.array(found["evidence"].to_list()))
        return Ranked("shipped", found.drop(columns="evidence").assign(score=score), model.verifier.min_probability)

    def _rank(self, name: str, model: EmbeddingModel, threshold: float | None) -> Ranked:
        self._report(f"comparing videos by {name}")
        video_ids, vectors = embed_videos(self._lake, model, "true", Config())
        return Ranked(name, score_pairs(video_ids, vectors @ vectors.T), threshold)


def score_pairs(video_ids: list[str], similarities: np.ndarray) -> pd.DataFrame:
    """Return a row left_id, right_id, score for each pair of videos, from a symmetric (n, n) matrix."""
    left, right = np.triu_indices(len(video_ids), k=1)
    names = pd.Index(video_ids)
    return pd.DataFrame(
        {
            "left_id": pd.Categorical.from_codes(left, categories=names),
            "right_id": pd.Categorical.from_codes(right, categories=names),
            "score": similarities[left, right].astype(np.float64),
        }
    )


def _threshold_of(model: EmbeddingModel) -> float | None:
    return model.calibration.min_cosine_similarity if model.calibration else None
