"""From views to an artefact, on views drawn at random."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from jobs.config.settings import Config, Objective, TrainingConfig
from jobs.errors import UsageError
from jobs.training.augmentations import LakeViews
from jobs.training.heads import (
    TrainedHead,
    _positive_pairs,
    choose_config,
    choose_fusion,
    train_model,
    validate,
)
from models.artefact import BACKGROUND, BACKGROUND_SOURCES, unpack_artefact
from models.background import Background
from models.embedders import Identity, LinearHead, TanhNetwork
from models.training import Epoch, TrainConfig, ViewSet

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

QUICK = TrainingConfig(objective="contrastive", layers=(3,), epochs=3, batch_size=16, source="null")
NUM_VIDEOS, NUM_VIEWS, DIM = 8, 3, 6


def make_views(descriptors: NDArray[np.float16], is_held_out: NDArray[np.bool_], sources: str) -> LakeViews:
    """Views of one frame each: videos v0, v1, ..., of the sources that the letters name."""
    _, numbers = np.unique(list(sources), return_inverse=True)
    number = len(descriptors)
    return LakeViews(
        ViewSet(descriptors, np.arange(number), numbers.astype(np.int64)),
        tuple(f"v{place}" for place in range(number)),
        tuple(sources),
        ("",) * number,
        is_held_out,
        ((("crop",),) * (descriptors.shape[1] - 1),) * number,
        "fingerprint",
    )


def draw_views(num_held_out: int = 3, noise: float = 0.5, num_videos: int = NUM_VIDEOS) -> LakeViews:
    """Noisy views of videos of a source each, the first few of which judge."""
    chance = np.random.default_rng(6)
    videos = chance.normal(size=(num_videos, 1, DIM))
    views = videos + chance.normal(scale=noise, size=(num_videos, NUM_VIEWS, DIM))
    return make_views(views.astype(np.float16), np.arange(num_videos) < num_held_out, "abcdefghijkl"[:num_videos])


def settings(**changed: object) -> Config:
    return Config(training=QUICK.model_copy(update=changed), describe={"backbone": "tiny"})


def learn(tmp_path: Path, views: LakeViews | None = None, **changed: object) -> TrainedHead:
    return train_model(views or draw_views(), [], settings(**changed), tmp_path, lambda _done, _all: None)


def test_an_objective_has_numbers_of_its_own() -> None:
    def default(objective: Objective) -> TrainConfig:
        return choose_config(TrainingConfig(objective=objective))

    assert default(Objective.CONTRASTIVE) == TrainConfig()
    assert default(Objective.BATCH_HARD) == TrainConfig(margin=0.3)
    assert default(Objective.TRIPLET).layers == (2500, 1000, 500)
    assert default(Objective.WHITENED).epochs == default(Objective.DISCRIMINATIVE).epochs == 0


def test_the_config_wins_over_the_objectives_numbers_and_0_is_a_number() -> None:
    chosen = choose_config(
        TrainingConfig(objective=Objective.TRIPLET, layers=(7,), weight_decay=0.0, koleo_weight=0.0, seed=5)
    )
    assert (chosen.layers, chosen.weight_decay, chosen.koleo_weight, chosen.seed) == ((7,), 0.0, 0.0, 5)
    assert (chosen.learning_rate, chosen.batch_size) == (1e-5, 1000)


@pytest.mark.parametrize(
    ("objective", "fusion"),
    [
        ("discriminative", "late"),
        ("contrastive", "late"),
        ("batch_hard", "late"),
        ("whitened", "late"),
        ("triplet", "early"),
    ],
)
def test_the_papers_network_takes_the_averaged_descriptor_and_heads_take_frames(objective: str, fusion: str) -> None:
    assert choose_fusion(TrainingConfig(objective=objective)) == fusion
    assert choose_fusion(TrainingConfig(objective=objective, fusion="early")) == "early"
    assert choose_fusion(TrainingConfig(objective=objective, fusion="late")) == "late"


def test_validation_is_the_average_precision_of_telling_copies_from_strangers() -> None:
    # Standardised: a (1, -1, 0) and its view (1, 0, -1), at a cosine of .5; b (-1, 1, 0) and its view the same as a.
    # Pairs: aa .5 true; bb -1 true; ab: -1 and 1; view of a with b -.5 and .5. In order: 1 f, .5 t and f, -.5 f, -1 t
    # and f. Precisions at the two copies: 1/3 and 2/6.
    views = make_views(
        np.array([[[1, -1, 0], [1, 0, -1]], [[-1, 1, 0], [1, -1, 0]]], np.float16), np.ones(2, dtype=bool), "xy"
    )
    assert validate(Identity(), views, "late") == pytest.approx((1 / 3 + 2 / 6) / 2)


def test_positives_are_a_video_with_its_views_and_labelled_videos_as_they_are() -> None:
    pairs = _positive_pairs(draw_views(num_videos=3), [("v2", "v0"), ("v1", "not chosen")], NUM_VIEWS)
    assert pairs.tolist() == [[0, 1], [0, 2], [3, 4], [3, 5], [6, 7], [6, 8], [6, 0]]


@pytest.mark.parametrize(
    ("objective", "kind"),
    [
        ("discriminative", LinearHead),
        ("contrastive", LinearHead),
        ("batch_hard", LinearHead),
        ("whitened", LinearHead),
        ("triplet", TanhNetwork),
    ],
)
def test_each_objective_trains_its_head_on_what_is_not_held_out(
    objective: Objective, kind: type[LinearHead | TanhNetwork], tmp_path: Path
) -> None:
    learnt = learn(tmp_path, objective=Objective(objective))
    assert isinstance(learnt.head, kind)
    assert learnt.counts == {"videos": 5, "sources": 5, "frames": 5}
    is_fitted = objective in ("discriminative", "whitened")
    assert [epoch.number for epoch in learnt.history] == ([0] if is_fitted else [0, 1, 2, 3])
    assert 0 < learnt.best.average_precision <= 1


def test_what_is_held_out_teaches_nothing(tmp_path: Path) -> None:
    views = draw_views()
    changed = views.views.descriptors.copy()
    changed[:3] = changed[:3][:, ::-1] + 1
    other = replace(views, views=replace(views.views, descriptors=changed), fingerprint="other")
    one, two = (learn(tmp_path, of, objective=Objective.CONTRASTIVE, epochs=1) for of in (views, other))
    assert [epoch.loss for epoch in one.history][1:] == [epoch.loss for epoch in two.history][1:]


def test_a_training_goes_on_from_the_checkpoint_in_its_folder(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    train_model(draw_views(), [], settings(epochs=2), tmp_path, lambda done, total: told.append((done, total)))
    assert told == [(0, 2), (1, 2), (2, 2)]
    (checkpoint,) = tmp_path.iterdir()
    assert checkpoint.name.startswith("contrastive-")
    (tmp_path / "from the start").mkdir()
    whole, resumed = learn(tmp_path / "from the start", epochs=3), learn(tmp_path, epochs=3)
    assert resumed.history[1:] == whole.history[1:]


def test_another_objective_fusion_or_catalogue_has_a_checkpoint_of_its_own(tmp_path: Path) -> None:
    learn(tmp_path)
    learn(tmp_path, fusion="early")
    learn(tmp_path, objective=Objective.BATCH_HARD)
    learn(tmp_path, draw_views(num_videos=7))
    learn(tmp_path, replace(draw_views(), fingerprint="of other views"))
    learn(tmp_path)
    assert len([path for path in tmp_path.iterdir() if path.suffix == ".pt"]) == 5


@pytest.mark.parametrize(("num_held_out", "left"), [(0, 8), (8, 0)])
def test_nothing_to_judge_or_nothing_to_train_on_is_refused(num_held_out: int, left: int, tmp_path: Path) -> None:
    with pytest.raises(
        UsageError,
        match=rf"{left} videos are left to train and {num_held_out} are held out; both need some: choose more videos, "
        r"or say in training\.held_out which judge",
    ):
        learn(tmp_path, draw_views(num_held_out))


def test_where_no_negative_is_hard_there_is_nothing_to_learn(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no negative is harder than its positive: nothing is left to learn"):
        learn(tmp_path, draw_views(noise=0.0), objective=Objective.TRIPLET)


@pytest.mark.parametrize("objective", ["discriminative", "contrastive", "batch_hard", "whitened"])
def test_longer_vectors_than_the_videos_allow_are_refused(objective: Objective, tmp_path: Path) -> None:
    with pytest.raises(
        UsageError,
        match=r"6 dimensions need .*got 5.*; choose more videos, or fewer dimensions in training\.layers",
    ):
        learn(tmp_path, objective=Objective(objective), layers=(6,))


def test_the_card_says_what_was_learnt_from_what_and_how_well() -> None:
    history = [Epoch(0, float("nan"), 0.5), Epoch(1, 2.0, 0.87654), Epoch(2, 1.0, 0.8)]
    head = LinearHead(np.zeros(6, np.float32), np.eye(6, 3, dtype=np.float32))
    background = Background(np.eye(4, 3, dtype=np.float32), np.zeros(4, np.int32))
    learnt = TrainedHead(head, history, TrainConfig((3,), epochs=2), {"videos": 5}, background)
    config = settings(licence="CC0-1.0", fusion="early")
    tensors, card = unpack_artefact(learnt.pack(config, "attributes['split'] = 'train'"))
    assert (card.method, card.kind, card.backbone, card.fusion) == ("contrastive", "linear", "tiny", "early")
    assert (card.num_dims, card.licence, card.calibration) == (3, "CC0-1.0", None)
    assert card.metrics == {"held_out_average_precision": 0.8765}
    assert (card.training["videos"], card.training["where"], card.training["best_epoch"]) == (
        5,
        "attributes['split'] = 'train'",
        1,
    )
    assert card.training["config"]["layers"] == [3]
    assert tensors["projection"].shape == (6, 3)
    assert BACKGROUND not in tensors


def test_a_model_of_frames_keeps_frames_of_its_training_as_background() -> None:
    head = LinearHead(np.zeros(6, np.float32), np.eye(6, 3, dtype=np.float32))
    history = [Epoch(0, float("nan"), 0.5)]
    background = Background(np.eye(4, 3, dtype=np.float32), np.array([0, 0, 3001, 3001], np.int32))
    learnt = TrainedHead(head, history, TrainConfig((3,), epochs=0), {"videos": 5}, background)
    tensors, card = unpack_artefact(learnt.pack(settings(fusion="late"), "true"))
    assert (card.fusion, card.verifier) == ("late", None)
    assert tensors[BACKGROUND].tolist() == background.vectors.tolist()
    assert tensors[BACKGROUND_SOURCES].tolist() == [0, 0, 3001, 3001]  # half precision would make 3,000 of the last
