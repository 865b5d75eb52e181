"""Makes review reports without a lake."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from jobs.review.charts import draw_charts
from jobs.review.pages import write_pages
from jobs.review.report_data import Overview, ReviewedCluster, ReviewedPair, ReviewedVideo, RunFacts

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


def make_cluster(*ids: str, changed_in: str = RUN.run_id) -> ReviewedCluster:
    """Make a cluster. Its first video is the keeper, and has a pair with each other video."""
    pairs = [ReviewedPair(video_id, ids[0], ROW, None) for video_id in ids[1:]]
    return ReviewedCluster(f"cluster of {ids[0]}", len(ids), 0.9876, changed_in, ids[0], "published first", pairs)


def make_part(shorter_id: str, longer_id: str, probability: float = 0.9) -> ReviewedCluster:
    """Make a pair of a video that is contained in a longer one."""
    row = ROW | {"relation": "contained", "match_probability": probability, "right_coverage": 0.2}
    pair = ReviewedPair(shorter_id, longer_id, row, None)
    return ReviewedCluster(longer_id, 2, probability, RUN.run_id, longer_id, "", [pair], is_part=True)


def make_pages(clusters: Sequence[ReviewedCluster], folder: Path, videos: Sequence[ReviewedVideo] = ()) -> None:
    """Write the review pages of clusters."""
    named = {video_id for cluster in clusters for pair in cluster.pairs for video_id in pair.ids}
    known = {video_id: ReviewedVideo(video_id) for video_id in named} | {video.video_id: video for video in videos}
    folder.mkdir(exist_ok=True)
    write_pages(OVERVIEW, draw_charts(OVERVIEW, folder), clusters, known, "/data/lake", folder)
