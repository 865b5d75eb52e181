"""A lake, its manifest and its videos may be in an object store: the tables equal those of the same run on disk."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from pyspark.sql import functions as F

from jobs.cli import app
from jobs.commands.command_line import run_command
from jobs.commands.sql import print_query
from jobs.config.settings import Config
from jobs.engine.night import run_nightly
from jobs.errors import UsageError
from jobs.lake.location import absolute
from jobs.lake.session import start_session
from tests.support.lakes import NIGHT, TINY, run_night

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import SparkSession

    from tests.support.object_store import ObjectStore

COMPARED = {
    "manifest": "video_id",
    "descriptors": "video_id, num_frames",
    "embeddings": "video_id, segment_index",
    "pairs": "left_id, right_id, relation, match_probability",
    "clusters": "video_id, cluster_id, is_keeper",
    "duplicates": "video_id, duplicate_of, relation, match_probability",
}


def read_compared(spark: SparkSession, lake: str) -> dict[str, list[Any]]:
    return {
        table: sorted(
            map(tuple, spark.read.format("delta").load(f"{lake}/{table}").selectExpr(*columns.split(", ")).collect())
        )
        for table, columns in COMPARED.items()
    }


@pytest.fixture
def remote(object_store: ObjectStore, catalogue: Path) -> str:
    """Return the URI of a bucket that has the catalogue."""
    bucket = object_store.make_bucket()
    object_store.upload(catalogue.parent, bucket)
    return f"s3://{bucket}"


def test_a_night_in_a_store_leaves_the_tables_of_the_same_night_on_disk(
    spark: SparkSession, remote: str, catalogue: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Config(**TINY)
    lake = absolute(f"{remote}/lake")
    outcome = run_nightly(absolute(f"{remote}/manifest.csv"), lake, settings, NIGHT, log_dir=tmp_path / "logs")
    assert outcome.num_described > 0
    run_night(catalogue, tmp_path / "lake", TINY)
    stored = read_compared(spark, lake)
    assert stored == read_compared(spark, str(tmp_path / "lake"))
    assert stored["duplicates"]
    print_query("SELECT count(*) AS n FROM duplicates", lake, "json")
    assert json.loads(capsys.readouterr().out) == {"n": len(stored["duplicates"])}


def test_a_bucket_that_does_not_exist_is_one_clear_error(spark: SparkSession, object_store: ObjectStore) -> None:
    del spark, object_store
    with pytest.raises(
        UsageError, match=r"cannot open 's3a://ndvr-nowhere/lake': the store has no such bucket; create"
    ):
        start_session("ndvr tests", "s3a://ndvr-nowhere/lake")


COMMANDS = (
    ("sql", "SELECT count(*) FROM current_duplicates", "--lake", "{lake}", "--json"),
    ("quarantine", "--lake", "{lake}", "--json"),
    ("decide", "--lake", "{lake}", "{keeper}", "keep_this", "--by", "ann"),
    ("decide", "--lake", "{lake}", "--list"),
    ("why", "--lake", "{lake}", "{copy}", "{keeper}", "--config", "{config}"),
    ("report", "--lake", "{lake}", "--out", "{folder}/report", "--config", "{config}"),
    ("export-vectors", "--lake", "{lake}", "--to", "parquet", "--out", "{bucket}/vectors"),
    ("views", "--lake", "{lake}", "--print"),
    ("maintain", "--lake", "{lake}", "--log-dir", "{folder}/logs", "--config", "{config}"),
    ("upgrade", "--lake", "{lake}"),
    ("backfill", "--lake", "{lake}", "--manifest", "{bucket}/manifest.csv", "--status", "--config", "{config}"),
)
"""The commands that read or write a lake, besides those with a test of their own."""


def test_every_command_accepts_a_lake_in_a_store(
    spark: SparkSession, remote: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lake = f"{remote}/lake"
    run_nightly(absolute(f"{remote}/manifest.csv"), absolute(lake), Config(**TINY), NIGHT, log_dir=tmp_path / "logs")
    row = spark.read.format("delta").load(f"{absolute(lake)}/duplicates").where("relation = 'copy'").first()
    assert row is not None
    config = tmp_path / "ndvr.yaml"
    config.write_text(json.dumps(TINY), encoding="utf-8")
    values = {
        "lake": lake, "bucket": remote, "folder": tmp_path, "config": config,
        "copy": row["video_id"], "keeper": row["duplicate_of"],
    }  # fmt: skip
    codes = {
        " ".join(command[:1]): run_command(app, [part.format(**values) for part in command]) for command in COMMANDS
    }
    assert codes == dict.fromkeys(codes, 0), capsys.readouterr().err
    uri = (
        spark.read.format("delta")
        .load(f"{absolute(lake)}/manifest")
        .where(F.col("video_id") == row["video_id"])
        .first()
    )
    assert uri is not None
    assert run_command(app, ["query", uri["uri"], "--lake", lake, "--config", str(config), "--json"]) == 10
