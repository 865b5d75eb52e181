"""Which video of a pair contains the other, and which of several is reported to contain a video.

Stdlib only: Spark and Python use the same rules.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable


def name_relation_to(relation: str, own_coverage: float, other_coverage: float) -> str:
    """Name the relation of one video of a pair to the other. `write_relation_to` is this rule in SQL.

    A pair of relation `contained` is `contained` for the video inside, which is the one with the higher coverage, and
    `contains` for the other one. Other relations are the same for both. The coverages of a contained pair are never
    equal: see `udfs.verifying.relation.name_relation`.

    Args:
        relation: of the pair, as in `pairs`.
        own_coverage: share of the content of the video that is shared, in [0, 1].
        other_coverage: that share of the other video.

    Returns:
        `copy`, `contained`, `contains`, `overlap` or `common`.
    """
    return "contains" if relation == "contained" and own_coverage < other_coverage else relation


def write_relation_to(relation: str, own_coverage: str, other_coverage: str) -> str:
    """Return `name_relation_to` as an expression in SQL over three columns."""
    return (
        f"CASE WHEN {relation} = 'contained' AND {own_coverage} < {other_coverage} THEN 'contains' ELSE {relation} END"
    )


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
