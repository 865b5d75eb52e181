"""Training of heads, from random augmented videos to an artefact."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from jobs.config.settings import Config
from jobs.config.training import Objective, TrainingConfig
from jobs.errors import UsageError
from jobs.training.augmentations import AugmentedVideos
from jobs.training.heads import (
    TrainedHead,
    choose_config,
    choose_fusion,
    measure_average_precision,
    train_model,
)
from models.artefact import BACKGROUND, BACKGROUND_SOURCES, unpack_artefact
from models.background import Background
from models.embedders import Identity, LinearHead, TanhNetwork
from models.training import AugmentedFrames, Epoch, TrainConfig

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

QUICK = TrainingConfig(objective="contrastive", layers=(3,), epochs=3, batch_size=16, source="null")
NUM_VIDEOS, NUM_COPIES, DIM = 8, 3, 6


def make_videos(descriptors: NDArray[np.float16], is_held_out: NDArray[np.bool_], sources: str) -> AugmentedVideos:
    """Augmented videos v0, v1, ... of one frame each. The letters are their sources."""
    _, numbers = np.unique(list(sources), return_inverse=True)
    number = len(descriptors)
    return AugmentedVideos(
        AugmentedFrames(descriptors, np.arange(number), numbers.astype(np.int64)),
        tuple(f"v{place}" for place in range(number)),
        tuple(sources),
        ("",) * number,
        is_held_out,
        ((("crop",),) * (descriptors.shape[1] - 1),) * number,
        "fingerprint",
    )


def draw_videos(num_held_out: int = 3, noise: float = 0.5, num_videos: int = NUM_VIDEOS) -> AugmentedVideos:
    """Videos of one source each, with noisy copies. The first `num_held_out` are held out."""
    chance = np.random.default_rng(6)
    videos = chance.normal(size=(num_videos, 1, DIM))
    videos = videos + chance.normal(scale=noise, size=(num_videos, NUM_COPIES, DIM))
    return make_videos(videos.astype(np.float16), np.arange(num_videos) < num_held_out, "abcdefghijkl"[:num_videos])


def settings(**changed: object) -> Config:
    return Config(training=QUICK.model_copy(update=changed), describe={"backbone": "tiny"})


def train_quickly(tmp_path: Path, videos: AugmentedVideos | None = None, **changed: object) -> TrainedHead:
    return train_model(videos or draw_videos(), [], settings(**changed), tmp_path, lambda _done, _all: None)


def test_each_objective_has_its_own_defaults() -> None:
    def default(objective: Objective) -> TrainConfig:
        return choose_config(TrainingConfig(objective=objective))

    assert default(Objective.CONTRASTIVE) == TrainConfig()
    assert default(Objective.BATCH_HARD) == TrainConfig(margin=0.3)
    assert default(Objective.TRIPLET).layers == (2500, 1000, 500)
    assert default(Objective.WHITENED).epochs == default(Objective.DISCRIMINATIVE).epochs == 0


def test_the_config_overrides_the_defaults_also_with_0() -> None:
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
def test_the_default_fusion_is_early_for_the_papers_network_and_late_for_other_heads(
    objective: str, fusion: str
) -> None:
    assert choose_fusion(TrainingConfig(objective=objective)) == fusion
    assert choose_fusion(TrainingConfig(objective=objective, fusion="early")) == "early"
    assert choose_fusion(TrainingConfig(objective=objective, fusion="late")) == "late"


def test_validation_is_the_average_precision_over_labelled_pairs() -> None:
    # Standardised: a is (1, -1, 0), its copy (1, 0, -1), with cosine .5. b is (-1, 1, 0), its copy equals a.
    # Positive pairs: .5 (a with its copy) and -1 (b with its copy). Negative pairs: -1 and 1 (a with b and its copy),
    # -.5 and .5 (the copy of a with b and its copy). In descending order: 1 negative; .5 positive and negative;
    # -.5 negative; -1 positive and negative. The precisions at the two positives are 1/3 and 2/6.
    videos = make_videos(
        np.array([[[1, -1, 0], [1, 0, -1]], [[-1, 1, 0], [1, -1, 0]]], np.float16), np.ones(2, dtype=bool), "xy"
    )
    assert measure_average_precision(Identity(), videos, "late") == pytest.approx((1 / 3 + 2 / 6) / 2)


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
def test_each_objective_trains_its_head_without_the_held_out_videos(
    objective: Objective, kind: type[LinearHead | TanhNetwork], tmp_path: Path
) -> None:
    trained = train_quickly(tmp_path, objective=Objective(objective))
    assert isinstance(trained.head, kind)
    assert trained.counts.items() >= {"videos": 5, "sources": 5, "frames": 5}.items()
    is_fitted = objective in ("discriminative", "whitened")
    assert [epoch.number for epoch in trained.history] == ([0] if is_fitted else [0, 1, 2, 3])
    assert 0 < trained.best.average_precision <= 1


def test_held_out_videos_are_not_used_for_training(tmp_path: Path) -> None:
    videos = draw_videos()
    changed = videos.frames.descriptors.copy()
    changed[:3] = changed[:3][:, ::-1] + 1
    other = replace(videos, frames=replace(videos.frames, descriptors=changed), fingerprint="other")
    one, two = (train_quickly(tmp_path, of, objective=Objective.CONTRASTIVE, epochs=1) for of in (videos, other))
    assert [epoch.loss for epoch in one.history][1:] == [epoch.loss for epoch in two.history][1:]


def test_training_resumes_from_the_checkpoint_in_its_folder(tmp_path: Path) -> None:
    reported: list[tuple[int, int]] = []
    train_model(draw_videos(), [], settings(epochs=2), tmp_path, lambda done, total: reported.append((done, total)))
    assert reported == [(0, 2), (1, 2), (2, 2)]
    (checkpoint,) = tmp_path.iterdir()
    assert checkpoint.name.startswith("contrastive-")
    (tmp_path / "from the start").mkdir()
    whole, resumed = train_quickly(tmp_path / "from the start", epochs=3), train_quickly(tmp_path, epochs=3)
    assert resumed.history[1:] == whole.history[1:]


def test_another_objective_fusion_or_catalogue_has_its_own_checkpoint(tmp_path: Path) -> None:
    train_quickly(tmp_path)
    train_quickly(tmp_path, fusion="early")
    train_quickly(tmp_path, objective=Objective.BATCH_HARD)
    train_quickly(tmp_path, draw_videos(num_videos=7))
    train_quickly(tmp_path, replace(draw_videos(), fingerprint="of other videos"))
    train_quickly(tmp_path)
    assert len([path for path in tmp_path.iterdir() if path.suffix == ".pt"]) == 5


@pytest.mark.parametrize(("num_held_out", "left"), [(0, 8), (8, 0)])
def test_training_without_training_videos_or_held_out_videos_is_rejected(
    num_held_out: int, left: int, tmp_path: Path
) -> None:
    with pytest.raises(
        UsageError,
        match=rf"there are {left} training videos and {num_held_out} held-out videos, but at least one of each is "
        r"needed: select more videos, or set training\.held_out",
    ):
        train_quickly(tmp_path, draw_videos(num_held_out))


def test_training_without_hard_negatives_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="these videos have no hard negatives for the objective triplet: select more"):
        train_quickly(tmp_path, draw_videos(noise=0.0), objective=Objective.TRIPLET)


@pytest.mark.parametrize("objective", ["discriminative", "contrastive", "batch_hard", "whitened"])
def test_too_many_dimensions_for_the_videos_are_rejected(objective: Objective, tmp_path: Path) -> None:
    with pytest.raises(
        UsageError,
        match=r"6 dimensions need .*got 5.*; select more videos, or set fewer dimensions in training\.layers",
    ):
        train_quickly(tmp_path, objective=Objective(objective), layers=(6,))


def test_the_card_has_the_training_data_and_the_metrics() -> None:
    history = [Epoch(0, float("nan"), 0.5), Epoch(1, 2.0, 0.87654), Epoch(2, 1.0, 0.8)]
    head = LinearHead(np.zeros(6, np.float32), np.eye(6, 3, dtype=np.float32))
    background = Background(np.eye(4, 3, dtype=np.float32), np.zeros(4, np.int32))
    trained = TrainedHead(head, history, TrainConfig((3,), epochs=2), {"videos": 5}, background)
    config = settings(licence="CC0-1.0", fusion="early")
    tensors, card = unpack_artefact(trained.pack(config, "attributes['split'] = 'train'"))
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


def test_a_model_with_late_fusion_stores_background_frames() -> None:
    head = LinearHead(np.zeros(6, np.float32), np.eye(6, 3, dtype=np.float32))
    history = [Epoch(0, float("nan"), 0.5)]
    background = Background(np.eye(4, 3, dtype=np.float32), np.array([0, 0, 3001, 3001], np.int32))
    trained = TrainedHead(head, history, TrainConfig((3,), epochs=0), {"videos": 5}, background)
    tensors, card = unpack_artefact(trained.pack(settings(fusion="late"), "true"))
    assert (card.fusion, card.verifier) == ("late", None)
    assert tensors[BACKGROUND].tolist() == background.vectors.tolist()
    assert tensors[BACKGROUND_SOURCES].tolist() == [0, 0, 3001, 3001]  # half precision would round the last to 3,000
