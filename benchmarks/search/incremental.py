"""Measures the search for the new vectors of one run among all earlier vectors, and compares the pairs with FAISS."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

sys.path.insert(0, str(Path(__file__).absolute().parents[2]))

from benchmarks.measure import print_table
from benchmarks.search.vectors import (
    DIM,
    THRESHOLD,
    draw_vectors,
    name_rows,
    start_bench_session,
    watch_memory,
    write_vectors,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

LIMIT_SECONDS = 120.0
_QUERIES = 2000


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--old", type=int, default=1_000_000, help="number of earlier vectors")
    parser.add_argument("--new", type=int, default=10_000, help="number of new vectors")
    parser.add_argument("--cores", type=int, default=os.cpu_count(), help="cores of Spark and of FAISS")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        vectors = draw_vectors(arguments.old + arguments.new)
        source = write_vectors(folder / "vectors", vectors, arguments.new)
        with watch_memory() as peak:
            seconds, found = search_through_spark(folder, source, arguments.cores)
        alone, is_same = check(vectors, found, arguments.new, arguments.cores)
    print_table(
        f"{arguments.new:,} new and {arguments.old:,} earlier vectors, {DIM} dims, {arguments.cores} cores",
        ("pairs", "Spark s", "/ 120 s", "FAISS s", "/ FAISS", "same pairs", "largest processes, GiB"),
        [
            (
                f"{len(found):,}",
                f"{seconds:.1f}",
                f"{seconds / LIMIT_SECONDS:.2f}",
                f"{alone:.1f}",
                f"{seconds / alone:.2f}",
                "yes" if is_same else "NO",
                str(peak),
            )
        ],
    )
    if not is_same:
        raise SystemExit("Spark and FAISS found different pairs for the sampled rows")


def search_through_spark(folder: Path, source: str, num_cores: int) -> tuple[float, set[tuple[str, str]]]:
    """Search a folder of Parquet files in a new session. Returns the seconds and the pairs."""
    from jobs.config.settings import PairsConfig
    from jobs.contracts.run import keep_on_executors
    from jobs.pairing.candidates import plan_search, search_candidates

    spark = start_bench_session(folder, num_cores)
    config = PairsConfig()
    started = time.monotonic()
    vectors = spark.read.parquet(source)
    plan = plan_search(vectors, config)
    found = search_candidates(vectors, THRESHOLD, config, plan, keep_on_executors).rows.toArrow()
    seconds = time.monotonic() - started
    if plan.name != "incremental":
        raise RuntimeError(f"the plan must be incremental, got {plan.name}: {plan.reason}")
    return seconds, set(zip(found.column("left_id").to_pylist(), found.column("right_id").to_pylist(), strict=True))


def check(
    vectors: NDArray[np.float32], found: set[tuple[str, str]], num_new: int, num_cores: int
) -> tuple[float, bool]:
    """Search some new rows with FAISS. Returns the seconds for all new rows, and whether the pairs are the same."""
    import faiss

    faiss.omp_set_num_threads(num_cores)
    first = len(vectors) - num_new
    queries = first + np.sort(np.random.default_rng(2).choice(num_new, min(_QUERIES, num_new), replace=False))
    index = faiss.IndexFlatIP(DIM)
    index.add(vectors)
    started = time.monotonic()
    limits, _, others = index.range_search(vectors[queries], THRESHOLD)
    seconds = (time.monotonic() - started) * num_new / len(queries)
    rows = np.repeat(queries, np.diff(limits).astype(np.int64))
    names = name_rows(len(vectors))
    sampled = {str(name) for name in names[queries]}
    expected = {(str(names[min(i, j)]), str(names[max(i, j)])) for i, j in zip(rows, others, strict=True) if i != j}
    found_of_sample = {pair for pair in found if pair[0] in sampled or pair[1] in sampled}
    return seconds, expected == found_of_sample


if __name__ == "__main__":
    main()
