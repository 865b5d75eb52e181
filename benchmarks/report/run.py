"""Measures `ndvr report` over 1,000 clusters, against drawing its pictures alone, without Spark.

The lake has the rows of a small lake many times, each time with other ids and other content hashes.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

sys.path.insert(0, str(Path(__file__).absolute().parents[2]))

from benchmarks.measure import REPOSITORY, print_table, run_nightly
from benchmarks.report.pictures import measure_pictures
from jobs.commands.open_lake import open_lake
from jobs.config.settings import Config
from jobs.contracts.describing import describe_settings
from jobs.pipeline import TABLES
from jobs.tables import runs
from tests.support.catalogue import make_catalogue
from udfs.illustrating.pictures import MAX_MATRIX_BYTES, MAX_STRIP_BYTES
from udfs.opening.roots import Roots

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame


LIMIT_SECONDS = 120.0
NUM_DRAWN_ALONE = 100
_IDS = ("video_id", "left_id", "right_id", "duplicate_of", "joined_by", "cluster_id")
_COPIED = ("manifest", "thumbnails", "descriptors", "embeddings", "pairs", "clusters", "duplicates")


def main() -> None:
    """Make the lake, time the report and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lake", type=Path, help="lake whose rows are copied; one of generated videos by default")
    parser.add_argument("--clusters", type=int, default=1000, help="clusters of the lake and of the report")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch).resolve()
        lake = folder / "lake"
        if arguments.lake:
            shutil.copytree(arguments.lake, lake)
        else:
            config = folder / "config.yaml"
            config.write_text("{}\n")
            run_nightly(make_catalogue(folder / "clips"), lake, config)
        num_clusters = multiply(lake, arguments.clusters)
        out = folder / "report"
        made, seconds = make_report(lake, out, num_clusters)
        pictures = list((out / "pictures").iterdir())
        num_bytes = sum(picture.stat().st_size for picture in pictures)
        settings = describe_settings(Config().describe, Roots.of())
        of_pair = measure_pictures(lake, min(made["num_pairs"], NUM_DRAWN_ALONE), settings)
        seconds_alone = of_pair * made["num_pairs"] / len(os.sched_getaffinity(0))
    print_table(
        f"a report over {num_clusters} clusters",
        ("figure", "value"),
        [
            ("pairs", str(made["num_pairs"])),
            ("seconds", f"{seconds:.1f}"),
            ("limit of seconds", f"{LIMIT_SECONDS:.0f}"),
            ("seconds of the pictures alone on all cores", f"{seconds_alone:.1f}"),
            ("ratio", f"{seconds / seconds_alone:.2f}"),
            ("kB per pair", f"{num_bytes / made['num_pairs'] / 1000:.1f}"),
            ("limit of kB", f"{(2 * MAX_STRIP_BYTES + MAX_MATRIX_BYTES) / 1000:.0f}"),
        ],
    )


def multiply(folder: Path, num_clusters: int) -> int:
    """Copy the rows of a lake until it has this number of clusters; return their number."""
    lake = open_lake(str(folder), Config().spark)
    have = lake.read("clusters").select("cluster_id").distinct().count()
    num_copies = -(-num_clusters // have)
    for table in TABLES:
        if table.name in _COPIED:
            rows = lake.read(table.name)
            lake.append(table, _copy(rows, num_copies))
            done = (F.col("stage") == table.name) & F.col("output_version").isNotNull()
            lake.update(runs.TABLE, done, {"output_version": F.lit(lake.version(table))})
    lake.spark.stop()
    return num_copies * have


def _copy(rows: DataFrame, num_copies: int) -> DataFrame:
    """Return the rows of all copies but the first, which is stored."""
    copies = rows.sparkSession.range(1, num_copies).withColumnRenamed("id", "copy")

    def rename(name: str) -> Column:
        numbered = F.concat_ws("-", F.col(name), F.col("copy"))
        if name == "content_sha256":
            return F.when(F.col(name).isNotNull(), F.sha2(numbered, 256))
        return F.when(F.col(name).isNotNull(), numbered) if name in _IDS else F.col(name)

    return rows.crossJoin(F.broadcast(copies)).select(*(rename(name).alias(name) for name in rows.columns))


def make_report(lake: Path, out: Path, num_clusters: int) -> tuple[dict[str, int], float]:
    """Run `ndvr report` as a process; return what it prints, and its seconds."""
    command = [sys.executable, "-m", "jobs.cli", "report", "--lake", str(lake), "--out", str(out), "--json"]
    started = time.monotonic()
    done = subprocess.run(
        [*command, "--clusters", str(num_clusters)], cwd=REPOSITORY, check=True, stdout=subprocess.PIPE, text=True
    )
    made: dict[str, int] = json.loads(done.stdout)
    return made, time.monotonic() - started


if __name__ == "__main__":
    main()
