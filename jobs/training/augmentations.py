"""Training data of heads: augmented frames of a lake's videos, described by executors and stored in a folder."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from pyspark.errors import AnalysisException
from pyspark.sql import functions as F

from jobs.clustering.components import connected_components
from jobs.contracts.describing import describe_settings
from jobs.errors import UsageError, first_line
from jobs.lake.read_only import check_expression
from jobs.lake.readers import literal_reader
from jobs.lake.session import gpu_profile
from jobs.training.selection import select_videos
from jobs.training.stored_batches import StoredBatches
from models.registry import get_backbone
from udfs.describing.augment import AUGMENTED_FRAMES_DDL, AugmentationSettings, describe_augmented_frames
from udfs.opening.roots import Roots
from udfs.video import SamplingRule

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from pyspark.sql import Row, SparkSession

    from jobs.config.settings import Config
    from jobs.config.training import TrainingConfig
    from jobs.lake.lake import Lake
    from models.training import AugmentedFrames

_PICTURE_PX = 448
_HELD_OUT_SHARE = 0.15
_SAMPLE_FPS = 2.0  # an augmented frame may be up to half a second from the original one


@dataclass(frozen=True)
class TrainingVideo:
    """A video to train on.

    Attributes:
        video_id: id of the video in the lake.
        uri: absolute URI.
        source: name of the footage; videos that show the same footage have the same source.
        is_held_out: whether the video is used for validation and not for training.
        duration_seconds: duration of the video.
    """

    video_id: str
    uri: str
    source: str
    is_held_out: bool = False
    duration_seconds: float = 0.0


@dataclass(frozen=True)
class AugmentedVideos:
    """Augmented frames of the videos of a lake, with the ids, sources and edits of the videos.

    Attributes:
        frames: descriptors of the augmented frames.
        video_ids: id of each video of `frames`.
        source_names: source of each video of `frames`.
        other_names: for each video, the source of the second video that some edits insert into its frames; "" if
            unknown.
        is_held_out: bool (videos,), whether the video is used for validation.
        edits: for each video and each copy except copy 0, the names of the edits in `models.frame_augmentations.EDITS`.
        fingerprint: hash of the settings that change the augmented frames.
    """

    frames: AugmentedFrames
    video_ids: tuple[str, ...]
    source_names: tuple[str, ...]
    other_names: tuple[str, ...]
    is_held_out: NDArray[np.bool_]
    edits: tuple[tuple[tuple[str, ...], ...], ...]
    fingerprint: str

    def list_pairs(self) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.bool_]]:
        """Return all pairs of augmented videos with a known label, as row indices of a flat (videos x copies) matrix.

        Returns:
            Left rows (p,), right rows (p,), and whether both are copies of the same video (p,). Pairs that are not have
            different sources. Excluded are pairs of different videos of the same source, and pairs where an edit may
            have inserted the footage of the other video, or footage of the same third source.
        """
        num_copies = self.frames.descriptors.shape[1]
        videos = np.repeat(np.arange(len(self.video_ids)), num_copies)
        left, right = np.triu_indices(len(videos), k=1)
        one, other = videos[left], videos[right]
        names, inserted = np.array(self.source_names), np.array(self.other_names)
        is_copy = one == other
        is_negative = (names[one] != names[other]) & (inserted[one] != names[other]) & (names[one] != inserted[other])
        is_negative &= (inserted[one] != inserted[other]) | (inserted[one] == "")
        is_labelled = is_copy | is_negative
        return left[is_labelled], right[is_labelled], is_copy[is_labelled]

    def select(self, is_selected: NDArray[np.bool_]) -> AugmentedVideos:
        """Return the videos that are True in `is_selected`, bool (videos,)."""
        kept = [place for place in range(len(self.video_ids)) if is_selected[place]]
        return AugmentedVideos(
            self.frames.select(is_selected),
            tuple(self.video_ids[place] for place in kept),
            tuple(self.source_names[place] for place in kept),
            tuple(self.other_names[place] for place in kept),
            self.is_held_out[is_selected],
            tuple(self.edits[place] for place in kept),
            self.fingerprint,
        )


def choose_videos(
    lake: Lake, where: str, training: TrainingConfig, labelled: Sequence[tuple[str, str]] = ()
) -> list[TrainingVideo]:
    """Return the videos of `find_videos` if they have at least two sources. Runs on: driver.

    Raises:
        UsageError: as `find_videos`, or fewer than two sources are left.
    """
    videos = find_videos(lake, where, training, labelled)
    if len({video.source for video in videos}) < 2:  # noqa: PLR2004  a negative needs a second source
        raise UsageError(
            f"--where {where!r} selects {len(videos)} described videos of fewer than 2 sources: select more videos"
        )
    return videos


def find_videos(
    lake: Lake, where: str, training: TrainingConfig, labelled: Sequence[tuple[str, str]] = ()
) -> list[TrainingVideo]:
    """Find the described videos of a lake, in order of their ids, with their sources. Runs on: driver.

    Two videos get the same source if `training.source` has the same value for both, if they are a labelled pair, or if
    they are a pair of the lake. Videos of the same source are never negatives of one another.

    Args:
        lake: the lake whose manifest, descriptors and pairs are read.
        where: SQL condition on the manifest.
        training: `source` is an SQL expression on the manifest; a video for which it is null has its own source.
            `held_out` is an SQL condition; where it is null, about 15 % of the sources are held out, by a hash of their
            names.
        labelled: video_ids of pairs that show the same footage.

    Raises:
        UsageError: `where`, `source` or `held_out` is not a valid expression on the manifest.
    """
    # A video may have descriptors of several settings and of several URIs.
    newest = [F.max_by(name, "described_at").alias(name) for name in ("uri", "duration_seconds")]
    described = lake.read("descriptors").groupBy("video_id").agg(*newest)
    chosen = select_videos(lake, where)
    for name, expression in (("training.source", training.source), ("training.held_out", training.held_out or "null")):
        check_expression(lake.spark, expression, name)
    try:
        held_out = F.expr(training.held_out or "null").cast("boolean")
        source = F.expr(training.source).cast("string")
        named = chosen.select("video_id", source.alias("source"), held_out.alias("is_held_out"))
        rows = described.join(named, "video_id").orderBy("video_id").collect()
    except AnalysisException as error:
        raise UsageError(
            "training.source or training.held_out is not a valid expression on the manifest: "
            f"{first_line(error.getMessage())}"
        ) from error
    found = [(row["left_id"], row["right_id"]) for row in lake.read("pairs").select("left_id", "right_id").collect()]
    by_source = [(row["video_id"], f"source {row['source']}") for row in rows if row["source"] is not None]
    edges = np.array([*found, *labelled, *by_source], dtype=object).reshape(-1, 2)
    names = connected_components(edges[:, 0], edges[:, 1])
    return [_make_video(row, names.get(row["video_id"], row["video_id"])) for row in rows]


def _make_video(row: Row, source: str) -> TrainingVideo:
    """Return the video of a row. It is held out by the condition of the settings, else by a hash of its source."""
    is_held_out = row["is_held_out"]
    if is_held_out is None:
        is_held_out = int(_hash(source)[:8], 16) < _HELD_OUT_SHARE * 16**8
    return TrainingVideo(row["video_id"], row["uri"], source, is_held_out, row["duration_seconds"])


def describe_augmented_videos(
    spark: SparkSession,
    videos: Sequence[TrainingVideo],
    config: Config,
    folder: Path,
    on_progress: Callable[[int, int], None],
) -> AugmentedVideos:
    """Describe the augmented frames that are not in the folder yet, and return all. Runs on: driver, executors.

    Args:
        spark: session.
        videos: as `choose_videos` returns them.
        config: sections `describe` and `training`.
        folder: folder for the descriptors, as Parquet under a name with a hash of the settings, so that a later run
            with the same settings resumes.
        on_progress: called with (videos done, number of all videos).

    Raises:
        UsageError: none of the videos can be read.
    """
    settings = _make_settings(config, videos)
    fingerprint = _fingerprint(settings)
    path = str(folder / f"views-{fingerprint}")
    others = _choose_others(videos)
    requests = [(video.video_id, video.uri, other) for video, other in zip(videos, others, strict=True)]
    batches = StoredBatches(
        path,
        "video_id STRING, uri STRING, other_uri STRING",
        partial(describe_augmented_frames, settings=settings),
        AUGMENTED_FRAMES_DDL,
        gpu_profile(config.describe.gpus_per_task),
    )
    batches.add_missing(spark, requests, on_progress)
    return _load(spark, path, videos, settings)


def _make_settings(config: Config, videos: Sequence[TrainingVideo]) -> AugmentationSettings:
    """Return the settings for the executors. They may read only the folders of the described videos."""
    training = config.training
    folders = find_roots(videos)
    sampling = SamplingRule(sample_fps=_SAMPLE_FPS, min_frames=2 * training.frames_per_video)
    decoder = replace(config.describe.decoder, frame_px=_PICTURE_PX, sampling=sampling)
    return AugmentationSettings(
        replace(describe_settings(config.describe, folders), decoder=decoder),
        training.frames_per_video,
        training.num_views,
        training.seed,
    )


def find_roots(videos: Sequence[TrainingVideo]) -> Roots:
    """Return the folders of videos: the executors may read no others."""
    return Roots.of(*sorted({video.uri.rpartition("/")[0] for video in videos}))


def _choose_others(videos: Sequence[TrainingVideo]) -> list[str]:
    """Choose a second video for each video: the URI of the next one, in order of a hash, with another source."""
    ring = sorted(range(len(videos)), key=lambda number: _hash(videos[number].video_id))
    others = [""] * len(videos)
    for place, number in enumerate(ring):
        following = (videos[other] for other in ring[place + 1 :] + ring[:place])
        others[number] = next(video.uri for video in following if video.source != videos[number].source)
    return others


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _fingerprint(settings: AugmentationSettings) -> str:
    """Return a hash of all settings that change an augmented frame. Roots and limits are not included."""
    describe = settings.describe
    values: list[Any] = [
        describe.backbone,
        describe.cuts_borders,
        repr(describe.decoder.sampling),
        describe.decoder.frame_px,
        settings.frames_per_video,
        settings.num_augmentations,
        settings.seed,
    ]
    return _hash(json.dumps(values))[:8]


def _load(
    spark: SparkSession, path: str, videos: Sequence[TrainingVideo], settings: AugmentationSettings
) -> AugmentedVideos:
    """Load the augmented frames into the driver, in the order of video, frame and copy."""
    from models.training import AugmentedFrames

    places = {video.video_id: place for place, video in enumerate(videos)}
    table = literal_reader(spark).schema(AUGMENTED_FRAMES_DDL).parquet(path).toPandas()
    table = table[table["video_id"].isin(places)]
    if table.empty:
        raise UsageError("no training video could be read: run the nightly job and check the table quarantine")
    table = table.assign(place=table["video_id"].map(places)).sort_values(["place", "frame_index", "view_index"])
    rows_per_frame = settings.num_augmentations + 1
    shape = (-1, rows_per_frame, get_backbone(settings.describe.backbone).dim)
    descriptors = np.frombuffer(b"".join(table["descriptor"]), dtype="<f2").reshape(shape)
    kept, of_frame = np.unique(table["place"].to_numpy()[::rows_per_frame], return_inverse=True)
    taken = [videos[place] for place in kept]
    shown = table[::rows_per_frame].groupby("place")["other_uri"].first()
    by_uri = {video.uri: video.source for video in videos}
    edits = table[(table["frame_index"] == 0) & (table["view_index"] > 0)].groupby("place")["edits"].agg(list)
    _, sources = np.unique([video.source for video in taken], return_inverse=True)
    return AugmentedVideos(
        AugmentedFrames(descriptors, of_frame.astype(np.int64), sources.astype(np.int64)),
        tuple(video.video_id for video in taken),
        tuple(video.source for video in taken),
        tuple(by_uri.get(shown[place], "") for place in kept),
        np.array([video.is_held_out for video in taken]),
        tuple(tuple(tuple(names) for names in edits[place]) for place in kept),
        _fingerprint(settings),
    )
