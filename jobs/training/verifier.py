"""Fit a verifier, which decides whether an aligned pair is reported, on labelled evidence. Runs on the driver."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from jobs.errors import UsageError
from jobs.evaluation.ranking import Curve
from jobs.training.calibration import choose_threshold, fit_platt
from models.verifier import Verifier, multiply_evidence

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

_DECIMALS = 6
_NEGATIVE_WEIGHT = 60.0
_PENALTY = 1e-3
_MIN_DEVIATION = 1e-9


def label_evidence(evidence: pd.DataFrame, truth: pd.DataFrame) -> pd.DataFrame:
    """Add the column `shares_footage` to candidate pairs, and drop the pairs that the truth ignores.

    Args:
        evidence: columns left_id, right_id, evidence (a list of numbers).
        truth: as `jobs.evaluation.truth.Truth.pairs`. `copy` and `partial` pairs share footage; pairs that are not
            listed do not.
    """
    relations = truth.drop_duplicates(["left_id", "right_id"])[["left_id", "right_id", "relation"]]
    labelled = evidence.merge(relations, on=["left_id", "right_id"], how="left")
    counted = labelled[labelled["relation"] != "ignore"]
    return counted.assign(shares_footage=counted["relation"].isin(["copy", "partial"]))


def fit_verifier(labelled: pd.DataFrame, num_negatives: int, target_precision: float, fitted_on: str) -> Verifier:
    """Fit the logistic model and choose its threshold.

    Weights are at least 0, because a higher evidence value never makes shared footage less probable. A negative pair
    weighs as much as 60 positive ones: among the candidates of a catalogue, negatives are more frequent than among
    labelled pairs. The weighted sum is then mapped to a probability by Platt scaling (see `models.calibration`) on the
    unweighted pairs.

    The threshold is the lowest that satisfies two rules: at least `target_precision` of the pairs found share footage,
    and at most 1 in 10,000 of all negative pairs is found.

    Args:
        labelled: as `label_evidence` returns it.
        num_negatives: number of all pairs of the videos that share no footage, candidates or not.
        target_precision: in [0, 1].
        fitted_on: description of the pairs, for the model card.

    Raises:
        UsageError: all pairs are positive, all are negative, or no threshold satisfies both rules.
    """
    evidence = np.array(labelled["evidence"].to_list(), dtype=np.float64)
    is_positive = labelled["shares_footage"].to_numpy(dtype=bool)
    if is_positive.all() or not is_positive.any():
        raise UsageError(
            f"{int(is_positive.sum())} of {len(is_positive)} candidate pairs share footage, but a verifier is fitted "
            "on pairs that do and pairs that do not: add videos or pairs of the missing kind to the truth"
        )
    products = multiply_evidence(evidence)
    weights = _fit_weights(products, is_positive)
    intercept, slope = fit_platt(products @ weights, is_positive)
    weights *= slope
    rounded = tuple(round(float(weight), _DECIMALS) for weight in weights)
    verifier = Verifier(0.0, round(intercept, _DECIMALS), rounded, fitted_on)
    curve = Curve.of(verifier.predict_probability(evidence), is_positive)
    threshold = choose_threshold(curve, num_negatives, target_precision, "fit a verifier")
    return replace(verifier, min_probability=threshold)


def _fit_weights(columns: NDArray[np.float64], is_positive: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Fit weights >= 0 and an intercept by penalised maximum likelihood on standardised columns.

    The loss is convex, so the solution is unique. scikit-learn's LogisticRegression has no bounds on weights.
    """
    from scipy.optimize import minimize
    from scipy.special import expit

    deviations = np.maximum(columns.std(axis=0), _MIN_DEVIATION)
    scaled = (columns - columns.mean(axis=0)) / deviations
    counts = np.where(is_positive, 1.0, _NEGATIVE_WEIGHT)

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weights = parameters[:-1]
        logits = scaled @ weights + parameters[-1]
        residuals = (expit(logits) - is_positive) * counts / len(is_positive)
        value = float(
            ((np.logaddexp(0, logits) - is_positive * logits) * counts).mean() + _PENALTY * (weights**2).sum()
        )
        return value, np.append(scaled.T @ residuals + 2 * _PENALTY * weights, residuals.sum())

    bounds = [(0.0, None)] * columns.shape[1] + [(None, None)]
    fitted = minimize(loss, np.zeros(len(bounds)), jac=True, bounds=bounds, method="L-BFGS-B").x
    weights: NDArray[np.float64] = fitted[:-1] / deviations
    return weights
