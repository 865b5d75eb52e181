"""Makes the pictures of pairs on executors and writes them next to the pages. Runs on the driver."""

from __future__ import annotations

import io
from functools import partial
from typing import TYPE_CHECKING

from PIL import Image
from pyspark.sql import functions as F

from jobs.contracts.describing import describe_settings
from jobs.contracts.run import keep_on_executors
from jobs.lake.file_skipping import covers
from jobs.review.report_data import Strip
from jobs.tables import thumbnails
from udfs.illustrating.matches import MATCHED_DDL, match_batches
from udfs.illustrating.strips import STRIPS_DDL, make_strips
from udfs.opening.roots import Roots

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from pyspark.sql import DataFrame, Row

    from jobs.config.settings import Config
    from jobs.lake.lake import Lake
    from jobs.review.report_data import ReviewedPair, ReviewedVideo

PICTURES = "pictures"
FRAME_PX = 224  # of a thumbnail, so that a frame can be enlarged
NUM_MOMENTS = 6
_PAIRS_PER_TASK = 16
_SIDES = ("left", "right")
_SIDE_COLUMNS = ("frame_seconds", "frame_vectors", "frame_backgrounds")
_REQUEST_DDL = "number INT, task INT, left_id STRING, right_id STRING, " + ", ".join(
    f"{side}_uri STRING, {side}_known_seconds DOUBLE, {side}_start_seconds DOUBLE, {side}_end_seconds DOUBLE, "
    f"{side}_region ARRAY<DOUBLE>"
    for side in _SIDES
)


def illustrate_pairs(
    pairs: Sequence[ReviewedPair],
    videos: Mapping[str, ReviewedVideo],
    lake: Lake,
    model_id: str,
    config: Config,
    folder: Path,
) -> None:
    """Make the pictures of pairs on executors, write them into `folder`, and set them on the pairs.

    Frames come from the stored thumbnails. A video without thumbnails of its embedded file is decoded. The driver
    receives the pictures of one task at a time, so its memory is bounded.

    Args:
        pairs: at most `jobs.review.cluster_selection.MAX_ILLUSTRATED_PAIRS`, sorted by cluster.
        videos: all videos of the pairs, by id.
        lake: the lake with the `embeddings` to align, and `thumbnails` if they are stored.
        model_id: model of the embeddings.
        config: for manifest.roots and the limits of decoders, if a video has no thumbnails.
        folder: pictures are written into its subfolder PICTURES.
    """
    if not pairs:
        return
    (folder / PICTURES).mkdir(parents=True, exist_ok=True)
    settings = describe_settings(config.describe, Roots.of(*config.manifest.roots))
    rows = _choose_pictures(pairs, videos, lake, model_id).mapInPandas(
        partial(make_strips, settings=settings, frame_px=FRAME_PX), STRIPS_DDL
    )
    numbers = {pair.ids: number for number, pair in enumerate(pairs)}
    for row in keep_on_executors("strips", rows).toLocalIterator():
        number = numbers[row["left_id"], row["right_id"]]
        _write(pairs[number], row, f"{number:05}", folder)


