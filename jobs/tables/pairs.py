"""pairs: pairs of videos that share footage."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from jobs.contracts.run import keep_on_executors
from jobs.contracts.table import Table
from jobs.pairing.candidates import plan_search, search_candidates
from jobs.pairing.common_footage import relabel_common_footage
from jobs.pairing.finding import find_candidates
from jobs.pairing.pictures import PictureSources, add_pictures
from udfs.registering.look_batches import LOOK_COLUMNS, LOOKED_DDL, VERIFIED_DDL, look_batches
from udfs.verifying.verify_batches import ALIGNED_DDL, align_batches

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyspark.sql import Column, DataFrame

    from jobs.config.settings import PairsConfig
    from jobs.contracts.run import Run
    from jobs.contracts.stage import Built
    from models.verifier import Verifier

TABLE = Table(
    name="pairs",
    grain="A pair of videos that share footage x model_id; the first of identical files stands for all",
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
        left_id STRING NOT NULL COMMENT 'video_id; the smaller of the two; of identical files the first',
        right_id STRING NOT NULL COMMENT 'video_id; the larger of the two',
        model_id STRING NOT NULL COMMENT 'the model whose vectors are compared',
        match_probability DOUBLE NOT NULL COMMENT 'probability that the two share footage, in [0, 1]',
        cosine_similarity DOUBLE NOT NULL COMMENT 'similarity of the two vectors, in [-1, 1]',
        alignment_similarity DOUBLE COMMENT 'similarity of the aligned frames; null if the pair is not verified',
        relation STRING NOT NULL COMMENT 'copy, contained, overlap, or common (an overlap that many others share)',
        run_id STRING NOT NULL COMMENT 'the run that last changed this row',
        left_start_seconds DOUBLE NOT NULL COMMENT 'start of the shared footage in the left video',
        left_end_seconds DOUBLE NOT NULL COMMENT 'end of the shared footage in the left video, exclusive',
        right_start_seconds DOUBLE NOT NULL COMMENT 'start of the shared footage in the right video',
        right_end_seconds DOUBLE NOT NULL COMMENT 'end of the shared footage in the right video, exclusive',
        left_coverage DOUBLE NOT NULL COMMENT 'share of the content of the left video that is shared, in [0, 1]',
        right_coverage DOUBLE NOT NULL COMMENT 'share of the content of the right video that is shared, in [0, 1]',
        place_agreement DOUBLE COMMENT 'share of the registered places that agree; null without a second look',
        change_agreement DOUBLE COMMENT 'correlation of the changes of registered pixels; null if nothing changes',
        left_region ARRAY<DOUBLE> COMMENT 'part of the left picture that the right one shows: left, top, right, bottom',
        right_region ARRAY<DOUBLE> COMMENT 'part of the right picture that the left one shows, as fractions of its size'
    """,
)


def build(inputs: Mapping[str, DataFrame], run: Run) -> Built:
    """Find the pairs that share footage. Grain: one row per pair at or above the model's threshold.

    With a verifier, two videos are a candidate if any two of their segments are similar enough. Their frames are
    aligned, and the evidence decides. Without one, whole videos are compared by their vectors: the relation is `copy`,
    the segments are the whole videos, and the alignment is null.

    Only present videos have pairs: see `jobs.contracts.presence`. Identical videos are searched as one representative,
    and each has one pair, with that representative. Videos that the last search saw (`seen_embeddings`, if any) are not
    compared again: their pairs come from `pairs`, and the result equals that of a full search. Common footage is marked
    last.

    Runs on: driver; search and alignment on executors.
    """
    candidates = find_candidates(inputs, run)
    stored, videos, kept, searched = candidates.stored, candidates.videos, candidates.kept, candidates.searched
    identical = _pair_identical_vectors(videos)
    whole = stored.where("segment_index = 0").join(
        videos.select("video_id", "content_sha256"), ["video_id", "content_sha256"], "left_semi"
    )
    unseen: Mapping[str, int] = {}
    if run.verifier is None:
        found = _make_copies(searched.rows.unionByName(identical), videos, run)
    else:
        sources = PictureSources.of(
            inputs["thumbnails"], inputs["descriptors"], run.model.descriptor_id, run.config.describe, run.roots
        )
        featured = _join_features(searched.rows.unionByName(identical), whole, sources.thumbnails)
        found, unseen = _verify_candidates(featured, whole, sources, run.verifier, run)
    rows = found.unionByName(_pair_identical_content(videos, run))
    rows = rows.unionByName(kept) if kept is not None else rows
    if run.verifier is not None:
        rows = relabel_common_footage(run.checkpoint("judged", rows), run.config.pairs.min_common_videos)
    return replace(searched, rows=rows, unseen_pairs=unseen)


def find_evidence(segments: DataFrame, sources: PictureSources, config: PairsConfig) -> DataFrame:
    """Find the candidate pairs of one model's segments, align them and look again; rows of `LOOKED_DDL`.

    All videos are compared, identical ones too. Runs on: driver; the rest on executors.

    Args:
        segments: rows of `embeddings` of one model.
        sources: pictures of the model's descriptors.
        config: how candidates are searched.
    """
    vectors = segments.withColumn("is_unsearched", F.lit(True))
    plan = plan_search(vectors, config)
    found = search_candidates(vectors, config.min_candidate_similarity, config, plan, keep_on_executors)
    return verify_named(found.rows, segments, sources)


