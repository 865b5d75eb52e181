"""The contract of each table holds in its DDL, on disk, and for every writer."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import functions as F

from jobs.cli import app
from jobs.clustering.decisions import make_decision
from jobs.commands.command_line import run_command
from jobs.commands.decide import record_decisions
from jobs.errors import ContractError
from jobs.lake.lake import Lake
from jobs.pipeline import TABLES
from jobs.tables import answers, attempts, estimates, manifest, pairs, samples, search_cells, segment_codes
from tests.support.lakes import make_run, read_rows, read_versions
from tests.support.written_lake import append_rows

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import SparkSession

    from jobs.contracts.table import Table
    from tests.spark.conftest import Described

by_name = pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)

REFUSED = (PySparkException, Py4JJavaError)  # PySpark does not convert some errors of Delta from Py4J

# table and check -> the change to a valid row that violates only this check
VIOLATIONS = {
    ("manifest", "video_id_is_not_empty"): {"video_id": "''"},
    ("thumbnails", "has_a_time_per_thumbnail"): {"frame_seconds": "CAST(array() AS ARRAY<DOUBLE>)"},
    ("thumbnails", "has_a_detail_per_thumbnail"): {"frame_details": "CAST(array() AS ARRAY<FLOAT>)"},
    ("descriptors", "size_is_positive"): {"size_bytes": "0"},
    ("descriptors", "duration_is_not_negative"): {"duration_seconds": "-0.1"},
    ("descriptors", "frame_is_not_empty"): {"height_px": "0"},
    ("descriptors", "has_frames"): {"frame_seconds": "CAST(array() AS ARRAY<DOUBLE>)"},
    ("quarantine", "attempts_is_not_negative"): {"attempts": "-1"},
    ("embeddings", "segment_has_length"): {"start_seconds": "end_seconds + 1"},
    ("embeddings", "has_vector"): {"vector": "CAST(array() AS ARRAY<FLOAT>)"},
    ("search_cells", "version_is_positive"): {"cells_version": "0"},
    ("search_cells", "recall_is_a_fraction"): {"sample_recall": "1.01"},
    ("segment_codes", "own_cell_is_first"): {"cell": "probe_cells[0] + 1"},
    ("segment_codes", "has_code"): {"code": "X''"},
    ("pairs", "ids_are_ordered"): {"left_id": "right_id"},
    ("pairs", "cosine_is_in_range"): {"cosine_similarity": "1.01"},
    ("pairs", "probability_is_in_range"): {"match_probability": "-0.01"},
    ("pairs", "relation_is_known"): {"relation": "'alike'"},
    ("pairs", "coverage_is_a_fraction"): {"right_coverage": "1.5"},
    ("duplicates", "is_not_its_own_duplicate"): {"duplicate_of": "video_id"},
    ("duplicates", "probability_is_in_range"): {"match_probability": "2"},
    ("duplicates", "relation_is_known"): {"relation": "'alike'"},
    ("cluster_events", "event_is_known"): {"event": "'moved'"},
    ("decisions", "verdict_is_known"): {"verdict": "'perhaps'"},
    ("decisions", "ids_are_ordered"): {"left_id": "right_id"},
    ("decisions", "is_signed"): {"decided_by": "''"},
    ("samples", "ids_are_ordered"): {"left_id": "right_id"},
    ("samples", "probability_is_in_range"): {"match_probability": "1.01"},
    ("samples", "stratum_has_pairs"): {"stratum_size": "0"},
    ("answers", "verdict_is_known"): {"verdict": "'perhaps'"},
    ("answers", "ids_are_ordered"): {"left_id": "right_id"},
    ("answers", "is_signed"): {"answered_by": "''"},
    ("estimates", "has_answers"): {"num_answers": "0"},
    ("runs", "status_is_known"): {"status": "'perhaps'"},
}


@pytest.fixture(scope="module")
def shared_copy(described: Described, tmp_path_factory: pytest.TempPathFactory, spark: SparkSession) -> Path:
    """Return a lake for the writes of this module, all rejected. It has rows of persons, because runs make none."""
    copy = shutil.copytree(described.lake, tmp_path_factory.mktemp("contracts") / "lake")
    lake = Lake(spark, str(copy))
    record_decisions(lake, [make_decision(["discs", "glow"], "not_duplicate")], "ann")
    pair = {"sample_id": "s", "left_id": "discs", "right_id": "glow", "stratum": "s", "stratum_size": 1.0}
    answer = {"verdict": "part", "answered_by": "ann"}
    for table, row in (
        (search_cells.TABLE, {}),
        (segment_codes.TABLE, {"code": b"\x01"}),
        (samples.TABLE, pair),
        (answers.TABLE, pair | answer),
        (estimates.TABLE, {"sample_id": "s", "num_answers": 1}),
    ):
        lake.create(table)
        append_rows(lake, table, [row])
    return copy


def stored_fields(lake: Path, table: Table) -> dict[str, dict[str, Any]]:
    schema = json.loads(DeltaTable(str(lake / table.name)).schema().to_json())
    return {field["name"]: field for field in schema["fields"]}


@pytest.mark.usefixtures("spark")
@pytest.mark.parametrize("table", [*TABLES, attempts.TABLE], ids=lambda table: table.name)
def test_the_ddl_comments_on_every_column(table: Table) -> None:
    assert [field.name for field in table.schema.fields if not field.metadata.get("comment")] == []


@pytest.mark.usefixtures("spark")
@by_name
def test_no_key_of_the_ddl_is_nullable(table: Table) -> None:
    fields = {field.name: field for field in table.schema.fields}
    assert [name for name in table.key if fields[name].nullable] == []


@by_name
def test_the_stored_columns_are_those_of_the_ddl_with_nullability_and_comments(table: Table, shared_copy: Path) -> None:
    stored = stored_fields(shared_copy, table)
    assert {name: (field["nullable"], field["metadata"]["comment"]) for name, field in stored.items()} == {
        field.name: (field.nullable, field.metadata["comment"]) for field in table.schema.fields
    }


@by_name
def test_the_stored_table_has_its_checks_and_grain(table: Table, shared_copy: Path) -> None:
    metadata = DeltaTable(str(shared_copy / table.name)).metadata()
    stored = {key: value for key, value in metadata.configuration.items() if key.startswith("delta.constraints.")}
    assert stored == {f"delta.constraints.{name}": expression for name, expression in table.checks.items()}
    assert metadata.description == table.grain


@by_name
def test_the_stored_table_is_clustered_as_it_declares(table: Table, shared_copy: Path, spark: SparkSession) -> None:
    detail = spark.sql(f"DESCRIBE DETAIL delta.`{shared_copy / table.name}`").first()
    assert detail is not None
    assert detail["clusteringColumns"] == list(table.clustering)


def test_every_check_has_a_violation_in_this_module() -> None:
    assert set(VIOLATIONS) == {(table.name, check) for table in TABLES for check in table.checks}


@pytest.mark.parametrize(("table", "check"), VIOLATIONS, ids=str)
def test_a_row_that_violates_a_check_is_rejected_for_every_writer(
    table: str, check: str, shared_copy: Path, spark: SparkSession
) -> None:
    stored = spark.read.format("delta").load(str(shared_copy / table))
    changes = VIOLATIONS[table, check]
    types = {field.name: field.dataType for field in stored.schema.fields}
    bad = stored.limit(1).withColumns({name: F.expr(new).cast(types[name]) for name, new in changes.items()})
    with pytest.raises(REFUSED, match=rf"DELTA_VIOLATE_CONSTRAINT.*{check}"):
        bad.write.format("delta").mode("append").save(str(shared_copy / table))


def test_a_null_in_a_key_is_rejected(shared_copy: Path, spark: SparkSession) -> None:
    stored = spark.read.format("delta").load(str(shared_copy / "clusters"))
    bad = stored.limit(1).withColumn("video_id", F.lit(None).cast("string"))
    with pytest.raises(REFUSED, match="DELTA_NOT_NULL_CONSTRAINT"):
        bad.write.format("delta").mode("append").save(str(shared_copy / "clusters"))


def test_merging_a_row_that_violates_a_check_is_a_contract_error(
    shared_copy: Path, described: Described, spark: SparkSession
) -> None:
    lake, run = Lake(spark, str(shared_copy)), make_run(spark, described.manifest, described.settings)
    rows = lake.read("pairs").withColumn("cosine_similarity", F.lit(3.0))
    before = read_versions(shared_copy)
    with pytest.raises(ContractError, match=r"table pairs: \[DELTA_VIOLATE_CONSTRAINT.* cosine_is_in_range"):
        lake.merge(pairs.TABLE, rows, run)
    assert read_versions(shared_copy) == before


def test_rows_are_checked_before_any_of_them_is_committed(shared_copy: Path, spark: SparkSession) -> None:
    lake = Lake(spark, str(shared_copy))
    stored = lake.read("pairs")
    assert lake.count_checked(pairs.TABLE, stored) == 5
    with pytest.raises(
        ContractError, match=r"table pairs: several rows have the same key \(left_id, right_id, model_id\)"
    ):
        lake.count_checked(pairs.TABLE, stored.unionByName(stored.withColumn("run_id", F.lit("other"))))
    with pytest.raises(ContractError, match=r"table pairs: 5 rows break the check relation_is_known \(relation IN"):
        lake.count_checked(pairs.TABLE, stored.withColumn("relation", F.lit(None).cast("string")))


def test_rows_with_other_columns_are_a_contract_error(
    shared_copy: Path, described: Described, spark: SparkSession
) -> None:
    lake, run = Lake(spark, str(shared_copy)), make_run(spark, described.manifest, described.settings)
    rows = lake.read("manifest").drop("owner_id").withColumn("uri", F.lit(1))
    with pytest.raises(
        ContractError, match=r"was built with columns .*: owner_id: missing, expected string; uri: int, expected string"
    ):
        lake.merge(manifest.TABLE, rows, run)


@pytest.mark.usefixtures("spark")
def test_the_exit_code_for_a_table_with_other_columns_on_disk_is_3(
    described: Described, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lake = tmp_path / "lake"
    write_deltalake(str(lake / "pairs"), pa.table({"left_id": ["a"], "colour": ["red"]}))
    assert run_command(app, ["nightly", "--manifest", str(described.manifest), "--lake", str(lake)]) == 3
    error = capsys.readouterr().err
    assert f"ndvr: table pairs at {lake}/pairs has columns that break its contract: " in error
    assert " colour: string, expected no column; " in error
    assert " right_id: missing, expected string; " in error
    assert read_versions(lake)["pairs"] == 0
    assert read_rows(lake, "duplicates") == []
