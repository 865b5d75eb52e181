"""A lake, its manifest and its videos may be in an object store: the tables equal those of the same run on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from jobs.cli import app
from jobs.commands.command_line import run_command
from jobs.config.settings import Config
from jobs.engine.night import run_nightly
from jobs.errors import UsageError
from jobs.lake.location import absolute
from jobs.lake.session import start_session
from tests.support.lakes import NIGHT

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import SparkSession

    from tests.spark.conftest import Described
    from tests.support.object_store import ObjectStore

COMPARED = {
    "manifest": ("video_id",),
    "descriptors": ("video_id", "num_frames"),
    "embeddings": ("video_id", "segment_index"),
    "pairs": ("left_id", "right_id", "relation", "match_probability"),
    "clusters": ("video_id", "is_keeper"),
    "duplicates": ("video_id", "duplicate_of", "relation", "match_probability"),
}
COMMANDS = (
    ("sql", "SELECT count(*) FROM current_duplicates", "--lake", "{lake}", "--json"),
    ("quarantine", "--lake", "{lake}", "--json"),
    ("decide", "--lake", "{lake}", "{keeper}", "keep_this", "--by", "ann"),
    ("decide", "--lake", "{lake}", "--list"),
    ("why", "--lake", "{lake}", "{copy}", "{keeper}"),
    ("report", "--lake", "{lake}", "--out", "{folder}/report"),
    ("export-vectors", "--lake", "{lake}", "--to", "parquet", "--out", "{bucket}/vectors"),
    ("views", "--lake", "{lake}", "--print"),
    ("maintain", "--lake", "{lake}", "--log-dir", "{folder}/logs"),
    ("upgrade", "--lake", "{lake}"),
    ("backfill", "--lake", "{lake}", "--manifest", "{bucket}/manifest.csv", "--status"),
)
"""The commands that read or write a lake; `query` has another exit code."""


MAX_IDLE_REQUESTS = 480
"""Of a night that finds nothing to do. Half are listings of the logs of tables, one for each time a table is read."""


def read_compared(spark: SparkSession, lake: str) -> dict[str, list[tuple[Any, ...]]]:
    rows = {table: spark.read.format("delta").load(f"{lake}/{table}") for table in COMPARED}
    return {table: sorted(map(tuple, rows[table].select(*columns).collect())) for table, columns in COMPARED.items()}


@pytest.mark.slow
def test_a_night_in_a_store_leaves_the_tables_of_the_night_on_disk_and_every_command_reads_them(
    spark: SparkSession,
    object_store: ObjectStore,
    described: Described,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    name = object_store.make_bucket()
    object_store.upload(described.manifest.parent, name)
    bucket, lake = f"s3://{name}", f"s3://{name}/lake"
    run_nightly(
        absolute(f"{bucket}/manifest.csv"), absolute(lake), Config(**described.settings), NIGHT, log_dir=tmp_path
    )
    stored = read_compared(spark, absolute(lake))
    assert stored == read_compared(spark, str(described.lake))
    num_before = len(object_store.requests)
    run_nightly(
        absolute(f"{bucket}/manifest.csv"), absolute(lake), Config(**described.settings), NIGHT, log_dir=tmp_path
    )
    assert len(object_store.requests) - num_before <= MAX_IDLE_REQUESTS
    copy, keeper = next((row[0], row[1]) for row in stored["duplicates"] if row[2] == "copy")
    values = {"lake": lake, "bucket": bucket, "folder": tmp_path, "copy": copy, "keeper": keeper}
    for command in COMMANDS:
        assert run_command(app, [part.format(**values) for part in command]) == 0, capsys.readouterr().err
    manifest = spark.read.format("delta").load(f"{absolute(lake)}/manifest").select("video_id", "uri").collect()
    uri = {row["video_id"]: row["uri"] for row in manifest}[copy]
    assert run_command(app, ["query", uri, "--lake", lake, "--json"]) == 10


def test_a_bucket_that_does_not_exist_is_one_clear_error(spark: SparkSession, object_store: ObjectStore) -> None:
    del spark, object_store
    with pytest.raises(
        UsageError, match=r"cannot open 's3a://ndvr-nowhere/lake': the store has no such bucket; create"
    ):
        start_session("ndvr tests", "s3a://ndvr-nowhere/lake")
