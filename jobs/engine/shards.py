"""Shards of a catalogue: which videos are worked off together, and in which order."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

NUM_BUCKETS = 256
"""Parts of a month, by Spark's xxhash64 of the video_id (seed 42, the same on every machine): a video's month and
bucket never change, however the catalogue grows."""


class Pending(NamedTuple):
    """How many videos of a month's bucket are to be done. `month` is "2024-05"; None for videos without a date."""

    month: str | None
    bucket: int
    num_videos: int


@dataclass(frozen=True)
class BackfillShard:
    """Videos published in one month whose ids fall into neighbouring buckets.

    Attributes:
        month: "2024-05"; None for videos without a date.
        first_bucket: of `NUM_BUCKETS`.
        last_bucket: likewise; it belongs to the shard.
        num_videos: that are to be done.
    """

    month: str | None
    first_bucket: int
    last_bucket: int
    num_videos: int

    @property
    def name(self) -> str:
        """For logs and people."""
        return f"{self.month or 'undated'}/{self.first_bucket:02x}-{self.last_bucket:02x}"


def plan_shards(pending: Iterable[Pending], max_videos: int) -> list[BackfillShard]:
    """Put what is to be done into shards: the newest month first, videos without a date last.

    New videos are asked for most, and what is uploaded tonight most often copies what is new. Buckets are joined while
    a shard has at most `max_videos` videos; one that has more by itself is a shard of its own.
    """
    ordered = sorted(pending, key=lambda p: p.bucket)
    ordered.sort(key=lambda p: p.month or "", reverse=True)
    return [shard for _, month in groupby(ordered, key=lambda p: p.month) for shard in _join(month, max_videos)]


def _join(month: Iterable[Pending], max_videos: int) -> Iterator[BackfillShard]:
    """Join the buckets of one month, in their order."""
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
