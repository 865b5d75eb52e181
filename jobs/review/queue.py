"""Makes a queue of pairs to review: reads their videos, makes their pictures, and writes the page.

Runs on the driver; pictures on executors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from jobs.clustering.decisions import newest_decisions
from jobs.contracts.times import as_utc_text
from jobs.review.cluster_selection import MAX_ILLUSTRATED_PAIRS, read_videos
from jobs.review.illustrations import illustrate_pairs
from jobs.review.queue_page import write_queue_page
from jobs.review.report_data import PastDecision, Queue, QueuedPair, ReviewedPair
from jobs.tables import decisions

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from jobs.config.settings import Config
    from jobs.lake.lake import Lake
    from jobs.review.report_data import QueueFacts, ReviewedVideo


def make_queue(
    lake: Lake, pairs: Iterable[tuple[str, str]], facts: QueueFacts, model_id: str, config: Config, folder: Path
) -> Path:
    """Make the page of a queue of any pairs, such as a sample, and return its path.

    The pairs need not be in the table `pairs`. Pictures are made for the first MAX_ILLUSTRATED_PAIRS of them.

    Args:
        lake: the lake with the `embeddings` to align.
        pairs: two video_ids each, each pair once.
        facts: what the page says; with `is_blind`, it shows only the videos and their frames at matched seconds.
        model_id: model of the embeddings.
        config: for manifest.roots and the limits of decoders, if a video has no thumbnails.
        folder: an existing folder.
    """
    queued = [QueuedPair(ReviewedPair(left, right, None, None)) for left, right in pairs]
    videos = illustrate_queue(queued, lake, model_id, config, folder)
    past = () if facts.is_blind else read_past_decisions(lake)
    return write_queue_page(facts, Queue(queued, videos, past), folder)


def illustrate_queue(
    queue: Sequence[QueuedPair], lake: Lake, model_id: str, config: Config, folder: Path
) -> dict[str, ReviewedVideo]:
    """Make the pictures of the first MAX_ILLUSTRATED_PAIRS pairs, and return the videos of all pairs by id."""
    named = {name for queued in queue for name in (*queued.pair.ids, queued.keeper_id) if name is not None}
    videos = read_videos(lake, named)
    illustrate_pairs([queued.pair for queued in queue[:MAX_ILLUSTRATED_PAIRS]], videos, lake, model_id, config, folder)
    return videos


def read_past_decisions(lake: Lake) -> list[PastDecision]:
    """Read the newest row of `decisions` about each two videos or one, withdrawals included, sorted by their ids."""
    lake.create(decisions.TABLE)
    rows = newest_decisions(lake.read("decisions")).select(
        "left_id",
        "right_id",
        F.when(~F.col("is_withdrawn"), F.col("verdict")).alias("verdict"),
        "decided_by",
        as_utc_text(F.col("decided_at")).alias("decided_at"),
        F.unix_millis("decided_at").alias("decided_millis"),
        "note",
    )
    return [PastDecision(**row.asDict()) for row in rows.sort("left_id", "right_id").collect()]
