"""The relation of two videos that share footage."""

COPY_COVERAGE = 0.8
"""Two videos are copies of each other if their shared footage is at least this share of the content of both."""
_DECIMALS = 2  # of a compared coverage: the times of sampled frames are no more exact
COMMON_SHARE = 0.8
"""An overlap is common if many other videos show at least this share of its seconds.

The share is below 1 because an alignment may extend a second beyond an intro at either end.
"""


def name_relation(
    left_coverage: float,
    right_coverage: float,
    left_content_seconds: float = 0.0,
    right_content_seconds: float = 0.0,
) -> str:
    """Name the relation of two videos by the share of the content of each that is shared footage, in [0, 1].

    No video is contained in one with less content. Such a video repeats or slows down a part of the other, so it is
    covered although the other is not. That is an overlap.

    Args:
        left_coverage: share of the content of the left video, compared in hundredths.
        right_coverage: share of the content of the right video.
        left_content_seconds: length of the content of the left video; equal lengths if they do not matter.
        right_content_seconds: length of the content of the right video.

    Returns:
        "copy" if both coverages are `COPY_COVERAGE` or more, whatever the lengths: a copy at another speed has another
        length. "contained" if one is, and the content of that video is not the longer one. Else "overlap".
    """
    is_left, is_right = (round(coverage, _DECIMALS) >= COPY_COVERAGE for coverage in (left_coverage, right_coverage))
    if is_left and is_right:
        return "copy"
    is_left_inner = is_left and left_content_seconds <= right_content_seconds
    is_right_inner = is_right and right_content_seconds <= left_content_seconds
    return "contained" if is_left_inner or is_right_inner else "overlap"
