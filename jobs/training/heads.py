"""From views to a trained model: which config, which footage is held out, which head."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from jobs.config.settings import Objective
from jobs.errors import UsageError
from jobs.evaluation.ranking import Curve
from models.artefact import BACKGROUND, BACKGROUND_SOURCES, ModelCard, pack_artefact
from models.background import Background

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from jobs.config.settings import Config, TrainingConfig
    from jobs.training.augmentations import LakeViews
    from models.embedders import RowEmbedder
    from models.training import Epoch, TrainConfig, ViewSet

_MAX_BACKGROUND_FRAMES = 4000
_MAX_VALIDATED_VIDEOS = 400  # all pairs of their views are compared after every epoch
_ADVICE = "choose more videos, or fewer dimensions in training.layers"


@dataclass(frozen=True)
class TrainedHead:
    """A trained head.

    Attributes:
        head: of the best epoch.
        history: what each epoch came to, the first before training.
        config: with which it was trained.
        counts: what it was trained on, for the card.
        background: unedited frames of the training footage, embedded.
    """

    head: RowEmbedder
    history: list[Epoch]
    config: TrainConfig
    counts: dict[str, int]
    background: Background

    @property
    def best(self) -> Epoch:
        """The epoch that the head is of."""
        return max(self.history, key=lambda epoch: epoch.average_precision)

    def pack(self, settings: Config, where: str) -> dict[str, bytes]:
        """Return the files of the artefact, not yet calibrated."""
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
    """Return the configured fusion, or that of the objective: early for the paper's network, late for frame heads."""
    default = "early" if training.objective is Objective.TRIPLET else "late"
    return training.fusion or default


def choose_config(training: TrainingConfig) -> TrainConfig:
    """Return the objective's own numbers, with those that the config gives in their place."""
    from models.training import TrainConfig
    from models.triplet import PAPER

    defaults = {
        Objective.TRIPLET: PAPER,
        Objective.CONTRASTIVE: TrainConfig(),
        Objective.BATCH_HARD: TrainConfig(margin=0.3),
        Objective.DISCRIMINATIVE: TrainConfig(epochs=0),
        Objective.WHITENED: TrainConfig(epochs=0),
    }
    given = {name: value for name in asdict(TrainConfig()) if (value := getattr(training, name)) is not None}
    return TrainConfig(**asdict(defaults[training.objective]) | given)


def train_model(
    views: LakeViews,
    labelled: Sequence[tuple[str, str]],
    settings: Config,
    work: Path,
    on_progress: Callable[[int, int], None],
) -> TrainedHead:
    """Train a head and return it. Runs on: driver, on its GPU if it has one.

    The videos that are held out judge every epoch and train none.

    Args:
        views: of the training videos.
        labelled: pairs of video_ids that are copies of one another: positives, besides a video and its views.
        settings: sections `training` and `describe`.
        work: folder of the checkpoint.
        on_progress: told (epochs done, in all).

    Raises:
        UsageError: none is left to train or to judge, too few for so many dimensions, or no triplet is hard.
    """
    config, fusion = choose_config(settings.training), choose_fusion(settings.training)
    kept, judge = views.select(~views.is_held_out), views.select(views.is_held_out)
    if not kept.video_ids or not judge.video_ids:
        raise UsageError(
            f"{len(kept.video_ids)} videos are left to train and {len(judge.video_ids)} are held out; both need some: "
            "choose more videos, or say in training.held_out which judge"
        )
    judge = judge.select(np.arange(len(judge.video_ids)) < _MAX_VALIDATED_VIDEOS)
    head, history = _learn(
        kept,
        labelled,
        settings.training,
        lambda head: validate(head, judge, fusion),
        work / f"{settings.training.objective}-{_name_run(views, fusion)}.pt",
        on_progress,
    )
    counts = {"videos": len(kept.video_ids), "sources": len(set(kept.source_names)), "frames": len(kept.views.videos)}
    return TrainedHead(head, history, config, counts, _take_background(head, kept.views))


