"""Thresholds and probabilities, on pairs that can be counted by hand."""

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


def test_a_sweep_counts_what_lies_at_or_above_each_thousandth() -> None:
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


def test_a_sweep_tells_precision_recall_f1_and_the_share_of_negatives_found() -> None:
    sweep = sweep_thresholds(pairs([0.9, 0.5], [0.5, 0.1])).set_index("threshold")
    figures = ["precision", "recall", "f1", "false_share"]
    assert sweep.loc[0.5, figures].tolist() == pytest.approx([2 / 3, 1.0, 0.8, 0.5])
    assert sweep.loc[0.7, figures].tolist() == pytest.approx([1.0, 0.5, 2 / 3, 0.0])
    assert sweep.loc[1.0, figures].tolist() == [1.0, 0.0, 0.0, 0.0]


def test_a_similarity_below_0_is_found_by_no_threshold_but_counts() -> None:
    sweep = sweep_thresholds(pairs([0.9], [-0.3, -0.2]))
    assert sweep["num_found"][0] == 1
    assert sweep["false_share"].max() == 0.0


def test_the_lowest_threshold_of_enough_precision_is_taken() -> None:
    # ten of eleven are too few; above .7 all are copies
    assert choose([0.9] * 10, [0.7, *[0.0] * 20_000]) == 0.701
    assert choose([0.9] * 10, [0.7, *[0.0] * 20_000], target_precision=0.9) == 0.001


def test_one_in_ten_thousand_negatives_may_be_found_and_no_more() -> None:
    copies = [0.9] * 1000
    assert choose(copies, [0.8] * 2 + [0.0] * 19_998) == 0.001
    assert choose(copies, [0.8] * 3 + [0.0] * 19_997) == 0.801


def test_one_stranger_among_the_nearest_pairs_does_not_raise_the_threshold() -> None:
    # at .95 it is 50 of 51, but at .9 it is 350 of 351, and so it is all the way down
    assert choose([0.9] * 300 + [0.99] * 50, [0.95, *[0.0] * 20_000]) == 0.001


def test_a_threshold_that_finds_no_copy_is_none() -> None:
    message = (
        "no threshold reaches a precision of 0.99: these pairs cannot calibrate the model; look at their labels, or "
        "lower --target-precision"
    )
    with pytest.raises(UsageError, match=message):
        choose([0.9], [0.95])
    with pytest.raises(UsageError, match="no threshold reaches a precision of"):
        choose([1.0], [1.0])


def test_recall_is_told_by_transform_the_weakest_first() -> None:
    labelled = pairs([0.9, 0.3, 0.5, 0.9], [0.2], (("crop", "flip"), ("crop",), ("pad",), (), ()))
    table = measure_transforms(labelled, 0.5)
    assert table.to_dict("list") == {
        "transform": ["crop", "flip", "pad"],
        "num_pairs": [2, 1, 1],
        "recall": [0.5, 1.0, 1.0],
    }


def test_where_no_transform_is_known_the_table_is_empty() -> None:
    table = measure_transforms(pairs([0.9], [0.2]), 0.5)
    assert list(table.columns) == ["transform", "num_pairs", "recall"]
    assert table.empty


def test_the_map_is_that_of_the_largest_likelihood_of_platts_targets() -> None:
    chance = np.random.default_rng(0)
    labelled = pairs(chance.normal(0.7, 0.15, 60).tolist(), chance.normal(0.3, 0.15, 90).tolist())
    targets = np.where(labelled.is_copy, 61 / 62, 1 / 92)

    def loss(parameters: np.ndarray) -> float:
        logits = parameters[0] + parameters[1] * labelled.cosines
        return float((np.logaddexp(0, logits) - targets * logits).sum())

    expected = minimize(loss, [0.0, 1.0], tol=1e-12).x
    np.testing.assert_allclose(fit_platt(labelled.cosines, labelled.is_copy), expected, rtol=1e-3)


def test_pairs_that_can_be_told_apart_without_error_ask_for_no_infinite_slope() -> None:
    labelled = pairs([0.9] * 8, [0.1] * 8)
    intercept, slope = fit_platt(labelled.cosines, labelled.is_copy)
    # nine tenths at .9 and one tenth at .1, as the smoothed labels say: the logits are +-ln 9
    assert slope == pytest.approx(2 * np.log(9) / 0.8, rel=1e-4)
    assert intercept == pytest.approx(-slope / 2, rel=1e-4)


def test_a_higher_score_is_never_less_probable() -> None:
    labelled = pairs([0.1] * 3, [0.9])
    # the mean of the smoothed labels: three of 4/5, one of 1/3
    assert fit_platt(labelled.cosines, labelled.is_copy) == pytest.approx((np.log((41 / 60) / (19 / 60)), 0.0))


def test_reliability_compares_the_probability_of_a_bin_with_its_share_of_copies() -> None:
    # the logits are the similarities: 1/2 for 0, and 1 / (1 + 1/3) for ln 3
    labelled = pairs([0.0, np.log(3)], [0.0, 0.0, -np.log(3)])
    table = measure_reliability(labelled, 0.0, 1.0)
    assert table["num_pairs"].tolist() == [1, 3, 1]
    assert table["probability"].tolist() == pytest.approx([0.25, 0.5, 0.75])
    assert table["copy_share"].tolist() == pytest.approx([0.0, 1 / 3, 1.0])


def test_certainty_falls_into_the_last_bin() -> None:
    table = measure_reliability(pairs([1.0], [0.999]), 0.0, 1000.0)
    assert table.to_dict("list") == {"probability": [1.0], "copy_share": [0.5], "num_pairs": [2]}
