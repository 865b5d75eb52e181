from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from jobs.errors import UsageError
from jobs.training.verifier import (
    choose_weighted_threshold,
    fit_verifier,
    label_evidence,
    split_footage,
    weigh_pairs,
)
from models.verifier import EVIDENCE, FIRST_LOOK, Verifier

MANY_NEGATIVES = 10**7  # so large that the rule of 1 in 10,000 has no effect
SOURCES = range(12)


def evidence(**values: float) -> list[float]:
    """Evidence of a pair; values that are not named are .3."""
    return [values.get(name, 0.3) for name in EVIDENCE]


def make_pairs(copy: dict[str, float], take: dict[str, float], stranger: dict[str, float]) -> pd.DataFrame:
    """Pairs of 12 sources with two takes and a copy of each: 24 copies, 48 takes and 66 strangers.

    Args:
        copy: evidence of the copies.
        take: of two takes of one source, and of their copies.
        stranger: of two sources.
    """
    rows = []
    for source in SOURCES:
        takes = [f"{source}-{take}" for take in "ab"]
        rows += [(f"{name}-original", f"{name}-small", copy, True) for name in takes]
        rows += [
            (f"{takes[0]}-{left}", f"{takes[1]}-{right}", take, False)
            for left in ("original", "small")
            for right in ("original", "small")
        ]
    rows += [(f"{one}-a-original", f"{other}-a-original", stranger, False) for one, other in combinations(SOURCES, 2)]
    labelled = pd.DataFrame(rows, columns=["left_id", "right_id", "named", "shares_footage"])
    return labelled.assign(evidence=[evidence(**named) for named in labelled["named"]])


def list_footage(labelled: pd.DataFrame) -> pd.Series:
    """The source of each video: the first part of its id."""
    video_ids = np.unique(labelled[["left_id", "right_id"]].to_numpy(str))
    return pd.Series([video_id.partition("-")[0] for video_id in video_ids], index=video_ids, dtype=object)


def fit(labelled: pd.DataFrame, target_precision: float = 0.99) -> Verifier:
    return fit_verifier(labelled, list_footage(labelled), MANY_NEGATIVES, target_precision, "by hand")


def probability(verifier: Verifier, **values: float) -> float:
    return float(verifier.predict_probability(np.array([evidence(**values)]))[0])


def first_look_probability(verifier: Verifier, **values: float) -> float:
    return float(verifier.predict_first_look(np.array([evidence(**values)[: len(FIRST_LOOK)]]))[0])


def test_copies_and_partial_copies_share_footage_and_pairs_that_are_not_listed_do_not() -> None:
    ids = [("a", "b"), ("a", "c"), ("a", "d"), ("b", "c")]
    candidates = pd.DataFrame(ids, columns=["left_id", "right_id"]).assign(evidence=[[1.0], [2.0], [3.0], [4.0]])
    truth = pd.DataFrame(
        [("a", "b", "copy"), ("a", "c", "partial"), ("a", "d", "ignore"), ("x", "y", "copy")],
        columns=["left_id", "right_id", "relation"],
    )
    rows = label_evidence(candidates, truth)
    assert rows[["left_id", "right_id"]].to_numpy().tolist() == [["a", "b"], ["a", "c"], ["b", "c"]]
    assert rows["evidence"].tolist() == [[1.0], [2.0], [4.0]]
    assert rows["shares_footage"].tolist() == [True, True, False]


def test_a_pair_with_several_segments_is_labelled_once() -> None:
    candidates = pd.DataFrame({"left_id": ["a"], "right_id": ["b"], "evidence": [[1.0]]})
    truth = pd.DataFrame({"left_id": ["a", "a"], "right_id": ["b", "b"], "relation": ["partial", "partial"]})
    assert label_evidence(candidates, truth)["shares_footage"].tolist() == [True]


def test_no_candidates_give_no_rows() -> None:
    truth = pd.DataFrame({"left_id": ["a"], "right_id": ["b"], "relation": ["copy"]})
    rows = label_evidence(pd.DataFrame(columns=["left_id", "right_id", "evidence"]), truth)
    assert (len(rows), rows["shares_footage"].dtype) == (0, np.dtype(bool))


