"""The rule of which videos in quarantine a run does not try."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

if TYPE_CHECKING:
    from pyspark.sql import Column

    from jobs.contracts.run import Run


def is_waiting(run: Run) -> Column:
    """Return the condition on rows of `quarantine` that a run does not try. Runs on: driver.

    A video waits until `next_retry_at`. It is not tried again if `next_retry_at` is null, or if this run has already
    tried it, however short the wait.
    """
    next_retry_at = F.col("next_retry_at")
    return next_retry_at.isNull() | (next_retry_at > F.lit(run.started_at)) | (F.col("run_id") == run.run_id)
