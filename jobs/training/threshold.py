"""Choose `pairs.min_match_probability` on labelled videos of a lake. Runs on the driver; alignment on executors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from pyspark.sql import functions as F

from jobs.contracts.run import choose_verifier, find_configured_model
from jobs.errors import UsageError
from jobs.evaluation.ranking import MAX_FALSE_FRACTION, Curve
from jobs.tables import pairs, thumbnails
from jobs.training.calibration import LabelledPairs, choose_similarity, sweep_thresholds
from jobs.training.verifier import label_evidence

if TYPE_CHECKING:
    from jobs.config.settings import Config
    from jobs.evaluation.truth import Truth
    from jobs.lake.lake import Lake

_MIN_NEGATIVES = round(1 / MAX_FALSE_FRACTION)


@dataclass(frozen=True)
class ScoredCandidates:
    """Labelled candidate pairs of a lake with their probabilities, above and below the threshold.

    Attributes:
        labelled: the candidates; `cosines` are the match probabilities, in [0, 1].
        num_positives: number of all pairs that share footage, candidates or not; at least 1.
        num_negatives: number of all pairs that do not, candidates or not.
        threshold: the threshold in use.
    """

    labelled: LabelledPairs
    num_positives: int
    num_negatives: int
    threshold: float

    @property
    def curve(self) -> Curve:
        """Precision and recall at each probability."""
        return Curve.of(self.labelled.cosines, self.labelled.is_copy, self.num_positives)

    def choose_threshold(self, target_precision: float) -> float:
        """Return the threshold to use.

        It is the lowest threshold, in steps of .001, that follows the rules of
        `jobs.training.calibration.choose_threshold`. It is just above the pairs of different footage, not at the lowest
        score of these copies: copies of later nights may score lower.

        The threshold in use is kept if it follows the rules too and the labels have fewer than 10,000 negatives. So few
        cannot show that a lower threshold finds at most 1 in 10,000.

        Args:
            target_precision: wanted fraction of pairs that share footage among the pairs found, in [0, 1].

        Raises:
            UsageError: no threshold reaches the precision.
        """
        sweep = sweep_thresholds(self.labelled)
        lowest = choose_similarity(sweep, self.num_negatives, target_precision)
        is_proven = self.num_negatives >= _MIN_NEGATIVES
        return lowest if lowest > self.threshold or is_proven else self.threshold


def score_candidates(lake: Lake, truth: Truth, config: Config) -> ScoredCandidates:
    """Verify the candidate pairs of a lake's described videos again, as a night does, and label them.

    The table `pairs` has only the pairs above the threshold, so it cannot show what a lower one would find. Nothing is
    written.

    Args:
        lake: with `descriptors`, `embeddings` of the configured model, and `thumbnails` if they are stored.
        truth: its pairs label all pairs of the described videos; pairs that are not listed share nothing.
        config: settings of the night.

    Raises:
        UsageError: the configured model has no verifier, or no labelled pair is among the videos.
    """
    model = find_configured_model(config)
    verifier = choose_verifier(config, model)
    if verifier is None:
        raise UsageError(f"model {model.model_id} has no verifier: choose its threshold with ndvr calibrate")
    segments = lake.read("embeddings").where(F.col("model_id") == model.model_id)
    video_ids = [row["video_id"] for row in segments.where("segment_index = 0").select("video_id").collect()]
    known = truth.restrict_to(video_ids).pairs
    listed = None if known is None else known.drop_duplicates(["left_id", "right_id"])
    num_positives = 0 if listed is None else int((listed["relation"] != "ignore").sum())
    if listed is None or not num_positives:
        raise UsageError(f"no labelled pair is among the {len(video_ids)} videos of model {model.model_id}")
    sources = thumbnails.read_sources(lake, model.descriptor_id, config)
    found = pairs.find_evidence(segments, sources, config.pairs).select("left_id", "right_id", "evidence").toPandas()
    labelled = label_evidence(found, listed)
    evidence = np.array(labelled["evidence"].to_list(), dtype=np.float64)
    probabilities = verifier.predict_probability(evidence) if len(evidence) else np.empty(0)
    return ScoredCandidates(
        LabelledPairs(
            probabilities,
            labelled["shares_footage"].to_numpy(dtype=bool),
            ((),) * len(labelled),
            f"{len(labelled)} candidate pairs of {len(video_ids)} videos",
        ),
        num_positives,
        len(video_ids) * (len(video_ids) - 1) // 2 - len(listed),
        verifier.min_probability,
    )
