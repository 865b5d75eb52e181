"""The data of a report: values that are read from the tables and shown on the pages."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date, datetime


@dataclass(frozen=True)
class RunFacts:
    """One run, from the table `runs`.

    Attributes:
        run_id: id of the run.
        run_date: scheduled date of the run.
        started_at: UTC.
        model_id: the model whose pairs and clusters are shown.
        status: done or failed.
        seconds: total duration.
        num_described: videos described in the run.
        error_counts: videos quarantined in the run, by error_code.
        config: its settings as JSON; None if the run did not record them.
        stages: (stage, status, seconds, rows built or None), in pipeline order.
    """

    run_id: str
    run_date: date
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
    """The numbers of a report, besides the clusters.

    Attributes:
        run: the reported run.
        history: the newest runs up to the reported one, the newest first.
        counts: numbers of videos, pairs, clusters and so on, by label.
        probabilities: number of pairs by hundredth of match_probability, 0 to 100.
        cosines: number of pairs by hundredth of cosine_similarity, -100 to 100.
        min_probability: threshold of match_probability; None if unknown, or if the model compares whole videos only.
        min_cosine: threshold of cosine_similarity; None if unknown, or if the model compares frames.
        cluster_sizes: number of clusters by number of members.
        error_codes: number of videos in quarantine by error_code.
        precision: the newest estimate of precision in words; None without one.
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
    precision: str | None = None


@dataclass(frozen=True)
class ReviewedVideo:
    """A video with the facts that a reviewer sees."""

    video_id: str
    title: str | None = None
    owner_id: str | None = None
    published_at: str | None = None
    uri: str | None = None
    duration_seconds: float | None = None
    width_px: int | None = None
    height_px: int | None = None


@dataclass(frozen=True)
class Strip:
    """A picture of one video of a pair: the file of its frames, or the error that prevented it."""

    seconds: tuple[float, ...] = ()
    file: str | None = None
    size_px: tuple[int, int] = (0, 0)
    error_code: str | None = None


@dataclass(frozen=True)
class PairClips:
    """The clips of both videos of a pair; both show matched footage at the same time of the clip.

    Attributes:
        files: of the left and the right video.
        sizes_px: their width and height.
        left_seconds: times of the frames in the left video.
        right_seconds: times of the same number of frames in the right video.
    """

    files: tuple[str, str]
    sizes_px: tuple[tuple[int, int], tuple[int, int]]
    left_seconds: Sequence[float]
    right_seconds: Sequence[float]


@dataclass
class ReviewedPair:
    """A member of a cluster and the video that links it to the cluster.

    Attributes:
        member_id: a member that is not the keeper.
        joined_by: the video that links it: the keeper, or the next video on the path to the keeper.
        row: their row of `pairs`; None if only a decision links them.
        decision: the decision in force about the two, if any.
        left: frames of the video with the smaller id.
        right: frames of the other video.
        match: picture of the similarity matrix of their frames.
        segments: their aligned segments, the best first: start and end in the left video, start and end in the right.
        clips: of the best segment; None if none were cut.
    """

    member_id: str
    joined_by: str
    row: Mapping[str, Any] | None
    decision: Mapping[str, Any] | None
    left: Strip = field(default_factory=Strip)
    right: Strip = field(default_factory=Strip)
    match: Strip = field(default_factory=Strip)
    segments: Sequence[tuple[float, float, float, float]] = ()
    clips: PairClips | None = None

    @property
    def ids(self) -> tuple[str, str]:
        """Both ids, the smaller first."""
        return min(self.member_id, self.joined_by), max(self.member_id, self.joined_by)

    @property
    def probability(self) -> float:
        """Probability of the pair; 1 for a decision."""
        return 1.0 if self.row is None else float(self.row["match_probability"])


@dataclass
class ReviewedCluster:
    """A cluster and the pairs of it that are shown, the least certain first.

    A video that is contained in a longer one without being its copy is shown as a cluster of the two: `is_contained` is
    true, and the keeper is the longer video.
    """

    cluster_id: str
    num_members: int
    min_probability: float
    changed_in: str
    keeper_id: str
    keeper_reason: str
    pairs: list[ReviewedPair] = field(default_factory=list)
    is_contained: bool = False


@dataclass
class QueuedPair:
    """A pair in a queue of pairs to review.

    Attributes:
        pair: the two videos, what is known of them, and their pictures.
        reasons: why it is in the queue, in the words of the page. A pair without a reason is shown on request only.
        probability: of the pair, or of the path that joins the two; 1 for a decision.
        relation: of the pair, or of the path; "decision" if only a decision links them.
        cluster_id: the cluster of both videos; None if they are not in one cluster.
        num_members: number of videos in that cluster; 0 without one.
        keeper_id: the keeper of that cluster; None without one.
    """

    pair: ReviewedPair
    reasons: tuple[str, ...] = ()
    probability: float = 1.0
    relation: str = "decision"
    cluster_id: str | None = None
    num_members: int = 0
    keeper_id: str | None = None


@dataclass(frozen=True)
class PastDecision:
    """The newest row of `decisions` about two videos or one.

    Attributes:
        left_id: the smaller video_id.
        right_id: the larger video_id; equal to left_id for a decision about one video.
        verdict: None if it withdraws an earlier decision.
        decided_by: name of the person.
        decided_at: UTC, as text.
        decided_millis: the same in milliseconds since 1970.
        note: reason given by the person.
    """

    left_id: str
    right_id: str
    verdict: str | None
    decided_by: str
    decided_at: str
    decided_millis: int
    note: str | None = None

    def as_values(self) -> dict[str, object]:
        """Return the values by name, for the data of a page."""
        return asdict(self)


@dataclass(frozen=True)
class Queue:
    """Pairs to review.

    Attributes:
        pairs: each pair once, with its pictures, in the order of the page.
        videos: all videos of the pairs and the keepers of their clusters, by id.
        past: the newest decision about each two videos or one.
    """

    pairs: Sequence[QueuedPair]
    videos: Mapping[str, ReviewedVideo]
    past: Sequence[PastDecision] = ()

    @property
    def num_undecided(self) -> int:
        """Number of pairs with a reason about which nobody has decided."""
        decided = {(one.left_id, one.right_id) for one in self.past if one.verdict is not None}
        return sum(bool(queued.reasons) and queued.pair.ids not in decided for queued in self.pairs)


@dataclass(frozen=True)
class QueueFacts:
    """What a queue page says besides its pairs.

    Attributes:
        title: heading of the page.
        key: of the choices that the browser stores; pages with equal keys share them.
        file_name: of the saved decisions, ending in .jsonl.
        command: imports that file; shown after saving.
        note: note of each decision.
        is_blind: hides scores, relations, decisions and the order in which the pairs are passed.
        sample_id: written to each row of the saved file, if any.
    """

    title: str
    key: str
    file_name: str
    command: str
    note: str
    is_blind: bool = False
    sample_id: str | None = None
