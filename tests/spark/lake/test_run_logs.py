"""The logs of a run on a remote lake are copied into it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jobs.contracts.run_log import log
from jobs.lake.run_logs import RunLogs, logged
from jobs.lake.session import start_session

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import SparkSession

    from tests.support.object_store import ObjectStore


def test_the_logs_are_in_the_lake_also_after_a_failure(
    spark: SparkSession, object_store: ObjectStore, tmp_path: Path
) -> None:
    bucket = object_store.make_bucket()
    lake = f"s3a://{bucket}/lake"

    def fail() -> None:
        with logged(lake, tmp_path / "here", "night") as logs:
            logs.open_lake(start_session("ndvr tests", lake))
            log.info("described", num_videos=3)
            logs.summary.write_text("{}\n", encoding="utf-8")
            raise ZeroDivisionError

    del spark
    with pytest.raises(ZeroDivisionError):
        fail()
    object_store.download(bucket, "lake/_logs", tmp_path / "copy")
    assert {file.name for file in (tmp_path / "copy").iterdir()} == {"night.jsonl", "night.summary.json"}
    for file in (tmp_path / "copy").iterdir():
        assert file.read_text(encoding="utf-8") == (tmp_path / "here" / file.name).read_text(encoding="utf-8")
    assert '"num_videos": 3' in (tmp_path / "copy" / "night.jsonl").read_text(encoding="utf-8")


def test_logs_that_cannot_be_copied_stay_with_a_warning(
    spark: SparkSession, object_store: ObjectStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    del object_store
    logs = RunLogs("s3a://ndvr-nowhere/lake", tmp_path, "night")
    logs.events.write_text("{}\n", encoding="utf-8")
    logs.open_lake(spark)
    logs.copy_to_lake()
    printed = capsys.readouterr().err
    assert printed.startswith(
        f"warning: the logs could not be copied to s3a://ndvr-nowhere/lake/_logs; they are in {tmp_path}: "
    )
    assert "NoSuchBucket" in printed
    assert logs.events.exists()


def test_logs_of_a_local_lake_are_written_into_it_and_not_copied(tmp_path: Path) -> None:
    with logged(str(tmp_path / "lake"), None, "night") as logs:
        assert not logs.is_copied
    assert (tmp_path / "lake" / "_logs" / "night.jsonl").exists()
