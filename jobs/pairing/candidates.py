"""Searches all pairs of vectors with FAISS: chooses a plan, carries it out, and estimates its recall."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from jobs.contracts.run_log import log
from udfs.searching.cells import find_cells, make_cell_assigner, plan_cells, train_centroids
from udfs.searching.chunks import Chunk, pack_blocks
from udfs.searching.groups import FOUND_DDL, GROUPED_DDL, ChunkRole, make_group_searcher
from udfs.searching.probes import MAX_PROBES, choose_probes
from udfs.searching.queries import make_query_searcher

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyspark.sql import Column, DataFrame

    from jobs.config.settings import PairsConfig

_MIN_BLOCK_ROWS = 1024
"""The smallest block that is worth a task."""
_GROUPS_PER_CORE = 4
_TRAINING_ROWS_PER_CELL = 64
_MAX_TRAINING_ROWS = 1 << 18
"""The sample is collected on the driver: 0.5 GB at 512 dims."""
_MAX_CELLS = 1 << 16
_SPREAD = 1 << 30


@dataclass(frozen=True)
class Plan:
    """How a search is carried out.

    Attributes:
        name: exact, cells or incremental.
        reason: reason for the choice, for the log.
        num_rows: number of vectors.
        num_unsearched: number of vectors that the last search did not see; all of them in a full search.
    """

    name: str
    reason: str
    num_rows: int
    num_unsearched: int

    @property
    def is_incremental(self) -> bool:
        """Whether the search returns only pairs with a new video; the other pairs are those found before."""
        return self.num_unsearched < self.num_rows


@dataclass(frozen=True)
class SearchResult:
    """Candidate pairs.

    Attributes:
        rows: left_id < right_id, cosine_similarity; one row per pair of videos.
        recall: estimated share of the pairs that an exact search finds, in [0, 1]; None if the search is exact.
    """

    rows: DataFrame
    recall: float | None = None


def choose_plan(num_rows: int, num_unsearched: int, dim: int, config: PairsConfig) -> Plan:
    """Choose a plan by the cost of an exact search.

    The products of all pairs of n vectors take n^2 dim operations. If unsearched vectors can be compared with all
    vectors in at most `max_exact_teraflop`, the plan is `incremental`. Else all vectors are searched: exactly if that
    takes at most the limit, or by cells, and pairs that the last search compared are then left out. A plan
    that the config names replaces the choice between exact and cells, whatever its cost.

    Args:
        num_rows: number of vectors.
        num_unsearched: number of vectors that the last search did not see.
        dim: number of dimensions.
        config: `plan`, `incremental`, `max_exact_teraflop`.
    """
    limit = config.max_exact_teraflop
    new = (2 * num_rows - num_unsearched) * num_unsearched * dim / 1e12
    whole = num_rows**2 * dim / 1e12
    if config.incremental and num_unsearched < num_rows and new <= limit:
        return Plan("incremental", f"{new:.3g} TFLOP for new vectors, at most {limit:g}", num_rows, num_unsearched)
    by_cells = num_unsearched if config.incremental else num_rows
    if config.plan != "auto":
        return Plan(config.plan, "as configured", num_rows, by_cells if config.plan == "cells" else num_rows)
    if whole <= limit:
        return Plan("exact", f"{whole:.3g} TFLOP, at most {limit:g}", num_rows, num_rows)
    return Plan("cells", f"exact search would take {whole:.3g} TFLOP, more than {limit:g}", num_rows, by_cells)


def plan_search(vectors: DataFrame, config: PairsConfig) -> Plan:
    """Count vectors, choose a plan, and log the reason. Runs on: driver; the vectors are not moved.

    Args:
        vectors: as `search_candidates`.
        config: `pairs`.
    """
    counts = vectors.groupBy("is_unsearched").count().collect()
    num_rows = sum(row["count"] for row in counts)
    num_unsearched = sum(row["count"] for row in counts if row["is_unsearched"])
    first = vectors.select(F.size("vector")).first()
    plan = choose_plan(num_rows, num_unsearched, first[0] if first is not None else 0, config)
    log.info("search planned", plan=plan.name, why=plan.reason, num_vectors=num_rows, num_new=num_unsearched)
    return plan


def search_candidates(
    vectors: DataFrame,
    min_cosine_similarity: float,
    config: PairsConfig,
    plan: Plan,
    checkpoint: Callable[[str, DataFrame], DataFrame],
) -> SearchResult:
    """Find the pairs of videos with two vectors that reach a similarity; each pair has its highest similarity.

    Args:
        vectors: video_id, segment_index, vector (ARRAY<FLOAT>, unit norm), is_unsearched; read more than once.
        min_cosine_similarity: in [-1, 1].
        config: `pairs`.
        plan: from `plan_search`.
        checkpoint: as in `jobs.contracts.run.Run`; the pairs from cells are written before their recall is estimated.

    Returns:
        The candidate pairs; if the plan is incremental, only pairs with a new video. Runs on: driver; search on
        executors, in tasks of about two blocks of `block_rows` vectors at most.
    """
    if not plan.num_unsearched:
        return SearchResult(vectors.sparkSession.createDataFrame([], FOUND_DDL))
    if plan.name == "incremental" and plan.num_unsearched <= config.block_rows:
        return SearchResult(_search_new(vectors, min_cosine_similarity, config, plan))
    if plan.name != "cells":
        return SearchResult(_search_blocks(vectors, min_cosine_similarity, config, plan))
    found = checkpoint("candidates", _search_cells(vectors, min_cosine_similarity, config, plan))
    recall = _estimate_recall(vectors, found, min_cosine_similarity, config, plan)
    log.info("search recall estimated", recall=recall, num_rows=config.recall_rows)
    return SearchResult(_select_new(found, vectors) if plan.is_incremental else found, recall)


def _select_new(found: DataFrame, vectors: DataFrame) -> DataFrame:
    """Select the pairs with a new video; the others have been verified before."""
    new = vectors.where("is_unsearched").select("video_id").distinct()
    for side in ("left", "right"):
        names = new.select(F.col("video_id").alias(f"{side}_id"), F.lit(True).alias(f"is_{side}_new"))
        found = found.join(names, f"{side}_id", "left")
    return found.where("is_left_new OR is_right_new").select("left_id", "right_id", "cosine_similarity")


def _search_blocks(vectors: DataFrame, min_cosine_similarity: float, config: PairsConfig, plan: Plan) -> DataFrame:
    """Compare all vectors, or new vectors with all vectors, in blocks.

    Every two blocks with at least one new block form a group, which is one task. New vectors are in the first blocks.
    All vectors of a video are in the same block, so that one group finds all matches of a pair.
    """
    parallelism = vectors.sparkSession.sparkContext.defaultParallelism
    block_rows = min(config.block_rows, max(_MIN_BLOCK_ROWS, _balance_blocks(plan.num_unsearched, parallelism)))
    new = -(-plan.num_unsearched // block_rows)
    count = new + -(-(plan.num_rows - plan.num_unsearched) // block_rows)
    code = F.xxhash64(F.lit(config.seed), "video_id")
    old_block = F.lit(new) + F.pmod(code, F.lit(max(1, count - new)))
    block = (
        F.pmod(code, F.lit(new))
        if plan.num_unsearched == plan.num_rows
        else F.when(F.col("is_unsearched"), F.pmod(code, F.lit(new))).otherwise(old_block)
    )
    packed = (
        vectors.select("video_id", "vector", block.alias("block"))
        .mapInArrow(pack_blocks, "block INT, video_ids ARRAY<STRING>, vectors BINARY")
        .withColumn("other", F.explode(F.sequence(F.lit(0), F.lit(count - 1))))
        .where(F.least("block", "other") < new)
    )
    lower, upper = F.least("block", "other"), F.greatest("block", "other")
    # Pairs of different blocks first; a block with itself takes half as long, and the last tasks should be short.
    num_squares = new * (count - 1) - new * (new - 1) // 2
    before = lower * F.lit(count - 1) - (lower * (lower - 1) / 2).cast("int")
    group = F.when(lower == upper, F.lit(num_squares) + lower).otherwise(before + upper - lower - 1)
    role = (
        F.when(lower == upper, F.lit(ChunkRole.SELF_JOINED.value))
        .when(F.col("block") == lower, F.lit(ChunkRole.QUERY.value))
        .otherwise(F.lit(ChunkRole.STORED.value))
    )
    grouped = packed.select(group.alias("task"), group.alias("group"), role.alias("role"), "video_ids", "vectors")
    return _search_groups(grouped, num_squares + new, min_cosine_similarity)


def _search_new(vectors: DataFrame, min_cosine_similarity: float, config: PairsConfig, plan: Plan) -> DataFrame:
    """Compare few new vectors with all: the driver sends the new vectors to every task; the others are not moved."""
    new, old = vectors.where("is_unsearched"), vectors.where("NOT is_unsearched")
    searcher = make_query_searcher(_collect_rows(new), min_cosine_similarity)
    against_old = _with_spread(old, config.seed).mapInArrow(searcher, FOUND_DDL)
    among = _search_blocks(new, min_cosine_similarity, config, replace(plan, num_rows=plan.num_unsearched))
    return _keep_most_similar(against_old.unionByName(among))


def _keep_most_similar(found: DataFrame) -> DataFrame:
    """Keep the most similar row of each pair of videos."""
    return found.groupBy("left_id", "right_id").agg(F.max("cosine_similarity").alias("cosine_similarity"))


def _balance_blocks(num_rows: int, parallelism: int) -> int:
    """Return a block size for which the number of pairs of blocks keeps all cores busy to the end."""
    num_blocks = 1
    while num_blocks * (num_blocks + 1) // 2 < _GROUPS_PER_CORE * parallelism:
        num_blocks += 1
    return -(-num_rows // num_blocks)


def _search_groups(grouped: DataFrame, num_tasks: int, min_cosine_similarity: float) -> DataFrame:
    """Move the groups of each task to one partition, and search them."""
    columns = [F.col(name).cast("int").alias(name) for name in ("task", "group", "role")]
    return (
        grouped.select(*columns, "video_ids", "vectors")
        .repartitionById(num_tasks, "task")
        .mapInArrow(make_group_searcher(min_cosine_similarity), FOUND_DDL)
    )


def _search_cells(vectors: DataFrame, min_cosine_similarity: float, config: PairsConfig, plan: Plan) -> DataFrame:
    """Compare the vectors that share a cell: see `udfs.searching.cells.CellPlan`."""
    num_cells = max(1, min(_MAX_CELLS, plan.num_rows // config.cell_rows))
    wanted = min(_MAX_TRAINING_ROWS, max(_TRAINING_ROWS_PER_CELL * num_cells, num_cells))
    sample = _sample_rows(vectors, wanted, plan.num_rows, config.seed)
    num_cells = min(num_cells, len(sample))
    centroids = train_centroids(sample.vectors, num_cells, config.seed)
    nearest = find_cells(centroids, sample.vectors, min(config.num_probes or MAX_PROBES, num_cells))
    if config.num_probes is None:
        probes = choose_probes(sample, nearest, min_cosine_similarity, config.min_search_recall, config.seed)
        log.info("probes chosen", **probes._asdict())
        nearest = nearest[:, : probes.num_probes]
    cells = plan_cells(
        centroids,
        nearest,
        num_rows=plan.num_rows,
        block_rows=config.block_rows,
        min_tasks=_GROUPS_PER_CORE * vectors.sparkSession.sparkContext.defaultParallelism,
    )
    log.info(
        "cells trained",
        num_cells=num_cells,
        num_probes=cells.num_probes,
        num_sampled=len(sample),
        num_split=int((cells.num_blocks > 1).sum()),
        num_tasks=cells.num_tasks,
    )
    assigned = _with_spread(vectors, config.seed).mapInArrow(make_cell_assigner(cells), GROUPED_DDL)
    found = _search_groups(assigned, cells.num_tasks, min_cosine_similarity)
    return _keep_most_similar(found)


def _estimate_recall(
    vectors: DataFrame, found: DataFrame, min_cosine_similarity: float, config: PairsConfig, plan: Plan
) -> float | None:
    """Return the share of found pairs among the exact pairs of sampled vectors; None if those have no pairs."""
    sample = _sample_rows(vectors, config.recall_rows, plan.num_rows, config.seed + 1)
    if not len(sample):
        return None
    searcher = make_query_searcher(sample, min_cosine_similarity)
    truth = _with_spread(vectors, config.seed).mapInArrow(searcher, FOUND_DDL)
    pairs = truth.select("left_id", "right_id").distinct()
    marked = pairs.join(found.withColumn("is_found", F.lit(True)), ["left_id", "right_id"], "left")
    counts = marked.agg(F.count("*").alias("pairs"), F.count("is_found").alias("found")).collect()[0]
    return counts["found"] / counts["pairs"] if counts["pairs"] else None


def _sample_rows(vectors: DataFrame, wanted: int, num_rows: int, seed: int) -> Chunk:
    """Collect about `wanted` rows, chosen by a hash of their ids, sorted by id."""
    threshold = min(_SPREAD, -(-_SPREAD * wanted // max(1, num_rows)))
    return _collect_rows(vectors.where(_spread(seed, "sample") < threshold))


def _collect_rows(vectors: DataFrame) -> Chunk:
    """Collect rows on the driver, sorted by id."""
    import numpy as np
    import pyarrow as pa

    chosen = vectors.select("video_id", "segment_index", "vector").toArrow()
    rows = chosen.sort_by([("video_id", "ascending"), ("segment_index", "ascending")]).combine_chunks()
    if not rows.num_rows:
        return Chunk(pa.array([], pa.string()), np.empty((0, 0), np.float32))
    values = rows.column("vector").combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return Chunk(rows.column("video_id").combine_chunks(), values.reshape(rows.num_rows, -1))


def _with_spread(vectors: DataFrame, seed: int) -> DataFrame:
    """Add the number by which cells with too many rows are split."""
    return vectors.select("video_id", "vector", _spread(seed, "block").alias("spread"))


def _spread(seed: int, purpose: str) -> Column:
    """Return a hash in [0, 2^30) that depends only on the row's ids, not on its partition."""
    return F.pmod(F.xxhash64(F.lit(f"{purpose} {seed}"), "video_id", "segment_index"), F.lit(_SPREAD))
