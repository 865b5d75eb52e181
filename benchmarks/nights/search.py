"""Measures the search of nightly runs against catalogue size: seconds, bytes read, recall and memory, over cells.

Embeddings are drawn (benchmarks/search/vectors.py) and written to a real lake. The stages from `fingerprints` to the
candidates of `pairs` are those of the nightly job. Candidates are not verified.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import functions as F
from rich.console import Console

sys.path.insert(0, str(Path(__file__).absolute().parents[2]))

from benchmarks.measure import print_table
from benchmarks.search.vectors import draw_vectors, watch_memory
from jobs.config.settings import Config
from jobs.contracts.progress import Progress
from jobs.contracts.run import Run
from jobs.contracts.run_ids import make_run_id
from jobs.engine.run_stage import run_stage
from jobs.lake.lake import Lake
from jobs.lake.session import start_session
from jobs.lake.table_maintenance import measure_table, optimize_table
from jobs.pairing.finding import find_candidates
from jobs.pipeline import STAGES
from jobs.tables import embeddings, fingerprints, manifest, pairs, quarantine, runs, search_cells, segment_codes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from benchmarks.search.vectors import Peak

_DIM = 512
_BATCH_ROWS = 50_000
_RECALL_ROWS = 256
_FIRST_NIGHT = datetime(2024, 1, 1, 2, tzinfo=UTC)
_TABLES = (
    *(manifest.TABLE, quarantine.TABLE, embeddings.TABLE, fingerprints.TABLE),
    *(search_cells.TABLE, segment_codes.TABLE, pairs.TABLE, runs.TABLE),
)
_INPUTS = (
    *("manifest", "quarantine", "embeddings", "fingerprints", "search_cells", "segment_codes"),
    *("seen_embeddings", "pairs"),
)
_SEARCH_STAGES = tuple(stage for stage in STAGES if stage.name in {"fingerprints", "search_cells", "segment_codes"})


@dataclass(frozen=True)
class Night:
    """What a night's search cost.

    Attributes:
        what: kind of the night.
        num_stored: segments before it.
        num_new: segments that it added.
        seconds: by stage; `search` is the search alone.
        num_bytes: bytes that Spark read from files, by stage.
        num_pairs: number of candidates.
        recall: share of the exact pairs of a sample of new segments that it found.
        estimated: recall as the run estimates it.
        peak: memory of the largest process of each kind.
    """

    what: str
    num_stored: int
    num_new: int
    seconds: dict[str, float]
    num_bytes: dict[str, int]
    num_pairs: int
    recall: float | None
    estimated: float | None
    peak: Peak


def main() -> None:
    """Run the nights of each size, and print the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=(100_000, 1_000_000), help="stored segments")
    parser.add_argument("--nights", type=int, default=2, help="nights of 1 %% new segments")
    parser.add_argument("--new", type=int, default=1000, help="new segments of one more night, the same for all sizes")
    parser.add_argument("--segments", type=int, default=10, help="segments of a video")
    parser.add_argument("--similarity", type=float, default=0.6, help="value of pairs.min_candidate_similarity")
    parser.add_argument("--cores", type=int, default=os.cpu_count(), help="cores of Spark")
    arguments = parser.parse_args()
    similarity = {"min_candidate_similarity": arguments.similarity, "plan": "cells", "max_exact_teraflop": 1e-9}
    config = Config.model_validate({"pairs": similarity})
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        conf = {
            "spark.local.dir": str(folder / "local"),
            "spark.eventLog.enabled": "true",
            "spark.eventLog.dir": str(folder / "events"),
            "spark.eventLog.compress": "false",
            "spark.eventLog.rolling.enabled": "false",
            "spark.hadoop.parquet.hadoop.vectored.io.enabled": "false",  # Spark does not count bytes of vectored reads
        }
        (folder / "events").mkdir()
        log = folder / "spark.log"
        spark = start_session("ndvr bench", master=f"local[{arguments.cores}]", conf=conf, spark_log=log)
        nights = []
        for size in arguments.sizes:
            lake = Catalogue(Lake(spark, str(folder / f"lake-{size}")), folder, config, arguments.segments)
            nights += lake.run_nights(size, arguments.nights, arguments.new)
    report(nights, arguments.cores, arguments.similarity)


