"""pairs: two videos that share footage."""

from __future__ import annotations

from functools import reduce
from operator import add
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from jobs.table import Table
from udfs.inverted_index import search_inverted_index
from udfs.search import block_pair_searcher
from udfs.verify import EVIDENCE_DDL, gather_evidence

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyspark.sql import Column, DataFrame

    from jobs.config import PairsConfig
    from jobs.run import Run
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
        "relation_is_known": "relation IN ('copy', 'contained', 'overlap')",
        "coverage_is_a_fraction": "left_coverage BETWEEN 0 AND 1 AND right_coverage BETWEEN 0 AND 1",
    },
    ddl="""
        left_id STRING NOT NULL COMMENT 'video_id; the smaller of the two',
        right_id STRING NOT NULL COMMENT 'video_id; the larger of the two',
        model_id STRING NOT NULL COMMENT 'the model whose vectors met',
        match_probability DOUBLE NOT NULL COMMENT 'how sure it is that the two share footage, in [0, 1]',
        cosine_similarity DOUBLE NOT NULL COMMENT 'of the two vectors, in [-1, 1]',
        alignment_similarity DOUBLE COMMENT 'of the aligned frames; null where not verified',
        relation STRING NOT NULL COMMENT 'copy, contained or overlap',
        run_id STRING NOT NULL COMMENT 'the run that last changed this row',
        left_start_seconds DOUBLE NOT NULL COMMENT 'of the shared footage, in the left video',
        left_end_seconds DOUBLE NOT NULL COMMENT 'of the shared footage, in the left video; not part of it',
        right_start_seconds DOUBLE NOT NULL COMMENT 'of the shared footage, in the right video',
        right_end_seconds DOUBLE NOT NULL COMMENT 'of the shared footage, in the right video; not part of it',
        left_coverage DOUBLE NOT NULL COMMENT 'share of the left video that the footage fills, in [0, 1]',
        right_coverage DOUBLE NOT NULL COMMENT 'share of the right video that the footage fills, in [0, 1]'
    """,
)


def build(inputs: Mapping[str, DataFrame], run: Run) -> DataFrame:
    """Find the pairs that share footage. Grain: one row per pair at or above the model's threshold.

    Where the model verifies, any two segments that are similar enough make their videos a candidate, whose frames are
    aligned; the evidence decides. Else whole videos are compared by their vectors: the relation is `copy`, the segments
    are the videos, and the alignment is null.

    Runs on: driver; search and alignment on executors.
    """
    stored = inputs["embeddings"].where(F.col("model_id") == run.model.model_id)
    whole = stored.where("segment_index = 0")
    # A video that was replaced by a shorter one leaves windows behind.
    segments = stored.join(whole.select("video_id", "content_sha256"), ["video_id", "content_sha256"], "left_semi")
    if run.verifier is None:
        return _as_copies(_search(whole.select("video_id", "vector"), run), whole, run)
    evidence = find_evidence(segments, run.config.pairs)
    return _judge(evidence, run.verifier, run)


def find_evidence(segments: DataFrame, config: PairsConfig) -> DataFrame:
    """Find the candidate pairs of one model's segments and align their frames: see `udfs.verify.EVIDENCE_DDL`.

    Runs on: driver; search and alignment on executors.
    """
    found = _search_blocks(segments.select("video_id", "vector"), config, config.min_candidate_similarity)
    candidates = found.select("left_id", "right_id")
    whole = segments.where("segment_index = 0")
    columns = ("vector", "end_seconds", "frame_seconds", "frame_vectors", "frame_backgrounds")
    left = whole.select(F.col("video_id").alias("left_id"), *[F.col(n).alias(f"left_{n}") for n in columns])
    right = whole.select(F.col("video_id").alias("right_id"), *[F.col(n).alias(f"right_{n}") for n in columns])
    return candidates.join(left, "left_id").join(right, "right_id").mapInPandas(gather_evidence, EVIDENCE_DDL)


def _judge(evidence: DataFrame, verifier: Verifier, run: Run) -> DataFrame:
    """Weigh the evidence and keep the pairs that are sure enough, as rows of the table."""
    terms = [F.col("evidence")[place] * weight for place, weight in enumerate(verifier.weights)]
    logit = reduce(add, terms, F.lit(verifier.intercept))
    probability = F.round(F.lit(1.0) / (F.lit(1.0) + F.exp(-logit)), 6)
    judged = evidence.withColumn("match_probability", probability)
    return (
        judged.where(F.col("match_probability") >= verifier.min_probability)
        .drop("evidence")
        .withColumns({"model_id": F.lit(run.model.model_id), "run_id": F.lit(run.run_id)})
    )


def _search(vectors: DataFrame, run: Run) -> DataFrame:
    """Find the pairs by the configured search, exactly: left_id, right_id, cosine_similarity."""
    if run.search == "inverted_index":
        return search_inverted_index(vectors, run.calibration.min_cosine_similarity)
    return _search_blocks(vectors, run.config.pairs, run.calibration.min_cosine_similarity)


def _search_blocks(vectors: DataFrame, config: PairsConfig, min_cosine_similarity: float) -> DataFrame:
    """Compare all with all by FAISS.

    Every row goes to one of B blocks by a hash of its id; each of the B (B + 1) / 2 pairs of blocks is one group. No
    task holds more than two blocks.
    """
    num_blocks = max(1, -(-vectors.count() // config.block_rows))
    return (
        _pair_blocks(vectors, num_blocks)
        .groupBy("left_block", "right_block")
        .applyInPandas(
            block_pair_searcher(min_cosine_similarity),
            "left_id STRING, right_id STRING, cosine_similarity DOUBLE",
        )
    )


def _pair_blocks(vectors: DataFrame, num_blocks: int) -> DataFrame:
    """Send each row to every pair of blocks that its block takes part in."""
    block = F.pmod(F.xxhash64("video_id"), F.lit(num_blocks)).cast("int")
    other = F.explode(F.sequence(F.lit(0), F.lit(num_blocks - 1)))
    return (
        vectors.withColumn("block", block)
        .withColumn("other", other)
        .withColumn("left_block", F.least("block", "other"))
        .withColumn("right_block", F.greatest("block", "other"))
        .drop("other")
    )


def _as_copies(found: DataFrame, whole: DataFrame, run: Run) -> DataFrame:
    """Complete the found pairs to rows of the table."""
    ends = whole.select("video_id", "end_seconds")
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
