"""Selects the videos that a person names by an SQL condition. Runs on the driver."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.errors import AnalysisException

from jobs.errors import UsageError, first_line
from jobs.lake.read_only import check_expression

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from jobs.lake.lake import Lake


def select_videos(lake: Lake, where: str) -> DataFrame:
    """Return the rows of `manifest` that are not removed and meet a condition.

    Args:
        lake: the lake.
        where: SQL condition on `manifest`, the value of `--where`.

    Raises:
        UsageError: the condition is not valid, or it may do more than read.
    """
    check_expression(lake.spark, where, "--where")
    try:
        return lake.read("manifest").where("removed_at IS NULL").where(where)
    except AnalysisException as error:  # a ParseException is one
        raise UsageError(
            f"--where {where!r} is not a valid condition on the manifest: {first_line(error.getMessage())}"
        ) from error
