"""Commits of a Delta table: whether one changed rows that a run reads, and retries of writes that conflict."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential

from jobs.contracts.run_log import log

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from tenacity import RetryCallState

    from jobs.lake.files import LakeFiles

_Result = TypeVar("_Result")

_COMMIT_FILES = "[0-9]" * 20 + ".json"

# Names from Delta's history. An added column is not in this list: the rows then have one value more.
_MAINTENANCE_OPERATIONS = frozenset(
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
USER_METADATA = "spark.databricks.delta.commitInfo.userMetadata"
"""The property whose text a commit records as `Commit.user_metadata`."""
UPKEEP = {"is_upkeep": True}
"""userMetadata of commits that delete only rows that no run of the current model reads."""
_NUM_TRIES = 10
_FIRST_WAIT_SECONDS = 0.2
_MAX_WAIT_SECONDS = 5.0
# Delta's Python classes for conflicts share no base class except PySpark's own, and some errors reach Python as Py4J's.
# While another run creates a table, its folder is not empty and is not yet a table.
_CONFLICTS = (
    "DELTA_CONCURRENT_",
    "DELTA_METADATA_CHANGED",
    "DELTA_CREATE_TABLE_WITH_NON_EMPTY_LOCATION",
    "DELTA_TABLE_NOT_FOUND",
    "io.delta.exceptions.",
)


@dataclass(frozen=True)
class Commit:
    """One entry of a table's history.

    Attributes:
        version: version number of the commit.
        timestamp: time of the commit, UTC.
        operation: Delta's name of the operation.
        user_metadata: text stored by the writer; JSON if the writer is ndvr.
        metrics: what the operation counted, by Delta's names, such as numTargetRowsInserted.
    """

    version: int
    timestamp: datetime
    operation: str
    user_metadata: str | None
    metrics: Mapping[str, str] = field(default_factory=dict)

    @property
    def changes_rows(self) -> bool:
        """Whether the commit changed rows that a run reads; maintenance does not."""
        if self.operation in _MAINTENANCE_OPERATIONS:
            return False
        try:
            metadata = json.loads(self.user_metadata or "{}")
        except ValueError:  # another writer's text
            return True
        return not (isinstance(metadata, dict) and metadata.get("is_upkeep") is True)


def read_commits(files: LakeFiles, table: str) -> Iterator[Commit]:
    """Yield the commits that the log of a table contains, newest first. Runs on: driver.

    This costs one listing, and the read of a file for each commit; `DeltaTable.history` runs a Spark job. As there, the
    time of a commit is that of its file. Source: "Delta Log Entries" and "Commit Provenance Information" of the Delta
    protocol.

    Args:
        files: of the lake.
        table: path or URI of the table.
    """
    for file in sorted(
        files.list_files(f"{table}/_delta_log", _COMMIT_FILES), key=lambda file: file.name, reverse=True
    ):
        provenance = _find_provenance(file.read_lines())
        yield Commit(
            int(file.name.partition(".")[0]),
            datetime.fromtimestamp(file.modified_seconds, UTC),
            provenance.get("operation", ""),
            provenance.get("userMetadata"),
            provenance.get("operationMetrics") or {},
        )


def _find_provenance(lines: Iterable[str]) -> dict[str, Any]:
    """Return the commitInfo among the actions of a commit, which usually comes first; empty without one."""
    actions = (json.loads(line) for line in lines)
    return next((action["commitInfo"] for action in actions if "commitInfo" in action), {})


def retry_conflicts(write: Callable[[], _Result], what: str) -> _Result:
    """Run a write, and repeat it while it conflicts with commits of other writers. Runs on: driver.

    Args:
        write: must read the table's current state on each call.
        what: name of the table, for the log.

    Raises:
        PySparkException, Py4JJavaError: the write failed for another reason, or the tenth try still conflicted.
    """

    def log_conflict(state: RetryCallState) -> None:
        log.info("commit conflict", what=what, attempt=state.attempt_number)

    retrying = Retrying(
        retry=retry_if_exception(_is_spark_conflict),
        stop=stop_after_attempt(_NUM_TRIES),
        wait=wait_exponential(multiplier=_FIRST_WAIT_SECONDS, max=_MAX_WAIT_SECONDS),
        before_sleep=log_conflict,
        reraise=True,
    )
    return retrying(write)


def _is_spark_conflict(error: BaseException) -> bool:
    """Return whether Spark raised the error and another writer's commit caused it."""
    return isinstance(error, PySparkException | Py4JJavaError) and is_conflict(error)


def is_conflict(error: Exception) -> bool:
    """Return whether a write failed because another writer committed first."""
    return any(sign in str(error) for sign in _CONFLICTS) or type(error).__module__.startswith("delta.exceptions")


def first_lines(error: Exception) -> str:
    """Return the message of a Spark error without its Java stack."""
    lines = str(error).splitlines()
    message = [line[line.find("[DELTA_") :].strip() for line in lines if "[DELTA_" in line or line.startswith(" - ")]
    return " ".join(message[:6]) or lines[0]