def verify_named(
    named: DataFrame, segments: DataFrame, sources: PictureSources, verifier: Verifier | None = None
) -> DataFrame:
    """Align named pairs and look at them again, as a night does; nothing is searched. Runs on: driver and executors.

    Args:
        named: left_id and right_id, in order.
        segments: rows of `embeddings` of one model.
        sources: pictures of the model's descriptors.
        verifier: pairs that its first look rules out are left out; None keeps all that align.

    Returns:
        Rows of `VERIFIED_DDL`, or of `LOOKED_DDL` without a verifier.
    """
    whole = segments.where("segment_index = 0")
    candidates = _join_features(named, whole, sources.thumbnails)
    aligned = keep_on_executors(
        "aligned", candidates.mapInPandas(partial(align_batches, verifier=verifier), ALIGNED_DDL)
    )
    pictured = add_pictures(aligned, whole, sources, keep_on_executors)
    columns = LOOKED_DDL if verifier is None else VERIFIED_DDL
    return pictured.rows.mapInPandas(partial(look_batches, verifier=verifier), columns)


def _join_features(candidates: DataFrame, whole: DataFrame, thumbnails: DataFrame) -> DataFrame:
    """Add the features of both videos to candidate pairs, as input of `udfs.verifying.verify_batches.align_batches`.

    Details are null for videos without details of the file that was embedded. They are added first, while rows are
    small: that join keeps all pairs, so Spark may have to move them.
    """
    columns = ("vector", "end_seconds", "frame_seconds", "frame_vectors", "frame_backgrounds", "content_sha256")
    pairs = candidates.select("left_id", "right_id")
    for side in ("left", "right"):
        details = thumbnails.select(
            F.col("video_id").alias(f"{side}_id"),
            F.struct("content_sha256", "frame_details").alias(f"{side}_described"),
        )
        pairs = pairs.join(details, f"{side}_id", "left")
    for side in ("left", "right"):
        kept = whole.select(F.col("video_id").alias(f"{side}_id"), *[F.col(n).alias(f"{side}_{n}") for n in columns])
        is_current = F.col(f"{side}_described.content_sha256") == F.col(f"{side}_content_sha256")
        known = F.when(is_current, F.col(f"{side}_described.frame_details"))
        pairs = pairs.join(kept, f"{side}_id").withColumn(f"{side}_frame_details", known)
    return pairs.drop(*[f"{side}_{name}" for side in ("left", "right") for name in ("described", "content_sha256")])


def _verify_candidates(
    candidates: DataFrame, whole: DataFrame, sources: PictureSources, verifier: Verifier, run: Run
) -> tuple[DataFrame, Mapping[str, int]]:
    """Verify candidates and select those with a sufficient probability, as rows of the table.

    Also returns the number of pairs without a second look, by error_code.
    """
    aligned = run.checkpoint("aligned", candidates.mapInPandas(partial(align_batches, verifier=verifier), ALIGNED_DDL))
    pictured = add_pictures(aligned, whole, sources, run.checkpoint)
    verified = pictured.rows.mapInPandas(partial(look_batches, verifier=verifier), VERIFIED_DDL)
    found = (
        verified.where(F.col("match_probability") >= verifier.min_probability)
        .drop("evidence")
        .withColumns({"model_id": F.lit(run.model.model_id), "run_id": F.lit(run.run_id)})
    )
    return found, pictured.unseen


def _pair_identical_vectors(videos: DataFrame) -> DataFrame:
    """Pair representatives with videos of other content and the same vectors, if one of the two is unsearched."""
    others = videos.where("video_id = twin_id AND video_id > representative_id AND NOT is_blank")
    representatives = videos.select(
        F.col("video_id").alias("representative_id"), F.col("is_unsearched").alias("is_representative_unsearched")
    )
    return (
        others.join(representatives, "representative_id")
        .where("is_unsearched OR is_representative_unsearched")
        .select(
            F.col("representative_id").alias("left_id"),
            F.col("video_id").alias("right_id"),
            F.lit(1.0).alias("cosine_similarity"),
        )
    )


def _pair_identical_content(videos: DataFrame, run: Run) -> DataFrame:
    """Pair the first video of each content with the others: whole copies with probability 1."""
    twins = videos.where("video_id > twin_id").select(
        F.col("twin_id").alias("left_id"), F.col("video_id").alias("right_id"), F.lit(1.0).alias("cosine_similarity")
    )
    alignment = F.lit(None if run.verifier is None else 1.0).cast("double")
    return _make_copies(twins, videos, run).withColumns(
        {"match_probability": F.lit(1.0), "alignment_similarity": alignment}
    )


def _make_copies(found: DataFrame, videos: DataFrame, run: Run) -> DataFrame:
    """Make rows of the table, with relation `copy` and whole videos as segments, from found pairs."""
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
            | {name: F.lit(None).cast(TABLE.schema[name].dataType) for name in LOOK_COLUMNS}
        )
    )


def _match_probability(cosine_similarity: Column, run: Run) -> Column:
    """Map a similarity to a probability with the model's calibration (models/embedding_models.py)."""
    calibration = run.calibration
    logit = F.lit(calibration.intercept) + F.lit(calibration.slope) * cosine_similarity
    return F.round(F.lit(1.0) / (F.lit(1.0) + F.exp(-logit)), 6)