def _take_background(head: RowEmbedder, views: ViewSet) -> Background:
    """Embed the frames as they are, evenly thinned where there are too many; sources are numbered from 0."""
    _, sources = np.unique(views.sources[views.videos], return_inverse=True)
    step = -(-len(sources) // _MAX_BACKGROUND_FRAMES)
    return Background(head.embed(views.descriptors[::step, 0]), sources[::step].astype(np.int32))


def _learn(
    views: LakeViews,
    labelled: Sequence[tuple[str, str]],
    training: TrainingConfig,
    judge: Callable[[RowEmbedder], float],
    checkpoint: Path,
    on_progress: Callable[[int, int], None],
) -> tuple[RowEmbedder, list[Epoch]]:
    """Fit or train the head of the objective."""
    from models.training import Epoch, train
    from models.whitening import fit_discriminative, fit_whitening

    config = choose_config(training)
    if training.objective in (Objective.DISCRIMINATIVE, Objective.WHITENED):
        descriptors, num_dims = views.views.descriptors, config.layers[-1]
        try:
            head = (
                fit_discriminative(descriptors, num_dims)
                if training.objective is Objective.DISCRIMINATIVE
                else fit_whitening(descriptors.reshape(-1, descriptors.shape[2]), num_dims)
            )
        except ValueError as error:
            raise UsageError(f"{error}; {_ADVICE}") from error
        return head, [Epoch(0, float("nan"), judge(head))]
    trainee = _make_trainee(views, labelled, training, config)
    return train(trainee, config, judge, checkpoint, lambda epoch: on_progress(epoch.number, config.epochs))


def validate(head: RowEmbedder, views: LakeViews, fusion: str) -> float:
    """Return the average precision of telling views of one video from those of other sources, over all pairs."""
    left, right, is_copy = views.pair_up()
    flat = views.views.embed(head, fusion)
    flat = flat.reshape(-1, flat.shape[2])
    return Curve.of((flat @ flat.T)[left, right], is_copy).measure_average_precision()


def _make_trainee(
    views: LakeViews, labelled: Sequence[tuple[str, str]], training: TrainingConfig, config: TrainConfig
) -> Any:  # noqa: ANN401 -- one of three classes of a module that the driver must not import
    """Make the head that learns."""
    from models.describer import choose_device
    from models.frame_heads import BatchHardHead, ContrastiveHead
    from models.triplet import TanhTrainee, mine_hard_negatives

    device = choose_device(())
    if training.objective is Objective.TRIPLET:
        averaged = views.views.average()
        num_views = averaged.shape[1]
        rows = averaged.reshape(-1, averaged.shape[2])
        sources = np.repeat(views.views.sources, num_views)
        pairs = _positive_pairs(views, labelled, num_views)
        triplets = mine_hard_negatives(
            rows, pairs, sources, training.max_negative_cosine, training.max_negatives_per_pair
        )
        if not len(triplets):
            raise UsageError("no negative is harder than its positive: nothing is left to learn from these videos")
        return TanhTrainee(rows, triplets, config, device)
    head = ContrastiveHead if training.objective is Objective.CONTRASTIVE else BatchHardHead
    try:
        return head(views.views, config, device)
    except ValueError as error:
        raise UsageError(f"{error}; {_ADVICE}") from error


def _positive_pairs(views: LakeViews, labelled: Sequence[tuple[str, str]], num_views: int) -> NDArray[np.int64]:
    """Pair each video with its views, and labelled videos with one another: int64 (p, 2), rows of (videos x views)."""
    own = [(v * num_views, v * num_views + view) for v in range(len(views.video_ids)) for view in range(1, num_views)]
    place = {video_id: number * num_views for number, video_id in enumerate(views.video_ids)}
    known = [(place[left], place[right]) for left, right in labelled if left in place and right in place]
    return np.array(own + known, dtype=np.int64)


def _name_run(views: LakeViews, fusion: str) -> str:
    """Name a training by what it is trained on; the checkpoint itself knows the config."""
    told = "\n".join([views.fingerprint, fusion, *views.video_ids])
    return hashlib.sha256(told.encode()).hexdigest()[:8]
