"""The driver has one session, and executors have none."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest
from pyspark.errors import AnalysisException

from jobs.lake.session import start_session

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def test_a_process_has_one_session(spark: SparkSession) -> None:
    assert start_session("another") is spark


def test_defaults_apply_unless_a_setting_was_given_at_the_start(spark: SparkSession) -> None:
    assert spark.conf.get("spark.sql.session.timeZone") == "UTC"
    assert spark.conf.get("spark.sql.execution.arrow.maxRecordsPerBatch") == "512"
    assert spark.conf.get("spark.databricks.delta.snapshotPartitions") == "1"
    assert spark.conf.get("spark.sql.shuffle.partitions") == "1"


def test_an_executor_cannot_start_a_session(spark: SparkSession) -> None:
    def ask(_: int) -> str:
        from jobs.lake.session import start_session

        try:
            start_session("on an executor")
        except RuntimeError as error:
            return str(error)
        return "got one"

    answer = spark.sparkContext.parallelize([0], 1).map(ask).first()
    assert answer == "start_session runs on the driver only; an executor has no session"


def test_the_error_of_a_query_is_raised_and_not_written_to_the_terminal(
    spark: SparkSession, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(AnalysisException, match="nowhere"):
        spark.sql("SELECT * FROM nowhere")
    assert capfd.readouterr() == ("", "")
    assert type(logging.getLogger("made after an error")) is logging.Logger
