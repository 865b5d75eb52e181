"""Executors describe videos in batches, and each batch is stored, so that an interrupted training resumes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from pyspark.errors import AnalysisException

from jobs.lake.readers import literal_reader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pandas as pd
    from pyspark.resource import ResourceProfile
    from pyspark.sql import SparkSession

_VIDEOS_PER_BATCH = 256  # per write; at most this many are lost when the process is killed
_VIDEOS_PER_TASK = 8


@dataclass(frozen=True)
class StoredBatches:
    """A folder of Parquet files with descriptions of videos. The first column is the id of the video.

    Attributes:
        path: the folder.
        request_ddl: columns of the videos to describe; the first is the id.
        describe: maps data frames of these columns to those of `ddl` on executors. It calls `count_done`, a keyword,
            with 1 after each video.
        ddl: columns of the descriptions.
        profile: resources of a task.
    """

    path: str
    request_ddl: str
    describe: Callable[..., Iterator[pd.DataFrame]]
    ddl: str
    profile: ResourceProfile | None

    def add_missing(
        self, spark: SparkSession, requests: Sequence[tuple[Any, ...]], on_progress: Callable[[int, int], None]
    ) -> None:
        """Describe the videos that the folder does not have yet, and store them. Runs on: driver, executors.

        Args:
            spark: session.
            requests: the values of `request_ddl` of each video.
            on_progress: called with (videos done, number of all videos).
        """
        done = self._read_done(spark)
        missing = [request for request in requests if request[0] not in done]
        on_progress(len(requests) - len(missing), len(requests))
        counter = spark.sparkContext.accumulator(0)
        describe = partial(self.describe, count_done=counter.add)
        for begin in range(0, len(missing), _VIDEOS_PER_BATCH):
            batch = missing[begin : begin + _VIDEOS_PER_BATCH]
            rows = spark.createDataFrame(batch, self.request_ddl).repartition(-(-len(batch) // _VIDEOS_PER_TASK))
            described = rows.mapInPandas(describe, self.ddl, profile=self.profile)
            described.write.mode("append").parquet(self.path)
            on_progress(len(requests) - len(missing) + begin + len(batch), len(requests))

    def _read_done(self, spark: SparkSession) -> set[str]:
        """Return the ids of the videos whose descriptions are stored."""
        try:
            stored = literal_reader(spark).parquet(self.path)
        except AnalysisException:
            return set()
        return {row[0] for row in stored.select(stored.columns[0]).distinct().collect()}
