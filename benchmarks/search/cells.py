"""Compares the cell join on Spark with the FAISS IVF index in one process, at the same recall."""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
    from pyspark.sql import SparkSession

_SIZES = (100_000, 300_000, 1_000_000, 3_000_000)
_QUERIES = 2000
_BATCH_ROWS = 4096
_TRAINING_ROWS_PER_LIST = 64
_MAX_PROBES = 64


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=_SIZES, help="numbers of vectors to measure")
    parser.add_argument("--cores", type=int, default=os.cpu_count(), help="cores of Spark and of FAISS")
    parser.add_argument("--probes", type=int, help="value of pairs.num_probes; chosen on a sample by default")
    parser.add_argument("--no-ivf", action="store_true", help="do not measure FAISS")
    parser.add_argument("--alone", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--recall", type=float, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.alone:
        print(json.dumps(search_alone(np.load(arguments.alone), arguments.recall, arguments.cores)))
        return
    results = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        spark = start_bench_session(folder, arguments.cores)
        search_through_spark(
            spark, write_vectors(folder / "first", draw_vectors(5_000)), None
        )  # starts the Python workers
        for size in arguments.sizes:
            result = measure_size(spark, folder, size, arguments.probes)
            if not arguments.no_ivf:
                command = [sys.executable, __file__, "--alone", str(folder / "vectors.npy")]
                command += ["--recall", str(result["recall"]), "--cores", str(arguments.cores)]
                output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
                result |= json.loads(output)
            results.append(result)
    report(results, arguments.cores)


def measure_size(spark: SparkSession, folder: Path, size: int, probes: int | None) -> dict[str, Any]:
    """Search one size on Spark, and compare the result with an exact search of some rows."""
    vectors = draw_vectors(size)
    source = write_vectors(folder / str(size), vectors)
    np.save(folder / "vectors.npy", vectors)
    truth = search_exactly(vectors)
    del vectors
    with watch_memory() as peak:
        found, seconds, estimated = search_through_spark(spark, source, probes)
    recall = len(truth & found) / len(truth)
    return {"size": size, "seconds": seconds, "recall": recall, "estimated": estimated, "peak": peak}


def search_through_spark(
    spark: SparkSession, source: str, probes: int | None
) -> tuple[set[tuple[str, str]], float, float | None]:
    """Search a folder of Parquet files by cells.

    Returns:
        The pairs, the seconds including the estimate of recall, and the estimated recall.
    """
    from jobs.config.settings import PairsConfig
    from jobs.contracts.run import keep_on_executors
    from jobs.pairing.candidates import plan_search, search_candidates

    config = PairsConfig(plan="cells", num_probes=probes)
    started = time.monotonic()
    vectors = spark.read.parquet(source)
    plan = plan_search(vectors, config)
    done = search_candidates(vectors, THRESHOLD, config, plan, keep_on_executors)
    seconds = time.monotonic() - started
    found = done.rows.toArrow()
    pairs = zip(found.column("left_id").to_pylist(), found.column("right_id").to_pylist(), strict=True)
    return set(pairs), seconds, done.recall


def choose_queries(size: int) -> NDArray[np.int64]:
    """Choose the rows on which recall is measured."""
    return np.sort(np.random.default_rng(1).choice(size, min(_QUERIES, size), replace=False))


def search_exactly(vectors: NDArray[np.float32]) -> set[tuple[str, str]]:
    """Find the pairs of some rows by comparing them with all rows."""
    import faiss

    index = faiss.IndexFlatIP(DIM)
    index.add(vectors)
    queries = choose_queries(len(vectors))
    limits, _, found = index.range_search(vectors[queries], THRESHOLD)
    rows = np.repeat(queries, np.diff(limits).astype(np.int64))
    names = name_rows(len(vectors))
    lower, upper = np.minimum(rows, found), np.maximum(rows, found)
    return {(str(names[i]), str(names[j])) for i, j in zip(lower, upper, strict=True) if i != j}


def search_alone(vectors: NDArray[np.float32], recall: float, num_cores: int) -> dict[str, Any]:
    """Train an IVF index of 4 sqrt(N) lists, add and search all vectors, with the fewest probes that reach a recall."""
    import faiss

    faiss.omp_set_num_threads(num_cores)
    num_lists = int(4 * math.sqrt(len(vectors)))
    started = time.monotonic()
    index = faiss.IndexIVFFlat(faiss.IndexFlatIP(DIM), DIM, num_lists, faiss.METRIC_INNER_PRODUCT)
    index.cp.max_points_per_centroid = _TRAINING_ROWS_PER_LIST
    index.train(vectors)
    index.add(vectors)
    built = time.monotonic() - started
    index.nprobe = _choose_probes(index, vectors, recall)
    started = time.monotonic()
    for begin in range(0, len(vectors), _BATCH_ROWS):
        index.range_search(vectors[begin : begin + _BATCH_ROWS], THRESHOLD)
    return {"alone": built + time.monotonic() - started, "probes": index.nprobe}


def _choose_probes(index: Any, vectors: NDArray[np.float32], recall: float) -> int:  # noqa: ANN401 -- faiss has no types
    """Return the fewest probes that find a share of the pairs of some rows. Either row of a pair may find it."""
    import faiss

    flat = faiss.IndexFlatIP(DIM)
    flat.add(vectors)
    queries = choose_queries(len(vectors))
    limits, _, others = flat.range_search(vectors[queries], THRESHOLD)
    rows = np.repeat(queries, np.diff(limits).astype(np.int64))
    one, other = rows[rows != others], others[rows != others]
    cells = index.quantizer.search(vectors, 1)[1][:, 0]
    probes = {row: index.quantizer.search(vectors[row : row + 1], _MAX_PROBES)[1][0] for row in {*one, *other}}
    for count in range(1, _MAX_PROBES):
        is_found = [
            cells[j] in probes[i][:count] or cells[i] in probes[j][:count] for i, j in zip(one, other, strict=True)
        ]
        if np.mean(is_found) >= recall:
            return count
    return _MAX_PROBES


def report(results: list[dict[str, Any]], num_cores: int) -> None:
    """Print the table and the growth exponent."""
    rows = []
    for result in results:
        ratio = f"{result['seconds'] / result['alone']:.2f}" if "alone" in result else ""
        estimated = "" if result["estimated"] is None else f"{result['estimated']:.4f}"
        rows.append(
            (
                f"{result['size']:,}",
                f"{result['seconds']:.0f}",
                f"{result.get('alone', math.nan):.0f}",
                ratio,
                str(result.get("probes", "")),
                f"{result['recall']:.4f}",
                estimated,
                str(result["peak"]),
            )
        )
    headings = ("vectors", "Spark s", "IVF s", "/ IVF", "probes", "recall", "estimated", "largest processes, GiB")
    print_table(f"cell join, {DIM} dims, {num_cores} cores", headings, rows)
    if len(results) > 1:
        sizes, seconds = (np.log([result[name] for result in results]) for name in ("size", "seconds"))
        print(f"growth exponent {np.polyfit(sizes, seconds, 1)[0]:.2f} (target: at most 1.25)")


if __name__ == "__main__":
    main()
