"""The time that tests wait for other processes.

The longest process takes about a minute on two idle cores. The limit is far more than ten times that, so that a busy
machine does not fail tests. The limit of a whole test is in pyproject.toml.
"""

from __future__ import annotations

PROCESS_SECONDS = 1800.0
