from __future__ import annotations

import json
import re
from dataclasses import asdict

import numpy as np
import pytest

from models.artefact import ModelCard
from models.verifier import EVIDENCE, PRODUCTS, Verifier, multiply_evidence


def verifier(intercept: float = 0.0, **weights: float) -> Verifier:
    """A verifier. Each named weight is that of the product with the larger coverage; all others are 0."""
    of_products = {("larger_coverage", name): weight for name, weight in weights.items()}
    weighed = tuple(of_products.get(names, of_products.get(names[::-1], 0.0)) for names in PRODUCTS)
    return Verifier(0.5, intercept, weighed, "pairs")


def evidence(**values: float) -> np.ndarray:
    """The evidence of one pair. The larger coverage is 1; values that are not named are 0."""
    return np.array([[values.get(name, 1.0 if name == "larger_coverage" else 0.0) for name in EVIDENCE]])


def test_without_evidence_the_intercept_gives_the_probability() -> None:
    assert verifier().predict_probability(evidence()).tolist() == [0.5]
    assert verifier(intercept=-np.log(3)).predict_probability(evidence()).tolist() == [0.25]


def test_every_two_evidence_values_are_multiplied_once() -> None:
    (products,) = multiply_evidence(np.array([[2.0, 3.0, 5.0, 7.0, 11.0, 13.0, 17.0]]))
    found = dict(zip(PRODUCTS, products.tolist(), strict=True))
    assert len(found) == 21
    assert found["larger_chamfer", "alignment_similarity"] == 6.0
    assert found["log_independent_frames", "smaller_coverage"] == 55.0
    assert found["change", "change_agreement"] == 221.0
    assert multiply_evidence(np.empty((0, 7))).shape == (0, 21)


def test_a_single_evidence_value_does_not_change_the_probability() -> None:
    assert verifier(change=9.0).predict_probability(evidence(change=1.0, larger_coverage=0.0)).tolist() == [0.5]


def test_each_product_has_its_own_weight() -> None:
    model = verifier(larger_chamfer=np.log(3), change=-np.log(3))
    assert model.predict_probability(evidence(larger_chamfer=1.0)).tolist() == [0.75]
    assert model.predict_probability(evidence(change=1.0)).tolist() == [0.25]
    assert model.predict_probability(evidence(larger_chamfer=1.0, change=1.0)).tolist() == [0.5]
    assert model.predict_probability(evidence(smaller_coverage=1.0)).tolist() == [0.5]


def test_any_number_of_pairs_is_scored_in_one_call() -> None:
    model = verifier(smaller_coverage=1.0)
    both = np.concatenate([evidence(), evidence(smaller_coverage=np.log(3))])
    assert model.predict_probability(both).tolist() == [0.5, 0.75]
    assert model.predict_probability(both[:0]).tolist() == []


def test_probabilities_are_rounded_to_six_decimals() -> None:
    assert verifier(intercept=1.0).predict_probability(evidence()).tolist() == [0.731059]


def test_very_large_logits_give_0_or_1_without_a_warning() -> None:
    model = verifier(change=1.0)
    pairs = np.concatenate([evidence(change=5000.0), evidence(change=-5000.0)])
    assert model.predict_probability(pairs).tolist() == [1.0, 0.0]


def test_a_verifier_with_another_number_of_weights_is_rejected() -> None:
    with pytest.raises(
        ValueError,
        match=re.escape(
            "a verifier has 7 weights, but needs 21, one for every two evidence values: fit it again with `ndvr "
            "calibrate --truth`"
        ),
    ):
        Verifier(0.5, 0.0, (1.0,) * len(EVIDENCE), "pairs")


def test_a_card_stores_the_verifier_unchanged() -> None:
    model = verifier(intercept=-1.5, change=0.25)
    card = ModelCard("contrastive", "linear", "tiny", "late", 2, "none", {}, {}, verifier=model)
    assert ModelCard.from_json(card.to_json()).verifier == model
    assert hash(ModelCard.from_json(card.to_json()).verifier) == hash(model)


def test_a_card_without_the_field_has_no_verifier() -> None:
    card = ModelCard("contrastive", "linear", "tiny", "late", 2, "none", {}, {})
    fields = {name: value for name, value in asdict(card).items() if name != "verifier"}
    assert ModelCard.from_json(json.dumps(fields)).verifier is None


def test_a_card_with_an_incomplete_verifier_is_rejected() -> None:
    card = ModelCard("contrastive", "linear", "tiny", "late", 2, "none", {}, {}, verifier=verifier())
    fields = json.loads(card.to_json())
    fields["verifier"] = {"min_probability": 0.5}
    with pytest.raises(ValueError, match=r"not a valid model card: .*intercept.*; train or install the model again"):
        ModelCard.from_json(json.dumps(fields))
