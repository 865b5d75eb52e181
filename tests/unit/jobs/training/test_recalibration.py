from __future__ import annotations

import numpy as np
import pytest

from jobs.errors import UsageError
from jobs.training.recalibration import LogitMap, apply_map, find_logits, fit_map, measure_log_loss, recalibrate
from tests.support.verifiers import leaf, make_verifier


def draw(number: int, shift: float, scale: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Draw logits, and labels of a lake whose true logit is `shift + scale x logit`."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 3, number)
    return logits, rng.random(number) < 1 / (1 + np.exp(-(shift + scale * logits)))


def test_the_map_of_many_pairs_is_that_of_the_lake() -> None:
    fitted = fit_map(*draw(20_000, -1.5, 0.7))
    assert (fitted.shift, fitted.scale) == pytest.approx((-1.5, 0.7), abs=0.06)


def test_no_pairs_leave_the_verifier_as_it_is() -> None:
    fitted = fit_map(np.empty(0), np.empty(0, dtype=bool))
    assert (fitted.shift, fitted.scale) == (0.0, 1.0)


def test_few_pairs_change_little() -> None:
    fitted = fit_map(np.array([4.0, 4.0, 4.0]), np.array([False, True, True]))
    assert -1 < fitted.shift < 0
    assert 0.5 < fitted.scale < 1


def test_the_scale_stays_positive_if_labels_contradict_the_logits() -> None:
    logits = np.linspace(-5, 5, 40)
    assert fit_map(logits, logits < 0).scale > 0


def test_a_shifted_lake_is_predicted_better_and_the_shipped_model_is_kept_where_it_is_right() -> None:
    groups = np.arange(100, dtype=np.int64)
    assert recalibrate(*draw(100, -2.0, 1.0), groups).is_better
    wrong = [recalibrate(*draw(40, 0.0, 1.0, seed), groups[:40]).is_better for seed in range(20)]
    assert sum(wrong) < 15


def test_held_out_groups_are_predicted_by_maps_of_other_groups() -> None:
    """All pairs of a group agree, and groups contradict each other: nothing can be learnt across groups."""
    groups = np.repeat(np.arange(2, dtype=np.int64), 20)
    result = recalibrate(np.zeros(40), groups == 1, groups)
    assert result.loss_before == pytest.approx(np.log(2))
    assert result.loss_after > 1
    assert not result.is_better


@pytest.mark.parametrize(
    ("is_positive", "groups"),
    [
        ([True] * 10 + [False] * 9, range(19)),
        ([True] * 36 + [False] * 4, range(40)),
        ([True] * 20 + [False] * 20, [0] * 40),
    ],
)
def test_too_few_pairs_kinds_or_clusters_are_refused(is_positive: list[bool], groups: list[int]) -> None:
    number = len(is_positive)
    with pytest.raises(UsageError, match="at least 20 pairs, 5 of each kind and two clusters are needed"):
        recalibrate(np.zeros(number), np.array(is_positive), np.array(groups, dtype=np.int64))


def test_the_refitted_verifier_maps_the_same_trees_and_opens_the_same_pairs() -> None:
    verifier = make_verifier(leaf(2.0), intercept=-1.0, min_probability=0.7, min_open_probability=0.2)
    refitted = apply_map(verifier, LogitMap(0.5, 2.0), "a lake")
    assert (refitted.intercept, refitted.slope, refitted.min_probability) == (-1.5, 2.0, 0.7)
    assert refitted.trees == verifier.trees
    assert refitted.fitted_on == "a lake"
    # The logit of .2 is -1.386; 0.5 + 2 x -1.386 = -2.273, whose probability is .0934.
    assert refitted.min_open_probability == pytest.approx(0.0934, abs=1e-4)
    assert apply_map(make_verifier(leaf(1.0)), LogitMap(0.5, 2.0), "").min_open_probability == 0.0


def test_a_map_is_inverted() -> None:
    fitted = LogitMap(-1.0, 2.0)
    assert fitted.predict(find_logits(np.array([fitted.invert(0.8)])))[0] == pytest.approx(0.8)


def test_the_log_loss_is_that_of_the_truth() -> None:
    assert measure_log_loss(np.array([0.5, 1.0]), np.array([True, True])) == pytest.approx(np.log(2) / 2)
