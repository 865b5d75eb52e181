"""Compares cells with exact search on the embeddings of a real lake, at the similarity of candidates.

`vectors.py` draws any number of vectors, but their copies are easy to find. A real lake has fewer vectors and harder
copies.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

sys.path.insert(0, str(Path(__file__).absolute().parents[2]))

from benchmarks.measure import print_table
from benchmarks.search.vectors import start_bench_session
from jobs.config.settings import PairsConfig
from jobs.contracts.run import keep_on_executors
from jobs.lake.lake import Lake
from jobs.pairing.candidates import plan_search, search_candidates

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_BANDS = (PairsConfig().min_candidate_similarity, 0.4, 0.6, 0.8, 1.001)


def main() -> None:
    """Search both ways, and print the recall of cells for each band of similarities."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lake", required=True, help="folder or URI of the lake")
    parser.add_argument("--cell-rows", type=int, default=64, help="value of pairs.cell_rows; small, for small lakes")
    parser.add_argument(
        "--probes",
        type=int,
        nargs="+",
        default=(1, 2, 4, 8),
        help="values of pairs.num_probes, in addition to the chosen one",
    )
    parser.add_argument("--cores", type=int, default=os.cpu_count(), help="cores of Spark")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        spark = start_bench_session(Path(scratch), arguments.cores)
        vectors = read_vectors(Lake(spark, arguments.lake)).cache()
        exact = search(vectors, PairsConfig(plan="exact"))
        rows = []
        for probes in (None, *arguments.probes):
            found = search(vectors, PairsConfig(plan="cells", num_probes=probes, cell_rows=arguments.cell_rows))
            rows.append((str(probes or "chosen"), *(format_recall(exact, found, *band) for band in pairwise(_BANDS))))
        num_vectors = vectors.count()
    headings = ("probes", *(f"{low:g} to {min(high, 1):g}" for low, high in pairwise(_BANDS)))
    print_table(f"share of the exact pairs that cells find, by similarity, {num_vectors:,} vectors", headings, rows)


def read_vectors(lake: Lake) -> DataFrame:
    """Return the embeddings of the model that has the most, as the search expects them."""
    rows = lake.read("embeddings")
    largest = rows.groupBy("model_id").count().orderBy(F.desc("count"), "model_id").first()
    if largest is None:
        sys.exit(f"no embeddings in {lake.root!r}")
    of_model = rows.where(F.col("model_id") == largest["model_id"])
    return of_model.select("video_id", "segment_index", "vector", F.lit(True).alias("is_unsearched"))


def search(vectors: DataFrame, config: PairsConfig) -> dict[tuple[str, str], float]:
    """Find candidates with the plan of a config: (left_id, right_id) -> cosine_similarity."""
    plan = replace(plan_search(vectors, config), name=str(config.plan))
    found = search_candidates(vectors, config.min_candidate_similarity, config, plan, keep_on_executors).rows
    return {(row["left_id"], row["right_id"]): row["cosine_similarity"] for row in found.collect()}


def format_recall(
    exact: dict[tuple[str, str], float], found: dict[tuple[str, str], float], low: float, high: float
) -> str:
    """Format the share of the pairs of a band that were found, and the number of pairs."""
    pairs = [pair for pair, similarity in exact.items() if low <= similarity < high]
    return f"{sum(pair in found for pair in pairs) / max(1, len(pairs)):.4f} of {len(pairs):,}"


if __name__ == "__main__":
    main()
