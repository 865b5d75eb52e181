"""The input of verification: the embedded frames of one video."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MAX_FRAMES = 2000  # of a video that is aligned: the similarity matrix of two stays below 16 MB
_SAME_SCENE_SIMILARITY = 0.8  # above this cosine, frames of one video count as one piece of evidence


class Segment(NamedTuple):
    """A part of a video: the half-open interval [start_seconds, end_seconds)."""

    start_seconds: float
    end_seconds: float


@dataclass(frozen=True)
class VideoFeatures:
    """The embedded frames of a video.

    Attributes:
        vectors: float32 (n, dim), n >= 1, unit norm or zeros, in time order.
        seconds: float64 (n,), ascending: when each frame appears.
        backgrounds: float32 (n,), each frame's mean similarity to its nearest background frames.
        duration_seconds: of the video, >= 0.
        known_content: the part that is content, see `udfs.verifying.content.find_content`; None if it is unknown.

    Raises:
        ValueError: a shape or dtype differs, the seconds are not ascending, or the content is not in the video.
    """

    vectors: NDArray[np.float32]
    seconds: NDArray[np.float64]
    backgrounds: NDArray[np.float32]
    duration_seconds: float
    known_content: Segment | None = None

    def __post_init__(self) -> None:
        if self.vectors.ndim != 2 or not len(self.vectors):  # noqa: PLR2004 -- rows and columns
            raise ValueError(
                f"vectors must have the shape (n, dim) with n >= 1, got {self.vectors.shape}: "
                "pass one row per frame, and leave out videos without frames"
            )
        per_frame = self.vectors.shape[:1]
        wanted = (
            ("vectors", self.vectors.shape, "float32"),
            ("seconds", per_frame, "float64"),
            ("backgrounds", per_frame, "float32"),
        )
        for name, shape, dtype in wanted:
            array = getattr(self, name)
            if array.shape != shape or array.dtype != dtype:
                raise ValueError(
                    f"{name} must be {dtype} of shape {shape}, got {array.dtype} of shape {array.shape}: "
                    "convert it, and pass one value per frame"
                )
        if (np.diff(self.seconds) < 0).any():
            raise ValueError(f"seconds must be ascending, got {self.seconds}: sort the frames by time")
        if not 0 <= self.content.start_seconds <= self.content.end_seconds <= self.duration_seconds:
            raise ValueError(
                f"known_content must be a part of the {self.duration_seconds} s of the video, got {self.content}: "
                "measure it on the same video"
            )

    @property
    def content(self) -> Segment:
        """The part of the video that is content; all of it if that is unknown."""
        return Segment(0.0, self.duration_seconds) if self.known_content is None else self.known_content

    @cached_property
    def weights(self) -> NDArray[np.float64]:
        """The evidence that each frame adds: float64 (n,), in (0, 1].

        It is one over the number of frames of the video that look like this one, itself included, so a static scene
        counts once however long it is (as repeated local features in Jegou et al. 2009, On the burstiness of visual
        elements). Memory grows with the square of n: call `thin` on long videos first.
        """
        num_similar = (self.vectors @ self.vectors.T > _SAME_SCENE_SIMILARITY).sum(axis=1)
        weights: NDArray[np.float64] = 1.0 / np.maximum(num_similar, 1)
        return weights

    @cached_property
    def deviations(self) -> NDArray[np.float32]:
        """What changes: float32 (n, dim), the vectors less their weighted mean."""
        mean = np.average(self.vectors, axis=0, weights=self.weights)
        return (self.vectors - mean).astype(np.float32)

    @property
    def frame_interval_seconds(self) -> float:
        """The mean time between two frames."""
        return self.duration_seconds / len(self.seconds)

    def thin(self) -> VideoFeatures:
        """Keep every k-th frame, with the smallest k that leaves at most 2,000 frames; return self if k is 1."""
        step = -(-len(self.vectors) // _MAX_FRAMES)
        if step == 1:
            return self
        return replace(
            self,
            vectors=self.vectors[::step],
            seconds=self.seconds[::step],
            backgrounds=self.backgrounds[::step],
        )
