"""Collects vectors on the driver: all of a few videos, or a sample that depends on ids alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from udfs.searching.chunks import Chunk

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

_SPREAD = 1 << 30


def sample_rows(vectors: DataFrame, wanted: int, num_rows: int, seed: int) -> Chunk:
    """Collect about `wanted` of `num_rows` rows, chosen by a hash of their ids, sorted by id. Runs on: driver."""
    return collect_rows(vectors.where(is_in_sample(wanted, num_rows, seed)))


def is_in_sample(wanted: int, num_rows: int, seed: int) -> Column:
    """Return whether a row is among about `wanted` of `num_rows` rows, by a hash of its ids."""
    return _spread(seed, "sample") < min(_SPREAD, -(-_SPREAD * wanted // max(1, num_rows)))


def collect_rows(vectors: DataFrame) -> Chunk:
    """Collect video_id, segment_index and vector, sorted by id. Runs on: driver."""
    import numpy as np
    import pyarrow as pa

    chosen = vectors.select("video_id", "segment_index", "vector").toArrow()
    rows = chosen.sort_by([("video_id", "ascending"), ("segment_index", "ascending")]).combine_chunks()
    if not rows.num_rows:
        return Chunk(pa.array([], pa.string()), np.empty((0, 0), np.float32))
    values = rows.column("vector").combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return Chunk(rows.column("video_id").combine_chunks(), values.reshape(rows.num_rows, -1))


def add_spread(vectors: DataFrame, seed: int) -> DataFrame:
    """Add the number by which blocks and cells with too many rows are split, as the column `spread`."""
    return vectors.withColumn("spread", _spread(seed, "block"))


def _spread(seed: int, purpose: str) -> Column:
    """Return a hash in [0, 2^30) that depends only on the row's ids, not on its partition."""
    return F.pmod(F.xxhash64(F.lit(f"{purpose} {seed}"), "video_id", "segment_index"), F.lit(_SPREAD))
