"""Compares the methods and other projects on copies of footage that was not used for training, and prints tables.

It needs --clips; `benchmarks/README.md` describes that folder.
"""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

sys.path.insert(0, str(Path(__file__).absolute().parents[2]))

import models
from benchmarks.accuracy.counts import HARD, count_false
from benchmarks.accuracy.make import make_catalogue, make_training_set
from benchmarks.accuracy.methods import MethodTrainer, Ranked
from benchmarks.accuracy.night import report_night
from benchmarks.accuracy.peers import PEERS, PeerUnavailableError, run_peer
from benchmarks.measure import print_table
from jobs.commands.open_lake import open_lake
from jobs.config.settings import Config
from jobs.engine.night import run_nightly
from jobs.evaluation.measure import EvaluationReport, Rules, measure
from jobs.evaluation.truth import Truth, load_truth
from models.artefact import read_artefact, write_artefact

if TYPE_CHECKING:
    from jobs.lake.lake import Lake

SHIPPED = "discriminative"
ARTEFACT = "discriminative-efficientnet_lite0_ndvr"
# Only the descriptors of this run are used, so its other settings are the fastest.
_DESCRIBE_ONLY = {"embeddings": {"method": "averaged"}, "pairs": {"min_cosine_similarity": 0.999}}


def main() -> None:
    """Run the benchmark. Results that exist in --work are reused."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=Path, help="folder with clips.csv, truth.csv and the clips")
    parser.add_argument("--work", type=Path, default=Path("accuracy-work"), help="folder for the catalogue and models")
    parser.add_argument("--without-peers", action="store_true", help="do not run other projects")
    parser.add_argument("--write", action="store_true", help=f"write models/artefacts/{ARTEFACT}")
    arguments = parser.parse_args()
    if arguments.clips is None:
        print("nothing measured: pass --clips with a folder of real clips, clips.csv and truth.csv")
        return
    work = arguments.work.absolute()
    clips, calibration, training = arguments.clips.resolve(), work / "calibrate", work / "train"
    make_catalogue(clips, work)
    make_catalogue(clips, calibration, split="calibrate")
    make_training_set(clips, training)
    lakes = describe(clips, work), describe(clips, calibration), describe(clips, training)
    trainer = MethodTrainer(*lakes, calibration / "truth.csv", work, partial(print, flush=True))
    if arguments.write:
        write_artefact(Path(models.__file__).parent / "artefacts" / ARTEFACT, read_artefact(trainer.train_default()))
    ranked = trainer.rank_all()
    if not arguments.without_peers:
        ranked += rank_by_peers(work)
    report(ranked, work)
    report_night(clips, work)


def describe(clips: Path, work: Path, *, cut_borders: bool = True) -> Lake:
    """Run the nightly job on the catalogue in a work folder, and return the lake with its descriptors."""
    config = Config(**_DESCRIBE_ONLY, manifest={"roots": (str(clips),)}, describe={"cut_borders": cut_borders})
    run_nightly(str(work / "manifest.csv"), str(work / "lake"), config, datetime.now(UTC).date())
    return open_lake(str(work / "lake"))


def rank_by_peers(work: Path) -> list[Ranked]:
    """Rank the pairs by other projects' detectors."""
    ranked = []
    for peer in PEERS:
        try:
            result = run_peer(peer, work / "manifest.csv", work / "peers")
        except PeerUnavailableError as error:
            print(error)
            continue
        print(f"{peer.name}: {len(result.unreadable)} unreadable videos, {result.seconds:.0f} s of hashing")
        ranked.append(Ranked(peer.name, result.pairs, peer.min_score))
    return ranked