def _choose_pictures(
    pairs: Sequence[ReviewedPair], videos: Mapping[str, ReviewedVideo], lake: Lake, model_id: str
) -> DataFrame:
    """Make the input rows of `make_strips`; pairs of one cluster are in the same task if they fit."""
    requests = lake.spark.createDataFrame(
        [_make_request(number, pair, videos) for number, pair in enumerate(pairs)], _REQUEST_DDL
    )
    named = F.broadcast(requests.select(F.explode(F.array("left_id", "right_id")).alias("video_id")))
    is_near = covers("video_id", (video_id for pair in pairs for video_id in pair.ids))
    whole = lake.read("embeddings").where((F.col("model_id") == model_id) & (F.col("segment_index") == 0) & is_near)
    whole = whole.join(named, "video_id", "left_semi")
    # A model_id contains the id of the descriptors that the model embeds.
    stored = thumbnails.read_stored(lake).where(F.contains(F.lit(model_id), F.col("descriptor_id")) & is_near)
    stored = stored.join(named, "video_id", "left_semi")
    num_tasks = -(-len(pairs) // _PAIRS_PER_TASK)
    features = _join_features(requests, whole, stored).repartition(num_tasks, "task")
    # Kept, because it is read three times.
    matched = keep_on_executors(
        "matched", features.mapInPandas(partial(match_batches, num_moments=NUM_MOMENTS), MATCHED_DDL)
    )
    chosen = _join_thumbnails(requests.join(matched, "number"), stored)
    return chosen.repartition(num_tasks, "task").sortWithinPartitions("task", "number")


def _join_features(requests: DataFrame, whole: DataFrame, stored: DataFrame) -> DataFrame:
    """Add the features of both videos and the times of their thumbnails, as input of `match_batches`.

    Thumbnails of another file than the embedded one are left out: the file was replaced.
    """
    times = stored.select("video_id", "content_sha256", F.col("frame_seconds").alias("thumbnail_seconds"))
    described = whole.join(times, ["video_id", "content_sha256"], "left")
    rows = requests
    for side in _SIDES:
        kept = [F.col(name).alias(f"{side}_{name}") for name in (*_SIDE_COLUMNS, "thumbnail_seconds")]
        of_side = described.select(
            F.col("video_id").alias(f"{side}_id"), F.col("end_seconds").alias(f"{side}_s"), *kept
        )
        duration = F.coalesce(f"{side}_s", f"{side}_known_seconds")
        rows = rows.join(of_side, f"{side}_id", "left").withColumn(f"{side}_duration_seconds", duration)
    return rows


def _join_thumbnails(matched: DataFrame, stored: DataFrame) -> DataFrame:
    """Add the thumbnails that the strips show, as input of `make_strips`; null if there are none.

    The pairs are few and small: Spark sends them to the thumbnails, and moves only the chosen pictures.
    """
    rows = matched
    for side in _SIDES:
        wishes = matched.where(F.col(f"{side}_numbers").isNotNull()).select(
            "number", F.col(f"{side}_id").alias("video_id"), F.col(f"{side}_numbers").alias("chosen")
        )
        chosen = F.transform("chosen", lambda number: F.get(F.col("thumbnails"), number))
        pictures = stored.select("video_id", "thumbnails").join(F.broadcast(wishes), "video_id")
        rows = rows.join(pictures.select("number", chosen.alias(f"{side}_thumbnails")), "number", "left")
    return rows


def _make_request(number: int, pair: ReviewedPair, videos: Mapping[str, ReviewedVideo]) -> tuple[object, ...]:
    """Return the request of a pair: the shared segments, or both whole videos if only a decision links them."""
    values: list[object] = [number, number // _PAIRS_PER_TASK, *pair.ids]
    for side, video_id in zip(_SIDES, pair.ids, strict=True):
        video = videos[video_id]
        seconds = video.duration_seconds or 0.0
        start, end = (
            (0.0, seconds) if pair.row is None else (pair.row[f"{side}_start_seconds"], pair.row[f"{side}_end_seconds"])
        )
        values += [video.uri, seconds, start, end, None if pair.row is None else pair.row[f"{side}_region"]]
    return tuple(values)


def _write(pair: ReviewedPair, row: Row, name: str, folder: Path) -> None:
    """Write the pictures of one pair."""
    pair.left, pair.right = (
        _write_picture(row[f"{side}_strip"], f"{PICTURES}/{name}-{side}.jpg", folder, row[f"{side}_seconds"])
        if row[f"{side}_strip"]
        else Strip(tuple(row[f"{side}_seconds"]), error_code=row[f"{side}_error"] or "NOT_SHOWN")
        for side in _SIDES
    )
    pair.segments = [tuple(segment) for segment in row["segments"]]
    if row["match"]:
        pair.match = _write_picture(row["match"], f"{PICTURES}/{name}-match.webp", folder, ())


def _write_picture(encoded: bytes, file: str, folder: Path, seconds: Iterable[float]) -> Strip:
    """Write one picture."""
    (folder / file).write_bytes(encoded)
    with Image.open(io.BytesIO(encoded)) as image:
        return Strip(tuple(seconds), file, image.size)
