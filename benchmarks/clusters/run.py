"""Measures the clustering of many pairs: components by scipy, components by Spark, and complete clusters by Spark.

Each runs in a separate process. Its memory is the sampled peak of the resident memory of the process and its children.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).absolute().parents[2]))

from benchmarks.measure import REPOSITORY, print_table
from jobs.clustering.components import connected_components
from jobs.clustering.distributed_components import label_components
from jobs.clustering.links import cluster_links, make_links
from jobs.config.settings import ClustersConfig
from jobs.lake.session import start_session
from jobs.tables import decisions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pyspark.sql import DataFrame, SparkSession

_EXPONENT = 2.0  # of component sizes: most are pairs, the largest have at least a ten-thousandth of all videos
_EXTRA_EDGES = 0.5  # per edge of a spanning tree, in addition to it
_POLL_SECONDS = 0.1
_MIB = 2**20


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--edges", type=int, default=10_000_000, help="number of pairs")
    parser.add_argument("--driver-memory", default="4g", help="memory of the JVM")
    parser.add_argument("--child", choices=_CHILDREN, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(_CHILDREN[arguments.child](arguments.folder, arguments.driver_memory)))
        return
    with tempfile.TemporaryDirectory() as folder:
        num_nodes, largest = write_graph(Path(folder), arguments.edges)
        print(f"{arguments.edges} pairs, {num_nodes} videos, the largest component has {largest} videos")
        results = {name: run_child(name, Path(folder), arguments) for name in _CHILDREN}
    if results["scipy"]["digest"] != results["star"]["digest"]:
        sys.exit("scipy and Spark found different components: fix jobs/clustering before measuring")
    limit = results["scipy"]["seconds"]
    rows = [
        (_TITLES[name], f"{one['seconds']:.1f}", f"{one['seconds'] / limit:.1f}", f"{one['mib']:.0f}", one["found"])
        for name, one in results.items()
    ]
    print_table("clusters", ("", "seconds", "/ scipy alone", "peak MiB", "found"), rows)


def write_graph(folder: Path, num_edges: int, seed: int = 0) -> tuple[int, int]:
    """Write pairs in random order: components of Pareto-distributed sizes, with hubs.

    Returns:
        The number of videos, and the size of the largest component.
    """
    rng = np.random.default_rng(seed)
    num_tree_edges = int(num_edges / (1 + _EXTRA_EDGES))
    sizes = np.minimum(2 * (rng.pareto(_EXPONENT - 1, num_tree_edges) + 1), num_tree_edges / 100).astype(np.int64)
    sizes = sizes[: int(np.searchsorted(np.cumsum(sizes - 1), num_tree_edges))]
    starts = np.repeat(np.cumsum(sizes) - sizes, sizes)
    positions = np.arange(int(sizes.sum())) - starts
    nodes = np.flatnonzero(positions)
    chosen = np.concatenate([nodes, rng.choice(nodes, max(0, num_edges - len(nodes)))])
    # The square of a uniform number prefers early positions, which become hubs.
    ends = starts[chosen] + (positions[chosen] * rng.random(len(chosen)) ** 2).astype(np.int64)
    order = rng.permutation(len(chosen))
    names = rng.permutation(int(sizes.sum()))
    left, right = names[chosen[order]], names[ends[order]]
    ids = [pa.array(np.char.add("video-", np.char.zfill(np.minimum(left, right).astype(str), 9)))]
    ids.append(pa.array(np.char.add("video-", np.char.zfill(np.maximum(left, right).astype(str), 9))))
    probabilities = pa.array(np.round(rng.beta(20, 1, len(chosen)), 6))
    table = pa.table([*ids, probabilities], names=["left_id", "right_id", "match_probability"])
    pq.write_table(table, folder / "pairs.parquet", row_group_size=1 << 18)
    return int(sizes.sum()), int(sizes.max())


def run_child(name: str, folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Run one measurement in a process, and add its peak memory to its result."""
    command = [sys.executable, __file__, "--child", name, "--folder", str(folder)]
    command += ["--driver-memory", arguments.driver_memory]
    peak = 0
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as child:
        while child.poll() is None:
            peak = max(peak, sum(map(_resident_bytes, _tree(child.pid))))
            time.sleep(_POLL_SECONDS)
        out = child.stdout.read() if child.stdout else ""
    if child.returncode:
        sys.exit(f"{name} ended with exit status {child.returncode}")
    return json.loads(out.splitlines()[-1]) | {"mib": peak / _MIB}


