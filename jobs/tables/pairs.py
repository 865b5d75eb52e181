"""pairs: two videos that share footage."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from jobs.contracts.run import keep_on_executors
from jobs.contracts.stage import Built
from jobs.contracts.table import Table
from jobs.pairing.candidates import plan_search, search_candidates
from jobs.pairing.common_footage import name_common_footage
from jobs.pairing.representatives import find_representatives, mark_dirty, take_representatives
from udfs.searching.inverted_index import search_inverted_index
from udfs.verifying.verify_batches import ALIGNED_DDL, VERIFIED_DDL, align_batches, verify_batches

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyspark.sql import Column, DataFrame

    from jobs.config.settings import PairsConfig
    from jobs.contracts.run import Run
    from jobs.pairing.candidates import Plan
    from models.verifier import Verifier

TABLE = Table(
    name="pairs",
    grain="Two videos that share footage x model_id",
    key=("left_id", "right_id", "model_id"),
    is_replaced=True,
    checks={
        "ids_are_ordered": "left_id < right_id",
        "cosine_is_in_range": "cosine_similarity BETWEEN -1 AND 1",
        "probability_is_in_range": "match_probability BETWEEN 0 AND 1",
        "relation_is_known": "relation IN ('copy', 'contained', 'overlap', 'common')",
        "coverage_is_a_fraction": "left_coverage BETWEEN 0 AND 1 AND right_coverage BETWEEN 0 AND 1",
    },
    ddl="""
        left_id STRING NOT NULL COMMENT 'video_id; the smaller of the two',
        right_id STRING NOT NULL COMMENT 'video_id; the larger of the two',
        model_id STRING NOT NULL COMMENT 'the model whose vectors met',
        match_probability DOUBLE NOT NULL COMMENT 'how sure it is that the two share footage, in [0, 1]',
        cosine_similarity DOUBLE NOT NULL COMMENT 'of the two vectors, in [-1, 1]',
        alignment_similarity DOUBLE COMMENT 'of the aligned frames; null where not verified',
        relation STRING NOT NULL COMMENT 'copy, contained, overlap, or common: an overlap that many others share',
        run_id STRING NOT NULL COMMENT 'the run that last changed this row',
        left_start_seconds DOUBLE NOT NULL COMMENT 'of the shared footage, in the left video',
        left_end_seconds DOUBLE NOT NULL COMMENT 'of the shared footage, in the left video; not part of it',
        right_start_seconds DOUBLE NOT NULL COMMENT 'of the shared footage, in the right video',
        right_end_seconds DOUBLE NOT NULL COMMENT 'of the shared footage, in the right video; not part of it',
        left_coverage DOUBLE NOT NULL COMMENT 'share of the left video that the footage fills, in [0, 1]',
        right_coverage DOUBLE NOT NULL COMMENT 'share of the right video that the footage fills, in [0, 1]'
    """,
)


def build(inputs: Mapping[str, DataFrame], run: Run) -> Built:
    """Find the pairs that share footage. Grain: one row per pair at or above the model's threshold.

    Where the model verifies, any two segments that are similar enough make their videos a candidate, whose frames are
    aligned; the evidence decides. Else whole videos are compared by their vectors: the relation is `copy`, the segments
    are the videos, and the alignment is null.

    Videos that were removed are in none. Those that are the same are searched as one, and each has one pair, with that
    one. What the last search saw (`seen_embeddings`, if anything) is not compared again: its pairs are taken from
    `pairs`, and the whole is what a search of everything would have given. What many videos share is named last.

    Runs on: driver; search and alignment on executors.
    """
    present = inputs["manifest"].where("removed_at IS NULL").select("video_id")
    stored = inputs["embeddings"].where(F.col("model_id") == run.model.model_id).join(present, "video_id", "left_semi")
    seen = inputs.get("seen_embeddings") if run.config.pairs.incremental else None
    seen = seen.where(F.col("model_id") == run.model.model_id) if seen is not None else None
    videos = run.checkpoint("videos", mark_dirty(find_representatives(stored), seen))
    segments = take_representatives(stored, videos)
    if run.verifier is None:
        segments = segments.where("segment_index = 0")
    plan = plan_search(segments, run.config.pairs)
    is_incremental = plan.is_incremental and (run.verifier is not None or run.search == "faiss")
    if not is_incremental:
        videos = videos.withColumn("is_dirty", F.lit(True))
    searched = _search(segments, plan, run)
    alike = _pair_alike(videos)
    whole = stored.where("segment_index = 0").join(
        videos.select("video_id", "content_sha256"), ["video_id", "content_sha256"], "left_semi"
    )
    if run.verifier is None:
        judged = _as_copies(searched.rows.unionByName(alike), videos, run)
    else:
        judged = _judge(_join_sides(searched.rows.unionByName(alike), whole), run.verifier, run)
    rows = judged.unionByName(_pair_twins(videos, run))
    rows = rows.unionByName(_keep(inputs["pairs"], videos, run)) if is_incremental else rows
    if run.verifier is not None:
        rows = name_common_footage(run.checkpoint("judged", rows), run.config.pairs.min_common_videos)
    return replace(searched, rows=rows)


def find_evidence(segments: DataFrame, config: PairsConfig) -> DataFrame:
    """Find the candidate pairs of one model's segments and align their frames; rows of `ALIGNED_DDL`.

    All videos are compared, those that are the same too. Runs on: driver; search and alignment on executors.
    """
    vectors = segments.withColumn("is_dirty", F.lit(True))
    plan = plan_search(vectors, config)
    found = search_candidates(vectors, config.min_candidate_similarity, config, plan, keep_on_executors)
    candidates = _join_sides(found.rows, segments.where("segment_index = 0"))
    return candidates.mapInPandas(align_batches, ALIGNED_DDL)


def _join_sides(candidates: DataFrame, whole: DataFrame) -> DataFrame:
    """Give candidate pairs what of both videos is aligned: see `udfs.verifying.verify_batches.align_batches`."""
    columns = ("vector", "end_seconds", "frame_seconds", "frame_vectors", "frame_backgrounds")
    left = whole.select(F.col("video_id").alias("left_id"), *[F.col(n).alias(f"left_{n}") for n in columns])
    right = whole.select(F.col("video_id").alias("right_id"), *[F.col(n).alias(f"right_{n}") for n in columns])
    pairs = candidates.select("left_id", "right_id")
    return pairs.join(left, "left_id").join(right, "right_id")


def _judge(candidates: DataFrame, verifier: Verifier, run: Run) -> DataFrame:
    """Align and weigh, and keep the pairs that are sure enough, as rows of the table."""
    judged = candidates.mapInPandas(partial(verify_batches, verifier=verifier), VERIFIED_DDL)
    return (
        judged.where(F.col("match_probability") >= verifier.min_probability)
        .drop("evidence")
        .withColumns({"model_id": F.lit(run.model.model_id), "run_id": F.lit(run.run_id)})
    )


def _search(segments: DataFrame, plan: Plan, run: Run) -> Built:
    """Search the representatives as configured: left_id, right_id, cosine_similarity, with the plan and its recall."""
    config = run.config.pairs
    if run.verifier is None and run.search == "inverted_index":
        vectors = segments.select("video_id", "vector")
        return Built(search_inverted_index(vectors, run.calibration.min_cosine_similarity), "inverted_index")
    threshold = run.calibration.min_cosine_similarity if run.verifier is None else config.min_candidate_similarity
    found = search_candidates(segments, threshold, config, plan, run.checkpoint)
    return Built(found.rows, plan.name, found.recall)


def _pair_alike(videos: DataFrame) -> DataFrame:
    """Pair representatives with the videos of other content that have their vectors, where one of the two is dirty."""
    alike = videos.where("video_id = twin_id AND video_id > representative_id AND NOT is_blank")
    dirty = videos.select(F.col("video_id").alias("representative_id"), F.col("is_dirty").alias("is_theirs_dirty"))
    return (
        alike.join(dirty, "representative_id")
        .where("is_dirty OR is_theirs_dirty")
        .select(
            F.col("representative_id").alias("left_id"),
            F.col("video_id").alias("right_id"),
            F.lit(1.0).alias("cosine_similarity"),
        )
    )


def _pair_twins(videos: DataFrame, run: Run) -> DataFrame:
    """Pair the first video of each content with the others of it: sure, and whole."""
    twins = videos.where("video_id > twin_id").select(
        F.col("twin_id").alias("left_id"), F.col("video_id").alias("right_id"), F.lit(1.0).alias("cosine_similarity")
    )
    alignment = F.lit(None if run.verifier is None else 1.0).cast("double")
    return _as_copies(twins, videos, run).withColumns(
        {"match_probability": F.lit(1.0), "alignment_similarity": alignment}
    )


def _keep(stored: DataFrame, videos: DataFrame, run: Run) -> DataFrame:
    """Take the stored pairs of videos that were searched by the last search and would be by this one."""
    clean = videos.where("video_id = twin_id AND NOT is_dirty").select("video_id", "representative_id")
    left, right = clean.toDF("left_id", "left_representative"), clean.toDF("right_id", "right_representative")
    return (
        stored.where(F.col("model_id") == run.model.model_id)
        .join(left, "left_id")
        .join(right, "right_id")
        .where("left_representative = left_id AND right_representative IN (left_id, right_id)")
        .drop("left_representative", "right_representative")
    )


def _as_copies(found: DataFrame, videos: DataFrame, run: Run) -> DataFrame:
    """Complete the found pairs to rows of the table."""
    ends = videos.select("video_id", "end_seconds")
    left = ends.toDF("left_id", "left_end_seconds")
    right = ends.toDF("right_id", "right_end_seconds")
    return (
        found.join(left, "left_id")
        .join(right, "right_id")
        .withColumns(
            {
                "model_id": F.lit(run.model.model_id),
                "match_probability": _match_probability(F.col("cosine_similarity"), run),
                "alignment_similarity": F.lit(None).cast("double"),
                "relation": F.lit("copy"),
                "run_id": F.lit(run.run_id),
                "left_start_seconds": F.lit(0.0),
                "right_start_seconds": F.lit(0.0),
                "left_coverage": F.lit(1.0),
                "right_coverage": F.lit(1.0),
            }
        )
    )


def _match_probability(cosine_similarity: Column, run: Run) -> Column:
    """Map a similarity to a probability by the model's calibration (models/embedding_models.py)."""
    calibration = run.calibration
    logit = F.lit(calibration.intercept) + F.lit(calibration.slope) * cosine_similarity
    return F.round(F.lit(1.0) / (F.lit(1.0) + F.exp(-logit)), 6)
