"""Separates matches of one video that many unrelated videos share (an intro) from footage that two share."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from udfs.verifying.common_overlaps import find_common_overlaps

if TYPE_CHECKING:
    from jobs.one_video.answer import Match


def mark_common_matches(matches: list[Match], min_videos: int, min_probability: float) -> list[Match]:
    """Set the relation of a match to `common`, not `overlap`, if many other videos match the same seconds.

    The rule is the nightly job's, `udfs.verifying.common_overlaps.find_common_overlaps`, applied to the video in
    question. Videos of one cluster count once. A match below the threshold does not count and keeps its relation.

    Args:
        matches: of one video.
        min_videos: `pairs.min_common_videos`.
        min_probability: of a match that counts.

    Returns:
        The same matches, in their order.
    """
    overlaps = [m for m in matches if m.relation == "overlap" and m.match_probability >= min_probability]
    is_common = find_common_overlaps(
        [match.start_seconds for match in overlaps],
        [match.end_seconds for match in overlaps],
        [match.keeper_id or match.video_id for match in overlaps],
        min_videos,
    )
    common = {match.video_id for match, found in zip(overlaps, is_common, strict=True) if found}
    return [replace(match, relation="common") if match.video_id in common else match for match in matches]
