"""Views of a lake's videos, described by the executors and kept in a folder: what heads are trained on."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from pyspark.errors import AnalysisException, ParseException
from pyspark.sql import functions as F

from jobs.clustering.components import connected_components
from jobs.errors import UsageError, first_line
from jobs.lake.session import gpu_profile
from jobs.tables.attempts import describe_settings
from models.registry import get_backbone
from udfs.describing.augment import VIEWS_DDL, ViewSettings, describe_views
from udfs.opening.roots import Roots
from udfs.video import SamplingRule

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from pyspark.sql import Row, SparkSession

    from jobs.config.settings import Config, TrainingConfig
    from jobs.lake.lake import Lake
    from models.training import ViewSet

_VIDEOS_PER_BATCH = 256  # between two writes: what a kill can lose
_VIDEOS_PER_TASK = 8
_PICTURE_PX = 448
_HELD_OUT_SHARE = 0.15
_SAMPLE_FPS = 2.0  # a view may show the frame half a second beside


@dataclass(frozen=True)
class TrainingVideo:
    """A video to train on.

    Attributes:
        video_id: in the lake.
        uri: absolute.
        source: what footage it shows, by a name that videos of the same footage share.
        is_held_out: it judges every epoch, and takes no part in the training.
    """

    video_id: str
    uri: str
    source: str
    is_held_out: bool = False


@dataclass(frozen=True)
class LakeViews:
    """Views with the names of what they show.

    Attributes:
        views: descriptors of views.
        video_ids: of each video of `views`.
        source_names: of each video of `views`.
        other_names: the source of the footage that some of a video's views show beside its own.
        is_held_out: bool (videos,), which of them judge the training.
        edits: of each video, of each of its views, view 0 left out: names of `models.views.EDITS`.
        fingerprint: changes with whatever changes a view.
    """

    views: ViewSet
    video_ids: tuple[str, ...]
    source_names: tuple[str, ...]
    other_names: tuple[str, ...]
    is_held_out: NDArray[np.bool_]
    edits: tuple[tuple[tuple[str, ...], ...], ...]
    fingerprint: str

    def pair_up(self) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.bool_]]:
        """Pair all views with one another, as a flat (videos x views) matrix has them.

        Returns:
            Rows (p,), rows (p,), and whether both are views of one video (p,); else they are of other sources. Left out
            are other videos of one source, and views that may show the other's footage, or the same third's, beside
            their own.
        """
        num_views = self.views.descriptors.shape[1]
        videos = np.repeat(np.arange(len(self.video_ids)), num_views)
        left, right = np.triu_indices(len(videos), k=1)
        one, other = videos[left], videos[right]
        names, shown = np.array(self.source_names), np.array(self.other_names)
        is_copy = one == other
        is_stranger = (names[one] != names[other]) & (shown[one] != names[other]) & (names[one] != shown[other])
        is_stranger &= (shown[one] != shown[other]) | (shown[one] == "")
        counts = is_copy | is_stranger
        return left[counts], right[counts], is_copy[counts]

    def select(self, is_taken: NDArray[np.bool_]) -> LakeViews:
        """Keep the videos that are True in bool (videos,)."""
        kept = [place for place in range(len(self.video_ids)) if is_taken[place]]
        return LakeViews(
            self.views.select(is_taken),
            tuple(self.video_ids[place] for place in kept),
            tuple(self.source_names[place] for place in kept),
            tuple(self.other_names[place] for place in kept),
            self.is_held_out[is_taken],
            tuple(self.edits[place] for place in kept),
            self.fingerprint,
        )


def choose_videos(
    lake: Lake, where: str, training: TrainingConfig, labelled: Sequence[tuple[str, str]] = ()
) -> list[TrainingVideo]:
    """Choose the described videos of a lake to train on, in the order of their ids. Runs on: driver.

    Two videos show the same footage where `training.source` says so, where a labelled pair does, or where the lake's
    own pairs do: none of them is ever taken for a negative of the other.

    Args:
        lake: whose manifest, descriptors and pairs are read.
        where: SQL condition on the manifest.
        training: `source`, an SQL expression on the manifest (where it is null the video is a source of its own), and
            `held_out`, a condition; where that is null, about 15 % of the sources by a hash of their names.
        labelled: video_ids of pairs that show the same footage.

    Raises:
        UsageError: `where`, `source` or `held_out` is no expression on the manifest, or one source alone is left.
    """
    # A video may have been described twice, by other settings and at another place.
    described = lake.read("descriptors").groupBy("video_id").agg(F.max_by("uri", "described_at").alias("uri"))
    try:
        chosen = lake.read("manifest").where("removed_at IS NULL").where(where)
        held_out = F.expr(training.held_out or "null").cast("boolean")
        source = F.expr(training.source).cast("string")
        named = chosen.select("video_id", source.alias("source"), held_out.alias("is_held_out"))
        rows = described.join(named, "video_id").orderBy("video_id").collect()
    except (AnalysisException, ParseException) as error:
        raise UsageError(
            f"--where {where!r}, training.source or training.held_out is wrong: {first_line(error.getMessage())}"
        ) from error
    found = [(row["left_id"], row["right_id"]) for row in lake.read("pairs").select("left_id", "right_id").collect()]
    by_source = [(row["video_id"], f"source {row['source']}") for row in rows if row["source"] is not None]
    edges = np.array([*found, *labelled, *by_source], dtype=object).reshape(-1, 2)
    names = connected_components(edges[:, 0], edges[:, 1])
    videos = [_make_video(row, names.get(row["video_id"], row["video_id"])) for row in rows]
    if len({video.source for video in videos}) < 2:  # noqa: PLR2004  a negative needs another
        raise UsageError(f"--where {where!r} leaves {len(videos)} described videos of one source: give two or more")
    return videos


def _make_video(row: Row, source: str) -> TrainingVideo:
    """Make a video of its row, held out by the config's condition, else by its source."""
    is_held_out = row["is_held_out"]
    if is_held_out is None:
        is_held_out = int(_hash(source)[:8], 16) < _HELD_OUT_SHARE * 16**8
    return TrainingVideo(row["video_id"], row["uri"], source, is_held_out)


