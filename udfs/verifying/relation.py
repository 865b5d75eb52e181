"""The relation of two videos that share footage."""

COPY_COVERAGE = 0.8
"""Two videos are copies of each other if their shared footage is at least this share of the content of both."""
COMMON_SHARE = 0.8
"""An overlap is common if many other videos show at least this share of its seconds.

The share is below 1 because an alignment may extend a second beyond an intro at either end.
"""


def name_relation(left_coverage: float, right_coverage: float) -> str:
    """Name the relation of two videos by the share of the content of each that is shared footage, in [0, 1].

    Returns:
        "copy" if both coverages are `COPY_COVERAGE` or more, "contained" if one is, "overlap" if neither is.
    """
    num_covered = (left_coverage >= COPY_COVERAGE) + (right_coverage >= COPY_COVERAGE)
    return ("overlap", "contained", "copy")[num_covered]
