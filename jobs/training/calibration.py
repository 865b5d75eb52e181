"""Choose a threshold and fit a probability map on labelled similarities. Runs on the driver."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from jobs.errors import UsageError
from jobs.evaluation.ranking import Curve

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Similarities = NDArray[np.floating[Any]]
    Flags = NDArray[np.bool_]

THRESHOLDS = np.arange(0, 1001) / 1000
_NUM_BINS = 10


@dataclass(frozen=True)
class LabelledPairs:
    """Labelled pairs with their similarity according to a model.

    Attributes:
        cosines: cosine similarities (n,), in [-1, 1].
        is_copy: bool (n,).
        transforms: for each pair, the edits between its two videos; () for negatives and for unknown edits.
        description: origin of the pairs, for the model card.
    """

    cosines: Similarities
    is_copy: Flags
    transforms: tuple[tuple[str, ...], ...]
    description: str


def sweep_thresholds(pairs: LabelledPairs) -> pd.DataFrame:
    """Return one row per threshold 0.000, 0.001, ..., 1.000.

    Columns: threshold; num_found and num_true, the pairs and the copies at or above it; precision (1 if no pair is
    found), recall, f1; false_share, the fraction of all negatives that is found.
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


def choose_similarity(sweep: pd.DataFrame, num_negatives: int, target_precision: float) -> float:
    """Return the lowest threshold of a sweep that satisfies the rules of `choose_threshold`.

    Args:
        sweep: as `sweep_thresholds` returns it.
        num_negatives: number of pairs of the sweep that are not copies.
        target_precision: in [0, 1].

    Raises:
        UsageError: no threshold reaches the precision.
    """
    descending = sweep.iloc[::-1]
    thresholds, found, true = (descending[name].to_numpy() for name in ("threshold", "num_found", "num_true"))
    curve = Curve(thresholds, found, true, num_positives=int(true.max()))
    return choose_threshold(curve, num_negatives, target_precision, "calibrate the model")


def choose_threshold(curve: Curve, num_negatives: int, target_precision: float, purpose: str) -> float:
    """Return the lowest threshold that reaches a precision and finds at most 1 in 10,000 negatives.

    Args:
        curve: precision and recall of the labelled pairs.
        num_negatives: number of all negatives, scored or not.
        target_precision: in [0, 1].
        purpose: what the threshold is for; it completes "these pairs cannot ..." in the error message.

    Raises:
        UsageError: no threshold reaches the precision.
    """
    lowest = curve.find_lowest(target_precision, num_negatives)
    if lowest is None:
        raise UsageError(
            f"no threshold reaches a precision of {target_precision}: these pairs cannot {purpose}; "
            "check their labels, or decrease --target-precision"
        )
    return float(curve.thresholds[lowest])


def measure_transforms(pairs: LabelledPairs, threshold: float) -> pd.DataFrame:
    """Return the recall of copies per transform at a threshold: columns transform, num_pairs, recall."""
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


def fit_platt(
    scores: Similarities, is_positive: Flags, weights: NDArray[np.float64] | None = None
) -> tuple[float, float]:
    """Fit `P(positive) = 1 / (1 + exp(-(intercept + slope * score)))` by maximum likelihood; return (intercept, slope).

    Labels are smoothed: positives to (N+ + 1) / (N+ + 2) and negatives to 1 / (N- + 2). Without smoothing, the slope is
    unbounded if a threshold separates the two kinds without error: Platt 1999, Probabilistic Outputs for Support
    Vector Machines, section 2.2. A smoothed label t is a positive with weight t and a negative with weight 1 - t. The
    slope is at least 0, so a higher score never has a lower probability.

    Args:
        scores: (n,), of positives and negatives.
        is_positive: (n,).
        weights: (n,), of the pairs; None for 1.
    """
    from sklearn.linear_model import LogisticRegression

    num_positives = int(is_positive.sum())
    num_negatives = len(is_positive) - num_positives
    targets = np.where(is_positive, (num_positives + 1) / (num_positives + 2), 1 / (num_negatives + 2))
    counts = np.ones(len(targets)) if weights is None else weights
    inputs = np.tile(scores.astype(np.float64), 2)[:, None]
    labels = np.repeat([1, 0], len(targets))
    fitted = LogisticRegression(C=np.inf, tol=1e-8, max_iter=1000).fit(
        inputs, labels, sample_weight=np.concatenate([targets, 1 - targets]) * np.tile(counts, 2)
    )
    intercept, slope = float(fitted.intercept_[0]), float(fitted.coef_[0, 0])
    if slope >= 0:
        return intercept, slope
    # The likelihood is concave, so its maximum over slopes >= 0 is at 0.
    mean = float(np.average(targets, weights=counts))
    return float(np.log(mean / (1 - mean))), 0.0


def measure_reliability(pairs: LabelledPairs, intercept: float, slope: float) -> pd.DataFrame:
    """Compare predicted probabilities with the fraction of copies, in ten bins of the probability.

    Columns: probability (mean of the bin), copy_share, num_pairs. Bins without pairs are omitted.
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
