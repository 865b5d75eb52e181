"""Runs the nightly job with default settings on the catalogue of the benchmark, and prints how good its tables are.

It needs --clips; `benchmarks/README.md` describes that folder. Nothing is trained: this is the product as it ships.
"""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

sys.path.insert(0, str(Path(__file__).absolute().parents[2]))

from benchmarks.accuracy.catalogue import EDITS_PER_CLIP
from benchmarks.accuracy.counts import (
    HARD,
    count_false,
    count_found,
    list_known,
    list_negatives,
    order_ids,
    pair_with_original,
)
from benchmarks.accuracy.make import make_catalogue
from benchmarks.accuracy.videos import LAYOUT, TAKE
from benchmarks.measure import print_table
from jobs.commands.evaluate import describe_report, evaluate_lake
from jobs.commands.open_lake import open_lake
from jobs.config.settings import Config
from jobs.engine.night import run_nightly
from jobs.evaluation.truth import Truth, load_truth

if TYPE_CHECKING:
    from jobs.lake.lake import Lake

_HEADINGS = ("family", "whole copies", "found", "in one cluster", "parts", "found")


def main() -> None:
    """Run the benchmark. A catalogue and a lake that exist in --work are reused."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=Path, help="folder with clips.csv, truth.csv and the clips")
    parser.add_argument("--work", type=Path, default=Path("accuracy-work"), help="folder for the catalogue and lake")
    parser.add_argument(
        "--edits-per-clip", type=int, default=EDITS_PER_CLIP, help="average number of edited copies of a source"
    )
    arguments = parser.parse_args()
    if arguments.clips is None:
        print("nothing measured: pass --clips with a folder of real clips, clips.csv and truth.csv")
        return
    clips, work = arguments.clips.resolve(), arguments.work.absolute()
    make_catalogue(clips, work, arguments.edits_per_clip)
    report_night(clips, work)


def report_night(clips: Path, work: Path) -> None:
    """Run the nightly job on a catalogue, and print figures of its pairs, segments, clusters and duplicates."""
    config = Config.model_validate({"manifest": {"roots": (str(clips),)}})
    run_nightly(str(work / "manifest.csv"), str(work / "lake"), config, datetime.now(UTC).date())
    lake, truth = open_lake(str(work / "lake")), load_truth(work / "truth.csv")
    model_id, measured = evaluate_lake(lake, truth)
    overall = [tuple(row) for row in describe_report(measured) if not row[0].startswith("recall of")]
    print_table("the nightly job", ("figure", "value", "of"), overall)
    if model_id is not None:
        print_counts(lake, model_id, truth, pd.read_csv(work / "manifest.csv", keep_default_na=False))


def print_counts(lake: Lake, model_id: str, truth: Truth, manifest: pd.DataFrame) -> None:
    """Print the copies that are found by family, the hard negatives that are published, and false duplicates."""

    def read(table: str, *columns: str) -> list[tuple[str, str]]:
        rows = lake.read(table).where(f"model_id = '{model_id}'").select(*columns).toPandas()
        return list(rows.itertuples(index=False, name=None))

    found = order_ids(read("pairs", "left_id", "right_id"))
    clusters = dict(read("clusters", "video_id", "cluster_id"))
    with_original = pair_with_original(truth, manifest)
    print_table("copies and their original", _HEADINGS, count_found(with_original, found, clusters))
    false = count_false(found, truth, manifest)
    sizes = {kind: str(len(list_negatives(kind, truth, manifest))) for kind in (TAKE, LAYOUT)}
    rows = [(what, str(false[kind]), sizes.get(kind, "")) for kind, what in HARD.items()]
    print_table("false pairs", ("kind", "published", "of"), [*rows, ("all", str(false["all"]), str(len(found)))])
    duplicates = order_ids(read("duplicates", "video_id", "duplicate_of"))
    print(f"duplicates: {len(duplicates - list_known(truth))} of {len(duplicates)} pairs of videos share no footage")


if __name__ == "__main__":
    main()
