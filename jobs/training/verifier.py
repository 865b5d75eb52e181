"""From labelled evidence to a verifier: what aligned frames must show for a pair to be told. Runs on the driver."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from jobs.errors import UsageError
from jobs.evaluation.ranking import Curve
from jobs.training.calibration import choose_threshold, fit_platt
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
    weights = _fit_weights(products, shares)
    intercept, slope = fit_platt(products @ weights, shares)
    weights *= slope
    rounded = tuple(round(float(weight), _DECIMALS) for weight in weights)
    verifier = Verifier(0.0, round(intercept, _DECIMALS), rounded, fitted_on)
    curve = Curve.of(verifier.judge(evidence), shares)
    threshold = choose_threshold(curve, num_negatives, target_precision, "fit a verifier")
    return replace(verifier, min_probability=threshold)


def _fit_weights(columns: NDArray[np.float64], shares: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Fit weights >= 0, with an intercept, by penalised maximum likelihood on standardised columns; convex, so unique.

    scikit-learn's LogisticRegression has no bounds.
    """
    from scipy.optimize import minimize
    from scipy.special import expit

    deviations = np.maximum(columns.std(axis=0), _MIN_DEVIATION)
    scaled = (columns - columns.mean(axis=0)) / deviations
    counts = np.where(shares, 1.0, _NEGATIVE_WEIGHT)

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weights = parameters[:-1]
        logits = scaled @ weights + parameters[-1]
        residuals = (expit(logits) - shares) * counts / len(shares)
        value = float(((np.logaddexp(0, logits) - shares * logits) * counts).mean() + _PENALTY * (weights**2).sum())
        return value, np.append(scaled.T @ residuals + 2 * _PENALTY * weights, residuals.sum())

    bounds = [(0.0, None)] * columns.shape[1] + [(None, None)]
    fitted = minimize(loss, np.zeros(len(bounds)), jac=True, bounds=bounds, method="L-BFGS-B").x
    weights: NDArray[np.float64] = fitted[:-1] / deviations
    return weights
