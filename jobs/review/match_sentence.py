"""Says in one sentence how the footage of two videos agrees. Runs on the driver."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.review.formatting import format_clock
from udfs.clustering.containment import name_relation_to

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from jobs.review.report_data import ReviewedPair

    Segment = tuple[float, float, float, float]

_MIN_SPEED_CHANGE = 0.02  # slower or faster by less is the same speed, within the accuracy of the bounds
_MIN_START_SECONDS = 0.25  # an earlier start is the start of the video
_RELATIONS = {  # of the first video to the second
    "copy": "Each shows all of the other",
    "contained": "The second contains the first",
    "contains": "The first contains the second",
    "overlap": "They share a part",
    "common": "They share a part that many other videos have too",
}


def describe_match(pair: ReviewedPair) -> str:
    """Return what the two videos share: which pictures, in which order, how fast, and from which second.

    For example "Each shows all of the other: the same pictures in the same order, 0.8 times as fast in the second, from
    0:02 of the first." It is empty for a pair without a row of `pairs`.
    """
    if pair.row is None:
        return ""
    segments = pair.segments or [_enclosing_segment(pair.row)]
    how = [_describe_order(segments), _describe_speed(segments[0]), _describe_start(segments)]
    row = pair.row
    relation = name_relation_to(row["relation"], row["left_coverage"], row["right_coverage"])
    return f"{_RELATIONS[relation]}: {', '.join(text for text in how if text)}."


def measure_speed(segment: Segment) -> float:
    """Return how fast the second video shows the footage of a segment, as a multiple of the first one's speed."""
    left_start, left_end, right_start, right_end = segment
    left, right = left_end - left_start, right_end - right_start
    return left / right if left > 0 and right > 0 else 1.0


def _enclosing_segment(row: Mapping[str, Any]) -> Segment:
    bounds = (float(row[f"{side}_{end}_seconds"]) for side in ("left", "right") for end in ("start", "end"))
    return next(bounds), next(bounds), next(bounds), next(bounds)


def _describe_order(segments: Sequence[Segment]) -> str:
    """Return whether the pieces, in the order of the left video, follow each other in the right video too."""
    if len(segments) == 1:
        return "the same pictures in the same order"
    starts = [segment[2] for segment in sorted(segments)]
    order = "the same" if starts == sorted(starts) else "another"
    return f"the same pictures in {len(segments)} pieces, in {order} order"


def _describe_speed(segment: Segment) -> str:
    speed = measure_speed(segment)
    if abs(speed - 1) < _MIN_SPEED_CHANGE:
        return ""
    return f"{speed:.2g} times as fast in the second"


def _describe_start(segments: Sequence[Segment]) -> str:
    starts = [min(segment[side] for segment in segments) for side in (0, 2)]
    named = [
        f"{format_clock(start)} of the {name}"
        for name, start in zip(("first", "second"), starts, strict=True)
        if start >= _MIN_START_SECONDS
    ]
    return f"from {' and '.join(named)}" if named else "from the start"