def describe_training_views(
    spark: SparkSession,
    videos: Sequence[TrainingVideo],
    config: Config,
    folder: Path,
    on_progress: Callable[[int, int], None],
) -> LakeViews:
    """Describe the views that are not in the folder yet, and return all of them. Runs on: driver, executors.

    Args:
        spark: session.
        videos: see `choose_videos`.
        config: sections `describe` and `training`.
        folder: keeps the views, as Parquet, under a name made from the settings; a later run goes on from there.
        on_progress: told (videos done, videos in all).

    Raises:
        UsageError: none of the videos can be read.
    """
    settings = _view_settings(config, videos)
    fingerprint = _fingerprint(settings)
    path = str(folder / f"views-{fingerprint}")
    others = _choose_others(videos)
    requests = [(video.video_id, video.uri, other) for video, other in zip(videos, others, strict=True)]
    done = _read_done(spark, path)
    missing = [request for request in requests if request[0] not in done]
    on_progress(len(videos) - len(missing), len(videos))
    count = spark.sparkContext.accumulator(0)
    profile = gpu_profile(config.describe.gpus_per_task)
    for begin in range(0, len(missing), _VIDEOS_PER_BATCH):
        batch = missing[begin : begin + _VIDEOS_PER_BATCH]
        rows = spark.createDataFrame(batch, "video_id STRING, uri STRING, other_uri STRING")
        describe = partial(describe_views, settings=settings, count_done=count.add)
        views = rows.repartition(-(-len(batch) // _VIDEOS_PER_TASK)).mapInPandas(describe, VIEWS_DDL, profile=profile)
        views.write.mode("append").parquet(path)
        on_progress(len(videos) - len(missing) + begin + len(batch), len(videos))
    return _load(spark, path, videos, settings)


def _view_settings(config: Config, videos: Sequence[TrainingVideo]) -> ViewSettings:
    """Return what the executors must know. Videos are read only where they were when they were described."""
    training = config.training
    folders = Roots.of(*sorted({video.uri.rpartition("/")[0] for video in videos}))
    sampling = SamplingRule(sample_fps=_SAMPLE_FPS, min_frames=2 * training.frames_per_video)
    decoder = replace(config.describe.decoder, frame_px=_PICTURE_PX, sampling=sampling)
    return ViewSettings(
        replace(describe_settings(config.describe, folders), decoder=decoder),
        training.frames_per_video,
        training.num_views,
        training.seed,
    )


def _choose_others(videos: Sequence[TrainingVideo]) -> list[str]:
    """Choose for each video the uri of the next one, in the order of a hash, that shows other footage."""
    ring = sorted(range(len(videos)), key=lambda number: _hash(videos[number].video_id))
    others = [""] * len(videos)
    for place, number in enumerate(ring):
        following = (videos[other] for other in ring[place + 1 :] + ring[:place])
        others[number] = next(video.uri for video in following if video.source != videos[number].source)
    return others


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _fingerprint(settings: ViewSettings) -> str:
    """Return digits that change with whatever changes a view; roots and limits do not."""
    describe = settings.describe
    ingredients: list[Any] = [
        describe.backbone,
        describe.cuts_borders,
        repr(describe.decoder.sampling),
        describe.decoder.frame_px,
        settings.frames_per_video,
        settings.num_views,
        settings.seed,
    ]
    return _hash(json.dumps(ingredients))[:8]


def _read_done(spark: SparkSession, path: str) -> set[str]:
    """Return the videos whose views are there."""
    try:
        return {row["video_id"] for row in spark.read.parquet(path).select("video_id").distinct().collect()}
    except AnalysisException:
        return set()


def _load(spark: SparkSession, path: str, videos: Sequence[TrainingVideo], settings: ViewSettings) -> LakeViews:
    """Bring the views to the driver, in the order of video, frame and view."""
    from models.training import ViewSet

    places = {video.video_id: place for place, video in enumerate(videos)}
    table = spark.read.schema(VIEWS_DDL).parquet(path).toPandas()
    table = table[table["video_id"].isin(places)]
    if table.empty:
        raise UsageError("no training video could be read: run the nightly job and look at the quarantine table")
    table = table.assign(place=table["video_id"].map(places)).sort_values(["place", "frame_index", "view_index"])
    rows_per_frame = settings.num_views + 1
    shape = (-1, rows_per_frame, get_backbone(settings.describe.backbone).dim)
    descriptors = np.frombuffer(b"".join(table["descriptor"]), dtype="<f2").reshape(shape)
    kept, of_frame = np.unique(table["place"].to_numpy()[::rows_per_frame], return_inverse=True)
    taken = [videos[place] for place in kept]
    shown = table[::rows_per_frame].groupby("place")["other_uri"].first()
    by_uri = {video.uri: video.source for video in videos}
    edits = table[(table["frame_index"] == 0) & (table["view_index"] > 0)].groupby("place")["edits"].agg(list)
    _, sources = np.unique([video.source for video in taken], return_inverse=True)
    return LakeViews(
        ViewSet(descriptors, of_frame.astype(np.int64), sources.astype(np.int64)),
        tuple(video.video_id for video in taken),
        tuple(video.source for video in taken),
        tuple(by_uri.get(shown[place], "") for place in kept),
        np.array([video.is_held_out for video in taken]),
        tuple(tuple(tuple(names) for names in edits[place]) for place in kept),
        _fingerprint(settings),
    )
