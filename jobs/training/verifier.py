"""From labelled evidence to a verifier: what aligned frames must show for a pair to be told. Runs on the driver."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from jobs.errors import UsageError
from jobs.evaluation.ranking import Curve
from jobs.training.calibration import MAX_FALSE_SHARE
from models.verifier import Verifier, multiply_pieces

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

_DECIMALS = 6
_NEGATIVE_WEIGHT = 60.0
_PENALTY = 1e-3
_MIN_DEVIATION = 1e-9


def label_evidence(evidence: pd.DataFrame, truth: pd.DataFrame) -> pd.DataFrame:
    """Give candidate pairs the column `shares`: whether they share footage; pairs to ignore are left out.

    Args:
        evidence: left_id, right_id, evidence (a list of numbers each).
        truth: as `jobs.evaluation.truth.Truth.pairs`; `copy` and `partial` pairs share footage, unlisted ones do not.
    """
    relations = truth.drop_duplicates(["left_id", "right_id"])[["left_id", "right_id", "relation"]]
    labelled = evidence.merge(relations, on=["left_id", "right_id"], how="left")
    counted = labelled[labelled["relation"] != "ignore"]
    return counted.assign(shares=counted["relation"].isin(["copy", "partial"]))


def fit_verifier(labelled: pd.DataFrame, num_negatives: int, target_precision: float, fitted_on: str) -> Verifier:
    """Fit the logistic model and choose its threshold.

    No piece of evidence may speak against a pair, so weights are at least 0: more of each is surer. A pair that shares
    nothing weighs as much as 60 that do, for a catalogue has more strangers among its candidates than labels have. The
    sum is then mapped to a probability by the pairs as they are (Platt scaling, as `models.calibration`).

    The threshold is the lowest at which `target_precision` of the pairs found share footage, and at most 1 in 10,000
    of all pairs that share none is found.

    Args:
        labelled: as `label_evidence` returns it.
        num_negatives: all pairs of the videos that share nothing, candidates or not.
        target_precision: in [0, 1].
        fitted_on: for the card.

    Raises:
        UsageError: the pairs are all of one kind, or no threshold obeys both rules.
    """
    evidence = np.array(labelled["evidence"].to_list(), dtype=np.float64)
    shares = labelled["shares"].to_numpy(dtype=bool)
    if shares.all() or not shares.any():
        raise UsageError(f"{int(shares.sum())} of {len(shares)} candidate pairs share footage: both kinds are needed")
    products = multiply_pieces(evidence)
    weights, _ = _fit_logistic(products, shares, _NEGATIVE_WEIGHT, _PENALTY)
    (slope,), intercept = _fit_logistic((products @ weights)[:, None], shares, 1.0, 0.0)
    weights *= slope
    rounded = tuple(round(float(weight), _DECIMALS) for weight in weights)
    verifier = Verifier(0.0, round(intercept, _DECIMALS), rounded, fitted_on)
    threshold = _choose_threshold(verifier.judge(evidence), shares, num_negatives, target_precision)
    return replace(verifier, min_probability=threshold)


def _fit_logistic(
    columns: NDArray[np.float64], shares: NDArray[np.bool_], negative_weight: float, penalty: float
) -> tuple[NDArray[np.float64], float]:
    """Fit weights >= 0 and an intercept by penalised maximum likelihood on standardised columns; convex, so unique.

    scikit-learn's LogisticRegression knows no bounds.
    """
    from scipy.optimize import minimize
    from scipy.special import expit

    deviations = np.maximum(columns.std(axis=0), _MIN_DEVIATION)
    scaled = (columns - columns.mean(axis=0)) / deviations
    counts = np.where(shares, 1.0, negative_weight)

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weights = parameters[:-1]
        logits = scaled @ weights + parameters[-1]
        residuals = (expit(logits) - shares) * counts / len(shares)
        value = float(((np.logaddexp(0, logits) - shares * logits) * counts).mean() + penalty * (weights**2).sum())
        return value, np.append(scaled.T @ residuals + 2 * penalty * weights, residuals.sum())

    bounds = [(0.0, None)] * columns.shape[1] + [(None, None)]
    fitted = minimize(loss, np.zeros(len(bounds)), jac=True, bounds=bounds, method="L-BFGS-B").x
    weights = fitted[:-1] / deviations
    return weights, float(fitted[-1] - weights @ columns.mean(axis=0))


def _choose_threshold(
    probabilities: NDArray[np.float64], shares: NDArray[np.bool_], num_negatives: int, target_precision: float
) -> float:
    """Return the lowest probability at which both rules hold."""
    curve = Curve.of(probabilities, shares)
    false = curve.num_found - curve.num_true
    obeys = (curve.precisions >= target_precision) & (false <= MAX_FALSE_SHARE * num_negatives) & (curve.num_true > 0)
    if not obeys.any():
        raise UsageError(
            f"no threshold reaches a precision of {target_precision}: these pairs cannot fit a verifier; look at their "
            "labels, or lower --target-precision"
        )
    return float(curve.thresholds[np.flatnonzero(obeys)[-1]])
