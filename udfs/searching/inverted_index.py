"""Finds all pairs of similar sparse vectors by their common words, with DataFrame operations only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

# The product of two float32 numbers is exact in float64. Rounded to a multiple of 2^-60 it loses less than 2^-60, and
# the sum of integers, unlike that of floats, does not depend on their order. For unit vectors sums stay near 2^60; a
# BIGINT holds up to 2^63.
_STEPS_PER_UNIT = float(2**60)
_SIMILARITY_STEPS_PER_UNIT = 1e6  # 6 decimals, rounded half to even as in `udfs.searching.pair_search`


def search_inverted_index(vectors: DataFrame, min_cosine_similarity: float) -> DataFrame:
    """Find every pair of vectors whose cosine similarity reaches the threshold, as `udfs.searching.pair_search` does.

    The search is exact. A word in n videos produces n (n - 1) / 2 rows that Spark adds up. Rare words cost little, but
    a word in each of a million videos produces 5e11 rows although its weight is nearly zero. Train a codebook with
    enough words that even the most frequent one is rare (`ndvr train-codebook --num-words`), or use FAISS, whose cost
    does not depend on the words. With a codebook per layer nearly all pairs of videos share a word, and FAISS is
    faster.

    Args:
        vectors: video_id, vector (ARRAY<FLOAT>, unit norm or all zeros, sparse). It is read twice.
        min_cosine_similarity: in (0, 1]. Videos without a common word have similarity 0 and are not compared.

    Returns:
        left_id < right_id, and cosine_similarity in [-1, 1], rounded to 6 decimals. Each pair occurs once.

    Raises:
        ValueError: the threshold is not above 0.
    """
    if min_cosine_similarity <= 0:
        raise ValueError(
            f"the threshold of an inverted index must be > 0, got {min_cosine_similarity}: it finds only videos that "
            "share a word; raise the threshold or search with FAISS"
        )
    postings = vectors.select("video_id", F.posexplode("vector").alias("word", "weight")).where("weight != 0")
    left, right = postings.toDF("left_id", "word", "left_weight"), postings.toDF("right_id", "word", "right_weight")
    product = F.col("left_weight").cast("double") * F.col("right_weight").cast("double")
    steps = F.sum((product * _STEPS_PER_UNIT).cast("bigint")) / F.lit(_STEPS_PER_UNIT)
    similarity = F.rint(steps * _SIMILARITY_STEPS_PER_UNIT) / F.lit(_SIMILARITY_STEPS_PER_UNIT)
    return (
        left.join(right, "word")
        .where(F.col("left_id") < F.col("right_id"))
        .groupBy("left_id", "right_id")
        .agg(F.greatest(F.lit(-1.0), F.least(F.lit(1.0), similarity)).alias("cosine_similarity"))
        .where(F.col("cosine_similarity") >= min_cosine_similarity)
    )
