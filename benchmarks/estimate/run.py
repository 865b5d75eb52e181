"""Measures how often 95 % intervals of precision and recall contain the truth, in drawn samples of known populations.

Each draw is without replacement from every stratum. The methods are compared on the same draws: the intervals of
`jobs.estimation.intervals`, the stratified normal interval (Cochran 1977, Sampling Techniques, section 5.11), and
Wilson's and the exact interval with the effective sample size of the design (Korn and Graubard 1998, Confidence
intervals for proportions with small expected number of positive counts, Survey Methodology 24, 193-201).
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

sys.path.insert(0, str(Path(__file__).absolute().parents[2]))

from benchmarks.measure import print_table
from jobs.estimation.intervals import QUANTILE, Answered, Interval, estimate_recall, estimate_share

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray


@dataclass(frozen=True)
class Population:
    """Strata of a population: sizes, shares of positive pairs, and the number of pairs drawn from each."""

    name: str
    sizes: tuple[int, ...]
    shares: tuple[float, ...]
    drawn: tuple[int, ...]

    @property
    def num_positive(self) -> NDArray[np.int64]:
        """The positive pairs of each stratum."""
        return np.round(np.array(self.sizes) * np.array(self.shares)).astype(np.int64)

    @property
    def truth(self) -> float:
        """The share of positive pairs."""
        return float(self.num_positive.sum() / sum(self.sizes))

    def draw(self, rng: np.random.Generator) -> Answered:
        """Draw a sample and answer it without errors."""
        positive = self.num_positive
        right = rng.hypergeometric(positive, np.array(self.sizes) - positive, np.array(self.drawn))
        return Answered.of([float(n) for n in self.sizes], right.tolist(), list(self.drawn))


_ROUNDING = 1e-9
_EVEN, _UNEVEN = (2000,) * 5, (60, 200, 900, 3000, 9000)
PRECISION = (
    Population(".5, one stratum", (5000,), (0.5,), (100,)),
    Population(".8, one stratum", (5000,), (0.8,), (100,)),
    Population(".5, even", _EVEN, (0.3, 0.4, 0.5, 0.6, 0.7), (20,) * 5),
    Population(".8, even", _EVEN, (0.6, 0.7, 0.8, 0.9, 1.0), (20,) * 5),
    Population(".9, even", _EVEN, (0.7, 0.85, 0.95, 1.0, 1.0), (20,) * 5),
    Population(".9, uneven", _UNEVEN, (0.3, 0.5, 0.7, 0.85, 0.95), (12, 14, 18, 24, 32)),
    Population(".95, uneven", _UNEVEN, (0.4, 0.6, 0.85, 0.93, 0.98), (12, 14, 18, 24, 32)),
    Population(".98, even", _EVEN, (0.92, 0.98, 1.0, 1.0, 1.0), (20,) * 5),
    Population(".98, uneven", _UNEVEN, (0.5, 0.7, 0.92, 0.98, 0.996), (12, 14, 18, 24, 32)),
    Population(".99, uneven", _UNEVEN, (0.6, 0.8, 0.95, 0.992, 0.999), (12, 14, 18, 24, 32)),
    Population(".99, one stratum", (20000,), (0.99,), (100,)),
    Population(".999, one stratum", (20000,), (0.999,), (100,)),
    Population(".999, uneven", _UNEVEN, (0.9, 0.98, 0.999, 1.0, 1.0), (12, 14, 18, 24, 32)),
    Population(".99, 400 answers", _UNEVEN, (0.6, 0.8, 0.95, 0.992, 0.999), (40, 60, 80, 100, 120)),
    Population(".95, small lake", (10, 20, 40), (0.7, 0.95, 1.0), (8, 12, 20)),
)
RECALL = (
    (PRECISION[7], Population("", (80, 300, 2000), (0.5, 0.1, 0.005), (14, 13, 13))),
    (PRECISION[8], Population("", (200, 600, 3000), (0.3, 0.05, 0.0), (14, 13, 13))),
    (PRECISION[5], Population("", (900, 2000, 5000), (0.6, 0.3, 0.1), (14, 13, 13))),
    (PRECISION[9], Population("", (900, 2000, 5000), (0.05, 0.01, 0.002), (14, 13, 13))),
)


def interval_of_wald(answered: Answered) -> Interval:
    """Return the stratified normal interval."""
    weights, shares = answered.sizes / answered.sizes.sum(), answered.shares
    value = float(weights @ shares)
    error = QUANTILE * np.sqrt((weights**2 * shares * (1 - shares) / answered.information).sum())
    return Interval(value, value - error, value + error)


def _find_effective(answered: Answered) -> tuple[float, float]:
    """Return the estimate, and the effective sample size of Korn and Graubard; of Kish's design effect if all agree."""
    weights, shares = answered.sizes / answered.sizes.sum(), answered.shares
    value = float(weights @ shares)
    variance = float((weights**2 * shares * (1 - shares) / answered.information).sum())
    if variance == 0:
        return value, float(1 / (weights**2 / answered.information).sum())
    return value, value * (1 - value) / variance


