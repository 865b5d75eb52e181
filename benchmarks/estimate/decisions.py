"""Measures what 100 decisions change for a catalogue that the model was not fitted on: ndvr calibrate --decisions.

The input is the work folder of `benchmarks/accuracy/night.py`. Its sources are split in two halves at random. A hundred
candidate pairs of one half are decided by the truth, half of them at random and half of them those that the verifier is
least sure of, as people review them. The verifier is refitted on them, and both verifiers are measured on the candidate
pairs of the other half.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from pyspark.sql import functions as F

sys.path.insert(0, str(Path(__file__).absolute().parents[2]))

from benchmarks.measure import print_table
from jobs.commands.open_lake import open_lake
from jobs.config.settings import Config
from jobs.contracts.run import find_configured_model, keep_on_executors
from jobs.evaluation.truth import load_truth
from jobs.pairing.candidates import plan_search, search_candidates
from jobs.tables import pairs, thumbnails
from jobs.training.footage import read_footage
from jobs.training.recalibration import LogitMap, measure_log_loss, recalibrate
from jobs.training.verifier import label_evidence

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.verifier import Verifier


@dataclass(frozen=True)
class Candidates:
    """Labelled candidate pairs of a catalogue.

    Attributes:
        logits: of the verifier: (n,).
        is_positive: whether the two share footage: (n,).
        left: number of the source of the left video: (n,).
        right: number of the source of the right video: (n,).
    """

    logits: NDArray[np.float64]
    is_positive: NDArray[np.bool_]
    left: NDArray[np.int64]
    right: NDArray[np.int64]

    def select(self, chosen: NDArray[np.int64]) -> Candidates:
        """Return some of the pairs."""
        return Candidates(*(values[chosen] for values in (self.logits, self.is_positive, self.left, self.right)))


def read_candidates(work: Path, verifier: Verifier, num_positive: int, num_negative: int) -> Candidates:
    """Find candidates of a night again, once for a work folder, and label them by the truth."""
    stored = work / f"decisions-{num_positive}-{num_negative}.npz"
    if not stored.exists():
        _write_candidates(work, stored, num_positive, num_negative)
    with np.load(stored) as file:
        evidence, is_positive, left, right = (file[name] for name in ("evidence", "is_positive", "left", "right"))
    return Candidates(verifier.intercept + verifier.slope * verifier.sum_trees(evidence), is_positive, left, right)


def _write_candidates(work: Path, stored: Path, num_positive: int, num_negative: int) -> None:
    """Write the evidence of some true candidates, drawn at random, and of the most similar others."""
    config, lake = Config(), open_lake(str(work / "lake"))
    model = find_configured_model(config)
    segments = lake.read("embeddings").where(f"model_id = '{model.model_id}'")
    vectors = segments.withColumn("is_unsearched", F.lit(True))
    plan = plan_search(vectors, config.pairs)
    found = search_candidates(vectors, config.pairs.min_candidate_similarity, config.pairs, plan, keep_on_executors)
    known = load_truth(work / "truth.csv").pairs
    if known is None:
        raise ValueError(f"{work / 'truth.csv'} must have pairs")
    labelled = label_evidence(found.rows.toPandas().sort_values(["left_id", "right_id"]), known)
    is_positive = labelled["shares_footage"].to_numpy(dtype=bool)
    positive = labelled[is_positive].sample(min(num_positive, int(is_positive.sum())), random_state=0)
    negative = labelled[~is_positive].nlargest(num_negative, "cosine_similarity")
    chosen = pd.concat([positive, negative])
    named = lake.spark.createDataFrame(chosen[["left_id", "right_id"]])
    sources = thumbnails.read_sources(lake, model.descriptor_id, config)
    looked = pairs.verify_named(named, segments, sources).select("left_id", "right_id", "evidence").toPandas()
    aligned = looked.merge(chosen, on=["left_id", "right_id"]).sort_values(["left_id", "right_id"])
    footage = read_footage(lake, sorted({*aligned["left_id"], *aligned["right_id"]}), known, config)
    numbers = dict(zip(footage.index, np.unique(footage.to_numpy(str), return_inverse=True)[1], strict=True))
    np.savez(
        stored,
        evidence=np.array(aligned["evidence"].to_list(), dtype=np.float64),
        is_positive=aligned["shares_footage"].to_numpy(dtype=bool),
        left=aligned["left_id"].map(numbers).to_numpy(np.int64),
        right=aligned["right_id"].map(numbers).to_numpy(np.int64),
    )


def choose_decided(candidates: Candidates, number: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Choose half of the pairs at random from those with a probability of .01 or more, and the least certain ones."""
    is_plausible = np.flatnonzero(candidates.logits > np.log(0.01 / 0.99))
    drawn = rng.choice(is_plausible, min(number // 2, len(is_plausible)), replace=False)
    rest = np.setdiff1d(is_plausible, drawn)
    least_certain = rest[np.argsort(np.abs(candidates.logits[rest]), kind="stable")]
    pool = least_certain[: 2 * number]
    return np.concatenate([drawn, rng.choice(pool, min(number - len(drawn), len(pool)), replace=False)])


def measure(fitted: LogitMap, held_out: Candidates, min_probability: float) -> tuple[float, float, float]:
    """Return the log loss, and precision and recall at the threshold."""
    probabilities = fitted.predict(held_out.logits)
    is_found = probabilities >= min_probability
    right = (is_found & held_out.is_positive).sum()
    return (
        measure_log_loss(probabilities, held_out.is_positive),
        float(right / max(is_found.sum(), 1)),
        float(right / held_out.is_positive.sum()),
    )


def main() -> None:
    """Repeat the experiment with random halves, and print the means."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, help="work folder of benchmarks/accuracy/night.py")
    parser.add_argument("--rounds", type=int, default=200, help="number of random halves")
    parser.add_argument("--positive", type=int, default=500, help="candidates that share footage, drawn at random")
    parser.add_argument("--negative", type=int, default=700, help="candidates that do not, the most similar ones")
    parser.add_argument("--decisions", type=int, default=100, help="decided pairs of a round")
    arguments = parser.parse_args()
    if arguments.work is None:
        print("nothing measured: pass --work with the work folder of benchmarks/accuracy/night.py")
        return
    verifier = find_configured_model(Config()).verifier
    if verifier is None:
        raise ValueError("the shipped model must have a verifier")
    work = arguments.work.absolute()
    everything = read_candidates(work, verifier, arguments.positive, arguments.negative)
    rng = np.random.default_rng(0)
    figures, num_refused = [], 0
    for _ in range(arguments.rounds):
        half = rng.permutation(int(max(everything.left.max(), everything.right.max())) + 1) % 2
        sides = half[everything.left], half[everything.right]
        decided = everything.select(np.flatnonzero((sides[0] == 0) & (sides[1] == 0)))
        held_out = everything.select(np.flatnonzero((sides[0] == 1) & (sides[1] == 1)))
        chosen = decided.select(choose_decided(decided, arguments.decisions, rng))
        result = recalibrate(chosen.logits, chosen.is_positive, np.minimum(chosen.left, chosen.right))
        num_refused += not result.is_better
        used = result.fitted if result.is_better else LogitMap()
        maps = (LogitMap(), used, result.fitted)
        figures.append([measure(one, held_out, verifier.min_probability) for one in maps])
    means = np.array(figures).mean(axis=0)
    names = ("as shipped", f"after {arguments.decisions} decisions", "without the refusal")
    rows = [(name, *(f"{value:.4f}" for value in mean)) for name, mean in zip(names, means, strict=True)]
    print_table(
        f"held-out halves of {len(everything.logits)} candidates", ("verifier", "log loss", "precision", "recall"), rows
    )
    losses = np.array(figures)[:, :, 0]
    print(f"refused in {num_refused} of {arguments.rounds} rounds")
    print(f"log loss is lower after the decisions in {int((losses[:, 1] < losses[:, 0]).sum())} rounds, "
          f"and higher in {int((losses[:, 1] > losses[:, 0]).sum())}")  # fmt: skip


if __name__ == "__main__":
    main()
