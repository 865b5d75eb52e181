"""The videos that a search compares: representatives of the present videos, and which of them it must search."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from jobs.contracts.presence import select_present
from jobs.contracts.run_log import log
from jobs.pairing.cell_search import CellIndex
from jobs.pairing.cells import encode_segments
from jobs.pairing.representatives import (
    broadcast_few,
    find_representatives,
    mark_unsearched,
    select_fingerprints,
    select_representative_segments,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyspark.sql import DataFrame

    from jobs.contracts.run import Run
    from udfs.searching.cells import Cells


@dataclass(frozen=True)
class SearchedVideos:
    """The present videos of one model, and their segments.

    Attributes:
        stored: rows of `embeddings`.
        videos: as `jobs.pairing.representatives.mark_unsearched` returns them.
        segments: rows of `embeddings` of representatives that the search compares, with `is_unsearched`: of whole
            videos only, if the model has no verifier.
    """

    stored: DataFrame
    videos: DataFrame
    segments: DataFrame


def find_searched_videos(inputs: Mapping[str, DataFrame], run: Run, cells: Cells | None = None) -> SearchedVideos:
    """Find the videos to search, without their vectors. Runs on: driver; computed on executors.

    Args:
        inputs: manifest, quarantine, embeddings, fingerprints; seen_embeddings, if there was a search.
        run: its model and settings.
        cells: with these, a share of the other videos is marked as unsearched in `segments` too: see
            `choose_searched_again`.
    """
    is_of_model = F.col("model_id") == run.model.model_id
    present = select_present(inputs["manifest"], inputs["quarantine"])
    stored = inputs["embeddings"].where(is_of_model).join(present, "video_id", "left_semi")
    seen = inputs.get("seen_embeddings") if run.config.pairs.incremental else None
    seen = seen.where(is_of_model) if seen is not None else None
    fingerprints = inputs["fingerprints"].where(is_of_model)
    representatives = find_representatives(select_fingerprints(stored, fingerprints))
    videos = run.checkpoint("videos", mark_unsearched(representatives, seen, fingerprints))
    again = choose_searched_again(run, cells)
    searched = videos
    if again is not None:
        period, number = again
        is_again = F.pmod(F.xxhash64(F.lit(run.config.pairs.seed), "video_id"), F.lit(period)) == number
        searched = videos.withColumn("is_unsearched", F.col("is_unsearched") | is_again)
    segments = select_representative_segments(stored, searched)
    return SearchedVideos(stored, videos, segments if run.verifier else segments.where("segment_index = 0"))


def choose_searched_again(run: Run, cells: Cells | None) -> tuple[int, int] | None:
    """Choose the share of the old videos that a night searches again: the number of shares, and the share; or None.

    Only other cells find other pairs, so this starts when cells are retrained: each night takes the next share, until
    all videos have been searched in the new cells. The date of the run decides, so a night that is repeated chooses the
    same videos; the share of a night without a run is not searched again.
    """
    share = run.config.pairs.searched_again_fraction
    if cells is None or cells.version <= 1 or cells.trained_on is None or not share or not run.config.pairs.incremental:
        return None
    number = (run.run_date - cells.trained_on).days
    period = math.ceil(1 / share)
    return (period, number) if 0 <= number < period else None


def open_index(inputs: Mapping[str, DataFrame], run: Run, searched: SearchedVideos, cells: Cells) -> CellIndex:
    """Return the codes of all segments that a search compares.

    Rows of videos that are gone, replaced or no longer representatives are left out. Segments without a code in these
    cells are encoded: there are some only if the cells are retrained during the run.

    Args:
        inputs: segment_codes.
        run: its model.
        searched: the videos to search.
        cells: the newest cells.

    Runs on: driver; computed on executors.
    """
    is_current = (F.col("model_id") == run.model.model_id) & (F.col("cells_version") == cells.version)
    stored = inputs["segment_codes"].where(is_current)
    key = ["video_id", "content_hash"]
    coded = stored.where("segment_index = 0").select(*key, F.lit(True).alias("is_coded"))
    wanted = select_wanted(searched.videos).select(*key, "content_sha256", F.lit(True).alias("is_wanted"))
    both = wanted.join(coded, key, "full_outer")
    differing = run.checkpoint("uncoded", both.where("is_coded IS NULL OR is_wanted IS NULL"))
    counts = differing.agg(F.count("is_coded").alias("unwanted"), F.count("is_wanted").alias("missing")).collect()[0]
    log.info("codes compared", num_unwanted=counts["unwanted"], num_missing=counts["missing"])
    columns = ("video_id", "segment_index", "cell", "probe_cells", "code", "run_id")
    if counts["unwanted"]:
        stored = stored.join(broadcast_few(differing.where("is_wanted IS NULL").select(*key)), key, "left_anti")
    codes = stored.where("segment_index = 0") if run.verifier is None else stored
    codes = codes.select(*columns)
    if counts["missing"]:
        missing = broadcast_few(differing.where("is_coded IS NULL").select("video_id", "content_sha256"))
        segments = searched.segments.join(missing, ["video_id", "content_sha256"], "left_semi")
        encoded = encode_segments(segments.select("video_id", "segment_index", "run_id", "vector"), cells)
        codes = codes.unionByName(run.checkpoint("missing", encoded.select(*columns)))
    return CellIndex(cells, codes)


def select_wanted(videos: DataFrame) -> DataFrame:
    """Select the representatives: video_id, content_sha256 and content_hash, as in `segment_codes`."""
    representatives = videos.where("video_id = representative_id")
    return representatives.select("video_id", "content_sha256", F.xxhash64("content_sha256").alias("content_hash"))
