"""From labelled similarities to an operating threshold and to probabilities."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Similarities = NDArray[np.floating]
    Flags = NDArray[np.bool_]

MIN_PRECISION = 0.99
MAX_UNRELATED_SHARE = 1e-4
THRESHOLDS = np.arange(0, 1001) / 1000


def choose_threshold(cosines: Similarities, is_copy: Flags, is_unrelated: Flags) -> float:
    """Return the lowest of 0.000, 0.001, ..., 1.000 at which the pairs at or above it obey both rules.

    1. At least 99 % of them are copies (`MIN_PRECISION`).
    2. At most 1 in 10,000 of all unrelated pairs is among them (`MAX_UNRELATED_SHARE`): the first rule depends on how
       many copies the labelled pairs hold, and a catalogue holds fewer.

    Args:
        cosines: (n,), in [-1, 1], of the pairs that count.
        is_copy: (n,), whether the pair is a copy.
        is_unrelated: (n,), whether its videos are of other sources and other scenes.

    Raises:
        ValueError: no threshold obeys both.
    """
    found = count_above(cosines)
    true = count_above(cosines[is_copy])
    unrelated = count_above(cosines[is_unrelated])
    obeys = (true >= MIN_PRECISION * found) & (unrelated <= MAX_UNRELATED_SHARE * is_unrelated.sum()) & (true > 0)
    if not obeys.any():
        raise ValueError("no threshold separates copies from other pairs: nothing can be calibrated on these labels")
    return float(THRESHOLDS[obeys.argmax()])


def choose_best_f1(cosines: Similarities, is_copy: Flags) -> float:
    """Return the lowest threshold of the largest F1, for comparison with models that obey no strict rule."""
    f1 = 2 * count_above(cosines[is_copy]) / (count_above(cosines) + is_copy.sum())
    return float(THRESHOLDS[f1.argmax()])


def count_above(cosines: Similarities) -> NDArray[np.int64]:
    """Count the pairs at or above each of `THRESHOLDS`: int64 (1001,)."""
    return len(cosines) - np.searchsorted(np.sort(cosines), THRESHOLDS, side="left")


def fit_platt(cosines: Similarities, is_copy: Flags) -> tuple[float, float]:
    """Fit `P(copy) = 1 / (1 + exp(-(intercept + slope * cosine)))` by maximum likelihood; return (intercept, slope).

    Labels are smoothed, copies to (N+ + 1) / (N+ + 2) and others to 1 / (N- + 2), so that pairs that can be told apart
    without error do not ask for an infinite slope: Platt 1999, Probabilistic Outputs for Support Vector Machines,
    section 2.2.
    """
    num_copies = int(is_copy.sum())
    num_others = len(is_copy) - num_copies
    targets = np.where(is_copy, (num_copies + 1) / (num_copies + 2), 1 / (num_others + 2))
    inputs = np.stack([np.ones(len(cosines)), cosines.astype(np.float64)], axis=1)

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        logits = inputs @ weights
        total = np.logaddexp(0.0, logits) - targets * logits
        return float(total.mean()), inputs.T @ (expit(logits) - targets) / len(logits)

    fitted = minimize(loss, np.zeros(2), jac=True, method="BFGS", options={"gtol": 1e-9})
    return float(fitted.x[0]), float(fitted.x[1])


def measure_average_precision(cosines: Similarities, is_copy: Flags) -> float:
    """Return the mean, over copies, of the precision at the copy's cosine; equal cosines come in together."""
    order = np.argsort(-cosines, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(cosines[order])), len(order) - 1)
    true = np.cumsum(is_copy[order])[ends]
    gained = np.diff(true, prepend=0)
    return float((gained * true / (ends + 1)).sum() / true[-1])
