"""Makes the pictures of a report without its pages, for a notebook. Runs on the driver; pictures on executors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PIL import Image

from jobs.config.settings import Config
from jobs.review.cluster_selection import read_videos, select_clusters
from jobs.review.illustrations import illustrate_pairs
from jobs.review.overview import read_as_published, read_history

if TYPE_CHECKING:
    from pathlib import Path

    from jobs.lake.lake import Lake
    from jobs.review.report_data import ReviewedCluster, ReviewedPair

_GAP_PX = 4


def illustrate_clusters(
    lake: Lake, folder: Path, max_clusters: int, max_pairs: int, config: Config | None = None
) -> list[ReviewedCluster]:
    """Read clusters of the newest published run, and make pictures of the least certain pairs of each.

    Args:
        lake: the lake.
        folder: folder for the pictures.
        max_clusters: number of clusters: the least certain, the largest and the newest in turn.
        max_pairs: number of pairs of each cluster; others are left out.
        config: for manifest.roots and the limits of decoders; None uses the defaults.

    Raises:
        UsageError: no run has been published.
    """
    settings = config or Config()
    run = read_history(lake, None)[0]
    of_run, pairs_of_run = (read_as_published(lake, name, run) for name in ("clusters", "pairs"))
    clusters = select_clusters(of_run, pairs_of_run, lake.read("decisions"), max_clusters)
    for cluster in clusters:
        del cluster.pairs[max_pairs:]
    pairs = [pair for cluster in clusters for pair in cluster.pairs]
    videos = read_videos(lake, {video_id for pair in pairs for video_id in pair.ids})
    illustrate_pairs(pairs, videos, lake, run.model_id, settings, folder)
    return clusters


def stack_strips(pair: ReviewedPair, folder: Path) -> Image.Image:
    """Stack the frames of both videos of a pair, with matched seconds below each other.

    The video with the smaller id is on top. A video that could not be read is left out.

    Args:
        pair: a pair with pictures.
        folder: the folder that was passed to `illustrate_clusters`.
    """
    frames = []
    for strip in (pair.left, pair.right):
        if strip.file is not None:
            with Image.open(folder / strip.file) as opened:
                frames.append(opened.convert("RGB"))
    width = max((picture.width for picture in frames), default=1)
    height = sum(picture.height + _GAP_PX for picture in frames) or 1
    stacked = Image.new("RGB", (width, height), "white")
    top = 0
    for picture in frames:
        stacked.paste(picture, (0, top))
        top += picture.height + _GAP_PX
    return stacked
