"""Background frames, with which similarities are normalised. It needs numpy only.

They are frames of the footage that a model was trained on. A frame that is similar to them is similar to many other
frames as well, so its similarity to another video is weak evidence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_NUM_NEIGHBOURS = 3  # background frames over which a frame's similarity is averaged
_CHUNK_ROWS = 256  # frames per matrix product, so that memory does not grow with the length of a video
# A training video has its own footage in the background, so without these limits all its frames would look common.
# Measured: for each of 134 training videos, the mean similarity of its frames to the nearest frames of its source is at
# least .77 (.86 if the backbone was trained on them). For 95 of 100, the mean similarity of the source's frames to the
# nearest frames of the video is at least .30. Of 1,118 other videos 27 exceed .75 in the first direction: flat videos,
# slides and planet Earth. 16 of these are similar in the first direction only, for example because the source begins
# with black frames. docs/decisions/0005 has the effect on accuracy.
_MIN_OWN_SIMILARITY = 0.75
_MIN_SOURCE_SIMILARITY = 0.25


@dataclass(frozen=True)
class Background:
    """Embedded frames of many different videos, independent of the pairs that are verified.

    Attributes:
        vectors: float32 (n, dim), unit norm.
        sources: integers (n,), the source (footage) of each frame.

    Raises:
        ValueError: the number of sources is not the number of frames.
    """

    vectors: NDArray[np.float32]
    sources: NDArray[np.integer[Any]]

    def __post_init__(self) -> None:
        if self.sources.shape != self.vectors.shape[:1]:
            raise ValueError(
                f"the background has {len(self.vectors)} frames but {self.sources.size} sources; it must have one "
                "source per frame: train the model again"
            )

    def measure(self, frames: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return each frame's mean similarity to its three nearest background frames. Runs on: executor.

        If the video shows the footage of one of the sources, the frames of this source are excluded.

        Args:
            frames: float32 (m, dim), unit norm, of one video.

        Returns:
            float32 (m,). If fewer than three background frames remain, the mean is over all of them; if none remain,
            it is 0.
        """
        own = self._find_own(frames)
        others = self.vectors if own is None else self.vectors[self.sources != own]
        count = min(_NUM_NEIGHBOURS, len(others))
        if not count:
            return np.zeros(len(frames), np.float32)
        parts = _compare(frames, others)
        return np.concatenate([np.partition(part, -count, axis=1)[:, -count:].mean(axis=1) for part in parts])

    def _find_own(self, frames: NDArray[np.float32]) -> int | None:
        """Return the source that a video shows, or None.

        The video must be similar to the source in both directions: its frames to the nearest frames of the source, and
        the frames of the source to the nearest frames of the video.
        """
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
    """Yield the similarities of `_CHUNK_ROWS` rows at a time to all others: (chunk, len(others))."""
    for begin in range(0, len(rows), _CHUNK_ROWS):
        yield rows[begin : begin + _CHUNK_ROWS] @ others.T
