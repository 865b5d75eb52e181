"""Makes review reports without a lake."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from jobs.review.charts import draw_charts
from jobs.review.pages import write_pages
from jobs.review.report_data import Overview, PastDecision, Queue, QueuedPair, ReviewedPair, ReviewedVideo, RunFacts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

RUN = RunFacts(
    "20240501T120000Z-abcdef", date(2024, 5, 1), datetime(2024, 5, 1, 12, tzinfo=UTC), "model-a", "done", 75.0, 8,
    {"NOT_FOUND": 1}, None, [("manifest", "done", 1.5, 9), ("pairs", "skipped", 0.0, None)],
)  # fmt: skip
OVERVIEW = Overview(RUN, [RUN], {"clusters": 3}, {97: 2, 100: 1}, {60: 3}, 0.869, None, {2: 2, 130: 1}, {})
ROW = {
    "match_probability": 0.9876, "cosine_similarity": 0.5, "alignment_similarity": 0.25, "relation": "copy",
    "left_start_seconds": 0.0, "left_end_seconds": 4.0, "right_start_seconds": 61.5, "right_end_seconds": 65.5,
    "left_coverage": 1.0, "right_coverage": 0.99,
    "place_agreement": None, "change_agreement": None, "left_region": None, "right_region": None,
}  # fmt: skip


def make_pair(left_id: str, right_id: str, **values: object) -> QueuedPair:
    """Make a pair with a row of `pairs`, in which `values` replace those of ROW."""
    return QueuedPair(ReviewedPair(left_id, right_id, ROW | values, None), ("near the threshold",))


def make_cluster(*ids: str) -> list[QueuedPair]:
    """Make the pairs of a cluster. Its first video is the keeper, and has a pair with each other video."""
    return [
        QueuedPair(ReviewedPair(name, ids[0], ROW, None), ("largest clusters",), f"c-{ids[0]}", len(ids), ids[0])
        for name in ids[1:]
    ]


def make_pages(
    queue: Sequence[QueuedPair],
    folder: Path,
    videos: Sequence[ReviewedVideo] = (),
    past: Sequence[PastDecision] = (),
) -> None:
    """Write the pages of a report."""
    folder.mkdir(exist_ok=True)
    shown = Queue(queue, name_videos(queue, videos), past)
    write_pages(OVERVIEW, draw_charts(OVERVIEW, folder), shown, "/data/lake", folder)


def name_videos(queue: Sequence[QueuedPair], known: Sequence[ReviewedVideo] = ()) -> dict[str, ReviewedVideo]:
    """Return the videos of a queue by id; those that are not known have an id only."""
    named = {name for queued in queue for name in (*queued.pair.ids, queued.keeper_id) if name is not None}
    return {name: ReviewedVideo(name) for name in sorted(named)} | {video.video_id: video for video in known}