class Catalogue:
    """A lake with drawn embeddings that grows by a number of segments each night."""

    def __init__(self, lake: Lake, folder: Path, config: Config, num_segments: int) -> None:
        self._lake, self._folder, self._config, self._num_segments = lake, folder, config, num_segments
        self._events = BytesRead(folder / "events")
        self._vectors = np.empty((0, _DIM), np.float32)
        self._num_stored = self._number = 0

    def run_nights(self, size: int, num_nights: int, num_new: int) -> list[Night]:
        """Store and search `size` segments, then run the nights, then join all by the same cells once more."""
        hundredth = size // 100
        wanted = [size, *[hundredth] * num_nights, num_new]
        self._vectors = draw_vectors(sum(wanted), dim=_DIM)
        for table in _TABLES:
            self._lake.create(table)
        nights = [self._run_night("first", wanted[0])]
        optimize_table(self._lake, segment_codes.TABLE)
        nights += [self._run_night("1 %", count) for count in wanted[1:-1]]
        nights.append(self._run_night("fixed", wanted[-1]))
        nights.append(self._run_night("join", 0))
        size_bytes = measure_table(self._lake, segment_codes.TABLE).num_bytes
        print(f"segment_codes: {size_bytes / self._num_stored:.0f} bytes per segment", flush=True)
        return nights

    def _run_night(self, what: str, num_new: int) -> Night:
        """Add segments, run the stages of the search, and compare the result with an exact search of a sample."""
        started_at = _FIRST_NIGHT + timedelta(days=self._number)
        progress = Progress(self._lake.spark, Console(stderr=True))
        run = Run(make_run_id(started_at), started_at.date(), started_at, "/manifest.csv", self._config, progress)
        run = replace(run, checkpoint=partial(self._lake.checkpoint, run=run))
        seen = self._lake.version(embeddings.TABLE)
        num_stored, self._number = self._num_stored, self._number + 1
        self._add(num_new, run)
        seconds, num_bytes = {}, {}
        self._provide_seen(None if what in {"first", "join"} else seen)
        with watch_memory() as peak:
            for stage in _SEARCH_STAGES:
                self._events.start()
                seconds[stage.name] = run_stage(stage, self._lake, run).seconds
                num_bytes[stage.name] = self._events.read()
            started = time.monotonic()
            candidates = find_candidates({name: self._lake.read(name) for name in _INPUTS}, run)
            found = candidates.searched.rows.select("left_id", "right_id").toArrow()
            seconds["search"] = time.monotonic() - started
            num_bytes["search"] = self._events.read()
        recall = self._measure_recall(found, num_stored, num_new) if num_new else None
        self._lake.clear_staging(run)
        estimated = candidates.searched.search_recall
        night = Night(what, num_stored, num_new, seconds, num_bytes, found.num_rows, recall, estimated, peak)
        print(night, flush=True)
        return night

    def _provide_seen(self, version: int | None) -> None:
        """Provide the embeddings of a version as those that the last search saw, or none."""
        seen = None if version is None else self._lake.read_version(embeddings.TABLE, version)
        empty = self._lake.read("embeddings").limit(0)
        self._lake.provide("seen_embeddings", empty if seen is None else seen)

    def _add(self, count: int, run: Run) -> None:
        """Add videos to `embeddings` and `manifest`."""
        spark, begin = self._lake.spark, self._num_stored
        self._num_stored += count
        if not count:
            return
        folder = self._folder / f"drawn-{run.run_id}"
        folder.mkdir()
        for number, start in enumerate(range(begin, begin + count, _BATCH_ROWS)):
            end = min(start + _BATCH_ROWS, begin + count)
            pq.write_table(self._make_rows(start, end, run), folder / f"{number:05}.parquet", use_dictionary=False)
        rows = spark.read.schema(embeddings.TABLE.schema).parquet(str(folder))
        self._lake.append(embeddings.TABLE, rows, run)
        fields = manifest.TABLE.schema.fields
        columns = {field.name: F.lit(None).cast(field.dataType) for field in fields}
        columns |= {name: F.col(name) for name in ("video_id", "run_id")}
        columns["attributes"] = F.create_map().cast("map<string,string>")
        listed = rows.where("segment_index = 0").select(*[columns[field.name].alias(field.name) for field in fields])
        self._lake.append(manifest.TABLE, listed, run)

    def _name(self, rows: NDArray[np.int64]) -> NDArray[np.str_]:
        """Return the video_id of each row. A hash comes first, because ids of real catalogues are not in order."""
        numbers = rows // self._num_segments
        return np.char.add(np.char.mod("%04x", numbers * 40503 % 65536), np.char.mod("-%08d", numbers))

    def _make_rows(self, begin: int, end: int, run: Run) -> pa.Table:
        """Make rows of `embeddings` from drawn vectors."""
        rows = np.arange(begin, end)
        names = self._name(rows)
        index = (rows % self._num_segments).astype(np.int32)
        lists = pa.ListArray.from_arrays(
            pa.array(np.arange(len(rows) + 1, dtype=np.int32) * _DIM), pa.array(self._vectors[begin:end].ravel())
        )
        starts = np.where(index > 0, 2.0 * index, 0.0)
        columns = {
            "video_id": pa.array(names),
            "model_id": pa.array([run.model.model_id] * len(rows)),
            "segment_index": pa.array(index),
            "start_seconds": pa.array(starts),
            "end_seconds": pa.array(np.where(index > 0, starts + 4, 20.0)),
            "content_sha256": pa.array(np.char.add("sha-", names)),
            "run_id": pa.array([run.run_id] * len(rows)),
            "vector": lists,
        }
        return pa.table(columns)

    def _measure_recall(self, found: pa.Table, num_stored: int, num_new: int) -> float | None:
        """Return the share of the exact pairs of some new segments that were found."""
        rng = np.random.default_rng(1)
        queries = num_stored + np.sort(rng.choice(num_new, min(_RECALL_ROWS, num_new), replace=False))
        pairs_found = set(zip(found.column("left_id").to_pylist(), found.column("right_id").to_pylist(), strict=True))
        threshold = self._config.pairs.min_candidate_similarity
        expected = set()
        for begin in range(0, self._num_stored, _BATCH_ROWS):
            products = self._vectors[queries] @ self._vectors[begin : begin + _BATCH_ROWS][: self._num_stored - begin].T
            rows, others = np.nonzero(products >= threshold)
            for one, other in zip(self._name(queries[rows]), self._name(others + begin), strict=True):
                if one != other:
                    expected.add((min(one, other), max(one, other)))
        return len(expected & pairs_found) / len(expected) if expected else None


