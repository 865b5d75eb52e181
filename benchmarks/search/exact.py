"""Compares the exact plan on Spark with FAISS in one process on the same cores."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

sys.path.insert(0, str(Path(__file__).absolute().parents[2]))

from benchmarks.measure import print_table
from benchmarks.search.vectors import DIM, THRESHOLD, draw_vectors, start_bench_session, write_vectors

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_SIZES = (20_000, 50_000, 100_000)
_BATCH_ROWS = 4096
_GIGA = 1e9


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=_SIZES, help="numbers of vectors to measure")
    parser.add_argument("--cores", type=int, default=os.cpu_count(), help="cores of Spark and of FAISS")
    parser.add_argument("--alone", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.alone:
        search_alone(arguments.alone, arguments.cores)
        return
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        spark = start_bench_session(folder, arguments.cores)
        search_through_spark(spark, write_vectors(folder / "first", draw_vectors(2_000)))  # starts the Python workers
        for size in arguments.sizes:
            vectors = draw_vectors(size)
            np.save(folder / "vectors.npy", vectors)
            source = write_vectors(folder / str(size), vectors)
            del vectors
            seconds, count = search_through_spark(spark, source)
            output = subprocess.run(
                [sys.executable, __file__, "--alone", str(folder / "vectors.npy"), "--cores", str(arguments.cores)],
                check=True,
                capture_output=True,
                text=True,
            ).stdout.split()
            rows.append(report(size, seconds, count, float(output[0]), int(output[1])))
    headings = ("vectors", "Spark s", "FAISS s", "Spark GFLOP/s", "FAISS GFLOP/s", "rate / FAISS", "time / FAISS")
    print_table(f"exact plan, {DIM} dims, {arguments.cores} cores", headings, rows)


def search_through_spark(spark: SparkSession, source: str) -> tuple[float, int]:
    """Search a folder of Parquet files. Returns the seconds and the number of pairs."""
    from jobs.config.settings import PairsConfig
    from jobs.contracts.run import keep_on_executors
    from jobs.pairing.candidates import plan_search, search_candidates

    config = PairsConfig(plan="exact")
    started = time.monotonic()
    vectors = spark.read.parquet(source)
    plan = plan_search(vectors, config)
    count = search_candidates(vectors, THRESHOLD, config, plan, keep_on_executors).rows.count()
    return time.monotonic() - started, count


def search_alone(file: Path, num_cores: int) -> None:
    """Compare all vectors by the range search of FAISS. Prints the seconds and the number of pairs."""
    import faiss

    faiss.omp_set_num_threads(num_cores)
    vectors = np.load(file)
    index = faiss.IndexFlatIP(vectors.shape[1])
    started = time.monotonic()
    index.add(vectors)
    found = 0
    for begin in range(0, len(vectors), _BATCH_ROWS):
        found += int(index.range_search(vectors[begin : begin + _BATCH_ROWS], THRESHOLD)[0][-1])
    print(time.monotonic() - started, (found - len(vectors)) // 2)


def report(size: int, seconds: float, count: int, alone_seconds: float, alone_count: int) -> tuple[str, ...]:
    """Make a row of the table. Spark compares each pair of vectors once, FAISS twice."""
    rate = size**2 * DIM / seconds / _GIGA
    alone_rate = 2 * size**2 * DIM / alone_seconds / _GIGA
    if abs(count - alone_count) > 1e-4 * alone_count + 2:
        raise RuntimeError(f"Spark and FAISS must find the same pairs of {size} vectors, got {count} and {alone_count}")
    return (
        f"{size:,}",
        f"{seconds:.1f}",
        f"{alone_seconds:.1f}",
        f"{rate:.0f}",
        f"{alone_rate:.0f}",
        f"{rate / alone_rate:.2f}",
        f"{seconds / alone_seconds:.2f}",
    )


if __name__ == "__main__":
    main()