def report(ranked: list[Ranked], work: Path) -> None:
    """Print the table of methods, then recall by transformation and hard negatives of the shipped model."""
    truth = load_truth(work / "truth.csv")
    manifest = pd.read_csv(work / "manifest.csv", keep_default_na=False)
    copies = only_copies(truth)
    rows, shipped = [], None
    for method in ranked:
        rules = Rules(score_columns=("score",), min_score=method.threshold)
        whole = measure(method.pairs, copies, list(manifest["video_id"]), rules=rules)
        everything = measure(method.pairs, truth, list(manifest["video_id"]), rules=rules)
        rows.append(_make_row(method, whole, everything))
        shipped = (method, whole, everything) if method.name.startswith("shipped") else shipped
    headings = ("method", "uAP", "best F1", "R@P.99", "threshold", "P", "R", "F1", "uAP with parts")
    print_table("whole copies, held-out footage", headings, rows)
    if shipped is not None:
        method, whole, everything = shipped
        print_families(method, whole, everything, manifest)
        print_transforms(method, everything, manifest)
        print_hard_negatives(method, truth, manifest)


def only_copies(truth: Truth) -> Truth:
    """Ignore partial copies, because one vector per video is not designed to find them."""
    if truth.pairs is None:
        return truth
    return Truth(truth.pairs.assign(relation=truth.pairs["relation"].replace("partial", "ignore")))


def _make_row(method: Ranked, whole: EvaluationReport, everything: EvaluationReport) -> tuple[str, ...]:
    """Make a row of the table of methods."""
    if whole.pairs is None or everything.pairs is None:
        raise ValueError("the truth has no copies")
    at = whole.pairs
    operating = ("", "", "", "")
    if method.threshold is not None:
        operating = (f"{method.threshold:.3f}", f"{at.precision:.4f}", f"{at.recall:.3f}", f"{at.f1:.3f}")
    recall = at.recall_at_precision["0.99"] if "0.99" in at.recall_at_precision else at.recall_at_precision[0.99]
    ranking = (f"{at.average_precision:.4f}", f"{at.best_f1:.3f}", f"{recall:.3f}")
    return (method.name, *ranking, *operating, f"{everything.pairs.average_precision:.4f}")


def name_families(manifest: pd.DataFrame) -> dict[str, str]:
    """Return the family of each transformation; it is empty for unedited clips."""
    return dict(zip(manifest["transform"], manifest["family"], strict=True))


def print_families(
    method: Ranked, whole: EvaluationReport, everything: EvaluationReport, manifest: pd.DataFrame
) -> None:
    """Print by family how many edited copies are found with their original: whole copies, and all copies."""
    families = name_families(manifest)
    counts = [
        result.per_transform.rename(lambda name: families.get(name, "")).groupby(level=0).sum()
        for result in (whole, everything)
    ]
    rows = [
        (family, *(text for count in counts for text in _format_recall(count, family)))
        for family in sorted(counts[1].index)
    ]
    print_table(f"{method.name}: recall at the threshold", ("family", "whole copies", "pairs", "all", "pairs"), rows)


def _format_recall(counts: pd.DataFrame, family: str) -> tuple[str, str]:
    if family not in counts.index:
        return "", "0"
    found, pairs = counts.loc[family, ["num_found", "num_pairs"]]
    return f"{found / pairs:.3f}", f"{pairs:.0f}"


def print_transforms(method: Ranked, result: EvaluationReport, manifest: pd.DataFrame) -> None:
    """Print by transformation how many edited copies are found with their original."""
    families = name_families(manifest)
    table = result.per_transform.reset_index().sort_values("recall")
    rows = [
        (row.transform, families.get(row.transform, ""), f"{row.recall:.3f}", str(row.num_pairs))
        for row in table.itertuples()
    ]
    print_table(f"{method.name}: recall at the threshold", ("transformation", "family", "recall", "pairs"), rows)


def print_hard_negatives(method: Ranked, truth: Truth, manifest: pd.DataFrame) -> None:
    """Print the number of false pairs, in all and by kind of hard negative."""
    false = count_false(method.find_pairs(), truth, manifest)
    print(f"{method.name}: {false['all']} false pairs, of which")
    for kind, what in HARD.items():
        print(f"  {what}: {false[kind]}")


if __name__ == "__main__":
    main()