class BytesRead:
    """Counts the bytes that Spark's stages read from files, from its event log."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._position = 0

    def start(self) -> None:
        """Forget what was read so far."""
        self.read()

    def read(self) -> int:
        """Return the bytes that were read since the last call."""
        time.sleep(1)  # the listener that writes the log runs behind
        total = 0
        for line in self._lines():
            if '"SparkListenerStageCompleted"' in line:
                for value in json.loads(line)["Stage Info"].get("Accumulables", []):
                    if value.get("Name") == "internal.metrics.input.bytesRead":
                        total += int(value["Value"])
        return total

    def _lines(self) -> Iterator[str]:
        """Yield the complete lines that were written since the last call."""
        (file,) = self._folder.iterdir()
        with file.open("rb") as log:
            log.seek(self._position)
            for line in log:
                if not line.endswith(b"\n"):
                    return
                self._position += len(line)
                yield line.decode()


def report(nights: Sequence[Night], num_cores: int, similarity: float) -> None:
    """Print the nights, the ratio to the full join, and the exponents of the night with a fixed number of segments."""
    joins = {night.num_stored: night.seconds["search"] for night in nights if night.what == "join"}
    rows = []
    for night in nights:
        after = min(size for size in joins if size >= night.num_stored + night.num_new)
        total = sum(night.seconds.values())
        rows.append(
            (
                night.what,
                f"{night.num_stored:,}",
                f"{night.num_new:,}",
                f"{total:.1f}",
                f"{night.seconds['search']:.1f}",
                f"{total / joins[after]:.3f}",
                f"{sum(night.num_bytes.values()) / max(1, night.num_stored + night.num_new):.0f}",
                f"{night.num_bytes['search'] / max(1, night.num_stored + night.num_new):.0f}",
                f"{night.num_pairs:,}",
                "" if night.recall is None else f"{night.recall:.4f}",
                "" if night.estimated is None else f"{night.estimated:.4f}",
                str(night.peak),
            )
        )
    headings = (
        *("night", "stored", "new", "s", "search s", "/ join", "bytes per segment", "of the search"),
        *("pairs", "recall", "estimated", "largest processes, GiB"),
    )
    print_table(f"nights, {_DIM} dims, similarity {similarity:g}, {num_cores} cores", headings, rows)
    fixed = [night for night in nights if night.what == "fixed"]
    if len(fixed) > 1:
        sizes = np.log([night.num_stored for night in fixed])
        seconds = np.log([sum(night.seconds.values()) for night in fixed])
        print(f"a fixed number of new segments: exponent {np.polyfit(sizes, seconds, 1)[0]:.2f} (target: at most .6)")


if __name__ == "__main__":
    main()
