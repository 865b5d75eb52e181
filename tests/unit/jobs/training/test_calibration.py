"""Thresholds and probabilities, with pairs that can be counted by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

from jobs.errors import UsageError
from jobs.training.calibration import (
    LabelledPairs,
    choose_similarity,
    fit_platt,
    measure_reliability,
    measure_transforms,
    sweep_thresholds,
)


def pairs(
    copies: list[float], others: list[float], transforms: tuple[tuple[str, ...], ...] | None = None
) -> LabelledPairs:
    is_copy = np.arange(len(copies) + len(others)) < len(copies)
    return LabelledPairs(np.array([*copies, *others]), is_copy, transforms or ((),) * len(is_copy), "by hand")


def choose(copies: list[float], others: list[float], target_precision: float = 0.99) -> float:
    return choose_similarity(sweep_thresholds(pairs(copies, others)), len(others), target_precision)


def test_a_sweep_counts_the_pairs_at_or_above_each_thousandth() -> None:
    sweep = sweep_thresholds(pairs([0.9, 0.5], [0.5, 0.1])).set_index("threshold")
    assert len(sweep) == 1001
    assert sweep.loc[[0.0, 0.1, 0.101, 0.5, 0.501, 0.9, 0.901], ["num_found", "num_true"]].to_numpy().tolist() == [
        [4, 2],
        [4, 2],
        [3, 2],
        [3, 2],
        [1, 1],
        [1, 1],
        [0, 0],
    ]


def test_a_sweep_has_precision_recall_f1_and_the_fraction_of_negatives_found() -> None:
    sweep = sweep_thresholds(pairs([0.9, 0.5], [0.5, 0.1])).set_index("threshold")
    figures = ["precision", "recall", "f1", "false_share"]
    assert sweep.loc[0.5, figures].tolist() == pytest.approx([2 / 3, 1.0, 0.8, 0.5])
    assert sweep.loc[0.7, figures].tolist() == pytest.approx([1.0, 0.5, 2 / 3, 0.0])
    assert sweep.loc[1.0, figures].tolist() == [1.0, 0.0, 0.0, 0.0]


def test_a_pair_with_a_similarity_below_0_is_never_found_but_is_counted() -> None:
    sweep = sweep_thresholds(pairs([0.9], [-0.3, -0.2]))
    assert sweep["num_found"][0] == 1
    assert sweep["false_share"].max() == 0.0


def test_the_lowest_threshold_of_the_target_precision_is_chosen() -> None:
    # A precision of 10/11 is too low. Above .7 all pairs are copies.
    assert choose([0.9] * 10, [0.7, *[0.0] * 20_000]) == 0.701
    assert choose([0.9] * 10, [0.7, *[0.0] * 20_000], target_precision=0.9) == 0.001


def test_at_most_one_in_ten_thousand_negatives_is_found() -> None:
    copies = [0.9] * 1000
    assert choose(copies, [0.8] * 2 + [0.0] * 19_998) == 0.001
    assert choose(copies, [0.8] * 3 + [0.0] * 19_997) == 0.801


def test_one_negative_with_a_high_similarity_does_not_raise_the_threshold() -> None:
    # The precision is 50/51 at .95, but 350/351 at .9 and at all lower thresholds.
    assert choose([0.9] * 300 + [0.99] * 50, [0.95, *[0.0] * 20_000]) == 0.001


def test_a_threshold_must_find_a_copy() -> None:
    message = (
        "no threshold reaches a precision of 0.99: these pairs cannot calibrate the model; check their labels, or "
        "decrease --target-precision"
    )
    with pytest.raises(UsageError, match=message):
        choose([0.9], [0.95])
    with pytest.raises(UsageError, match="no threshold reaches a precision of"):
        choose([1.0], [1.0])


def test_the_recall_per_transform_is_in_ascending_order() -> None:
    labelled = pairs([0.9, 0.3, 0.5, 0.9], [0.2], (("crop", "flip"), ("crop",), ("pad",), (), ()))
    table = measure_transforms(labelled, 0.5)
    assert table.to_dict("list") == {
        "transform": ["crop", "flip", "pad"],
        "num_pairs": [2, 1, 1],
        "recall": [0.5, 1.0, 1.0],
    }


def test_without_known_transforms_the_table_is_empty() -> None:
    table = measure_transforms(pairs([0.9], [0.2]), 0.5)
    assert list(table.columns) == ["transform", "num_pairs", "recall"]
    assert table.empty


def test_platt_scaling_maximises_the_likelihood_of_the_smoothed_labels() -> None:
    chance = np.random.default_rng(0)
    labelled = pairs(chance.normal(0.7, 0.15, 60).tolist(), chance.normal(0.3, 0.15, 90).tolist())
    targets = np.where(labelled.is_copy, 61 / 62, 1 / 92)

    def loss(parameters: np.ndarray) -> float:
        logits = parameters[0] + parameters[1] * labelled.cosines
        return float((np.logaddexp(0, logits) - targets * logits).sum())

    expected = minimize(loss, [0.0, 1.0], tol=1e-12).x
    np.testing.assert_allclose(fit_platt(labelled.cosines, labelled.is_copy), expected, rtol=1e-3)


def test_a_pair_of_weight_two_counts_as_two_pairs() -> None:
    scores, is_copy = np.array([0.9, 0.2, 0.8, 0.1]), np.array([True, True, False, False])
    one, other = fit_platt(scores, is_copy, np.array([2.0, 2.0, 2.0, 2.0])), fit_platt(scores, is_copy)
    assert one == pytest.approx(other, abs=1e-4)
    # All scores are alike: the logit is that of the weighted mean of the labels 3/4 and 1/4.
    intercept, slope = fit_platt(np.zeros(4), is_copy, np.array([3.0, 3.0, 1.0, 1.0]))
    assert (intercept, slope) == (pytest.approx(np.log(0.625 / 0.375), abs=1e-4), pytest.approx(0, abs=1e-6))


def test_the_slope_of_separable_pairs_is_finite() -> None:
    labelled = pairs([0.9] * 8, [0.1] * 8)
    intercept, slope = fit_platt(labelled.cosines, labelled.is_copy)
    # The smoothed labels are 9/10 at .9 and 1/10 at .1, so the logits are +-ln 9.
    assert slope == pytest.approx(2 * np.log(9) / 0.8, rel=1e-4)
    assert intercept == pytest.approx(-slope / 2, rel=1e-4)


def test_a_higher_score_never_has_a_lower_probability() -> None:
    labelled = pairs([0.1] * 3, [0.9])
    # The mean of the smoothed labels: three of 4/5 and one of 1/3.
    assert fit_platt(labelled.cosines, labelled.is_copy) == pytest.approx((np.log((41 / 60) / (19 / 60)), 0.0))


def test_reliability_compares_the_probability_of_a_bin_with_its_fraction_of_copies() -> None:
    # The logits equal the similarities. The probability is 1/2 for 0, and 1 / (1 + 1/3) = .75 for ln 3.
    labelled = pairs([0.0, np.log(3)], [0.0, 0.0, -np.log(3)])
    table = measure_reliability(labelled, 0.0, 1.0)
    assert table["num_pairs"].tolist() == [1, 3, 1]
    assert table["probability"].tolist() == pytest.approx([0.25, 0.5, 0.75])
    assert table["copy_share"].tolist() == pytest.approx([0.0, 1 / 3, 1.0])


def test_a_probability_of_1_is_in_the_last_bin() -> None:
    table = measure_reliability(pairs([1.0], [0.999]), 0.0, 1000.0)
    assert table.to_dict("list") == {"probability": [1.0], "copy_share": [0.5], "num_pairs": [2]}
