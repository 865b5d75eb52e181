from __future__ import annotations

from datetime import UTC, datetime

import pytest
import tenacity
from pyspark.errors import PySparkException

from jobs.lake.commits import UPKEEP, Commit, is_conflict, retry_conflicts

NOW = datetime(2024, 5, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("operation", "metadata", "is_change"),
    [
        ("MERGE", '{"run_id": "a"}', True),
        ("WRITE", None, True),
        ("CREATE TABLE", None, True),
        ("ADD COLUMNS", None, True),
        ("DELETE", "by hand", True),
        ("DELETE", '["is_upkeep"]', True),
        ("DELETE", '{"is_upkeep": true}', False),
        ("OPTIMIZE", None, False),
        ("VACUUM END", None, False),
        ("ADD CONSTRAINT", None, False),
    ],
)
def test_only_some_commits_change_rows_that_a_run_reads(operation: str, metadata: str | None, is_change: bool) -> None:
    assert Commit(3, NOW, operation, metadata).changes_rows is is_change


def test_the_mark_of_upkeep_commits_is_stored_in_tables_and_cannot_change() -> None:
    assert UPKEEP == {"is_upkeep": True}


class Writer:
    """Conflicts a number of times, then succeeds."""

    def __init__(self, num_conflicts: int, message: str) -> None:
        self.num_left = num_conflicts
        self.message = message
        self.num_tries = 0

    def write(self) -> str:
        self.num_tries += 1
        if self.num_left:
            self.num_left -= 1
            raise PySparkException(self.message)
        return "written"


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tenacity.nap.time, "sleep", lambda _: None)


def test_a_write_that_conflicts_is_retried() -> None:
    writer = Writer(4, "[DELTA_CONCURRENT_APPEND.WITHOUT_HINT] ...")
    assert retry_conflicts(writer.write, "pairs") == "written"
    assert writer.num_tries == 5


def test_the_conflict_is_raised_after_ten_tries() -> None:
    writer = Writer(99, "[DELTA_CONCURRENT_DELETE_READ] ...")
    with pytest.raises(PySparkException, match="DELTA_CONCURRENT_DELETE_READ"):
        retry_conflicts(writer.write, "pairs")
    assert writer.num_tries == 10


def test_any_other_error_is_raised_immediately() -> None:
    writer = Writer(1, "[DELTA_VIOLATE_CONSTRAINT_WITH_VALUES] ...")
    with pytest.raises(PySparkException, match="DELTA_VIOLATE_CONSTRAINT"):
        retry_conflicts(writer.write, "pairs")
    assert writer.num_tries == 1
    assert not is_conflict(ValueError("no"))
