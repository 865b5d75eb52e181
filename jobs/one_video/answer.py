"""The answer about one video, and the rule that chooses the original."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from udfs.clustering.containment import choose_container

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True)
class Match:
    """A video of the lake that the video in question was compared with.

    Attributes:
        video_id: in the lake's manifest.
        is_duplicate: whether this match makes the video in question a duplicate.
        keeper_id: the keeper of its cluster; None if it is in no cluster.
        cluster_id: its cluster; None if it is in no cluster.
        relation: copy, contained, overlap or common, as `pairs.relation`.
        match_probability: probability that the two share footage, in [0, 1]; 1 if the files are identical.
        cosine_similarity: of the vectors of the two whole videos, in [-1, 1].
        alignment_similarity: of the aligned frames.
        start_seconds: start of the shared footage in the video in question.
        end_seconds: end of the shared footage in the video in question, exclusive.
        coverage: fraction of the content of the video in question that is shared footage, in [0, 1].
        match_start_seconds: start of the shared footage in the video of the lake.
        match_end_seconds: end of the shared footage in the video of the lake, exclusive.
        match_coverage: fraction of the content of the video of the lake that is shared footage, in [0, 1].
        evidence: the pieces of evidence by name (`models.verifier.EVIDENCE`), None if a piece cannot be measured; empty
            if the files are identical.
    """

    video_id: str
    is_duplicate: bool
    keeper_id: str | None
    cluster_id: str | None
    relation: str
    match_probability: float
    cosine_similarity: float
    alignment_similarity: float
    start_seconds: float
    end_seconds: float
    coverage: float
    match_start_seconds: float
    match_end_seconds: float
    match_coverage: float
    evidence: dict[str, float | None]

    @property
    def is_keeper(self) -> bool:
        """Whether it is the keeper of its cluster."""
        return self.keeper_id == self.video_id


@dataclass(frozen=True)
class Answer:
    """The answer about one video.

    Attributes:
        is_duplicate: whether the lake already has this footage.
        match_probability: of the most probable match that makes it a duplicate, otherwise of the most probable match;
            0 without a match.
        original: the video that this one duplicates: the keeper of the match's cluster, or the match itself if it is in
            no cluster or contains this video; None if this video is not a duplicate.
        matches: the most probable first.
        num_compared: number of videos of the lake whose frames were compared with this one's.
        min_match_probability: the threshold.
        model_id: the model that compared them.
        index_version: the run that published the index.
        content_sha256: of the file.
        duration_seconds: of the video.
        seconds: wall-clock time of the answer.
    """

    is_duplicate: bool
    match_probability: float
    original: str | None
    matches: tuple[Match, ...]
    num_compared: int
    min_match_probability: float
    model_id: str
    index_version: str
    content_sha256: str
    duration_seconds: float
    seconds: float

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