SEEN = make_pairs(
    copy={"alignment_similarity": 0.4, "pixel_change_agreement": 0.9},
    take={"alignment_similarity": 0.4, "pixel_change_agreement": 0.1},
    stranger={"alignment_similarity": 0.1, "pixel_change_agreement": math.nan},
)


@pytest.fixture(scope="module")
def fitted() -> Verifier:
    """A verifier of copies, takes with the first look of a copy, and strangers that do not register."""
    return fit(SEEN)


def test_copies_are_separated_from_takes_and_strangers(fitted: Verifier) -> None:
    assert probability(fitted, alignment_similarity=0.4, pixel_change_agreement=0.9) >= fitted.min_probability > 0.5
    assert probability(fitted, alignment_similarity=0.4, pixel_change_agreement=0.1) < 0.1
    assert probability(fitted, alignment_similarity=0.1, pixel_change_agreement=math.nan) < 0.1
    assert fitted.fitted_on == "by hand"


def test_without_a_second_look_the_first_decides(fitted: Verifier) -> None:
    """Copies and takes weigh the same, and their first looks are the same."""
    alike = first_look_probability(fitted, alignment_similarity=0.4)
    assert 0.1 < alike < fitted.min_probability
    assert first_look_probability(fitted, alignment_similarity=0.1) < 0.1


def test_pairs_with_the_first_look_of_a_copy_stay_open_and_strangers_do_not(fitted: Verifier) -> None:
    assert fitted.min_open_probability <= first_look_probability(fitted, alignment_similarity=0.4)
    assert fitted.min_open_probability > first_look_probability(fitted, alignment_similarity=0.1)


def test_more_evidence_never_makes_a_copy_less_probable() -> None:
    """Here copies have the lower similarity, but a higher one must not count against them."""
    labelled = make_pairs(
        copy={"alignment_similarity": 0.1, "place_disagreement": 0.9},
        take={"alignment_similarity": 0.4, "place_disagreement": 0.1},
        stranger={"alignment_similarity": 0.4, "place_disagreement": 0.1},
    )
    with pytest.raises(UsageError, match=r"no threshold reaches a precision of 0\.99"):
        fit(labelled)
    assert probability(fit(labelled, 0.0), alignment_similarity=0.4) == probability(fit(labelled, 0.0))


def test_evidence_without_an_order_may_count_either_way() -> None:
    labelled = make_pairs(copy={"num_moments": 4.0}, take={"num_moments": 8.0}, stranger={"num_moments": 1.0})
    fitted = fit(labelled)
    assert probability(fitted, num_moments=4.0) > 0.8
    assert probability(fitted, num_moments=8.0) < 0.2
    assert probability(fitted, num_moments=1.0) < 0.2


def test_the_same_pairs_give_the_same_verifier(fitted: Verifier) -> None:
    assert fit(SEEN) == fitted


def test_numbers_are_rounded_to_six_decimals(fitted: Verifier) -> None:
    values = [fitted.min_probability, fitted.min_open_probability, fitted.intercept, fitted.slope]
    values += [node.value for tree in fitted.trees for node in tree]
    assert [round(value, 6) for value in values] == values


def test_takes_weigh_as_much_as_copies_and_strangers_three_fifths_of_that() -> None:
    is_positive = np.array([True, True, False, False, False, False, False, False])
    has_one_source = np.array([True, True, True, True, True, True, False, False])
    assert weigh_pairs(is_positive, has_one_source).tolist() == [1, 1, 0.5, 0.5, 0.5, 0.5, 0.6, 0.6]
    assert weigh_pairs(is_positive[:6], has_one_source[:6]).tolist() == [1, 1, 0.5, 0.5, 0.5, 0.5]


def test_each_pair_is_held_out_once_and_then_its_sources_are_not_fitted() -> None:
    left, right = (side.ravel() for side in np.mgrid[:12, :12])
    folds = list(split_footage(left, right))
    assert len(folds) == 5
    assert sum(is_held_out.astype(int) for is_held_out, _ in folds).tolist() == [1] * 144
    for is_held_out, is_seen in folds:
        held_out = set(left[is_held_out].tolist())
        assert not held_out & {*left[is_seen].tolist(), *right[is_seen].tolist()}


