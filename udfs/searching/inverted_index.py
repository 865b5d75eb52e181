"""All pairs of sparse vectors above a similarity, by the words that they share: DataFrames alone, no UDF."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

# A product of two float32 is exact in float64. As a multiple of 2^-60 it loses less than 2^-60, and whole numbers add
# up to the same in any order, which floats would not. Unit vectors keep every sum near 2^60; a BIGINT holds 2^63.
_STEPS_PER_UNIT = float(2**60)
_SIMILARITY_STEPS_PER_UNIT = 1e6  # 6 decimals, rounded half to even, as `udfs.searching.search` rounds


def search_inverted_index(vectors: DataFrame, min_cosine_similarity: float) -> DataFrame:
    """Find every pair of vectors whose cosine similarity reaches the threshold, as `udfs.searching.search` does.

    Exact. A word that n videos have makes n (n - 1) / 2 rows that Spark adds up: rare words cost nothing, and a word in
    every one of a million videos 5e11 rows, though its weight is nearly zero. Give a codebook as many words as keep
    the commonest rare (`ndvr train-codebook --num-words`), or take FAISS, which costs the same whatever the words. With
    words of layers nearly every two videos share one, and FAISS is the quicker.

    Args:
        vectors: video_id, vector (ARRAY<FLOAT>, unit norm or zeros, mostly zeros). It is read twice.
        min_cosine_similarity: in (0, 1]: videos that share no word are at 0 and never met.

    Returns:
        left_id < right_id, cosine_similarity in [-1, 1], rounded to 6 decimals; each pair once.

    Raises:
        ValueError: the threshold is not above 0.
    """
    if min_cosine_similarity <= 0:
        raise ValueError(
            f"an inverted index finds only videos that share a word: the threshold must be > 0, "
            f"got {min_cosine_similarity}"
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
