"""Which part of a video is content: all but black or flat heads and tails, title cards and end cards."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from udfs.verifying.features import Segment

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Measured on frames of real clips: black and flat frames have a detail of at most .02, title cards .05 to .2, slides
# .25 to .4, and nearly all frames of natural footage more than .25.
_FLAT_DETAIL = 0.02
_MIN_DETAIL = 0.2
_MEDIAN_SHARE = 0.5
_MIN_FRAMES = 3


def find_content(details: NDArray[np.float32], seconds: NDArray[np.float64], duration_seconds: float) -> Segment:
    """Return the content of a video: from its first frame with enough detail to the end of its last one.

    A frame at the head or the tail is no content if its detail is below .2, and below half of the median detail of the
    video. So a video of slides or a dark video is all content. Flat frames do not count in the median, so that the
    result does not depend on how long a black head is. What is between two frames with enough detail is content.

    Fewer than three frames that are not flat are too few to say what the footage looks like: a dark video may have one
    bright frame. Then the whole video is content.

    Args:
        details: float32 (n,), n >= 0, in [0, 1], as `udfs.describing.thumbnails.measure_details` returns them.
        seconds: float64 (n,), ascending: when each frame appears.
        duration_seconds: of the video, >= 0.

    Returns:
        A part of [0, duration_seconds), not empty if the duration is positive. Runs on: executor, and the machine that
        checks one video.
    """
    whole = Segment(0.0, duration_seconds)
    not_flat = details[details > _FLAT_DETAIL]
    if len(not_flat) < _MIN_FRAMES:
        return whole
    min_detail = min(_MIN_DETAIL, _MEDIAN_SHARE * float(np.median(not_flat)))
    kept = np.flatnonzero(details >= min_detail)  # half of the frames that are not flat, or more
    first, last = kept[0], kept[-1]
    start = float(seconds[first]) if first else 0.0
    end = float(seconds[last + 1]) if last + 1 < len(seconds) else duration_seconds
    content = Segment(start, min(end, duration_seconds))
    return content if content.start_seconds < content.end_seconds else whole
