"""Cross-validates the verifier on the calibrate catalogue, which is split into parts by footage.

Use it to choose between verifiers, so that the test catalogue measures only the chosen one. The input is the work
folder of `run.py`, with both catalogues made and described.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).absolute().parents[2]))

from benchmarks.accuracy.ablate import (
    STEPS,
    Catalogue,
    align_candidates,
    list_footage,
    list_known_pairs,
    load_catalogue,
)
from benchmarks.accuracy.methods import BACKBONE
from benchmarks.measure import print_table
from jobs.config.settings import DescribeConfig
from jobs.evaluation.ranking import Curve
from jobs.training.verifier import fit_verifier, label_evidence
from models.embedding_models import Method, find_model

_PRECISIONS = (0.99, 0.995)
_NUM_NEGATIVES = 10**9  # large, so that every fit has a threshold; this script does not use it


def main() -> None:
    """Cross-validate in rounds with different random splits, and print the figures of each round."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, help="work folder of run.py")
    parser.add_argument("--parts", type=int, default=5, help="number of parts of the footage")
    parser.add_argument("--rounds", type=int, default=4, help="number of rounds, each with another random split")
    parser.add_argument("--seed", type=int, default=0, help="seed of the splits")
    arguments = parser.parse_args()
    if arguments.work is None:
        print("nothing measured: pass --work with the work folder of benchmarks/accuracy/run.py")
        return
    model = find_model(Method.AUTO, BACKBONE, DescribeConfig().descriptor_id)
    catalogue = load_catalogue(arguments.work.absolute() / "calibrate", model)
    aligned = align_candidates(STEPS[0], catalogue)
    labelled = add_footage(label_evidence(aligned, list_known_pairs(catalogue)), catalogue)
    rng = np.random.default_rng(arguments.seed)
    figures = np.array(
        [measure_round(labelled, list_footage(catalogue), arguments.parts, rng) for _ in range(arguments.rounds)]
    )
    rows = [(str(number), *(f"{value:.3f}" for value in round_)) for number, round_ in enumerate(figures, start=1)]
    rows.append(("mean", *(f"{value:.3f}" for value in figures.mean(axis=0))))
    headings = ("round", "average precision", *(f"recall at precision {target}" for target in _PRECISIONS))
    num_shared = int(labelled["shares_footage"].sum())
    print_table(f"{num_shared} pairs that share footage among {len(labelled)} candidates, all held out", headings, rows)


def add_footage(labelled: pd.DataFrame, catalogue: Catalogue) -> pd.DataFrame:
    """Add columns left and right: the footage_id of each video."""
    footage = catalogue.manifest.set_index("video_id")["footage_id"]
    return labelled.assign(**{side: footage.reindex(labelled[f"{side}_id"]).to_numpy() for side in ("left", "right")})


def measure_round(
    labelled: pd.DataFrame, footage: pd.Series, parts: int, rng: np.random.Generator
) -> tuple[float, ...]:
    """Split the footage into parts, and score the pairs of each part by a verifier fitted on other footage.

    A pair is fitted on only if both its videos are in other parts; it is scored with the part of its left video.

    Returns:
        Average precision, then recall at each of `_PRECISIONS`.
    """
    names = np.unique(labelled[["left", "right"]].to_numpy(dtype=str))
    part_of = pd.Series(rng.permutation(len(names)) % parts, index=names)
    left, right = part_of.reindex(labelled["left"]).to_numpy(), part_of.reindex(labelled["right"]).to_numpy()
    scores = np.empty(len(labelled))
    for part in range(parts):
        fitted = labelled[(left != part) & (right != part)]
        verifier = fit_verifier(fitted, footage, _NUM_NEGATIVES, target_precision=0.0, fitted_on="other footage")
        is_scored = left == part
        scores[is_scored] = verifier.predict_probability(np.array(labelled["evidence"][is_scored].to_list()))
    curve = Curve.of(scores, labelled["shares_footage"].to_numpy(dtype=bool))
    recalls = (curve.find_recall_at_precision(target)[0] for target in _PRECISIONS)
    return curve.measure_average_precision(), *recalls


if __name__ == "__main__":
    main()
