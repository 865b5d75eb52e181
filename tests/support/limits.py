"""How long the tests wait for other processes.

The longest of them takes about a minute on two idle cores. The limit is far above ten times that, because a limit
that a busy machine exceeds fails tests without a fault. The limit of a whole test is in pyproject.toml.
"""

from __future__ import annotations

PROCESS_SECONDS = 1800.0
