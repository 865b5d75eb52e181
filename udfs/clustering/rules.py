"""The rules of clusters, and the choice of the keeper by facts about its videos."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence


@dataclass(frozen=True)
class ClusterRules:
    """When videos stay in one cluster, and when two candidates for its keeper count as equal.

    Attributes:
        min_path_probability: in [0, 1]. A member without a pair with the keeper needs a path to it. The product of the
            probabilities on the path must reach this value. If pairs err independently, the product is the probability
            that the whole path is correct.
        max_hops: maximum number of pairs on such a path.
        min_bridge_probability: a single pair below this probability does not connect two groups of two or more videos.
        same_time_seconds: videos published within this time after the first count as published with it.
        same_size_ratio: this share of the largest number of pixels, or of the longest duration, counts as equal to it.
    """

    min_path_probability: float
    max_hops: int
    min_bridge_probability: float
    same_time_seconds: float
    same_size_ratio: float


@dataclass(frozen=True)
class KeeperFacts:
    """Facts about a video that decide its rank; None if unknown.

    Attributes:
        published_micros: microseconds since 1970, UTC.
        num_pixels: width times height.
        duration_seconds: of the file.
        kept_by: the reviewer who decided to keep it.
    """

    published_micros: float | None = None
    num_pixels: float | None = None
    duration_seconds: float | None = None
    kept_by: str | None = None


NO_FACTS = KeeperFacts()
_RULES = (
    "published first",
    "highest resolution of those published first",
    "longest of those published first in the highest resolution",
)
_LAST_RULE = "smallest video_id of those published first in the highest resolution"


def choose_keeper(videos: Iterable[int], facts: Sequence[KeeperFacts], rules: ClusterRules) -> tuple[int, str]:
    """Choose the keeper of a cluster, and return the reason.

    The rules are, in this order: a decision of a reviewer, first publication, most pixels, longest duration, smallest
    id. Each rule compares with the best of the remaining videos, so near ties do not chain. A video without a fact
    ranks after videos with it. The reason names the rule that left one video.

    Args:
        videos: numbers in the order of their video_ids, at least one.
        facts: facts about each video, by number.
        rules: tolerances for equality.
    """
    remaining = sorted(videos)
    decided = [video for video in remaining if facts[video].kept_by is not None]
    remaining = decided or remaining
    if len(remaining) == 1 and decided:
        return remaining[0], f"keep_this, decided by {facts[remaining[0]].kept_by}"
    steps: tuple[Callable[[Collection[int]], list[int]], ...] = (
        lambda remaining: _keep_first_published(remaining, facts, rules.same_time_seconds),
        lambda remaining: _keep_largest({video: facts[video].num_pixels for video in remaining}, rules.same_size_ratio),
        lambda remaining: _keep_largest(
            {video: facts[video].duration_seconds for video in remaining}, rules.same_size_ratio
        ),
    )
    for step, reason in zip(steps, _RULES, strict=True):
        remaining = step(remaining)
        if len(remaining) == 1:
            return remaining[0], reason
    return remaining[0], _LAST_RULE


def order_strictly(videos: Iterable[int], facts: Sequence[KeeperFacts]) -> list[int]:
    """Order videos by the rules of `choose_keeper` without tolerances: a total order."""

    def key(video: int) -> tuple[bool, bool, float, float, float, int]:
        video_facts = facts[video]
        published = video_facts.published_micros
        return (
            video_facts.kept_by is None,
            published is None,
            published or 0.0,
            -(video_facts.num_pixels or 0.0),
            -(video_facts.duration_seconds or 0.0),
            video,
        )

    return sorted(videos, key=key)


def _keep_first_published(videos: Collection[int], facts: Sequence[KeeperFacts], same_time_seconds: float) -> list[int]:
    """Return the videos published within the tolerance of the first; all if none has a date."""
    times = {video: time for video in videos if (time := facts[video].published_micros) is not None}
    if not times:
        return list(videos)
    latest = min(times.values()) + same_time_seconds * 1e6
    return [video for video, time in times.items() if time <= latest]


def _keep_largest(sizes: dict[int, float | None], same_size_ratio: float) -> list[int]:
    """Return the videos whose size is at least a share of the largest; all if none has a size."""
    with_size = {video: size for video, size in sizes.items() if size is not None}
    if not with_size:
        return list(sizes)
    min_size = max(with_size.values()) * same_size_ratio
    return [video for video, size in with_size.items() if size >= min_size]
