from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from jobs.errors import UsageError
from jobs.training.calibration import fit_platt
from jobs.training.verifier import fit_verifier, label_evidence
from models.verifier import EVIDENCE, PRODUCTS, Verifier, multiply_pieces

MANY = 10**6  # of negatives, so that the second rule says nothing


def evidence(value: float) -> list[float]:
    """Evidence of which one piece tells and the others are always the same."""
    return [value if name == "alignment_similarity" else 0.3 for name in EVIDENCE]


def labelled(*pairs: tuple[float, bool]) -> pd.DataFrame:
    """Pairs of the similarity of their alignment, and whether they share footage."""
    values, shares = zip(*pairs, strict=True)
    return pd.DataFrame({"evidence": [evidence(value) for value in values], "shares": shares})


def found(verifier: Verifier, *values: float) -> list[bool]:
    """Whether pairs of these similarities would be told."""
    judged = verifier.judge(np.array([evidence(value) for value in values]))
    return [bool(probability >= verifier.min_probability) for probability in judged]


def test_copies_and_partial_copies_share_footage_and_what_is_not_listed_does_not() -> None:
    ids = [("a", "b"), ("a", "c"), ("a", "d"), ("b", "c")]
    candidates = pd.DataFrame(ids, columns=["left_id", "right_id"]).assign(evidence=[[1.0], [2.0], [3.0], [4.0]])
    truth = pd.DataFrame(
        [("a", "b", "copy"), ("a", "c", "partial"), ("a", "d", "ignore"), ("x", "y", "copy")],
        columns=["left_id", "right_id", "relation"],
    )
    rows = label_evidence(candidates, truth)
    assert rows[["left_id", "right_id"]].to_numpy().tolist() == [["a", "b"], ["a", "c"], ["b", "c"]]
    assert rows["evidence"].tolist() == [[1.0], [2.0], [4.0]]
    assert rows["shares"].tolist() == [True, True, False]


def test_a_pair_with_several_segments_is_labelled_once() -> None:
    candidates = pd.DataFrame({"left_id": ["a"], "right_id": ["b"], "evidence": [[1.0]]})
    truth = pd.DataFrame({"left_id": ["a", "a"], "right_id": ["b", "b"], "relation": ["partial", "partial"]})
    assert label_evidence(candidates, truth)["shares"].tolist() == [True]


def test_no_candidates_are_no_rows() -> None:
    truth = pd.DataFrame({"left_id": ["a"], "right_id": ["b"], "relation": ["copy"]})
    rows = label_evidence(pd.DataFrame(columns=["left_id", "right_id", "evidence"]), truth)
    assert (len(rows), rows["shares"].dtype) == (0, np.dtype(bool))


def test_pairs_that_can_be_told_apart_are() -> None:
    pairs = labelled((0.9, True), (0.8, True), (0.85, True), (0.1, False), (0.2, False), (0.15, False))
    fitted = fit_verifier(pairs, MANY, 0.99, "six pairs")
    assert found(fitted, 0.95, 0.8, 0.2, 0.0) == [True, True, False, False]
    assert fitted.fitted_on == "six pairs"


def test_only_what_tells_has_a_weight() -> None:
    fitted = fit_verifier(labelled((0.9, True), (0.8, True), (0.2, False), (0.1, False)), MANY, 0.99, "pairs")
    weights = dict(zip(PRODUCTS, fitted.weights, strict=True))
    telling = {names: weight for names, weight in weights.items() if "alignment_similarity" in names}
    assert min(telling.values()) > 1.0
    assert {weight for names, weight in weights.items() if names not in telling} == {0.0}


def test_a_probability_is_the_share_among_the_labelled_pairs() -> None:
    # the evidence of all pairs is the same, and three of four share footage
    pairs = labelled(*[(0.5, True)] * 3000, *[(0.5, False)] * 1000)
    fitted = fit_verifier(pairs, 100 * MANY, 0.5, "pairs")
    assert fitted.judge(np.array([evidence(0.5)])).tolist() == pytest.approx([0.75], abs=1e-4)


def test_probabilities_follow_platt_as_those_of_a_calibration_do() -> None:
    # Evidence separates the pairs without error: unsmoothed labels would ask for an infinite slope.
    pairs = labelled((0.9, True), (0.8, True), (0.85, True), (0.1, False), (0.2, False), (0.15, False))
    fitted = fit_verifier(pairs, MANY, 0.99, "pairs")
    logits = multiply_pieces(np.array(pairs["evidence"].to_list())) @ np.array(fitted.weights) + fitted.intercept
    assert fit_platt(logits, pairs["shares"].to_numpy()) == pytest.approx((0.0, 1.0), abs=1e-3)


def test_no_evidence_speaks_against_a_pair() -> None:
    pairs = labelled((0.1, True), (0.2, True), (0.8, False), (0.9, False))
    fitted = fit_verifier(pairs, MANY, 0.5, "pairs")
    assert set(fitted.weights) == {0.0}


def test_what_it_stores_is_rounded_and_its_threshold_is_of_what_it_stores() -> None:
    pairs = labelled((0.9, True), (0.81, True), (0.2, False), (0.1, False))
    fitted = fit_verifier(pairs, MANY, 0.99, "pairs")
    assert [round(weight, 6) for weight in fitted.weights] == list(fitted.weights)
    judged = fitted.judge(np.array(pairs["evidence"].to_list()))
    assert fitted.min_probability == judged[1]


def test_the_threshold_is_the_lowest_with_the_precision_asked_for() -> None:
    # found in order: precisions 1, 1, 2/3, 3/4, 3/5
    pairs = labelled((0.9, True), (0.8, True), (0.7, False), (0.6, True), (0.1, False))
    told = (0.9, 0.8, 0.7, 0.6, 0.1)
    assert found(fit_verifier(pairs, MANY, 1.0, ""), *told) == [True, True, False, False, False]
    assert found(fit_verifier(pairs, MANY, 0.75, ""), *told) == [True, True, True, True, False]
    assert found(fit_verifier(pairs, MANY, 0.0, ""), *told) == [True] * 5


def test_at_most_one_negative_in_ten_thousand_is_found_whatever_the_precision() -> None:
    pairs = labelled((0.9, True), (0.8, True), (0.7, False), (0.6, True), (0.1, False))
    told = (0.9, 0.8, 0.7, 0.6, 0.1)
    assert found(fit_verifier(pairs, 9_999, 0.5, ""), *told) == [True, True, False, False, False]
    assert found(fit_verifier(pairs, 10_000, 0.5, ""), *told) == [True, True, True, True, False]
    assert found(fit_verifier(pairs, 20_000, 0.5, ""), *told) == [True] * 5


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        (labelled((0.9, True), (0.8, True)), "2 of 2 candidate pairs share footage: both kinds are needed"),
        (labelled((0.9, False)), "0 of 1 candidate pairs share footage: both kinds are needed"),
        (labelled((0.9, False)).iloc[:0], "0 of 0 candidate pairs share footage: both kinds are needed"),
    ],
)
def test_pairs_of_one_kind_fit_nothing(pairs: pd.DataFrame, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        fit_verifier(pairs, MANY, 0.99, "pairs")


def test_pairs_that_no_threshold_tells_apart_are_refused() -> None:
    pairs = labelled((0.9, False), (0.9, True), (0.1, False), (0.2, False))
    with pytest.raises(
        UsageError,
        match=r"no threshold reaches a precision of 0\.99: these pairs cannot fit a verifier; look at their labels, or "
        "lower --target-precision",
    ):
        fit_verifier(pairs, MANY, 0.99, "pairs")
