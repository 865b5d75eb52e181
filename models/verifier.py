"""The model that turns the evidence of a pair into a probability. It needs numpy only: the driver imports it."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import fields as fields_of
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

FIRST_LOOK = (
    "larger_chamfer",
    "alignment_similarity",
    "log_independent_frames",
    "larger_coverage",
    "smaller_coverage",
    "change",
    "change_agreement",
    "offset_seconds",
    "log_speed",
    "aligned_seconds",
)
"""Names of the evidence from aligned descriptors, in the order of `udfs.verifying.verify_pair.measure_evidence`."""
SECOND_LOOK = (
    "num_moments",
    "num_inliers",
    "inlier_support",
    "shared_area",
    "place_agreement",
    "place_disagreement",
    "place_correlation",
    "worst_place",
    "explained_brightness",
    "differing_share",
    "contrast_share",
    "pixel_change",
    "pixel_change_agreement",
    "coarse_change_agreement",
    "pooled_change_agreement",
    "step_agreement",
    "moment_rank",
    "moment_contrast",
)
"""Names of the evidence from registered pixels, in the order of `udfs.registering.second_look.SecondLook.evidence`."""
EVIDENCE = FIRST_LOOK + SECOND_LOOK
"""Names of all evidence values of a pair. A missing value is NaN."""
FORMAT = 2
_LEAF = -1
_NODE = [
    ("evidence", np.int64),
    ("threshold", np.float64),
    ("missing_goes_left", np.int64),
    ("left", np.int64),
    ("right", np.int64),
    ("value", np.float64),
]


class IncompleteTreeError(ValueError):
    """A node of a verifier on a card is not complete."""


class Node(NamedTuple):
    """A node of a decision tree.

    Attributes:
        evidence: position in EVIDENCE; -1 for a leaf.
        threshold: a value at or below it goes to the left child.
        missing_goes_left: 1 if a missing value goes to the left child, else 0.
        left: position of the left child in the tree.
        right: position of the right child.
        value: of a leaf, added to the logit.
    """

    evidence: int
    threshold: float
    missing_goes_left: int
    left: int
    right: int
    value: float

    def to_text(self) -> str:
        """Return the values, separated by spaces."""
        return " ".join(f"{value:.9g}" for value in self)

    @classmethod
    def from_text(cls, text: str) -> Node:
        """Read what `to_text` returned.

        Raises:
            IncompleteTreeError: the text is not a node.
        """
        values = text.split(" ")
        if len(values) != len(cls._fields):
            raise IncompleteTreeError(f"a node of a verifier must have {len(cls._fields)} values, got {text!r:.99}")
        evidence, threshold, missing_goes_left, left, right, value = values
        return cls(int(evidence), float(threshold), int(missing_goes_left), int(left), int(right), float(value))


@dataclass(frozen=True)
class Verifier:
    """Gradient-boosted trees on evidence values. It is fitted on labelled pairs, including hard negatives.

    Trees, unlike a logistic regression, accept missing values: nothing changes, nothing registers, no pictures.

    Attributes:
        min_probability: operating threshold, in [0, 1]. Pairs with a lower probability are not reported.
        min_open_probability: a pair whose descriptors alone give a lower probability gets no second look.
        intercept: of the logit.
        slope: of the sum of the trees: Platt scaling.
        trees: the nodes of each tree, the root first.
        fitted_on: description of the labelled pairs.
        format: version of this structure.
    """

    min_probability: float
    min_open_probability: float
    intercept: float
    slope: float
    trees: tuple[tuple[Node, ...], ...]
    fitted_on: str
    format: int = FORMAT

    def __post_init__(self) -> None:
        """Check the format.

        Raises:
            ValueError: the verifier has another format.
        """
        _check_format(self.format)

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> Verifier:
        """Make a verifier from the fields of a model card.

        Raises:
            ValueError: the verifier has another format.
            IncompleteTreeError: a node is not complete.
        """
        _check_format(fields.get("format", 1))
        trees = tuple(tuple(Node.from_text(node) for node in tree.split(", ")) for tree in fields["trees"])
        return cls(**dict(fields) | {"trees": trees})

    def to_fields(self) -> dict[str, Any]:
        """Return the fields for a model card. A tree is one text, so that a card has a line per tree."""
        trees = [", ".join(node.to_text() for node in tree) for tree in self.trees]
        return {field.name: getattr(self, field.name) for field in fields_of(self)} | {"trees": trees}

    def predict_probability(self, evidence: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the probability that two videos share footage: (n, len(EVIDENCE)) -> (n,), rounded to 6 decimals."""
        logits = self.intercept + self.slope * self.sum_trees(evidence)
        # 1 / (1 + exp(-logit)) would overflow for large negative logits.
        return np.round(np.exp(-np.logaddexp(np.float64(0.0), -logits)), 6).astype(np.float64)

    def predict_first_look(self, first_look: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the probability without a second look: (n, len(FIRST_LOOK)) -> (n,)."""
        missing = np.full((len(first_look), len(SECOND_LOOK)), np.nan)
        return self.predict_probability(np.hstack([first_look, missing]))

    def sum_trees(self, evidence: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the sum of the leaves that each row reaches: (n, len(EVIDENCE)) -> (n,)."""
        rows, total = np.arange(len(evidence)), np.zeros(len(evidence))
        for nodes in self._nodes:
            reached = np.zeros(len(evidence), np.int64)
            while (nodes["evidence"][reached] != _LEAF).any():
                at = nodes[reached]
                values = evidence[rows, np.maximum(at["evidence"], 0)]
                goes_left = np.where(np.isnan(values), at["missing_goes_left"] == 1, values <= at["threshold"])
                child = np.where(goes_left, at["left"], at["right"])
                reached = np.where(at["evidence"] == _LEAF, reached, child)
            total += nodes["value"][reached]
        return total

    @cached_property
    def _nodes(self) -> list[NDArray[np.void]]:
        """The nodes of each tree as a structured array."""
        return [np.array([tuple(node) for node in tree], dtype=_NODE) for tree in self.trees]


def is_current(fields: Mapping[str, Any]) -> bool:
    """Return whether the fields of a verifier on a model card have the format of this version."""
    return bool(fields.get("format", 1) == FORMAT)


def _check_format(number: int) -> None:
    if number != FORMAT:
        raise ValueError(
            f"a verifier must have format {FORMAT}, got {number}: fit it again with `ndvr calibrate --truth`"
        )
