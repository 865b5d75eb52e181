from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from jobs.errors import UsageError
from jobs.training.calibration import fit_platt
from jobs.training.verifier import fit_verifier, label_evidence
from models.verifier import EVIDENCE, PRODUCTS, Verifier, multiply_evidence

MANY_NEGATIVES = 10**6  # so large that the rule of 1 in 10,000 has no effect


def evidence(value: float) -> list[float]:
    """Evidence in which only the similarity of the alignment varies."""
    return [value if name == "alignment_similarity" else 0.3 for name in EVIDENCE]


def labelled(*pairs: tuple[float, bool]) -> pd.DataFrame:
    """Pairs, given as the similarity of their alignment and whether they share footage."""
    values, is_positive = zip(*pairs, strict=True)
    return pd.DataFrame({"evidence": [evidence(value) for value in values], "shares_footage": is_positive})


def found(verifier: Verifier, *values: float) -> list[bool]:
    """Whether pairs of these similarities are reported."""
    probabilities = verifier.predict_probability(np.array([evidence(value) for value in values]))
    return [bool(probability >= verifier.min_probability) for probability in probabilities]


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


def test_separable_pairs_are_separated() -> None:
    pairs = labelled((0.9, True), (0.8, True), (0.85, True), (0.1, False), (0.2, False), (0.15, False))
    fitted = fit_verifier(pairs, MANY_NEGATIVES, 0.99, "six pairs")
    assert found(fitted, 0.95, 0.8, 0.2, 0.0) == [True, True, False, False]
    assert fitted.fitted_on == "six pairs"


def test_only_informative_evidence_has_a_weight() -> None:
    fitted = fit_verifier(labelled((0.9, True), (0.8, True), (0.2, False), (0.1, False)), MANY_NEGATIVES, 0.99, "pairs")
    weights = dict(zip(PRODUCTS, fitted.weights, strict=True))
    informative = {names: weight for names, weight in weights.items() if "alignment_similarity" in names}
    assert min(informative.values()) > 1.0
    assert {weight for names, weight in weights.items() if names not in informative} == {0.0}


def test_a_probability_is_the_fraction_of_positives_among_the_labelled_pairs() -> None:
    # All pairs have the same evidence, and three of four share footage.
    pairs = labelled(*[(0.5, True)] * 3000, *[(0.5, False)] * 1000)
    fitted = fit_verifier(pairs, 100 * MANY_NEGATIVES, 0.5, "pairs")
    assert fitted.predict_probability(np.array([evidence(0.5)])).tolist() == pytest.approx([0.75], abs=1e-4)


def test_probabilities_are_scaled_with_platts_smoothed_labels() -> None:
    # The evidence separates the pairs without error: without smoothed labels the slope would be infinite.
    pairs = labelled((0.9, True), (0.8, True), (0.85, True), (0.1, False), (0.2, False), (0.15, False))
    fitted = fit_verifier(pairs, MANY_NEGATIVES, 0.99, "pairs")
    logits = multiply_evidence(np.array(pairs["evidence"].to_list())) @ np.array(fitted.weights) + fitted.intercept
    assert fit_platt(logits, pairs["shares_footage"].to_numpy()) == pytest.approx((0.0, 1.0), abs=1e-3)


def test_no_weight_is_negative() -> None:
    pairs = labelled((0.1, True), (0.2, True), (0.8, False), (0.9, False))
    fitted = fit_verifier(pairs, MANY_NEGATIVES, 0.5, "pairs")
    assert set(fitted.weights) == {0.0}


def test_weights_are_rounded_and_the_threshold_is_computed_with_rounded_weights() -> None:
    pairs = labelled((0.9, True), (0.81, True), (0.2, False), (0.1, False))
    fitted = fit_verifier(pairs, MANY_NEGATIVES, 0.99, "pairs")
    assert [round(weight, 6) for weight in fitted.weights] == list(fitted.weights)
    probabilities = fitted.predict_probability(np.array(pairs["evidence"].to_list()))
    assert fitted.min_probability == probabilities[1]


def test_the_threshold_is_the_lowest_with_the_target_precision() -> None:
    # The precisions after each pair, in order of similarity: 1, 1, 2/3, 3/4, 3/5.
    pairs = labelled((0.9, True), (0.8, True), (0.7, False), (0.6, True), (0.1, False))
    values = (0.9, 0.8, 0.7, 0.6, 0.1)
    assert found(fit_verifier(pairs, MANY_NEGATIVES, 1.0, ""), *values) == [True, True, False, False, False]
    assert found(fit_verifier(pairs, MANY_NEGATIVES, 0.75, ""), *values) == [True, True, True, True, False]
    assert found(fit_verifier(pairs, MANY_NEGATIVES, 0.0, ""), *values) == [True] * 5


def test_at_most_one_negative_in_ten_thousand_is_found_at_any_target_precision() -> None:
    pairs = labelled((0.9, True), (0.8, True), (0.7, False), (0.6, True), (0.1, False))
    values = (0.9, 0.8, 0.7, 0.6, 0.1)
    assert found(fit_verifier(pairs, 9_999, 0.5, ""), *values) == [True, True, False, False, False]
    assert found(fit_verifier(pairs, 10_000, 0.5, ""), *values) == [True, True, True, True, False]
    assert found(fit_verifier(pairs, 20_000, 0.5, ""), *values) == [True] * 5


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        (
            labelled((0.9, True), (0.8, True)),
            "2 of 2 candidate pairs share footage, but a verifier is fitted on pairs that do and pairs that do not",
        ),
        (labelled((0.9, False)), "0 of 1 candidate pairs share footage, but"),
        (labelled((0.9, False)).iloc[:0], "0 of 0 candidate pairs share footage, but"),
    ],
)
def test_pairs_of_one_kind_are_rejected(pairs: pd.DataFrame, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        fit_verifier(pairs, MANY_NEGATIVES, 0.99, "pairs")


def test_pairs_without_a_threshold_of_the_target_precision_are_rejected() -> None:
    pairs = labelled((0.9, False), (0.9, True), (0.1, False), (0.2, False))
    with pytest.raises(
        UsageError,
        match=r"no threshold reaches a precision of 0\.99: these pairs cannot fit a verifier; check their labels, or "
        "decrease --target-precision",
    ):
        fit_verifier(pairs, MANY_NEGATIVES, 0.99, "pairs")
