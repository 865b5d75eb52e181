"""What the commits of a Delta table mean: whether they changed rows that a night reads, and whether two met."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException

from jobs.contracts.run_log import log

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

_Result = TypeVar("_Result")

# As Delta's history names them; a column that is added is no such change: the rows have one value more.
_TIDYING_OPERATIONS = frozenset(
    {
        "ADD CONSTRAINT",
        "CHANGE COLUMN",
        "CLUSTER BY",
        "DROP CONSTRAINT",
        "OPTIMIZE",
        "REORG",
        "SET TBLPROPERTIES",
        "UNSET TBLPROPERTIES",
        "UPDATE TABLE PROPERTIES",
        "UPGRADE PROTOCOL",
        "VACUUM END",
        "VACUUM START",
    }
)
UPKEEP = {"is_upkeep": True}
"""userMetadata of commits that delete only what no run of the model in use reads."""
_NUM_TRIES = 10
_MAX_WAIT_SECONDS = 5.0
# Delta's Python classes for conflicts have no base in common but PySpark's own, and some errors reach Python as Py4J's.
# A table that another is just making is a folder that holds something, and no table yet.
_CONFLICTS = (
    "DELTA_CONCURRENT_",
    "DELTA_METADATA_CHANGED",
    "DELTA_CREATE_TABLE_WITH_NON_EMPTY_LOCATION",
    "DELTA_TABLE_NOT_FOUND",
    "io.delta.exceptions.",
)


@dataclass(frozen=True)
class Commit:
    """A line of a table's history.

    Attributes:
        version: its number.
        timestamp: when it was committed; naive, in the session's time zone.
        operation: as Delta names it.
        user_metadata: what the writer says of it, JSON where the writer is ndvr.
    """

    version: int
    timestamp: datetime
    operation: str
    user_metadata: str | None

    @property
    def changes_rows(self) -> bool:
        """Whether it changed rows that a night reads; maintenance does not."""
        if self.operation in _TIDYING_OPERATIONS:
            return False
        try:
            metadata = json.loads(self.user_metadata or "{}")
        except ValueError:  # someone else's
            return True
        return not (isinstance(metadata, dict) and metadata.get("is_upkeep") is True)


def retry_conflicts(write: Callable[[], _Result], what: str) -> _Result:
    """Run a write again when another's commit came first; it must look at the table anew each time. Runs on: driver.

    Raises:
        PySparkException, Py4JJavaError: of the write, or that of the last conflict after ten tries.
    """
    for attempt in range(1, _NUM_TRIES):
        try:
            return write()
        except (PySparkException, Py4JJavaError) as error:
            if not is_conflict(error):
                raise
            log.info("commit met another's", what=what, attempt=attempt)
            time.sleep(min(_MAX_WAIT_SECONDS, 0.1 * 2**attempt))
    return write()


def is_conflict(error: Exception) -> bool:
    """Tell whether a write failed because another was committed meanwhile."""
    return any(sign in str(error) for sign in _CONFLICTS) or type(error).__module__.startswith("delta.exceptions")


def first_lines(error: Exception) -> str:
    """Return what a Spark error says, without its Java stack."""
    lines = str(error).splitlines()
    told = [line[line.find("[DELTA_") :].strip() for line in lines if "[DELTA_" in line or line.startswith(" - ")]
    return " ".join(told[:6]) or lines[0]
