"""The model that turns the evidence of a pair into a probability. It needs numpy only: the driver imports it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

EVIDENCE = (
    "larger_chamfer",
    "alignment_similarity",
    "log_independent_frames",
    "larger_coverage",
    "smaller_coverage",
    "change",
    "change_agreement",
)
"""Names of the evidence values of a pair, in the order of `udfs.verifying.verify_pair.measure_evidence`."""
PRODUCTS = tuple(combinations(EVIDENCE, 2))
"""The pairs of evidence values that a verifier multiplies. Its weights have the same order."""
_LEFT, _RIGHT = ([EVIDENCE.index(pair[side]) for pair in PRODUCTS] for side in (0, 1))


def multiply_evidence(evidence: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the products of every two evidence values: (n, len(EVIDENCE)) -> (n, len(PRODUCTS)).

    No single value is conclusive. Frames of two takes of a scene are as similar as frames of a copy, and over a few
    frames changes agree by chance. docs/decisions/0005 has the figures.
    """
    return evidence[:, _LEFT] * evidence[:, _RIGHT]


@dataclass(frozen=True)
class Verifier:
    """A logistic regression on products of evidence values. It is fitted on labelled pairs, including hard negatives.

    Attributes:
        min_probability: operating threshold, in [0, 1]. Pairs with a lower probability are not reported.
        intercept: intercept of the logistic function.
        weights: one weight for each of `PRODUCTS`.
        fitted_on: description of the labelled pairs.
    """

    min_probability: float
    intercept: float
    weights: tuple[float, ...]
    fitted_on: str

    def __post_init__(self) -> None:
        """Check the number of weights and store them as a tuple, because JSON gives a list.

        Raises:
            ValueError: the number of weights is not the number of products.
        """
        if len(self.weights) != len(PRODUCTS):
            raise ValueError(
                f"a verifier has {len(self.weights)} weights, but needs {len(PRODUCTS)}, one for every two evidence "
                "values: fit it again with `ndvr calibrate --truth`"
            )
        object.__setattr__(self, "weights", tuple(self.weights))

    def predict_probability(self, evidence: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the probability that two videos share footage: (n, len(EVIDENCE)) -> (n,), rounded to 6 decimals."""
        logits = multiply_evidence(evidence) @ np.array(self.weights) + self.intercept
        # 1 / (1 + exp(-logit)) would overflow for large negative logits.
        probabilities: NDArray[np.float64] = np.round(np.exp(-np.logaddexp(0.0, -logits)), 6)
        return probabilities
