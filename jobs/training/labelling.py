"""Label pairs of a lake's videos as copies or not: from a truth file, or by generating edited copies."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads it when the program runs
from typing import TYPE_CHECKING, Any

import numpy as np
from pyspark.sql import functions as F

from jobs.errors import UsageError
from jobs.evaluation.truth import load_truth
from jobs.tables import embeddings
from jobs.training.calibration import LabelledPairs
from jobs.training.selection import select_videos
from udfs.embedding.embed import Windows

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from jobs.config.settings import Config
    from jobs.lake.lake import Lake
    from jobs.training.augmentations import AugmentedVideos
    from models.embedding_models import EmbeddingModel


_MAX_VIDEOS = 5000  # which have twelve million pairs


def label_augmented_videos(videos: AugmentedVideos, model: EmbeddingModel) -> LabelledPairs:
    """Label pairs of augmented videos: the edited copies of one video are copies of one another."""
    vectors = videos.frames.embed(model.load(), model.fusion)
    num_videos, num_copies, num_dims = vectors.shape
    flat = vectors.reshape(-1, num_dims)
    left, right, is_copy = videos.list_pairs()
    edits = [names for video in videos.edits for names in ((), *video)]
    transforms = tuple(
        edits[j] if same and i % num_copies == 0 else () for i, j, same in zip(left, right, is_copy, strict=True)
    )
    num_sources = len(set(videos.source_names))
    description = f"{num_copies - 1} edited copies each of {num_videos} videos of {num_sources} sources"
    return LabelledPairs((flat @ flat.T)[left, right], is_copy, transforms, description)


def label_videos(lake: Lake, model: EmbeddingModel, where: str, truth: Path, config: Config) -> LabelledPairs:
    """Label all pairs of a lake's videos from a truth file. Partial copies and pairs to ignore are excluded.

    Runs on: driver, which has the vectors of all videos in memory; executors compute them.

    Raises:
        UsageError: the truth has no copy among the videos, or there are too many videos.
    """
    video_ids, vectors = embed_videos(lake, model, where, config)
    known = load_truth(truth).restrict_to(video_ids).pairs
    if known is None or not (known["relation"] == "copy").any():
        raise UsageError(
            f"--truth {str(truth)!r} has no pair of relation `copy` among the {len(video_ids)} selected videos: give "
            "the truth of these videos, by their video_id"
        )
    places = {video_id: place for place, video_id in enumerate(video_ids)}
    left, right = np.triu_indices(len(video_ids), k=1)
    cosines = (vectors @ vectors.T)[left, right]
    numbers = known["left_id"].map(places) * len(places) + known["right_id"].map(places)
    named = dict(zip(numbers, zip(known["relation"], known["transform"], strict=True), strict=True))
    labels = [named.get(number, ("", "")) for number in (left * len(places) + right).tolist()]
    is_counted = np.array([relation in ("", "copy") for relation, _ in labels])
    kept = [label for label, counts in zip(labels, is_counted, strict=True) if counts]
    return LabelledPairs(
        cosines[is_counted],
        np.array([relation == "copy" for relation, _ in kept]),
        tuple((transform,) if transform else () for _, transform in kept),
        f"{len(video_ids)} videos and {truth.name}",
    )


def embed_lake(lake: Lake, model: EmbeddingModel, where: str, config: Config) -> DataFrame:
    """Embed the described videos that `where` selects. Return rows of the table `embeddings`."""
    return embed(select_described(lake, model, where), model, config)


def select_described(lake: Lake, model: EmbeddingModel, where: str) -> DataFrame:
    """Select the described videos that `where` selects. Return rows of the table `descriptors`."""
    chosen = select_videos(lake, where).select("video_id")
    described = lake.read("descriptors").where(F.col("descriptor_id") == model.descriptor_id)
    return described.join(chosen, "video_id", "left_semi")


def embed(described: DataFrame, model: EmbeddingModel, config: Config) -> DataFrame:
    """Embed described videos. Return rows of the table `embeddings`."""
    windows = Windows(config.embeddings.window_seconds, config.embeddings.hop_seconds)
    return embeddings.embed_descriptors(described, model, windows)


def embed_videos(lake: Lake, model: EmbeddingModel, where: str, config: Config) -> tuple[list[str], Any]:
    """Embed the described videos that `where` selects. Return their ids, ascending, and float32 (n, num_dims)."""
    rows = embed_lake(lake, model, where, config).where("segment_index = 0")
    found = rows.select("video_id", "vector").orderBy(F.col("video_id")).collect()
    if len(found) > _MAX_VIDEOS:
        raise UsageError(
            f"--where {where!r} selects {len(found)} videos, but calibration takes at most {_MAX_VIDEOS}: select fewer"
        )
    return [row["video_id"] for row in found], np.array([row["vector"] for row in found], dtype=np.float32)
