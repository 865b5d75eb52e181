"""The pictures of a report without its pages, for a notebook. Runs on the driver; pictures on executors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PIL import Image

from jobs.config.settings import Config
from jobs.review.gather import gather_clusters, gather_videos
from jobs.review.overview import find_runs, read_as_published
from jobs.review.strips import SAMPLING, find_roots, illustrate_pairs
from jobs.tables.attempts import describe_settings

if TYPE_CHECKING:
    from pathlib import Path

    from jobs.lake.lake import Lake
    from jobs.review.facts import ReviewedCluster, ReviewedPair

_GAP_PX = 4


def illustrate_clusters(
    lake: Lake, folder: Path, max_clusters: int, max_pairs: int, config: Config | None = None
) -> list[ReviewedCluster]:
    """Read clusters of the newest published run, and make pictures of the least certain pairs of each.

    Args:
        lake: where the tables are.
        folder: pictures go there.
        max_clusters: of the least certain, the largest and the newest in turn.
        max_pairs: of each cluster; its others are left out.
        config: for manifest.roots and limits of decoders; None takes the defaults.

    Raises:
        UsageError: no run has been published.
    """
    settings = config or Config()
    run = find_runs(lake, None)[0]
    of_run, pairs_of_run = (read_as_published(lake, name, run) for name in ("clusters", "pairs"))
    clusters = gather_clusters(of_run, pairs_of_run, lake.read("decisions"), max_clusters)
    for cluster in clusters:
        del cluster.pairs[max_pairs:]
    pairs = [pair for cluster in clusters for pair in cluster.pairs]
    videos = gather_videos(lake, {video_id for pair in pairs for video_id in pair.ids})
    roots = find_roots(settings.manifest.roots, videos.values())
    illustrate_pairs(pairs, videos, lake, run.model_id, describe_settings(settings, roots, SAMPLING), folder)
    return clusters


def stack_strips(pair: ReviewedPair, folder: Path) -> Image.Image:
    """Put the frames of both videos of a pair one above the other, matched seconds below each other.

    The video with the smaller id is above. A video that could not be read leaves its place out.

    Args:
        pair: with pictures.
        folder: as `illustrate_clusters` was given it.
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
