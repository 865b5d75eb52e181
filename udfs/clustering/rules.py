"""The rules that clusters obey, and what is known of a video when its keeper is chosen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence


@dataclass(frozen=True)
class ClusterRules:
    """What holds a cluster together, and what counts as equal between two candidates for its keeper.

    Attributes:
        min_path_probability: a member without a pair with the keeper needs a path to it whose probabilities
            multiply to this, in [0, 1]: if the pairs err independently, the chance that all of the path is right.
        max_hops: pairs on such a path, at most.
        min_bridge_probability: a single pair less sure than this does not hold two groups of two or more together.
        same_time_seconds: a video published so soon after the first counts as published with it.
        same_size_ratio: this share of the most pixels, or of the longest duration, counts as equal to it.
    """

    min_path_probability: float
    max_hops: int
    min_bridge_probability: float
    same_time_seconds: float
    same_size_ratio: float


@dataclass(frozen=True)
class KeeperFacts:
    """What is known of a video; None where it is not.

    Attributes:
        published_micros: microseconds since 1970, UTC.
        num_pixels: width times height.
        duration_seconds: of the file.
        kept_by: who decided to keep it.
    """

    published_micros: float | None = None
    num_pixels: float | None = None
    duration_seconds: float | None = None
    kept_by: str | None = None


NOTHING_KNOWN = KeeperFacts()
_RULES = (
    "published first",
    "highest resolution of those published first",
    "longest of those published first in the highest resolution",
)
_LAST_RULE = "smallest video_id of those published first in the highest resolution"


def choose_keeper(videos: Iterable[int], facts: Sequence[KeeperFacts], rules: ClusterRules) -> tuple[int, str]:
    """Choose the video of a cluster that is kept, and say by which rule.

    A decision comes first; then who was published first, has the most pixels, lasts longest, has the smallest id. Each
    rule measures against the best of those still left, so near ties cannot chain; who lacks a fact comes after who has
    it. The reason names the rule that left one video.

    Args:
        videos: numbers in the order of their video_ids, at least one.
        facts: of each number.
        rules: what counts as equal.
    """
    left = sorted(videos)
    decided = [video for video in left if facts[video].kept_by is not None]
    left = decided or left
    if len(left) == 1 and decided:
        return left[0], f"keep_this, decided by {facts[left[0]].kept_by}"
    steps: tuple[Callable[[Collection[int]], list[int]], ...] = (
        lambda these: _first_published(these, facts, rules.same_time_seconds),
        lambda these: _largest({video: facts[video].num_pixels for video in these}, rules.same_size_ratio),
        lambda these: _largest({video: facts[video].duration_seconds for video in these}, rules.same_size_ratio),
    )
    for step, reason in zip(steps, _RULES, strict=True):
        left = step(left)
        if len(left) == 1:
            return left[0], reason
    return left[0], _LAST_RULE


def order_strictly(videos: Iterable[int], facts: Sequence[KeeperFacts]) -> list[int]:
    """Order videos by the same rules without any tolerance: a total order."""

    def key(video: int) -> tuple[bool, bool, float, float, float, int]:
        known = facts[video]
        published = known.published_micros
        return (
            known.kept_by is None,
            published is None,
            published or 0.0,
            -(known.num_pixels or 0.0),
            -(known.duration_seconds or 0.0),
            video,
        )

    return sorted(videos, key=key)


def _first_published(videos: Collection[int], facts: Sequence[KeeperFacts], same_time_seconds: float) -> list[int]:
    """Keep those published within the tolerance of the first; all where none has a date."""
    times = {video: time for video in videos if (time := facts[video].published_micros) is not None}
    if not times:
        return list(videos)
    latest = min(times.values()) + same_time_seconds * 1e6
    return [video for video, time in times.items() if time <= latest]


def _largest(sizes: dict[int, float | None], same_size_ratio: float) -> list[int]:
    """Keep those whose size is at least the given share of the largest; all where none has a size."""
    known = {video: size for video, size in sizes.items() if size is not None}
    if not known:
        return list(sizes)
    least = max(known.values()) * same_size_ratio
    return [video for video, size in known.items() if size >= least]
