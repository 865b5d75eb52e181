"""From labelled similarities to an operating threshold and to probabilities. Runs on the driver."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from jobs.errors import UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Similarities = NDArray[np.floating[Any]]
    Flags = NDArray[np.bool_]

MAX_FALSE_SHARE = 1e-4
THRESHOLDS = np.arange(0, 1001) / 1000
_NUM_BINS = 10


@dataclass(frozen=True)
class LabelledPairs:
    """Pairs whose truth is known, with the similarity that a model gives them.

    Attributes:
        cosines: (n,), in [-1, 1].
        is_copy: bool (n,).
        transforms: of each pair, how one became the other; () for negatives and where it is not known.
        what: where they come from, for the card.
    """

    cosines: Similarities
    is_copy: Flags
    transforms: tuple[tuple[str, ...], ...]
    what: str


def sweep_thresholds(pairs: LabelledPairs) -> pd.DataFrame:
    """Return a row for each of 0.000, 0.001, ..., 1.000.

    Columns: threshold; num_found and num_true, pairs and copies at or above it; precision (1 where nothing is found),
    recall, f1; false_share, of all negatives.
    """
    found, true = _count_above(pairs.cosines), _count_above(pairs.cosines[pairs.is_copy])
    num_copies, num_others = int(pairs.is_copy.sum()), int((~pairs.is_copy).sum())
    precision = np.where(found > 0, true / np.maximum(found, 1), 1.0)
    recall = true / max(num_copies, 1)
    return pd.DataFrame(
        {
            "threshold": THRESHOLDS,
            "num_found": found,
            "num_true": true,
            "precision": precision,
            "recall": recall,
            "f1": 2 * true / (found + num_copies),
            "false_share": (found - true) / max(num_others, 1),
        }
    )


def choose_threshold(sweep: pd.DataFrame, target_precision: float) -> float:
    """Return the lowest threshold at which two rules hold.

    1. At least `target_precision` of what is found are copies.
    2. At most 1 in 10,000 of all negatives is found: the first rule depends on how many copies the labelled pairs hold,
       and a catalogue holds fewer.

    Raises:
        UsageError: no threshold that finds a copy obeys both.
    """
    precision, false_share = sweep["precision"].to_numpy(), sweep["false_share"].to_numpy()
    obeys = (precision >= target_precision) & (false_share <= MAX_FALSE_SHARE)
    obeys &= sweep["num_true"].to_numpy() > 0
    if not obeys.any():
        raise UsageError(
            f"no threshold reaches a precision of {target_precision}: these pairs cannot calibrate the model; "
            "look at their labels, or lower --target-precision"
        )
    return float(THRESHOLDS[obeys.argmax()])


def measure_transforms(pairs: LabelledPairs, threshold: float) -> pd.DataFrame:
    """Return the recall of copies by transform at a threshold: columns transform, num_pairs, recall."""
    rows = [
        (name, bool(cosine >= threshold))
        for names, cosine in zip(pairs.transforms, pairs.cosines.tolist(), strict=True)
        for name in names
    ]
    table = pd.DataFrame(rows, columns=["transform", "is_found"])
    found = (
        table.astype({"is_found": float})
        .groupby("transform", as_index=False)
        .agg(num_pairs=("is_found", "size"), recall=("is_found", "mean"))
    )
    return found.sort_values(["recall", "transform"], ignore_index=True)


def fit_platt(pairs: LabelledPairs) -> tuple[float, float]:
    """Fit `P(copy) = 1 / (1 + exp(-(intercept + slope * cosine)))` by maximum likelihood; return (intercept, slope).

    Labels are smoothed, copies to (N+ + 1) / (N+ + 2) and others to 1 / (N- + 2), so that pairs that can be told apart
    without error do not ask for an infinite slope: Platt 1999, Probabilistic Outputs for Support Vector Machines,
    section 2.2. A smoothed label is a pair that counts for a copy with that weight, and for another with the rest.
    """
    from sklearn.linear_model import LogisticRegression

    num_copies = int(pairs.is_copy.sum())
    num_others = len(pairs.is_copy) - num_copies
    targets = np.where(pairs.is_copy, (num_copies + 1) / (num_copies + 2), 1 / (num_others + 2))
    inputs = np.tile(pairs.cosines.astype(np.float64), 2)[:, None]
    labels = np.repeat([1, 0], len(targets))
    fitted = LogisticRegression(C=np.inf, tol=1e-8, max_iter=1000).fit(
        inputs, labels, sample_weight=np.concatenate([targets, 1 - targets])
    )
    return float(fitted.intercept_[0]), float(fitted.coef_[0, 0])


def measure_reliability(pairs: LabelledPairs, intercept: float, slope: float) -> pd.DataFrame:
    """Compare what the map says with what is so, in ten bins of its probability.

    Columns: probability (mean of the bin), copy_share, num_pairs; bins without pairs are left out.
    """
    probability = 1 / (1 + np.exp(-(intercept + slope * pairs.cosines.astype(np.float64))))
    bins = np.minimum((probability * _NUM_BINS).astype(int), _NUM_BINS - 1)
    table = pd.DataFrame({"bin": bins, "probability": probability, "is_copy": pairs.is_copy})
    grouped = table.groupby("bin").agg(
        probability=("probability", "mean"), copy_share=("is_copy", "mean"), num_pairs=("is_copy", "size")
    )
    return grouped.reset_index(drop=True)


def _count_above(cosines: Similarities) -> NDArray[np.int64]:
    """Count the pairs at or above each of `THRESHOLDS`: int64 (1001,)."""
    return len(cosines) - np.searchsorted(np.sort(cosines), THRESHOLDS, side="left")
