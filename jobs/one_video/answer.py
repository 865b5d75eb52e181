"""The answer about one video, and the rule that chooses the original."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import ConfigDict

from udfs.clustering.containment import choose_container

if TYPE_CHECKING:
    from collections.abc import Iterable

_DESCRIBED = ConfigDict(use_attribute_docstrings=True)
"""The OpenAPI description of the service has the docstrings of the attributes."""


@dataclass(frozen=True)
class Match:
    """A video of the lake that the video in question was compared with, or whose file is identical."""

    __pydantic_config__: ClassVar[ConfigDict] = _DESCRIBED

    video_id: str
    """Its id in the lake's manifest."""
    is_exact: bool
    """Whether the two files are identical."""
    is_duplicate: bool
    """Whether this match makes the video in question a duplicate."""
    keeper_id: str | None
    """The keeper of its cluster; None if it is in no cluster."""
    cluster_id: str | None
    """Its cluster; None if it is in no cluster."""
    relation: str
    """Of the video in question to this one: copy, contained, contains, overlap or common; copy if the files are
    identical."""
    match_probability: float
    """Probability that the two share footage, in [0, 1]; 1 if the files are identical."""
    cosine_similarity: float
    """Of the vectors of the two whole videos, in [-1, 1]."""
    alignment_similarity: float
    """Of the aligned frames, in [-1, 1]."""
    start_seconds: float
    """Start of the shared footage in the video in question."""
    end_seconds: float
    """End of the shared footage in the video in question, exclusive."""
    coverage: float
    """Fraction of the content of the video in question that is shared footage, in [0, 1]."""
    match_start_seconds: float
    """Start of the shared footage in the video of the lake."""
    match_end_seconds: float
    """End of the shared footage in the video of the lake, exclusive."""
    match_coverage: float
    """Fraction of the content of the video of the lake that is shared footage, in [0, 1]."""
    evidence: dict[str, float | None]
    """The pieces of evidence by name (`models.verifier.EVIDENCE`), None if a piece cannot be measured; empty if the
    files are identical."""

    @property
    def is_keeper(self) -> bool:
        """Whether it is the keeper of its cluster."""
        return self.keeper_id == self.video_id


@dataclass(frozen=True)
class Answer:
    """The answer about one video."""

    __pydantic_config__: ClassVar[ConfigDict] = _DESCRIBED

    is_duplicate: bool
    """Whether the lake already has this footage."""
    match_probability: float
    """Of the most probable match that makes it a duplicate, otherwise of the most probable match; 0 without a match."""
    original: str | None
    """The video that this one duplicates: the keeper of the match's cluster, or the match itself if it is in no cluster
    or contains this video; None if this video is not a duplicate."""
    exact_match: str | None
    """A video of the lake whose file is identical: the keeper of a cluster, if one is, otherwise the smallest id; None
    if no file is identical."""
    matches: tuple[Match, ...]
    """Identical files and the videos compared, the most probable first."""
    num_compared: int
    """Number of videos of the lake whose frames were compared with this one's. Identical files are not compared."""
    min_match_probability: float
    """The threshold."""
    model_id: str
    """The model that compared them."""
    index_version: str
    """The run that published the index."""
    content_sha256: str
    """SHA-256 sum of the file, hexadecimal."""
    duration_seconds: float
    """Duration of the video."""
    seconds: float
    """Wall-clock time of the answer."""

    def to_dict(self) -> dict[str, Any]:
        """Return the answer as types that JSON can hold."""
        return asdict(self) | {"matches": [asdict(match) for match in self.matches]}


def rank_matches(matches: Iterable[Match]) -> tuple[Match, ...]:
    """Sort matches, the most probable first; equal probabilities as `ndvr evaluate` ranks them."""
    return tuple(
        sorted(matches, key=lambda m: (-m.match_probability, -m.alignment_similarity, -m.cosine_similarity, m.video_id))
    )


def choose_original(matches: tuple[Match, ...]) -> Match | None:
    """Choose the match that makes a video a duplicate, as the table `duplicates` does; None if no match does.

    A copy comes before a video that only contains it. Among several videos of one cluster that contain it, the rule is
    `udfs.clustering.containment.choose_container`.

    Args:
        matches: the most probable first.
    """
    sure = [match for match in matches if match.is_duplicate]
    copies = [match for match in sure if match.relation != "contained"]
    if copies or not sure:
        return copies[0] if copies else None
    of_cluster = [m for m in sure if m.cluster_id is not None and m.cluster_id == sure[0].cluster_id]
    return choose_container(of_cluster or sure[:1])


def get_original_id(match: Match) -> str:
    """Return the id of the original that follows from a match."""
    return match.video_id if match.relation == "contained" or match.keeper_id is None else match.keeper_id


def choose_exact_match(matches: tuple[Match, ...]) -> str | None:
    """Return the id of a video with an identical file, preferably a keeper; None if there is none."""
    exact = [match for match in matches if match.is_exact]
    return min(exact, key=lambda match: (not match.is_keeper, match.video_id)).video_id if exact else None
