"""What a similarity means: the operating threshold of a model, and the map to a probability.

The driver imports it, so it leaves torch alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

_UNCALIBRATED_SLOPE = 30.0


@dataclass(frozen=True)
class Calibration:
    """What similarities of a model mean, fitted on labelled pairs.

    `match_probability = 1 / (1 + exp(-(intercept + slope * cosine_similarity)))` (Platt scaling: Platt 1999,
    Probabilistic Outputs for Support Vector Machines, section 2).

    Attributes:
        min_cosine_similarity: operating threshold, in [-1, 1].
        intercept: of the logistic function.
        slope: of the logistic function, > 0.
        fitted_on: the labelled pairs, and the command that fits them.
    """

    min_cosine_similarity: float
    intercept: float
    slope: float
    fitted_on: str

    @classmethod
    def without_labels(cls, min_cosine_similarity: float) -> Calibration:
        """Stand in where no labelled pairs have been seen: ranks pairs, and says 1/2 at the threshold."""
        intercept = -_UNCALIBRATED_SLOPE * min_cosine_similarity
        return cls(min_cosine_similarity, intercept, _UNCALIBRATED_SLOPE, "no labelled pairs")

    def at_threshold(self, min_cosine_similarity: float) -> Calibration:
        """Return the same map from similarity to probability with another operating threshold."""
        return replace(self, min_cosine_similarity=min_cosine_similarity)
