"""Calibration of a model: its operating threshold, and the map from similarity to probability.

The driver imports this module, so it does not import torch.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

_UNCALIBRATED_SLOPE = 30.0


@dataclass(frozen=True)
class Calibration:
    """Threshold and probability map of a model's similarities, fitted on labelled pairs.

    `match_probability = 1 / (1 + exp(-(intercept + slope * cosine_similarity)))` (Platt scaling: Platt 1999,
    Probabilistic Outputs for Support Vector Machines, section 2).

    Attributes:
        min_cosine_similarity: operating threshold, in [-1, 1].
        intercept: intercept of the logistic function.
        slope: slope of the logistic function, > 0.
        fitted_on: description of the labelled pairs, with the command that fits them.
    """

    min_cosine_similarity: float
    intercept: float
    slope: float
    fitted_on: str

    @classmethod
    def without_labels(cls, min_cosine_similarity: float) -> Calibration:
        """Return the default of models without labelled pairs: the probability at the threshold is 1/2."""
        intercept = -_UNCALIBRATED_SLOPE * min_cosine_similarity
        return cls(min_cosine_similarity, intercept, _UNCALIBRATED_SLOPE, "no labelled pairs")

    def at_threshold(self, min_cosine_similarity: float) -> Calibration:
        """Return the same map from similarity to probability with another operating threshold."""
        return replace(self, min_cosine_similarity=min_cosine_similarity)
