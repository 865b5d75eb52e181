"""The nouns of a report: what is gathered from the tables, and what pages are made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date, datetime


@dataclass(frozen=True)
class RunFacts:
    """One run, as `runs` tells it.

    Attributes:
        run_id: which.
        night: the night it was for.
        started_at: UTC.
        model_id: the model whose pairs and clusters are shown.
        status: done or failed.
        seconds: in all.
        num_described: videos described in it.
        error_counts: videos quarantined in it, by error_code.
        config: its settings as JSON; None where it has left none.
        stages: (stage, status, seconds, rows built or None), in the order of the pipeline.
    """

    run_id: str
    night: date
    started_at: datetime
    model_id: str
    status: str
    seconds: float
    num_described: int
    error_counts: Mapping[str, int]
    config: str | None
    stages: Sequence[tuple[str, str, float, int | None]]


@dataclass(frozen=True)
class Overview:
    """What a report tells besides clusters.

    Attributes:
        run: the run that it is about.
        history: the newest runs up to it, the newest first.
        counts: number of videos, pairs, clusters and so on, by what is counted.
        probabilities: pairs by hundredth of match_probability, 0 to 100.
        cosines: pairs by hundredth of cosine_similarity, -100 to 100.
        min_probability: what a pair must reach; None where the model's threshold is not to be had.
        min_cosine: likewise, where whole videos are compared and nothing else.
        cluster_sizes: number of clusters by number of members.
        error_codes: videos in quarantine by error_code.
    """

    run: RunFacts
    history: Sequence[RunFacts]
    counts: Mapping[str, int]
    probabilities: Mapping[int, int]
    cosines: Mapping[int, int]
    min_probability: float | None
    min_cosine: float | None
    cluster_sizes: Mapping[int, int]
    error_codes: Mapping[str, int]


@dataclass(frozen=True)
class ReviewedVideo:
    """A video as people know it."""

    video_id: str
    title: str | None = None
    owner_id: str | None = None
    published_at: datetime | None = None
    uri: str | None = None
    duration_seconds: float | None = None
    width_px: int | None = None
    height_px: int | None = None


@dataclass(frozen=True)
class Strip:
    """The frames shown of one video of a pair: a file, or why there is none."""

    seconds: tuple[float, ...] = ()
    file: str | None = None
    size_px: tuple[int, int] = (0, 0)
    num_bytes: int = 0
    error_code: str | None = None


@dataclass
class ReviewedPair:
    """A member of a cluster and the video that it hangs on.

    Attributes:
        member_id: the member that is not kept.
        joined_by: the video that it hangs on: the keeper, or one on the way there.
        row: of `pairs`; None where a decision stands for it.
        decision: a decision in force about the two.
        left: frames of the video with the smaller id.
        right: frames of the other.
        match: picture of the similarities of their frames.
    """

    member_id: str
    joined_by: str
    row: Mapping[str, Any] | None
    decision: Mapping[str, Any] | None
    left: Strip = field(default_factory=Strip)
    right: Strip = field(default_factory=Strip)
    match: Strip = field(default_factory=Strip)

    @property
    def ids(self) -> tuple[str, str]:
        """Both ids, the smaller first."""
        return min(self.member_id, self.joined_by), max(self.member_id, self.joined_by)

    @property
    def probability(self) -> float:
        """How sure it is; a decision is."""
        return 1.0 if self.row is None else float(self.row["match_probability"])


@dataclass
class ReviewedCluster:
    """A cluster and those of its pairs that are shown, least certain first.

    A video that lies in a longer one without being its copy is shown as a cluster of the two: `is_part`, and what is
    kept is the longer one.
    """

    cluster_id: str
    num_members: int
    min_probability: float
    changed_in: str
    keeper_id: str
    keeper_reason: str
    pairs: list[ReviewedPair] = field(default_factory=list)
    is_part: bool = False

    @property
    def num_hidden(self) -> int:
        """Members whose pairs are not shown."""
        return self.num_members - 1 - len(self.pairs)