def interval_of_wilson(answered: Answered) -> Interval:
    """Return Wilson's interval with the effective sample size."""
    value, size = _find_effective(answered)
    square = QUANTILE**2 / size
    middle = (value + square / 2) / (1 + square)
    half = np.sqrt(value * (1 - value) * square + square**2 / 4) / (1 + square)
    return Interval(value, middle - half, middle + half)


def interval_of_exact(answered: Answered) -> Interval:
    """Return the interval of Clopper and Pearson with the effective sample size."""
    value, size = _find_effective(answered)
    right = value * size
    low = stats.beta.ppf(0.025, right, size - right + 1) if right > 0 else 0.0
    high = stats.beta.ppf(0.975, right + 1, size - right) if right < size else 1.0
    return Interval(value, float(low), float(high))


METHODS: dict[str, Callable[[Answered], Interval]] = {
    "ndvr": estimate_share,
    "normal": interval_of_wald,
    "Wilson": interval_of_wilson,
    "exact": interval_of_exact,
}


def measure_precision(population: Population, num_draws: int, seed: int) -> list[str]:
    """Return a row: the truth, the coverage of each method, how often each limit of the first misses, and its width."""
    rng = np.random.default_rng(seed)
    covered, width = dict.fromkeys(METHODS, 0), 0.0
    missed = [0, 0]
    for _ in range(num_draws):
        answered = population.draw(rng)
        for name, method in METHODS.items():
            interval = method(answered)
            covered[name] += contains(interval, population.truth)
            if name == "ndvr":
                width += interval.width
                missed[0] += interval.low > population.truth + _ROUNDING
                missed[1] += interval.high < population.truth - _ROUNDING
    return [
        population.name,
        f"{population.truth:.4f}",
        *(f"{count / num_draws:.3f}" for count in (*covered.values(), *missed)),
        f"{width / num_draws:.3f}",
    ]


def measure_recall(found: Population, missed: Population, num_draws: int, seed: int) -> list[str]:
    """Return a row: precision, recall, the coverage, and the mean width."""
    rng = np.random.default_rng(seed)
    num_found = found.num_positive.sum()
    truth = float(num_found / (num_found + missed.num_positive.sum()))
    covered, width = 0, 0.0
    for _ in range(num_draws):
        interval = estimate_recall(found.draw(rng), missed.draw(rng))
        if interval is not None:
            covered += contains(interval, truth)
            width += interval.width
    return [found.name, f"{truth:.4f}", f"{covered / num_draws:.3f}", f"{width / num_draws:.3f}"]


def contains(interval: Interval, truth: float) -> bool:
    """Return whether an interval contains the truth, except for errors of floating-point numbers."""
    return interval.low - _ROUNDING <= truth <= interval.high + _ROUNDING


def main() -> None:
    """Draw the samples and print the coverage."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=1000, help="samples of each population")
    parser.add_argument("--seed", type=int, default=0, help="seed of the samples")
    arguments = parser.parse_args()
    rows = [measure_precision(one, arguments.draws, arguments.seed) for one in PRECISION]
    headings = ("population", "truth", *METHODS, "low misses", "high misses", "width")
    print_table("precision: share of intervals that contain it", headings, rows)
    pairs = [measure_recall(*one, arguments.draws, arguments.seed) for one in RECALL]
    print_table("recall", ("pairs found", "truth", "ndvr", "width"), pairs)


if __name__ == "__main__":
    main()
