from __future__ import annotations

import json
import re
from dataclasses import asdict

import numpy as np
import pytest

from models.artefact import ModelCard
from models.verifier import EVIDENCE, PRODUCTS, Verifier, multiply_pieces


def verifier(intercept: float = 0.0, **weights: float) -> Verifier:
    """One that weighs the products of what is named with the larger coverage, and nothing else."""
    of_products = {("larger_coverage", name): weight for name, weight in weights.items()}
    weighed = tuple(of_products.get(names, of_products.get(names[::-1], 0.0)) for names in PRODUCTS)
    return Verifier(0.5, intercept, weighed, "pairs")


def evidence(**pieces: float) -> np.ndarray:
    """One pair's, one side of which is covered whole; what is not named is 0."""
    return np.array([[pieces.get(name, 1.0 if name == "larger_coverage" else 0.0) for name in EVIDENCE]])


def test_without_evidence_the_intercept_alone_decides_by_its_odds() -> None:
    assert verifier().judge(evidence()).tolist() == [0.5]
    assert verifier(intercept=-np.log(3)).judge(evidence()).tolist() == [0.25]


def test_every_two_pieces_are_multiplied_once() -> None:
    (products,) = multiply_pieces(np.array([[2.0, 3.0, 5.0, 7.0, 11.0, 13.0, 17.0]]))
    found = dict(zip(PRODUCTS, products.tolist(), strict=True))
    assert len(found) == 21
    assert found["larger_chamfer", "alignment_similarity"] == 6.0
    assert found["log_independent_frames", "smaller_coverage"] == 55.0
    assert found["change", "change_agreement"] == 221.0
    assert multiply_pieces(np.empty((0, 7))).shape == (0, 21)


def test_one_piece_alone_proves_nothing() -> None:
    assert verifier(change=9.0).judge(evidence(change=1.0, larger_coverage=0.0)).tolist() == [0.5]


def test_each_product_has_its_own_weight() -> None:
    told = verifier(larger_chamfer=np.log(3), change=-np.log(3))
    assert told.judge(evidence(larger_chamfer=1.0)).tolist() == [0.75]
    assert told.judge(evidence(change=1.0)).tolist() == [0.25]
    assert told.judge(evidence(larger_chamfer=1.0, change=1.0)).tolist() == [0.5]
    assert told.judge(evidence(smaller_coverage=1.0)).tolist() == [0.5]


def test_many_pairs_are_judged_at_once_and_no_pairs_too() -> None:
    told = verifier(smaller_coverage=1.0)
    both = np.concatenate([evidence(), evidence(smaller_coverage=np.log(3))])
    assert told.judge(both).tolist() == [0.5, 0.75]
    assert told.judge(both[:0]).tolist() == []


def test_probabilities_have_six_decimals() -> None:
    assert verifier(intercept=1.0).judge(evidence()).tolist() == [0.731059]


def test_overwhelming_evidence_is_certain_without_a_warning() -> None:
    told = verifier(change=1.0)
    pairs = np.concatenate([evidence(change=5000.0), evidence(change=-5000.0)])
    assert told.judge(pairs).tolist() == [1.0, 0.0]


def test_a_verifier_of_other_evidence_is_refused() -> None:
    with pytest.raises(
        ValueError,
        match=re.escape(
            "a verifier must have 21 weights, one for every two pieces of evidence, got 7: fit it again (ndvr "
            "calibrate --truth)"
        ),
    ):
        Verifier(0.5, 0.0, (1.0,) * len(EVIDENCE), "pairs")


def test_a_card_keeps_it_as_it_is() -> None:
    told = verifier(intercept=-1.5, change=0.25)
    card = ModelCard("contrastive", "linear", "tiny", "late", 2, "none", {}, {}, verifier=told)
    assert ModelCard.from_json(card.to_json()).verifier == told
    assert hash(ModelCard.from_json(card.to_json()).verifier) == hash(told)


def test_a_card_from_before_there_were_verifiers_has_none() -> None:
    card = ModelCard("contrastive", "linear", "tiny", "late", 2, "none", {}, {})
    fields = {name: value for name, value in asdict(card).items() if name != "verifier"}
    assert ModelCard.from_json(json.dumps(fields)).verifier is None


def test_a_card_with_a_broken_verifier_is_refused() -> None:
    card = ModelCard("contrastive", "linear", "tiny", "late", 2, "none", {}, {}, verifier=verifier())
    fields = json.loads(card.to_json())
    fields["verifier"] = {"min_probability": 0.5}
    with pytest.raises(ValueError, match=r"not the card of a model: .*intercept.*; train or install it again"):
        ModelCard.from_json(json.dumps(fields))
