"""Shares and recall from stratified answers, with 95 % intervals. Numpy only: no Spark, no tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Values = NDArray[np.float64]
    Excess = Callable[[Values, float], Values]

QUANTILE = 1.959964
"""The .975 quantile of the normal distribution: limits of a 95 % interval."""
_GRID_POINTS, _REFINEMENTS = 48, 3
_MAX_LOGIT = 16.0
_BISECTIONS = 34
_MAX_LOG_MULTIPLIER = 40.0
_ROUNDING = 1e-6
"""Of a number of pairs: the error of floating-point numbers."""


class Interval(NamedTuple):
    """An estimate with its 95 % interval.

    Attributes:
        value: the estimate, in [0, 1].
        low: the lower limit.
        high: the upper limit.
    """

    value: float
    low: float
    high: float

    @property
    def width(self) -> float:
        """The distance between the limits."""
        return self.high - self.low


@dataclass(frozen=True)
class Answered:
    """The answers about the pairs of each stratum of one population.

    Attributes:
        sizes: number of pairs of each stratum: float64 (k,), > 0. An estimate if `size_variances` is not 0.
        num_right: pairs of the sample with a positive answer: (k,).
        num_answers: pairs of the sample with an answer: (k,), >= 1.
        size_variances: variance of each size: (k,).
    """

    sizes: Values
    num_right: Values
    num_answers: Values
    size_variances: Values

    @classmethod
    def of(
        cls, sizes: list[float], num_right: list[int], num_answers: list[int], size_variances: list[float] | None = None
    ) -> Answered:
        """Make it from lists; without variances the sizes are exact."""
        variances = [0.0] * len(sizes) if size_variances is None else size_variances
        return cls(*(np.array(values, np.float64) for values in (sizes, num_right, num_answers, variances)))

    @property
    def shares(self) -> Values:
        """The share of positive answers of each stratum: (k,)."""
        return self.num_right / self.num_answers

    @property
    def total(self) -> float:
        """The estimated number of positive pairs."""
        return float(self.sizes @ self.shares)

    @property
    def information(self) -> Values:
        """The number of answers of each stratum, as if drawn with replacement: (k,); infinite if all are answered.

        The variance of a share of n pairs drawn from N without replacement is that of n (N - 1) / (N - n) pairs drawn
        with replacement: Cochran 1977, Sampling Techniques, section 3.2.
        """
        sizes = np.maximum(self.sizes, self.num_answers)
        rest = sizes - self.num_answers
        return np.where(rest > 0, self.num_answers * (sizes - 1) / np.where(rest > 0, rest, 1.0), np.inf)

    def join(self, other: Answered) -> Answered:
        """Return the strata of both populations."""
        names = ("sizes", "num_right", "num_answers", "size_variances")
        return Answered(*(np.concatenate([getattr(self, name), getattr(other, name)]) for name in names))

    def with_more(self, factor: float) -> Answered:
        """Return what a sample with (1 + factor) times the answers would give, with the same shares.

        No stratum gets more answers than it has pairs.
        """
        more = np.minimum(self.num_answers * (1 + factor), np.maximum(self.sizes, self.num_answers))
        return Answered(self.sizes, self.shares * more, more, self.size_variances)


def estimate_share(answered: Answered, quantile: float = QUANTILE) -> Interval:
    """Estimate the share of positive pairs of a population.

    The interval inverts the score test of a weighted sum of independent shares (`_measure_excess`). With one stratum
    and without the correction for skewness it would be Wilson's interval. Where errors are few it is close to the mid-P
    exact interval, and it has no width only if every pair has an answer. `benchmarks/estimate` measures its coverage.

    Args:
        answered: of the population; sizes must be exact.
        quantile: of the normal distribution, for the limits.
    """
    weights = answered.sizes / answered.sizes.sum()
    value = float(weights @ answered.shares)

    def measure(targets: Values, sign: float) -> Values:
        coefficients = np.broadcast_to(weights, (len(targets), len(weights)))
        return _measure_excess(answered, coefficients, targets, 0.0, sign * quantile)

    return _round_outwards(_find_limits(value, measure), float(answered.sizes.sum()))


def estimate_recall(found: Answered, missed: Answered, quantile: float = QUANTILE) -> Interval | None:
    """Estimate the share of the positive pairs that are among the pairs found; None if no positive pair is known.

    For a recall r, (1 - r) (positives found) - r (positives missed) is 0. This weighted sum of shares is tested by the
    same score test as in `estimate_share`. The variance of the sizes of strata that are estimated is added.

    Args:
        found: the published pairs.
        missed: candidates that are not published.
        quantile: of the normal distribution, for the limits.
    """
    everything = found.join(missed)
    if everything.total == 0:
        return None
    is_found = np.arange(len(everything.sizes)) < len(found.sizes)

    def measure(targets: Values, sign: float) -> Values:
        factors = np.where(is_found, 1 - targets[:, None], -targets[:, None])
        scale = everything.sizes.sum()
        of_sizes = (factors * everything.shares) ** 2 @ everything.size_variances / scale**2
        coefficients = factors * everything.sizes / scale
        return _measure_excess(everything, coefficients, np.zeros(len(targets)), of_sizes, sign * quantile)

    return _find_limits(found.total / everything.total, measure)


def _find_limits(value: float, measure: Excess) -> Interval:
    """Return the values nearest to 0 and 1 that the test does not reject.

    Args:
        value: the estimate.
        measure: given hypothesised values (g,) and the side, 1 for the lower and -1 for the upper limit, how far the
            test statistic exceeds its critical value (g,); it rejects above 0.
    """
    limits = []
    for sign, bound in ((1.0, 0.0), (-1.0, 1.0)):
        if value == bound:
            limits.append(bound)
            continue
        inner = at_value = float(np.clip(_logit(value), -_MAX_LOGIT, _MAX_LOGIT))
        outer = -sign * _MAX_LOGIT
        for _ in range(_REFINEMENTS):
            grid = np.linspace(outer, inner, _GRID_POINTS)
            is_kept = measure(1 / (1 + np.exp(-grid)), sign) <= 0
            is_kept[-1] = True  # the estimate itself
            first = int(np.argmax(is_kept))
            outer, inner = grid[max(first - 1, 0)], grid[first]
        is_at_bound = inner == -sign * _MAX_LOGIT
        limits.append(bound if is_at_bound else value if inner == at_value else float(1 / (1 + np.exp(-inner))))
    return Interval(value, min(limits[0], value), max(limits[1], value))


def _round_outwards(interval: Interval, num_pairs: float) -> Interval:
    """Widen an interval to whole numbers of positive pairs, which matters in small populations."""
    low = np.floor(interval.low * num_pairs + _ROUNDING) / num_pairs
    high = np.ceil(interval.high * num_pairs - _ROUNDING) / num_pairs
    return Interval(interval.value, max(0.0, float(low)), min(1.0, float(high)))


def _logit(value: float) -> float:
    if value in {0.0, 1.0}:
        return np.inf if value else -np.inf
    return float(np.log(value / (1 - value)))


def _measure_excess(
    answered: Answered, coefficients: Values, targets: Values, more_variance: Values | float, quantile: float
) -> Values:
    """Return how far the score statistic of `sum of coefficients x shares = target` exceeds its critical value.

    The statistic is the difference of estimate and target over its standard error at the maximum likelihood under the
    hypothesis: Martin Andres, Alvarez Hernandez and Herranz Tejedor 2011, Inferences about a linear combination of
    proportions, Statistical Methods in Medical Research 20, 369-387. Its critical value is corrected for skewness:
    quantile + skewness (quantile^2 - 1) / 6, as in Laud 2017, Equal-tailed confidence intervals for comparison of
    rates, Pharmaceutical Statistics 16, 334-348.

    Args:
        answered: the strata.
        coefficients: for each hypothesis (g, k).
        targets: (g,).
        more_variance: variance of the sum from other sources than the answers (g,).
        quantile: > 0 tests for a larger sum than the target, < 0 for a smaller one.
    """
    information = answered.information
    shares = _fit_shares(answered.shares, information, coefficients, targets)
    spread = shares * (1 - shares)
    variance = (coefficients**2 * spread / information).sum(axis=1) + more_variance
    third = (coefficients**3 * spread * (1 - 2 * shares) / information**2).sum(axis=1)
    difference = coefficients @ answered.shares - targets
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = np.where(variance > 0, difference / np.sqrt(variance), np.sign(difference) * np.inf)
        skewness = np.where(variance > 0, third / variance**1.5, 0.0)
    statistic = np.where(np.abs(difference) < np.finfo(np.float64).eps, 0.0, statistic)
    critical = quantile + skewness * (quantile**2 - 1) / 6
    excess: Values = (statistic - critical) * np.sign(quantile)
    return excess


def _fit_shares(shares: Values, information: Values, coefficients: Values, targets: Values) -> Values:
    """Return the most likely shares whose weighted sum is the target: (g, k).

    With the Lagrange multiplier m, the likelihood equation of a stratum is
    information (observed - share) = m coefficient share (1 - share). Its root in [0, 1] falls with m x coefficient, so
    the weighted sum falls with m, which is found by bisection.
    """
    low, high = np.full(len(targets), -1.0), np.full(len(targets), 1.0)
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        fitted = _solve_likelihood(shares, coefficients * _unscale(middle)[:, None] / information)
        is_above = (coefficients * fitted).sum(axis=1) > targets
        low, high = np.where(is_above, middle, low), np.where(is_above, high, middle)
    return _solve_likelihood(shares, coefficients * _unscale((low + high) / 2)[:, None] / information)


def _unscale(positions: Values) -> Values:
    """Map [-1, 1] to multipliers of any size and both signs."""
    return np.sinh(positions * _MAX_LOG_MULTIPLIER)


def _solve_likelihood(shares: Values, pull: Values) -> Values:
    """Solve observed - share = pull share (1 - share) for the share in [0, 1], without cancellation."""
    half = pull + 1
    root = np.sqrt(np.maximum(half * half - 4 * pull * shares, 0.0))
    is_positive = half > 0
    divisor = np.where(is_positive, half + root, 2 * pull)
    dividend = np.where(is_positive, 2 * shares, half - root)
    with np.errstate(divide="ignore", invalid="ignore"):
        solved = np.where(divisor != 0, dividend / divisor, 0.0)
    return np.minimum(np.maximum(solved, 0.0), 1.0)
