"""Train a head on augmented frames: choose its settings, hold out footage for validation, write the artefact."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from jobs.config.training import Objective
from jobs.errors import UsageError
from jobs.evaluation.ranking import Curve
from jobs.training.takes import Takes
from jobs.training.triplets import mine_triplets
from models.artefact import BACKGROUND, BACKGROUND_SOURCES, ModelCard, pack_artefact
from models.background import Background

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from jobs.config.settings import Config
    from jobs.config.training import TrainingConfig
    from jobs.training.augmentations import AugmentedVideos
    from jobs.training.triplets import MinedTriplets
    from models.embedders import RowEmbedder
    from models.training import AugmentedFrames, Epoch, TrainConfig

_MAX_BACKGROUND_FRAMES = 4000
_MAX_VALIDATED_VIDEOS = 400  # all pairs of their augmented copies are compared after each epoch
_ADVICE = "select more videos, or set fewer dimensions in training.layers"


@dataclass(frozen=True)
class TrainedHead:
    """A trained head, with its training results.

    Attributes:
        head: the head of the best epoch.
        history: results of all epochs; the first is before training.
        config: settings of the training.
        counts: numbers of training videos, sources and frames, for the card.
        background: embedded unedited frames of the training footage.
    """

    head: RowEmbedder
    history: list[Epoch]
    config: TrainConfig
    counts: dict[str, int]
    background: Background

    @property
    def best(self) -> Epoch:
        """The epoch with the highest average precision, whose head this is."""
        return max(self.history, key=lambda epoch: epoch.average_precision)

    def pack(self, settings: Config, where: str) -> dict[str, bytes]:
        """Return the files of the artefact, without a calibration."""
        fusion = choose_fusion(settings.training)
        kept = {BACKGROUND: self.background.vectors, BACKGROUND_SOURCES: self.background.sources}
        tensors = self.head.to_tensors() | (kept if fusion == "late" else {})
        training = settings.training
        card = ModelCard(
            method=training.objective.value,
            kind=self.head.kind,
            backbone=settings.describe.backbone,
            fusion=fusion,
            num_dims=self.config.layers[-1],
            licence=training.licence,
            training=self.counts | {"where": where, "best_epoch": self.best.number, "config": asdict(self.config)},
            metrics={"held_out_average_precision": round(self.best.average_precision, 4)},
        )
        return pack_artefact(tensors, card)


def choose_fusion(training: TrainingConfig) -> str:
    """Return the configured fusion, or the default: early for the network of the paper, late for heads of frames."""
    default = "early" if training.objective is Objective.TRIPLET else "late"
    return training.fusion or default


def choose_config(training: TrainingConfig) -> TrainConfig:
    """Return the default settings of the objective, overridden by those that the config sets."""
    from models.training import TrainConfig
    from models.triplet import PAPER_CONFIG

    defaults = {
        Objective.TRIPLET: PAPER_CONFIG,
        Objective.CONTRASTIVE: TrainConfig(),
        Objective.BATCH_HARD: TrainConfig(margin=0.3),
        Objective.DISCRIMINATIVE: TrainConfig(epochs=0),
        Objective.WHITENED: TrainConfig(epochs=0),
    }
    given = {name: value for name in asdict(TrainConfig()) if (value := getattr(training, name)) is not None}
    return TrainConfig(**asdict(defaults[training.objective]) | given)


def train_model(
    videos: AugmentedVideos,
    labelled: Sequence[tuple[str, str]],
    settings: Config,
    work: Path,
    on_progress: Callable[[int, int], None],
    takes: Takes | None = None,
) -> TrainedHead:
    """Train a head and return it. Runs on: driver, on its GPU if it has one.

    Held-out videos are used to validate each epoch, and not for training.

    Args:
        videos: augmented frames of the chosen videos.
        labelled: pairs of video_ids that are copies: positives in addition to the augmented copies of each video.
        settings: sections `training` and `describe`.
        work: folder of the checkpoint.
        on_progress: called with (epochs done, number of all epochs).
        takes: of the training videos, for the objective triplet; None for none.

    Raises:
        UsageError: there are no training videos or no held-out videos, too few videos for the number of dimensions, or
            no hard negatives.
    """
    config, fusion = choose_config(settings.training), choose_fusion(settings.training)
    training, held_out = videos.select(~videos.is_held_out), videos.select(videos.is_held_out)
    num_training = len(training.video_ids)
    if not num_training or not held_out.video_ids:
        raise UsageError(
            f"there are {num_training} training videos and {len(held_out.video_ids)} held-out videos, but at least one "
            "of each is needed: select more videos, or set training.held_out"
        )
    held_out = held_out.select(np.arange(len(held_out.video_ids)) < _MAX_VALIDATED_VIDEOS)
    takes = takes or Takes.none()
    mined = None
    if settings.training.objective is Objective.TRIPLET:
        mined = mine_triplets(training, labelled, settings.training, takes)
    head, history = _fit_or_train(
        training,
        mined,
        settings.training,
        lambda head: measure_average_precision(head, held_out, fusion),
        work / f"{settings.training.objective}-{_name_run(videos, fusion, settings.training, takes)}.pt",
        on_progress,
    )
    frames = training.frames
    counts = {"videos": num_training, "sources": len(set(training.source_names)), "frames": len(frames.videos)}
    if mined is not None:
        counts |= {
            "takes": takes.num_parts,
            "triplets": len(mined.triplets),
            "triplets_with_take": mined.num_with_take,
        }
    return TrainedHead(head, history, config, counts, _select_background(head, frames))


def _select_background(head: RowEmbedder, frames: AugmentedFrames) -> Background:
    """Embed the unedited frames, or every n-th one if there are too many. Sources are numbered from 0."""
    _, sources = np.unique(frames.sources[frames.videos], return_inverse=True)
    step = -(-len(sources) // _MAX_BACKGROUND_FRAMES)
    return Background(head.embed(frames.descriptors[::step, 0]), sources[::step].astype(np.int32))


def _fit_or_train(
    videos: AugmentedVideos,
    mined: MinedTriplets | None,
    training: TrainingConfig,
    validate: Callable[[RowEmbedder], float],
    checkpoint: Path,
    on_progress: Callable[[int, int], None],
) -> tuple[RowEmbedder, list[Epoch]]:
    """Fit the head of the objective in closed form, or train it."""
    from models.training import Epoch, train
    from models.whitening import fit_discriminative, fit_whitening

    config = choose_config(training)
    if training.objective in (Objective.DISCRIMINATIVE, Objective.WHITENED):
        descriptors, num_dims = videos.frames.descriptors, config.layers[-1]
        try:
            head = (
                fit_discriminative(descriptors, num_dims)
                if training.objective is Objective.DISCRIMINATIVE
                else fit_whitening(descriptors.reshape(-1, descriptors.shape[2]), num_dims)
            )
        except ValueError as error:
            raise UsageError(f"{error}; {_ADVICE}") from error
        return head, [Epoch(0, float("nan"), validate(head))]
    trainable = _make_trainable_head(videos, mined, training, config)
    return train(trainable, config, validate, checkpoint, lambda epoch: on_progress(epoch.number, config.epochs))


def measure_average_precision(head: RowEmbedder, videos: AugmentedVideos, fusion: str) -> float:
    """Return the average precision over all labelled pairs of augmented videos: see `AugmentedVideos.list_pairs`."""
    left, right, is_copy = videos.list_pairs()
    flat = videos.frames.embed(head, fusion)
    flat = flat.reshape(-1, flat.shape[2])
    return Curve.of((flat @ flat.T)[left, right], is_copy).measure_average_precision()


def _make_trainable_head(
    videos: AugmentedVideos, mined: MinedTriplets | None, training: TrainingConfig, config: TrainConfig
) -> Any:  # noqa: ANN401 -- one of three classes of a module that the driver must not import
    """Return the initialised head of the objective."""
    from models.describer import choose_device
    from models.frame_heads import BatchHardHead, ContrastiveHead
    from models.triplet import TripletHead

    device = choose_device(())
    if mined is not None:
        return TripletHead(mined.rows, mined.triplets, config, device)
    head = ContrastiveHead if training.objective is Objective.CONTRASTIVE else BatchHardHead
    try:
        return head(videos.frames, config, device)
    except ValueError as error:
        raise UsageError(f"{error}; {_ADVICE}") from error


def _name_run(videos: AugmentedVideos, fusion: str, training: TrainingConfig, takes: Takes) -> str:
    """Return a name that depends on the training data and the fusion. The checkpoint itself stores the config."""
    of_takes = [str(training.take_share), *takes.copies["video_id"]] if not takes.is_empty else []
    key = "\n".join([videos.fingerprint, fusion, *videos.video_ids, *of_takes])
    return hashlib.sha256(key.encode()).hexdigest()[:8]
