"""Frames of the footage that a model was trained on: what looks like them looks like much else, too. Numpy alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_NUM_NEIGHBOURS = 3  # nearest background frames that a frame is held against
_CHUNK_ROWS = 256  # frames held against the background at once: hours of them cost no more memory than minutes
# A video of the training has its own footage in the background, and everything about it would look common. The frames
# of 134 such videos are on average .77 or more alike the nearest of their source where the backbone has not seen them
# (.86 where it has been trained on them), and in 95 of 100 the source's frames .30 or more alike the nearest of theirs.
# Of 1,118 other videos 27 exceed .75, flat ones, slides and planet Earth; 16 of them are alike one way only, for a
# source begins in black, say. docs/decisions/0005 tells what comes of it.
_MIN_OWN_SIMILARITY = 0.75
_MIN_SOURCE_SIMILARITY = 0.25


@dataclass(frozen=True)
class Background:
    """Embedded frames of many unlike videos, which no pair shares.

    Attributes:
        vectors: float32 (n, dim), unit norm.
        sources: integers (n,), which footage each frame shows.

    Raises:
        ValueError: there is not one source for each frame.
    """

    vectors: NDArray[np.float32]
    sources: NDArray[np.integer[Any]]

    def __post_init__(self) -> None:
        if self.sources.shape != self.vectors.shape[:1]:
            raise ValueError(
                f"a background of {len(self.vectors)} frames tells the sources of {self.sources.size}; it must tell one"
                " for each: train the model again"
            )

    def measure(self, frames: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return each frame's mean similarity to the three nearest frames, but for those of the video's own footage.

        Args:
            frames: float32 (m, dim), unit norm, of one video.

        Returns:
            float32 (m,). Of fewer than three frames all are taken; 0 where the background is all of the own footage.
            Runs on: executor.
        """
        own = self._find_own(frames)
        others = self.vectors if own is None else self.vectors[self.sources != own]
        count = min(_NUM_NEIGHBOURS, len(others))
        if not count:
            return np.zeros(len(frames), np.float32)
        parts = _compare(frames, others)
        return np.concatenate([np.partition(part, -count, axis=1)[:, -count:].mean(axis=1) for part in parts])

    def _find_own(self, frames: NDArray[np.float32]) -> int | None:
        """Return the source that a video shows: both look like each other's frames all along; None where none does."""
        order = np.argsort(self.sources, kind="stable")
        names, begins = np.unique(self.sources[order], return_index=True)
        parts = _compare(frames, self.vectors[order])
        nearest = sum(np.maximum.reduceat(part, begins, axis=1).sum(axis=0) for part in parts) / len(frames)
        best = int(np.argmax(nearest))
        if nearest[best] < _MIN_OWN_SIMILARITY:
            return None
        shown = _compare(self.vectors[self.sources == names[best]], frames)
        mean = np.concatenate([part.max(axis=1) for part in shown]).mean()
        return int(names[best]) if mean >= _MIN_SOURCE_SIMILARITY else None


def _compare(rows: NDArray[np.float32], others: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    """Yield the similarities of a few rows at a time to all others."""
    for begin in range(0, len(rows), _CHUNK_ROWS):
        yield rows[begin : begin + _CHUNK_ROWS] @ others.T
