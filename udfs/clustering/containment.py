"""Which video of a cluster is reported to contain another one. Stdlib only: Spark and Python use the same rule."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable


class Container(Protocol):
    """A video that contains another one, with the columns that rank it."""

    @property
    def is_keeper(self) -> bool:
        """Whether it is the keeper of its cluster."""

    @property
    def match_probability(self) -> float:
        """Probability that the two share footage, in [0, 1]."""

    @property
    def cosine_similarity(self) -> float:
        """Similarity of the two whole videos' vectors, in [-1, 1]."""

    @property
    def video_id(self) -> str:
        """Its id."""


_Container = TypeVar("_Container", bound=Container)
CONTAINER_RANK = ("is_keeper", "match_probability", "cosine_similarity", "video_id")
"""Columns that rank the videos of one cluster that contain a video: the greatest is reported.

The keeper comes first, then the most probable match. Spark takes the maximum of a struct of these columns,
`choose_container` that of a tuple.
"""


def choose_container(containers: Iterable[_Container]) -> _Container:
    """Choose the video to report among those of one cluster that contain a video; at least one."""
    return max(containers, key=lambda one: tuple(getattr(one, name) for name in CONTAINER_RANK))
