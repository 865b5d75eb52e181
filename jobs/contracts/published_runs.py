"""SQL over rows of the table `runs`: which runs are published, and which of them is the newest."""

from __future__ import annotations

IS_PUBLISHED = "stage = 'run' AND status = 'done'"
"""SQL condition: the run published its tables."""
NEWEST_RUN_ID = "max_by(run_id, struct(started_at, run_id))"
"""SQL aggregate: the run that started last."""
MODEL_IN_USE = "max_by(model_id, struct(started_at, run_id))"
"""SQL aggregate over published runs: the model of the run that started last. See `runs.find_model_in_use`."""
