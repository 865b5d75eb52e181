"""What two videos that share footage are to each other."""

COPY_COVERAGE = 0.8
"""Two videos are copies of one another when what they share is at least this part of either."""
COMMON_SHARE = 0.8
"""An overlap is common when at least this part of its seconds is what many other videos show too.

Not all of it: alignment may reach a second beyond an intro at either end.
"""


def name_relation(left_coverage: float, right_coverage: float) -> str:
    """Name the relation of two videos by the share of each that they have in common, in [0, 1].

    Returns:
        "copy" where it is `COPY_COVERAGE` or more of both, "contained" of one, "overlap" of neither.
    """
    num_covered = (left_coverage >= COPY_COVERAGE) + (right_coverage >= COPY_COVERAGE)
    return ("overlap", "contained", "copy")[num_covered]
