"""How well a verifier tells pairs of footage that it was not fitted on: the calibrate catalogue in parts, by footage.

What weighs the evidence is chosen by this, so that the test catalogue is left to measure what was chosen. Takes a
folder in which `run.py` has made and described both catalogues.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).absolute().parents[2]))

from benchmarks.accuracy.ablate import STEPS, Catalogue, gather, known, load_catalogue
from benchmarks.accuracy.methods import BACKBONE
from benchmarks.measure import print_table
from jobs.config.settings import DescribeConfig
from jobs.evaluation.ranking import Curve
from jobs.training.verifier import fit_verifier, label_evidence
from models.embedding_models import Method, find_model

_PRECISIONS = (0.99, 0.995)
_MANY = 10**9  # negatives, so that every fit has a threshold, which is not looked at here


def main() -> None:
    """Fit and judge in turn, and print what each way of cutting gives."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, help="the folder that run.py has worked in")
    parser.add_argument("--parts", type=int, default=5, help="that the footage is cut into")
    parser.add_argument("--rounds", type=int, default=4, help="times that it is cut, each time another way")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    if arguments.work is None:
        print("nothing measured: give --work the folder that benchmarks/accuracy/run.py has worked in")
        return
    model = find_model(Method.AUTO, BACKBONE, DescribeConfig().descriptor_id)
    catalogue = load_catalogue(arguments.work.absolute() / "calibrate", model)
    labelled = name_footage(label_evidence(gather(STEPS[0], catalogue), known(catalogue)), catalogue)
    chance = np.random.default_rng(arguments.seed)
    figures = np.array([measure_round(labelled, arguments.parts, chance) for _ in range(arguments.rounds)])
    rows = [(str(number), *(f"{value:.3f}" for value in round_)) for number, round_ in enumerate(figures, start=1)]
    rows.append(("mean", *(f"{value:.3f}" for value in figures.mean(axis=0))))
    headings = ("round", "average precision", *(f"recall at precision {target}" for target in _PRECISIONS))
    num_shared = int(labelled["shares_footage"].sum())
    print_table(f"{num_shared} pairs that share footage among {len(labelled)} candidates, none seen", headings, rows)


def name_footage(labelled: pd.DataFrame, catalogue: Catalogue) -> pd.DataFrame:
    """Add the footage of both sides."""
    footage = catalogue.manifest.set_index("video_id")["footage_id"]
    return labelled.assign(**{side: footage.reindex(labelled[f"{side}_id"]).to_numpy() for side in ("left", "right")})


def measure_round(labelled: pd.DataFrame, parts: int, chance: np.random.Generator) -> tuple[float, ...]:
    """Cut the footage into parts; judge the pairs of each by a verifier that has seen none of its footage."""
    names = np.unique(labelled[["left", "right"]].to_numpy(dtype=str))
    part_of = pd.Series(chance.permutation(len(names)) % parts, index=names)
    left, right = part_of.reindex(labelled["left"]).to_numpy(), part_of.reindex(labelled["right"]).to_numpy()
    scores = np.empty(len(labelled))
    for part in range(parts):
        seen = labelled[(left != part) & (right != part)]
        verifier = fit_verifier(seen, num_negatives=_MANY, target_precision=0.0, fitted_on="other footage")
        is_judged = left == part
        scores[is_judged] = verifier.predict_probability(np.array(labelled["evidence"][is_judged].to_list()))
    curve = Curve.of(scores, labelled["shares_footage"].to_numpy(dtype=bool))
    recalls = (curve.find_recall_at_precision(target)[0] for target in _PRECISIONS)
    return curve.measure_average_precision(), *recalls


if __name__ == "__main__":
    main()