def test_pairs_of_too_few_sources_are_rejected() -> None:
    labelled = pd.DataFrame(
        {
            "left_id": ["a-1", "a-1"],
            "right_id": ["a-2", "a-3"],
            "shares_footage": [True, False],
            "evidence": [evidence(change=0.9), evidence(change=0.1)],
        }
    )
    message = (
        r"the candidate pairs have too few sources \(1\) to test a verifier on sources that it is not fitted on: add "
        "videos of other footage to the truth"
    )
    with pytest.raises(UsageError, match=message):
        fit_verifier(labelled, list_footage(labelled), MANY_NEGATIVES, 0.99, "pairs")


@pytest.mark.parametrize(
    ("labelled", "message"),
    [
        (
            SEEN[SEEN["shares_footage"]],
            "24 of 24 candidate pairs share footage, but a verifier is fitted on pairs that do and pairs that do not",
        ),
        (
            SEEN[~SEEN["shares_footage"]],
            "0 of 114 candidate pairs share footage, but .*: add videos or pairs of the missing kind to the truth",
        ),
        (
            SEEN.iloc[:0],
            "0 of 0 candidate pairs share footage, but .*: add videos or pairs of the missing kind to the truth",
        ),
    ],
    ids=["copies", "no copies", "nothing"],
)
def test_pairs_of_one_kind_are_rejected(labelled: pd.DataFrame, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        fit_verifier(labelled, list_footage(SEEN), MANY_NEGATIVES, 0.99, "pairs")


# The weighted precisions after each pair, in order of probability: 1, 1, 2/2.5, 3/3.5, 3/4.5.
PROBABILITIES = np.array([0.9, 0.8, 0.7, 0.6, 0.1])
IS_POSITIVE = np.array([True, True, False, True, False])
WEIGHTS = np.array([1.0, 1.0, 0.5, 1.0, 1.0])
LABELLED = (PROBABILITIES, IS_POSITIVE, WEIGHTS, ~IS_POSITIVE)
"""The negatives are strangers."""


@pytest.mark.parametrize(("target", "threshold"), [(1.0, 0.8), (0.85, 0.6), (0.86, 0.8), (0.0, 0.1)])
def test_the_threshold_is_the_lowest_with_the_target_precision(target: float, threshold: float) -> None:
    assert choose_weighted_threshold(*LABELLED, MANY_NEGATIVES, target) == threshold
    order = [3, 0, 4, 2, 1]
    shuffled = [values[order] for values in LABELLED]
    assert choose_weighted_threshold(*shuffled, MANY_NEGATIVES, target) == threshold


@pytest.mark.parametrize(("num_negatives", "threshold"), [(9_999, 0.8), (10_000, 0.6), (20_000, 0.1)])
def test_at_most_one_negative_in_ten_thousand_is_found_at_any_target_precision(
    num_negatives: int, threshold: float
) -> None:
    assert choose_weighted_threshold(*LABELLED, num_negatives, 0.5) == threshold


def test_takes_do_not_count_as_strangers() -> None:
    no_strangers = np.zeros(5, bool)
    assert choose_weighted_threshold(PROBABILITIES, IS_POSITIVE, WEIGHTS, no_strangers, 9_999, 0.5) == 0.1


def test_pairs_of_the_same_probability_are_found_together() -> None:
    probabilities = np.array([0.9, 0.8, 0.8])
    is_positive = np.array([True, True, False])
    found = choose_weighted_threshold(probabilities, is_positive, np.ones(3), ~is_positive, MANY_NEGATIVES, 0.9)
    assert found == 0.9


def test_pairs_without_a_threshold_of_the_target_precision_are_rejected() -> None:
    is_positive = np.array([True, False])
    with pytest.raises(
        UsageError,
        match=r"no threshold reaches a precision of 0\.99: these pairs cannot fit a verifier; look at their labels, or "
        "lower --target-precision",
    ):
        choose_weighted_threshold(np.array([0.9, 0.9]), is_positive, np.ones(2), ~is_positive, MANY_NEGATIVES, 0.99)
