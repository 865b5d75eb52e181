from __future__ import annotations

import json
import math
from dataclasses import asdict, replace

import numpy as np
import pytest

from models.artefact import ModelCard
from models.verifier import EVIDENCE, FIRST_LOOK, SECOND_LOOK, Node, Verifier, is_current
from tests.support.verifiers import leaf, make_verifier, split

LOG_3 = math.log(3)  # the logit of .75


def evidence(**values: float) -> np.ndarray:
    """The evidence of one pair; values that are not named are 0."""
    return np.array([[values.get(name, 0.0) for name in EVIDENCE]])


def test_evidence_is_that_of_the_first_look_and_then_that_of_the_second() -> None:
    assert list(EVIDENCE) == [*FIRST_LOOK, *SECOND_LOOK]
    assert len(set(EVIDENCE)) == len(EVIDENCE)


def test_without_trees_the_intercept_gives_the_probability() -> None:
    assert make_verifier().predict_probability(evidence()).tolist() == [0.5]
    assert make_verifier(intercept=-LOG_3).predict_probability(evidence()).tolist() == [0.25]


def test_a_split_sends_values_up_to_its_threshold_to_the_left() -> None:
    model = make_verifier(split("change", 2.0, low=-LOG_3, high=LOG_3))
    pairs = np.concatenate([evidence(change=value) for value in (1.0, 2.0, 2.1)])
    assert model.predict_probability(pairs).tolist() == [0.25, 0.25, 0.75]


@pytest.mark.parametrize(("missing", "probability"), [(LOG_3, 0.75), (-LOG_3, 0.25)])
def test_a_missing_value_goes_where_the_node_says(missing: float, probability: float) -> None:
    model = make_verifier(split("place_agreement", 0.5, low=-LOG_3, high=LOG_3, missing=missing))
    assert model.predict_probability(evidence(place_agreement=np.nan)).tolist() == [probability]


def test_a_deeper_node_is_reached_through_its_parents() -> None:
    """Change above 1, then place agreement above .5; leaves of 1, 2 and 3."""
    tree = (
        Node(EVIDENCE.index("change"), 1.0, 0, 1, 2, 0.0),
        *leaf(1.0),
        Node(EVIDENCE.index("place_agreement"), 0.5, 0, 3, 4, 0.0),
        *leaf(2.0),
        *leaf(3.0),
    )
    pairs = np.concatenate(
        [evidence(change=1.0, place_agreement=1.0), evidence(change=2.0), evidence(change=2.0, place_agreement=1.0)]
    )
    assert make_verifier(tree).sum_trees(pairs).tolist() == [1.0, 2.0, 3.0]


def test_trees_are_added_and_their_sum_is_scaled() -> None:
    model = make_verifier(leaf(0.25 * LOG_3), split("change", 0.0, 0.0, 0.25 * LOG_3), slope=2.0)
    assert model.predict_probability(evidence(change=1.0)).tolist() == [0.75]
    assert model.sum_trees(evidence()).tolist() == pytest.approx([0.25 * LOG_3])


def test_any_number_of_pairs_is_scored_in_one_call() -> None:
    model = make_verifier(split("change", 0.5, low=0.0, high=LOG_3))
    both = np.concatenate([evidence(), evidence(change=1.0)])
    assert model.predict_probability(both).tolist() == [0.5, 0.75]
    assert model.predict_probability(both[:0]).tolist() == []


def test_the_first_look_alone_is_evidence_without_the_second() -> None:
    model = make_verifier(
        split("change", 0.5, low=0.0, high=LOG_3), split("place_agreement", 0.5, low=-9.0, high=0.0, missing=0.0)
    )
    first_look = np.zeros((2, len(FIRST_LOOK)))
    first_look[1, FIRST_LOOK.index("change")] = 1.0
    assert model.predict_first_look(first_look).tolist() == [0.5, 0.75]
    assert model.predict_first_look(first_look[:0]).tolist() == []


def test_probabilities_are_rounded_to_six_decimals() -> None:
    assert make_verifier(intercept=1.0).predict_probability(evidence()).tolist() == [0.731059]


@pytest.mark.parametrize(("value", "probability"), [(5000.0, 1.0), (-5000.0, 0.0)])
def test_very_large_logits_give_0_or_1_without_a_warning(value: float, probability: float) -> None:
    assert make_verifier(leaf(value)).predict_probability(evidence()).tolist() == [probability]


def test_a_verifier_of_another_format_is_rejected() -> None:
    message = "a verifier must have format 2, got 1: fit it again with `ndvr calibrate --truth`"
    with pytest.raises(ValueError, match=message):
        replace(make_verifier(), format=1)
    with pytest.raises(ValueError, match=message):
        Verifier.from_fields({"min_probability": 0.5, "intercept": 0.0, "weights": [1.0], "fitted_on": "pairs"})


def test_the_format_of_fields_is_known_before_they_are_read() -> None:
    assert is_current(asdict(make_verifier()))
    assert not is_current({"weights": [1.0]})
    assert not is_current({"format": 3})


def test_a_card_stores_the_verifier_unchanged() -> None:
    model = make_verifier(split("change", 0.5, low=-1.0, high=0.25), leaf(0.125), intercept=-1.5)
    card = ModelCard("contrastive", "linear", "tiny", "late", 2, "none", {}, {}, verifier=model)
    read = ModelCard.from_json(card.to_json()).verifier
    assert read == model
    assert hash(read) == hash(model)
    assert read.predict_probability(evidence()).tolist() == model.predict_probability(evidence()).tolist()


def test_a_card_without_the_field_has_no_verifier() -> None:
    card = ModelCard("contrastive", "linear", "tiny", "late", 2, "none", {}, {})
    fields = {name: value for name, value in asdict(card).items() if name != "verifier"}
    assert ModelCard.from_json(json.dumps(fields)).verifier is None


@pytest.mark.parametrize(
    "verifier",
    [{"format": 2, "min_probability": 0.5, "trees": []}, make_verifier().to_fields() | {"trees": ["1 2"]}],
    ids=["without fields", "with a node of two values"],
)
def test_a_card_with_an_incomplete_verifier_is_rejected(verifier: dict[str, object]) -> None:
    card = ModelCard("contrastive", "linear", "tiny", "late", 2, "none", {}, {})
    fields = json.loads(card.to_json()) | {"verifier": verifier}
    with pytest.raises(ValueError, match=r"not a valid model card: .*; train or install the model again"):
        ModelCard.from_json(json.dumps(fields))
