"""Shards of a catalogue: which videos are processed together, and in which order."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

NUM_BUCKETS = 256
"""Parts of a month, by Spark's xxhash64 of the video_id (seed 42, the same on every machine). The month and bucket of a
video never change when the catalogue grows."""


class Pending(NamedTuple):
    """Number of pending videos in a bucket of a month. `month` is "2024-05", or None for videos without a date."""

    month: str | None
    bucket: int
    num_videos: int


@dataclass(frozen=True)
class BackfillShard:
    """Videos of one month whose ids fall into neighbouring buckets.

    Attributes:
        month: "2024-05"; None for videos without a date.
        first_bucket: first of the buckets, in [0, NUM_BUCKETS).
        last_bucket: last of the buckets, inclusive.
        num_videos: pending videos of the shard.
    """

    month: str | None
    first_bucket: int
    last_bucket: int
    num_videos: int

    @property
    def name(self) -> str:
        """Name for logs and people."""
        return f"{self.month or 'undated'}/{self.first_bucket:02x}-{self.last_bucket:02x}"


def plan_shards(pending: Iterable[Pending], max_videos: int) -> list[BackfillShard]:
    """Group the pending videos into shards: the newest month first, videos without a date last.

    New videos are queried most, and uploads most often copy recent videos. Buckets are joined while a shard has at most
    `max_videos` videos; a bucket with more videos is a shard of its own.
    """
    ordered = sorted(pending, key=lambda p: p.bucket)
    ordered.sort(key=lambda p: p.month or "", reverse=True)
    return [shard for _, month in groupby(ordered, key=lambda p: p.month) for shard in _join(month, max_videos)]


def _join(month: Iterable[Pending], max_videos: int) -> Iterator[BackfillShard]:
    """Join the buckets of one month in order."""
    shard: BackfillShard | None = None
    for month_name, bucket, num_videos in month:
        if shard is not None and shard.num_videos + num_videos <= max_videos:
            shard = BackfillShard(month_name, shard.first_bucket, bucket, shard.num_videos + num_videos)
            continue
        if shard is not None:
            yield shard
        shard = BackfillShard(month_name, bucket, bucket, num_videos)
    if shard is not None:
        yield shard
