"""What is answered about one video."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from udfs.clustering.containment import choose_container

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True)
class Match:
    """A video of the lake that was held against the one in question.

    Attributes:
        video_id: in the lake's manifest.
        is_duplicate: whether the video in question is a duplicate because of it.
        keeper_id: the video that is kept of its cluster; None where it is in none.
        cluster_id: its cluster; None where it is in none.
        relation: copy, contained, overlap or common, as `pairs.relation`.
        match_probability: how sure it is that the two share footage, in [0, 1]; 1 where the files are the same.
        cosine_similarity: of the two whole videos' vectors, in [-1, 1].
        alignment_similarity: of the aligned frames.
        start_seconds: where the shared footage begins in the video in question.
        end_seconds: where it ends there; not part of it.
        coverage: share of the video in question that it fills, in [0, 1].
        match_start_seconds: likewise in the video of the lake.
        match_end_seconds: likewise.
        match_coverage: likewise.
        evidence: the pieces of evidence by name (`models.verifier.EVIDENCE`); empty where the files are the same.
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
    evidence: dict[str, float]

    @property
    def is_keeper(self) -> bool:
        """Whether it is the keeper of its cluster."""
        return self.keeper_id == self.video_id


@dataclass(frozen=True)
class Answer:
    """What is known of one video.

    Attributes:
        is_duplicate: whether the lake has this footage already.
        match_probability: of the surest match that makes it a duplicate, else of the surest match; 0 without any.
        original: the video to point at: the keeper of the match's cluster, the match itself where it is in none or
            contains this video; None where this is no duplicate.
        matches: the surest first.
        num_compared: videos of the lake whose frames were held against this one's.
        min_match_probability: the threshold.
        model_id: the model that judged.
        index_version: the run that published what was searched.
        content_sha256: of the file.
        duration_seconds: of the video.
        seconds: that the answer took, by the clock.
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
        """Return it as JSON's types."""
        return asdict(self) | {"matches": [asdict(match) for match in self.matches]}


def rank_matches(matches: Iterable[Match]) -> tuple[Match, ...]:
    """Sort matches, the most probable first; equal probabilities as `ndvr evaluate` ranks them."""
    return tuple(
        sorted(matches, key=lambda m: (-m.match_probability, -m.alignment_similarity, -m.cosine_similarity, m.video_id))
    )


def choose_original(matches: tuple[Match, ...]) -> Match | None:
    """Choose the match that makes a video a duplicate, as the table `duplicates` names one; None where none does.

    A copy comes before what merely contains it. Of several videos of one cluster that contain it, the keeper is named.

    Args:
        matches: the surest first.
    """
    sure = [match for match in matches if match.is_duplicate]
    copies = [match for match in sure if match.relation != "contained"]
    if copies or not sure:
        return copies[0] if copies else None
    of_cluster = [m for m in sure if m.cluster_id is not None and m.cluster_id == sure[0].cluster_id]
    return choose_container(of_cluster or sure[:1])


def name_original(match: Match) -> str:
    """Name the video that a duplicate is pointed at because of a match."""
    return match.video_id if match.relation == "contained" or match.keeper_id is None else match.keeper_id
