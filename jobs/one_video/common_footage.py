"""Which matches of one video are footage that many unrelated videos show, as a night would call them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from udfs.verifying.relation import COMMON_SHARE

if TYPE_CHECKING:
    from jobs.one_video.answer import Match


def name_common(matches: list[Match], min_videos: int, min_probability: float) -> list[Match]:
    """Call the relation of a match `common`, not `overlap`, where so many other videos match the same seconds.

    The rule of `jobs.pairing.common_footage` for the one video in question. Videos of one cluster count once; a match
    below the threshold does not count.

    Args:
        matches: of one video.
        min_videos: `pairs.min_common_videos`.
        min_probability: of a match that counts.

    Returns:
        The same matches, in their order.
    """
    shown: defaultdict[int, set[str]] = defaultdict(set)
    overlaps = [m for m in matches if m.relation == "overlap" and m.match_probability >= min_probability]
    for match in overlaps:
        for second in _list_seconds(match):
            shown[second].add(match.keeper_id or match.video_id)
    is_common = {second for second, videos in shown.items() if len(videos) >= min_videos}
    common = {m.video_id for m in overlaps if _share(m, is_common) >= COMMON_SHARE}
    return [replace(match, relation="common") if match.video_id in common else match for match in matches]


def _list_seconds(match: Match) -> range:
    """List the whole seconds of the video in question that a match covers, at least one."""
    start = int(match.start_seconds + 0.5)  # as SQL rounds
    return range(start, max(start + 1, int(match.end_seconds + 0.5)))


def _share(match: Match, seconds: set[int]) -> float:
    """Return the share of a match's seconds that are among these."""
    covered = _list_seconds(match)
    return sum(second in seconds for second in covered) / len(covered)