def by_scipy(folder: Path, driver_memory: str) -> dict[str, Any]:
    """Find components in this process."""
    del driver_memory
    started = time.monotonic()
    ends = pq.read_table(folder / "pairs.parquet", columns=["left_id", "right_id"]).to_pandas()
    labels = connected_components(ends["left_id"].to_numpy(), ends["right_id"].to_numpy())
    seconds = time.monotonic() - started
    found = f"{len(set(labels.values()))} components"
    return {"seconds": seconds, "digest": digest(labels.items()), "found": found}


def by_star(folder: Path, driver_memory: str) -> dict[str, Any]:
    """Find components by large-star and small-star operations, with a checkpoint in each round."""
    spark = _start(folder, driver_memory)
    pairs = spark.read.parquet(str(folder / "pairs.parquet")).select("left_id", "right_id")
    started = time.monotonic()
    labels = _checkpoint(spark, folder)("labels", label_components(pairs, _checkpoint(spark, folder)))
    seconds = time.monotonic() - started
    rows = labels.toPandas()
    num_rounds = len(list(folder.glob("component_edges_*"))) - 1
    found = f"{rows['component'].nunique()} components, {num_rounds} rounds"
    pairs_of = zip(rows["video_id"], rows["component"], strict=True)
    return {"seconds": seconds, "digest": digest(pairs_of), "found": found}


def by_spark(folder: Path, driver_memory: str) -> dict[str, Any]:
    """Find components, split them and choose keepers: the work of the `clusters` stage before naming."""
    spark = _start(folder, driver_memory)
    pairs = spark.read.parquet(str(folder / "pairs.parquet")).dropDuplicates(["left_id", "right_id"])
    videos = spark.createDataFrame(
        [], "video_id STRING, published_micros DOUBLE, num_pixels DOUBLE, duration_seconds DOUBLE"
    )
    config = ClustersConfig(max_driver_pairs=1)
    checkpoint = _checkpoint(spark, folder)
    started = time.monotonic()
    links = checkpoint("links", make_links(pairs, spark.createDataFrame([], decisions.TABLE.schema), videos))
    members = checkpoint("members", cluster_links(links, config, checkpoint))
    seconds = time.monotonic() - started
    num_clusters = members.select("keeper_id").distinct().count()
    return {"seconds": seconds, "digest": "", "found": f"{num_clusters} clusters of {members.count()} videos"}


_CHILDREN = {"scipy": by_scipy, "star": by_star, "spark": by_spark}
_TITLES = {
    "scipy": "components, scipy in one process",
    "star": "components, large-star and small-star",
    "spark": "components and clusters by Spark",
}


def digest(labels: Iterable[tuple[str, str]]) -> str:
    """Return a hash of labels that does not depend on their order."""
    lines = sorted(f"{video_id} {label}" for video_id, label in labels)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _start(folder: Path, driver_memory: str) -> SparkSession:
    conf = {"spark.driver.memory": driver_memory, "spark.local.dir": str(folder / "local")}
    return start_session("ndvr clusters benchmark", conf=conf, spark_log=folder / "spark.log")


def _checkpoint(spark: SparkSession, folder: Path) -> Callable[[str, DataFrame], DataFrame]:
    """Make a checkpoint function that writes rows and reads them back, like the staging area of a lake."""

    def checkpoint(name: str, rows: DataFrame) -> DataFrame:
        rows.write.mode("overwrite").parquet(str(folder / name))
        return spark.read.schema(rows.schema).parquet(str(folder / name))

    return checkpoint


def _tree(pid: int) -> list[int]:
    """List a process and its descendants."""
    try:
        children = [
            int(one) for file in Path(f"/proc/{pid}/task").glob("*/children") for one in file.read_text().split()
        ]
    except OSError:
        children = []
    return [pid, *(descendant for child in children for descendant in _tree(child))]


def _resident_bytes(pid: int) -> int:
    """Return the resident memory of a process; 0 if it has ended."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


if __name__ == "__main__":
    main()
