"""Similarities of labelled pairs, and the figures of a model at a threshold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.threshold.calibration import measure_average_precision
from benchmarks.threshold.labels import Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]

NEGATIVES = (Kind.UNRELATED, Kind.SAME_SCENE, Kind.ANOTHER_TAKE)


@dataclass(frozen=True)
class Pairs:
    """The pairs of a split that count, each once.

    Attributes:
        left: int (n,), rows of the smaller video.
        right: int (n,), of the larger one.
        kinds: int8 (n,) of `Kind`.
    """

    left: NDArray[np.intp]
    right: NDArray[np.intp]
    kinds: NDArray[np.int8]

    @classmethod
    def of(cls, labels: NDArray[np.int8]) -> Pairs:
        """Take the pairs that count from a symmetric (n, n) matrix of `Kind`."""
        left, right = np.nonzero(np.triu(labels != Kind.IGNORED, k=1))
        return cls(left, right, labels[left, right])

    @property
    def is_copy(self) -> NDArray[np.bool_]:
        """Which pairs are copies."""
        return self.kinds == Kind.COPY

    def compare(self, vectors: Vectors) -> NDArray[np.float32]:
        """Return the cosine of each pair, float32 (n,), from unit vectors (videos, dims)."""
        cosines: NDArray[np.float32] = (vectors @ vectors.T)[self.left, self.right]
        return cosines


@dataclass(frozen=True)
class Figures:
    """How a model does at a threshold; `num_false` counts the pairs of each of `NEGATIVES` at or above it."""

    precision: float
    recall: float
    average_precision: float
    num_false: tuple[int, ...]

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall."""
        return 2 * self.precision * self.recall / max(self.precision + self.recall, 1e-12)


def evaluate(cosines: NDArray[np.float32], pairs: Pairs, threshold: float) -> Figures:
    """Return the figures of a model at a threshold."""
    is_found = cosines >= threshold
    num_true = int((is_found & pairs.is_copy).sum())
    return Figures(
        precision=num_true / max(int(is_found.sum()), 1),
        recall=num_true / int(pairs.is_copy.sum()),
        average_precision=measure_average_precision(cosines, pairs.is_copy),
        num_false=tuple(int((is_found & (pairs.kinds == kind)).sum()) for kind in NEGATIVES),
    )


def measure_recall_by_edit(
    cosines: NDArray[np.float32], pairs: Pairs, edits: Sequence[str], threshold: float
) -> dict[str, tuple[float, int]]:
    """Return, for each edit, the recall of the pairs of an original with its edited copy, and their number.

    The pairs of two originals, which the truth names, are under `original`; those of two edited copies nowhere.

    Args:
        cosines: (n,), of the pairs.
        pairs: the pairs.
        edits: (videos,), how each video was made.
        threshold: of the cosine.
    """
    made = np.array(edits)
    left, right = made[pairs.left], made[pairs.right]
    recalls = {}
    for edit in dict.fromkeys(edits):
        is_shown = pairs.is_copy & (((left == "original") & (right == edit)) | ((left == edit) & (right == "original")))
        if is_shown.any():
            recalls[edit] = (float((cosines[is_shown] >= threshold).mean()), int(is_shown.sum()))
    return recalls
