"""SQL over rows of the table `runs`: which runs are published, and which of them is the newest."""

from __future__ import annotations


def write_newest(value: str) -> str:
    """Return the SQL aggregate: a value of the run that started last; null without a run."""
    return f"max_by({value}, struct(started_at, run_id))"


IS_PUBLISHED = "stage = 'run' AND status = 'done'"
"""SQL condition: the run published its tables."""
NEWEST_RUN_ID = write_newest("run_id")
"""SQL aggregate: the run that started last."""
MODEL_IN_USE = write_newest("model_id")
"""SQL aggregate over published runs: the model of the run that started last. See `runs.find_model_in_use`."""
