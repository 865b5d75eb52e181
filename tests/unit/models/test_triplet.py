"""Mining and losses of triplets, on vectors that can be followed by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from models.normalise import standardise
from models.training import TrainConfig, train
from models.triplet import PAPER, TanhTrainee, Triplets, mine_hard_negatives, triplet_loss

# Unit vectors by their angle in degrees, and the footage that they show.
ANCHOR, POSITIVE, BETWEEN, BEFORE, BEYOND, SIBLING, TWIN = range(7)
DEGREES = (0, 60, 30, -50, 100, 20, 1)
SOURCES = np.array([0, 0, 1, 2, 3, 0, 4])
PAIR = np.array([[ANCHOR, POSITIVE]])


def at_angles(*degrees: float) -> np.ndarray:
    turned = np.radians(degrees)
    return np.stack([np.cos(turned), np.sin(turned)], axis=1).astype(np.float32)


def mine(
    pairs: np.ndarray = PAIR,
    sources: np.ndarray = SOURCES,
    max_negative_cosine: float = 0.97,
    max_per_pair: int = 20,
) -> list[tuple[int, int, int]]:
    found = mine_hard_negatives(at_angles(*DEGREES), pairs, sources, max_negative_cosine, max_per_pair)
    return list(zip(found.anchors.tolist(), found.positives.tolist(), found.negatives.tolist(), strict=True))


def draw_rows(num: int = 12, dim: int = 6) -> np.ndarray:
    return standardise(np.random.default_rng(4).normal(size=(num, dim))).astype(np.float32)


CONFIG = TrainConfig((5, 3), batch_size=4, epochs=30, learning_rate=0.01, seed=1)
TRIPLETS = Triplets(np.arange(10), np.arange(1, 11), np.arange(2, 12))


def test_both_ends_of_a_pair_find_what_lies_nearer_than_the_other_end_the_nearest_first() -> None:
    # from 0 degrees: 30 and -50, not 100; from 60 degrees: 30 and then 100, not -50
    assert mine() == [
        (ANCHOR, POSITIVE, BETWEEN),
        (ANCHOR, POSITIVE, BEFORE),
        (POSITIVE, ANCHOR, BETWEEN),
        (POSITIVE, ANCHOR, BEYOND),
    ]


def test_of_each_anchor_the_nearest_so_many_are_taken() -> None:
    assert mine(max_per_pair=1) == [(ANCHOR, POSITIVE, BETWEEN), (POSITIVE, ANCHOR, BETWEEN)]


def test_what_is_as_good_as_a_duplicate_of_either_end_is_no_negative() -> None:
    # 1 degree is at .9998 of the anchor; at .85 the one at 30 degrees is out as well
    assert TWIN in {negative for _, _, negative in mine(max_negative_cosine=1.0)}
    assert mine(max_negative_cosine=0.85) == [(ANCHOR, POSITIVE, BEFORE), (POSITIVE, ANCHOR, BEYOND)]


def test_a_duplicate_of_the_positive_is_no_negative_of_the_anchor() -> None:
    vectors = at_angles(0, 60, 59)
    found = mine_hard_negatives(vectors, PAIR, np.array([0, 0, 1]), 0.97, 20)
    assert len(found) == 0


def test_footage_of_either_end_is_no_negative() -> None:
    assert SIBLING not in {negative for _, _, negative in mine()}
    of_two_sources = np.array([0, 9, 9, 2, 3, 0, 4])
    assert {negative for _, _, negative in mine(sources=of_two_sources)} == {BEFORE, BEYOND}


def test_all_pairs_come_first_in_one_direction_and_then_in_the_other() -> None:
    found = mine(np.array([[ANCHOR, POSITIVE], [SIBLING, POSITIVE]]), max_per_pair=1)
    assert [(anchor, positive) for anchor, positive, _ in found] == [
        (ANCHOR, POSITIVE),
        (SIBLING, POSITIVE),
        (POSITIVE, ANCHOR),  # and none is nearer to the positive than its sibling, and safe
    ]


def test_where_nothing_is_hard_there_are_no_triplets() -> None:
    found = mine_hard_negatives(at_angles(0, 10, 90), PAIR, np.array([0, 0, 1]), 0.97, 20)
    assert len(found) == 0
    assert found.anchors.dtype == np.int64


def test_the_loss_is_what_a_negative_lacks_of_lying_a_margin_further_than_the_positive() -> None:
    anchors = torch.zeros(2, 2)
    positives, negatives = torch.tensor([[1.0, 0.0], [2.0, 0.0]]), torch.tensor([[0.0, 2.0], [1.0, 0.0]])
    # 1 - 4 + 1 is below 0; 4 - 1 + 1
    assert float(triplet_loss(anchors, positives, negatives, margin=1.0)) == 2


def test_the_papers_network_and_optimiser() -> None:
    assert (PAPER.layers, PAPER.margin, PAPER.batch_size) == ((2500, 1000, 500), 1.0, 1000)
    assert (PAPER.learning_rate, PAPER.weight_decay) == (1e-5, 1e-5)


def test_the_network_has_the_layers_of_the_config_and_starts_as_glorot_says() -> None:
    exported = TanhTrainee(draw_rows(), TRIPLETS, CONFIG).export()
    assert [weight.shape for weight in exported.weights] == [(6, 5), (5, 3)]
    assert [bias.tolist() for bias in exported.biases] == [[0.0] * 5, [0.0] * 3]
    assert np.abs(exported.weights[0]).max() <= math.sqrt(6 / (6 + 5))
    assert np.abs(exported.weights[0]).max() > 0.8 * math.sqrt(6 / (6 + 5))


def test_the_seed_decides_how_the_network_starts() -> None:
    def start(seed: int) -> bytes:
        return TanhTrainee(draw_rows(), TRIPLETS, replace(CONFIG, seed=seed)).export().weights[0].tobytes()

    assert start(1) == start(1)
    assert start(1) != start(2)


def test_an_epoch_shows_each_triplet_once_in_a_drawn_order() -> None:
    trainee = TanhTrainee(draw_rows(), TRIPLETS, CONFIG)
    batches = list(trainee.batches(np.random.default_rng(0)))
    assert [len(batch) for batch in batches] == [4, 4, 2]
    anchors = np.concatenate([batch.anchors for batch in batches])
    assert sorted(anchors.tolist()) == list(range(10))
    assert anchors.tolist() != list(range(10))
    for batch in batches:
        np.testing.assert_array_equal(batch.positives, batch.anchors + 1)
        np.testing.assert_array_equal(batch.negatives, batch.anchors + 2)


def test_the_loss_of_a_batch_is_that_of_the_networks_unit_vectors() -> None:
    trainee = TanhTrainee(draw_rows(), TRIPLETS, CONFIG)
    vectors = torch.from_numpy(trainee.export().embed(draw_rows()))
    expected = triplet_loss(vectors[:10], vectors[1:11], vectors[2:], CONFIG.margin)
    assert trainee.loss(TRIPLETS).item() == pytest.approx(float(expected), rel=1e-5)


def test_what_is_exported_embeds_as_the_network_does() -> None:
    trainee = TanhTrainee(draw_rows(), TRIPLETS, CONFIG)
    of_network = trainee._embed(np.arange(12)).detach().numpy()
    np.testing.assert_allclose(trainee.export().embed(draw_rows()), of_network, atol=1e-6)


def test_the_loss_falls_as_the_network_learns() -> None:
    _, history = train(TanhTrainee(draw_rows(), TRIPLETS, CONFIG), CONFIG, lambda _: 0.5)
    assert history[-1].loss < 0.7 * history[1].loss
