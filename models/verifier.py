"""What the pieces of evidence for a pair amount to: a probability. Numpy alone: the driver imports it."""

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
"""What is known of a pair, in this order; see `udfs.verifying.verify_pair.measure_evidence`."""
PRODUCTS = tuple(combinations(EVIDENCE, 2))
"""The pieces that a verifier multiplies and weighs, in this order."""
_LEFT, _RIGHT = ([EVIDENCE.index(pair[side]) for pair in PRODUCTS] for side in (0, 1))


def multiply_pieces(evidence: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the products of every two pieces of evidence: (n, len(EVIDENCE)) -> (n, len(PRODUCTS)).

    One piece alone proves nothing: frames of two takes agree as well as those of a copy, and changes agree by chance
    over a few frames. docs/decisions/0005 has the figures.
    """
    return evidence[:, _LEFT] * evidence[:, _RIGHT]


@dataclass(frozen=True)
class Verifier:
    """A logistic model of the evidence, fitted on labelled pairs with hard negatives among them.

    Attributes:
        min_probability: operating threshold, in [0, 1]: below it a pair is not told.
        intercept: of the logistic function.
        weights: of `PRODUCTS`.
        fitted_on: the labelled pairs.
    """

    min_probability: float
    intercept: float
    weights: tuple[float, ...]
    fitted_on: str

    def __post_init__(self) -> None:
        """Take the weights as a tuple, whatever JSON made of them.

        Raises:
            ValueError: they are not as many as the products.
        """
        if len(self.weights) != len(PRODUCTS):
            raise ValueError(
                f"a verifier must have {len(PRODUCTS)} weights, one for every two pieces of evidence, got "
                f"{len(self.weights)}: fit it again (ndvr calibrate --truth)"
            )
        object.__setattr__(self, "weights", tuple(self.weights))

    def judge(self, evidence: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the probability that two videos share footage: (n, len(EVIDENCE)) -> (n,), rounded to 6 decimals."""
        logits = multiply_pieces(evidence) @ np.array(self.weights) + self.intercept
        # Not 1 / (1 + exp(-logit)), which overflows where the evidence is overwhelming.
        probabilities: NDArray[np.float64] = np.round(np.exp(-np.logaddexp(0.0, -logits)), 6)
        return probabilities
