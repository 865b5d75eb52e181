"""`ndvr upgrade`: a lake of an older version of ndvr is changed to match the contracts, or is not changed at all."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from deltalake import DeltaTable
from pyspark.sql import functions as F

from jobs.cli import app
from jobs.commands.command_line import run_command
from jobs.errors import ContractError
from jobs.lake.lake import Lake
from jobs.maintenance.schema_upgrade import apply_changes, find_changes
from jobs.tables import clusters, pairs, quarantine, runs, thumbnails
from tests.support.lakes import read_rows, read_versions
from tests.support.written_lake import SECOND, append_rows
from udfs.registering.look_batches import LOOK_COLUMNS

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import SparkSession

    from jobs.contracts.table import Table

TABLES = (clusters.TABLE, pairs.TABLE, quarantine.TABLE, runs.TABLE)
# Columns that the first version of the table did not have.
OLD_RUNS = ("search_plan", "search_recall", "unseen_pairs")


@pytest.fixture
def lake(written_lake: Path, spark: SparkSession, tmp_path: Path) -> Lake:
    return Lake(spark, str(shutil.copytree(written_lake, tmp_path / "lake")))


def write_old(lake: Lake, table: Table, without: tuple[str, ...]) -> None:
    """Rewrite a table without some columns, and without comments, checks, statistics and clustering."""
    rows = lake.read(table.name).drop(*without).collect()
    fields = [field for field in table.schema.fields if field.name not in without]
    shutil.rmtree(lake.path(table.name))
    ddl = ", ".join(f"{f.name} {f.dataType.simpleString()}{'' if f.nullable else ' NOT NULL'}" for f in fields)
    lake.spark.sql(f"CREATE TABLE delta.`{lake.path(table.name)}` ({ddl}) USING delta")
    schema = lake.spark.read.format("delta").load(lake.path(table.name)).schema
    lake.spark.createDataFrame(rows, schema).write.format("delta").mode("append").save(lake.path(table.name))


def read_contract(folder: Path, table: str) -> dict[str, Any]:
    stored = DeltaTable(str(folder / table))
    metadata = stored.metadata()
    fields = json.loads(stored.schema().to_json())["fields"]
    return {
        "fields": fields,
        "comment": metadata.description,
        "properties": {key: "".join(value.split()) for key, value in metadata.configuration.items()},
    }


@pytest.mark.slow
def test_an_old_schema_is_upgraded_once_and_keeps_its_rows(
    lake: Lake, written_lake: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_old(lake, runs.TABLE, OLD_RUNS)
    table = f"delta.`{lake.path('quarantine')}`"
    lake.spark.sql(f"ALTER TABLE {table} DROP CONSTRAINT attempts_is_not_negative")
    lake.spark.sql(f"ALTER TABLE {table} ADD CONSTRAINT attempts_is_positive CHECK (attempts > 0)")
    for column in ("cluster_id", "joined_by"):
        lake.spark.sql(f"ALTER TABLE delta.`{lake.path('clusters')}` ALTER COLUMN {column} COMMENT 'it''s old'")
    with pytest.raises(ContractError, match=r"search_plan: missing, expected string; .*; run `ndvr upgrade`"):
        lake.create(runs.TABLE)
    before = read_versions(tmp_path / "lake")
    assert run_command(app, ["upgrade", "--lake", lake.root, "--dry-run", "--json"]) == 0
    planned = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert read_versions(tmp_path / "lake") == before
    what = {(change["table"], change["what"]) for change in planned}
    assert ("runs", "add the column search_plan, null in all rows") in what
    assert ("runs", "cluster by run_id, stage") in what
    assert {w for t, w in what if t == "quarantine"} == {
        "drop the check attempts_is_positive",
        "add the check attempts_is_not_negative",
    }
    assert {w for t, w in what if t == "clusters"} == {"comments on cluster_id, joined_by"}
    assert {t for t, _ in what} == {"runs", "quarantine", "clusters"}

    assert run_command(app, ["upgrade", "--lake", lake.root]) == 0
    assert "add the column search_plan, null in all rows" in capsys.readouterr().out
    assert read_versions(tmp_path / "lake")["clusters"] == before["clusters"] + 1
    for name in ("runs", "quarantine", "clusters"):
        assert read_contract(tmp_path / "lake", name) == read_contract(written_lake, name)
    old, new = read_rows(written_lake, "runs"), read_rows(tmp_path / "lake", "runs")
    assert new == [row | dict.fromkeys(OLD_RUNS) for row in old]
    lake.create(runs.TABLE)
    append_rows(lake, runs.TABLE, [{"run_id": SECOND, "stage": "clusters", "status": "done", "search_plan": "exact"}])

    before = read_versions(tmp_path / "lake")
    assert run_command(app, ["upgrade", "--lake", lake.root]) == 0
    assert capsys.readouterr().out == "nothing differs\n"
    assert read_versions(tmp_path / "lake") == before


def test_a_difference_that_no_statement_can_fix_exits_with_3_and_changes_nothing(
    lake: Lake, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_old(lake, clusters.TABLE, ("keeper_reason", "joined_by"))
    write_old(lake, runs.TABLE, ("status",))
    before = read_versions(tmp_path / "lake")
    assert run_command(app, ["upgrade", "--lake", lake.root]) == 3
    assert capsys.readouterr().err == (
        "ndvr: these tables cannot be upgraded:\n"
        f"  table clusters at {lake.root}/clusters: keeper_reason is missing and NOT NULL, so stored rows would "
        "have no value; move the table away; the next run rebuilds it\n"
        f"  table runs at {lake.root}/runs: status is missing and NOT NULL, so stored rows would have no value; "
        "its rows cannot be rebuilt: copy them into a table of the new schema\n"
    )
    assert read_versions(tmp_path / "lake") == before


def test_a_lake_of_a_version_without_thumbnails_gains_columns_of_pairs_and_reads_no_thumbnails(lake: Lake) -> None:
    """The next run creates the table. Until then `ndvr calibrate` and `ndvr compare-models` find no thumbnails."""
    rows = lake.read("pairs").count()
    write_old(lake, pairs.TABLE, LOOK_COLUMNS)
    shutil.rmtree(lake.path("thumbnails"))
    assert thumbnails.read_stored(lake).count() == 0
    changes = find_changes(lake, (pairs.TABLE, thumbnails.TABLE))
    assert {change.table for change in changes} == {"pairs"}
    apply_changes(lake, changes)
    upgraded = lake.read("pairs")
    assert upgraded.columns == [field.name for field in pairs.TABLE.schema.fields]
    assert upgraded.where("place_agreement IS NULL AND left_region IS NULL").count() == rows
    lake.create(thumbnails.TABLE)
    assert thumbnails.read_stored(lake).count() == lake.read("thumbnails").count() == 0


def test_rows_that_break_a_check_of_this_version_are_an_error(lake: Lake) -> None:
    table = f"delta.`{lake.path('pairs')}`"
    lake.spark.sql(f"ALTER TABLE {table} DROP CONSTRAINT relation_is_known")
    lake.update(pairs.TABLE, F.col("left_id") == "rome", {"relation": F.lit("alike")})
    with pytest.raises(
        ContractError, match=r"table pairs: .*violate the new CHECK constraint .*fix or delete those rows and run"
    ):
        apply_changes(lake, find_changes(lake, TABLES))
