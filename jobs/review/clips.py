"""Cuts the clips of pairs on executors and writes them next to the pages. Runs on the driver."""

from __future__ import annotations

from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from jobs.contracts.describing import describe_settings
from jobs.contracts.run import keep_on_executors
from jobs.review.report_data import PairClips
from udfs.illustrating.clips import CLIPS_DDL, choose_clip_times, cut_clips
from udfs.opening.roots import Roots

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from jobs.config.settings import Config
    from jobs.lake.lake import Lake
    from jobs.review.report_data import ReviewedPair, ReviewedVideo
    from udfs.illustrating.clips import ClipTimes

CLIPS = "clips"
MAX_CLIPPED_PAIRS = 200
"""Pairs of a report with clips. Two clips of a pair have about 1 MB."""
_PAIRS_PER_TASK = 4
_UNKNOWN_PX = 854  # 480p at 16:9
_REQUEST_DDL = "clip_id STRING, task INT, uri STRING, seconds ARRAY<DOUBLE>, longer_px INT"
_SIDES = ("left", "right")


class ClipTotals(NamedTuple):
    """What was cut: pairs with both clips, and the size of all clips."""

    num_pairs: int
    num_bytes: int


def cut_pair_clips(
    pairs: Iterable[ReviewedPair], videos: Mapping[str, ReviewedVideo], lake: Lake, config: Config, folder: Path
) -> ClipTotals:
    """Cut the best segment of the first MAX_CLIPPED_PAIRS pairs, and set the clips on the pairs.

    A pair has both clips or none: a video that cannot be read has no clip.

    Args:
        pairs: with their segments, in the order of the page.
        videos: all videos of the pairs, by id.
        lake: of the session.
        config: for manifest.roots and the limits of decoders.
        folder: clips are written into its subfolder CLIPS.
    """
    movable = ((pair, choose_clip_times(pair.segments[0])) for pair in pairs if pair.segments)
    chosen = list(islice(((pair, times) for pair, times in movable if times is not None), MAX_CLIPPED_PAIRS))
    if not chosen:
        return ClipTotals(0, 0)
    (folder / CLIPS).mkdir(parents=True, exist_ok=True)
    requests = [
        request
        for number, (pair, times) in enumerate(chosen)
        for request in _make_requests(number, pair, times, videos)
    ]
    settings = describe_settings(config.describe, Roots.of(*config.manifest.roots))
    tasks = lake.spark.createDataFrame(requests, _REQUEST_DDL).repartition(-(-len(chosen) // _PAIRS_PER_TASK), "task")
    rows = tasks.drop("task").mapInPandas(partial(cut_clips, settings=settings), CLIPS_DDL)
    sizes: dict[str, tuple[int, int]] = {}
    for row in keep_on_executors("clips", rows).toLocalIterator():
        if row["clip"] is not None:
            (folder / CLIPS / f"{row['clip_id']}.webm").write_bytes(row["clip"])
            sizes[row["clip_id"]] = (row["width_px"], row["height_px"])
    return _set_clips(chosen, sizes, folder)


def _make_requests(
    number: int, pair: ReviewedPair, times: ClipTimes, videos: Mapping[str, ReviewedVideo]
) -> Iterator[tuple[object, ...]]:
    """Make the two requests of a pair; both clips are cut in one task."""
    for side, video_id, seconds in zip(_SIDES, pair.ids, times, strict=True):
        video = videos[video_id]
        longer_px = max(video.width_px or 0, video.height_px or 0) or _UNKNOWN_PX
        yield f"{number:04}-{side}", number // _PAIRS_PER_TASK, video.uri, seconds, longer_px


def _set_clips(
    chosen: Iterable[tuple[ReviewedPair, ClipTimes]], sizes: Mapping[str, tuple[int, int]], folder: Path
) -> ClipTotals:
    """Set the clips on the pairs that have both, and delete the others."""
    totals = ClipTotals(0, 0)
    for number, (pair, times) in enumerate(chosen):
        names = [f"{number:04}-{side}" for side in _SIDES]
        files = [f"{CLIPS}/{name}.webm" for name in names]
        if not all(name in sizes for name in names):
            for file in files:
                (folder / file).unlink(missing_ok=True)
            continue
        pair.clips = PairClips(
            (files[0], files[1]), (sizes[names[0]], sizes[names[1]]), times.left_seconds, times.right_seconds
        )
        num_bytes = sum((folder / file).stat().st_size for file in files)
        totals = ClipTotals(totals.num_pairs + 1, totals.num_bytes + num_bytes)
    return totals
