"""Refits the last step of a verifier, its map to a probability, on judged pairs of a lake. Numpy and scipy only."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from jobs.errors import UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.verifier import Verifier

    Flags = NDArray[np.bool_]
    Groups = NDArray[np.int64]
    Values = NDArray[np.float64]

MIN_PAIRS, MIN_OF_A_KIND = 20, 5
_PRIOR_SHIFT, _PRIOR_LOG_SCALE = 1.0, 0.3
"""Standard deviations of the prior. A lake moves the logit of a pair by 1, or stretches it by a third."""
_NUM_FOLDS = 5
_DECIMALS = 6
_LEAST_LOG = 1e-12


@dataclass(frozen=True)
class LogitMap:
    """A map of a verifier's logit: `shift + scale x logit`. The identity is the verifier itself.

    Attributes:
        shift: added to the logit.
        scale: > 0, so that the order of pairs stays.
    """

    shift: float = 0.0
    scale: float = 1.0

    def predict(self, logits: Values) -> Values:
        """Return probabilities: (n,) -> (n,)."""
        values: Values = np.exp(-np.logaddexp(0.0, -(self.shift + self.scale * logits)))
        return values

    def invert(self, probability: float) -> float:
        """Return the probability that is mapped to this one."""
        logit = (find_logits(np.array([probability])) - self.shift) / self.scale
        return float(LogitMap().predict(logit)[0])


@dataclass(frozen=True)
class Recalibration:
    """A refitted map, and how it compares with the verifier on groups that it was not fitted on.

    Attributes:
        fitted: the map, fitted on all pairs.
        loss_before: mean log loss of the verifier.
        loss_after: mean log loss of maps that were fitted on other groups.
    """

    fitted: LogitMap
    loss_before: float
    loss_after: float

    @property
    def is_better(self) -> bool:
        """Whether the refitted map predicts other groups better than the verifier does."""
        return self.loss_after < self.loss_before

    def to_metrics(self) -> dict[str, float]:
        """Return the figures for the model card."""
        return {
            "shift": self.fitted.shift,
            "scale": self.fitted.scale,
            "log_loss_before": self.loss_before,
            "log_loss_after": self.loss_after,
        }


def fit_map(logits: Values, is_positive: Flags) -> LogitMap:
    """Fit the map by maximum a posteriori, with the verifier as prior: Platt scaling that starts from the identity.

    Shift and the logarithm of the scale have normal priors around 0, so that few pairs change little. Penalised Platt
    scaling: Platt 1999, Probabilistic Outputs for Support Vector Machines, section 2.2; the prior replaces its smoothed
    labels.

    Args:
        logits: of the verifier: (n,).
        is_positive: whether the two share footage: (n,).
    """
    from scipy.optimize import minimize

    def measure(parameters: Values) -> float:
        shift, log_scale = parameters
        mapped = shift + np.exp(log_scale) * logits
        loss = np.logaddexp(0.0, np.where(is_positive, -mapped, mapped)).sum()
        return float(loss + (shift / _PRIOR_SHIFT) ** 2 / 2 + (log_scale / _PRIOR_LOG_SCALE) ** 2 / 2)

    shift, log_scale = minimize(measure, np.zeros(2), method="L-BFGS-B").x
    return LogitMap(float(shift), float(np.exp(log_scale)))


def recalibrate(logits: Values, is_positive: Flags, groups: Groups) -> Recalibration:
    """Fit the map, and cross-validate it: each fifth of the groups is predicted by a map of the others.

    Args:
        logits: of the verifier: (n,).
        is_positive: whether the two share footage: (n,).
        groups: number of the footage or cluster of each pair: (n,). No group is in two folds.

    Raises:
        UsageError: there are too few pairs, too few of one kind, or a single group.
    """
    num_positive = int(is_positive.sum())
    least = min(num_positive, len(logits) - num_positive)
    if len(logits) < MIN_PAIRS or least < MIN_OF_A_KIND or len(np.unique(groups)) < 2:  # noqa: PLR2004 - one to fit on
        raise UsageError(
            f"{num_positive} judged pairs share footage and {len(logits) - num_positive} do not, of "
            f"{len(np.unique(groups))} clusters: at least {MIN_PAIRS} pairs, {MIN_OF_A_KIND} of each kind and two "
            "clusters are needed; answer a sample (ndvr sample) or decide about more pairs"
        )
    held_out = np.empty(len(logits))
    names, numbers = np.unique(groups, return_inverse=True)
    fold = (np.random.default_rng(0).permutation(len(names)) % _NUM_FOLDS)[numbers]
    for number in np.unique(fold):
        is_held_out = fold == number
        held_out[is_held_out] = fit_map(logits[~is_held_out], is_positive[~is_held_out]).predict(logits[is_held_out])
    before = measure_log_loss(LogitMap().predict(logits), is_positive)
    return Recalibration(fit_map(logits, is_positive), before, measure_log_loss(held_out, is_positive))


def measure_log_loss(probabilities: Values, is_positive: Flags) -> float:
    """Return the mean negative logarithm of the probability of what is true."""
    of_truth = np.where(is_positive, probabilities, 1 - probabilities)
    return float(-np.log(np.maximum(of_truth, _LEAST_LOG)).mean())


def apply_map(verifier: Verifier, fitted: LogitMap, fitted_on: str) -> Verifier:
    """Return the verifier with another map from the sum of its trees to a probability.

    The threshold keeps its value: it is a probability, and the refitted map says which pairs of this lake have it. The
    same pairs get a second look.

    Args:
        verifier: the verifier whose logits were mapped.
        fitted: the map.
        fitted_on: description of the judged pairs.
    """
    opened = fitted.predict(find_logits(np.array([verifier.min_open_probability])))[0]
    return replace(
        verifier,
        intercept=round(fitted.shift + fitted.scale * verifier.intercept, _DECIMALS),
        slope=round(fitted.scale * verifier.slope, _DECIMALS),
        min_open_probability=round(float(opened), _DECIMALS),
        fitted_on=fitted_on,
    )


def find_logits(probabilities: Values) -> Values:
    """Return the logits of probabilities; infinite for 0 and 1."""
    with np.errstate(divide="ignore"):
        values: Values = np.log(probabilities) - np.log1p(-probabilities)
    return values
