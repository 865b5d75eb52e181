"""Finds the candidates of a run: chooses the videos to search, the plan, and the stored pairs that it keeps."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from jobs.contracts.stage import Built
from jobs.pairing.candidates import plan_search, search_candidates
from jobs.pairing.cell_search import recheck_pairs
from jobs.pairing.cells import read_cells
from jobs.pairing.searched import choose_searched_again, find_searched_videos, open_index
from udfs.searching.inverted_index import search_inverted_index

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyspark.sql import DataFrame

    from jobs.contracts.run import Run
    from jobs.pairing.candidates import Plan
    from jobs.pairing.cell_search import CellIndex


@dataclass(frozen=True)
class FoundCandidates:
    """The candidates of a run, and the stored pairs that it keeps.

    Attributes:
        stored: rows of `embeddings` of present videos.
        videos: as `jobs.pairing.representatives.mark_unsearched` returns them; all unsearched in a full search.
        kept: rows of `pairs` that are not searched again; None in a full search.
        searched: left_id, right_id, cosine_similarity, with the plan and its recall.
    """

    stored: DataFrame
    videos: DataFrame
    kept: DataFrame | None
    searched: Built


def find_candidates(inputs: Mapping[str, DataFrame], run: Run) -> FoundCandidates:
    """Choose the videos to search, and search them. Runs on: driver; search on executors."""
    cells = read_cells(inputs["search_cells"], run.model.model_id)
    known = find_searched_videos(inputs, run, cells)
    has_cells = cells is not None and run.config.pairs.plan != "exact" and run.search == "faiss"
    plan = plan_search(known.segments, run.config.pairs, has_cells=has_cells)
    is_incremental = plan.is_incremental and (run.verifier is not None or run.search == "faiss")
    videos = known.videos if is_incremental else known.videos.withColumn("is_unsearched", F.lit(True))
    kept = _select_searched_pairs(inputs["pairs"], videos, run) if is_incremental else None
    index = open_index(inputs, run, known, cells) if cells is not None and has_cells else None
    searched = _search(known.segments, plan, run, index)
    if kept is not None and choose_searched_again(run, cells) is not None:
        searched = replace(searched, rows=searched.rows.join(kept, ["left_id", "right_id"], "left_anti"))
    return FoundCandidates(known.stored, videos, kept, searched)


def _search(segments: DataFrame, plan: Plan, run: Run, index: CellIndex | None) -> Built:
    """Search the representatives as configured: left_id, right_id, cosine_similarity, with the plan and its recall."""
    threshold = run.min_searched_similarity
    if run.verifier is None and run.search == "inverted_index":
        return Built(search_inverted_index(segments.select("video_id", "vector"), threshold), "inverted_index")
    found = search_candidates(segments, threshold, run.config.pairs, plan, run.checkpoint, index)
    # With a verifier, the frames of a candidate decide. Without one, the similarities are published.
    is_approximate = run.verifier is None and plan.name == "cells"
    rows = recheck_pairs(found.rows, segments, threshold) if is_approximate else found.rows
    return Built(rows, plan.name, found.recall)


def _select_searched_pairs(stored: DataFrame, videos: DataFrame, run: Run) -> DataFrame:
    """Select the stored pairs that a search of everything would find again: both videos were searched and are kept."""
    searched = videos.where("video_id = twin_id AND NOT is_unsearched").select("video_id", "representative_id")
    left = searched.toDF("left_id", "left_representative")
    right = searched.toDF("right_id", "right_representative")
    return (
        stored.where(F.col("model_id") == run.model.model_id)
        .join(left, "left_id")
        .join(right, "right_id")
        .where("left_representative = left_id AND right_representative IN (left_id, right_id)")
        .drop("left_representative", "right_representative")
    )
