"""Searches all pairs of vectors with FAISS: chooses a plan, carries it out, and estimates its recall."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from jobs.contracts.run_log import log
from jobs.pairing.cell_search import GROUPS_PER_CORE, CellIndex, keep_most_similar, search_all, search_new
from jobs.pairing.cells import encode_segments, train_cells
from jobs.pairing.sampling import add_spread, collect_rows
from udfs.searching.chunks import pack_blocks
from udfs.searching.groups import FOUND_DDL, ChunkRole, make_group_searcher
from udfs.searching.queries import make_query_searcher

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyspark.sql import DataFrame

    from jobs.config.settings import PairsConfig

_MIN_BLOCK_ROWS = 1024
"""The smallest block that is worth a task."""


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


def choose_plan(num_rows: int, num_unsearched: int, dim: int, config: PairsConfig, *, has_cells: bool = False) -> Plan:
    """Choose a plan by the cost of an exact search.

    The products of all pairs of n vectors take n^2 dim operations. If unsearched vectors can be compared with all
    vectors in at most `max_exact_teraflop`, the plan is `incremental`. Else all vectors are searched: exactly if that
    takes at most the limit, or by cells, and pairs that the last search compared are then left out. Once a lake has
    cells, they are always used, so that every search follows one rule and its cost follows the new vectors. A plan
    that the config names replaces the choice between exact and cells, whatever its cost.

    Args:
        num_rows: number of vectors.
        num_unsearched: number of vectors that the last search did not see.
        dim: number of dimensions.
        config: `plan`, `incremental`, `max_exact_teraflop`.
        has_cells: whether the lake has cells for the vectors, and exact search is not configured.
    """
    limit = config.max_exact_teraflop
    new = (2 * num_rows - num_unsearched) * num_unsearched * dim / 1e12
    whole = num_rows**2 * dim / 1e12
    by_cells = num_unsearched if config.incremental else num_rows
    if has_cells:
        return Plan("cells", "the lake has cells", num_rows, by_cells)
    if config.incremental and num_unsearched < num_rows and new <= limit:
        return Plan("incremental", f"{new:.3g} TFLOP for new vectors, at most {limit:g}", num_rows, num_unsearched)
    if config.plan != "auto":
        return Plan(config.plan, "as configured", num_rows, by_cells if config.plan == "cells" else num_rows)
    if whole <= limit:
        return Plan("exact", f"{whole:.3g} TFLOP, at most {limit:g}", num_rows, num_rows)
    return Plan("cells", f"exact search would take {whole:.3g} TFLOP, more than {limit:g}", num_rows, by_cells)


def plan_search(vectors: DataFrame, config: PairsConfig, *, has_cells: bool = False) -> Plan:
    """Count vectors, choose a plan, and log the reason. Runs on: driver; the vectors are not moved.

    Args:
        vectors: as `search_candidates`.
        config: `pairs`.
        has_cells: as in `choose_plan`.
    """
    counts = vectors.groupBy("is_unsearched").count().collect()
    num_rows = sum(row["count"] for row in counts)
    num_unsearched = sum(row["count"] for row in counts if row["is_unsearched"])
    # The size is asked for only where it counts, because Spark reads a row group of vectors for it.
    first = None if has_cells else vectors.select(F.size("vector")).first()
    dim = first[0] if first is not None else 0
    plan = choose_plan(num_rows, num_unsearched, dim, config, has_cells=has_cells)
    log.info("search planned", plan=plan.name, why=plan.reason, num_vectors=num_rows, num_new=num_unsearched)
    return plan


def search_candidates(
    vectors: DataFrame,
    min_cosine_similarity: float,
    config: PairsConfig,
    plan: Plan,
    checkpoint: Callable[[str, DataFrame], DataFrame],
    index: CellIndex | None = None,
) -> SearchResult:
    """Find the pairs of videos with two vectors that reach a similarity; each pair has its highest similarity.

    Args:
        vectors: video_id, segment_index, vector (ARRAY<FLOAT>, unit norm), is_unsearched; read more than once.
        min_cosine_similarity: in [-1, 1].
        config: `pairs`.
        plan: from `plan_search`.
        checkpoint: as in `jobs.contracts.run.Run`; the pairs from cells are written before their recall is estimated.
        index: the vectors as codes in stored cells; None: a search by cells trains cells of its own.

    Returns:
        The candidate pairs; if the plan is incremental, only pairs with a new video. A search by cells compares codes:
        it returns every pair that the cells compare and that reaches the similarity, and a few that nearly do, with the
        similarity of their codes. Runs on: driver; search on executors, in tasks of about two blocks of `block_rows`
        vectors at most.
    """
    if not plan.num_unsearched:
        return SearchResult(vectors.sparkSession.createDataFrame([], FOUND_DDL))
    if plan.name == "incremental" and plan.num_unsearched <= config.block_rows:
        return SearchResult(_search_new(vectors, min_cosine_similarity, config, plan))
    if plan.name != "cells":
        return SearchResult(_search_blocks(vectors, min_cosine_similarity, config, plan))
    if index is None:
        cells, _ = train_cells(vectors, plan.num_rows, min_cosine_similarity, config)
        run_id = F.lit("").alias("run_id")  # the codes of this search are one file set, so no file is skipped
        segments = vectors.select("video_id", "segment_index", run_id, "vector")
        index = CellIndex(cells, checkpoint("codes", encode_segments(segments, cells)))
    return _search_codes(index, vectors, min_cosine_similarity - index.cells.margin, config, plan, checkpoint)


def _search_codes(
    index: CellIndex,
    vectors: DataFrame,
    min_cosine_similarity: float,
    config: PairsConfig,
    plan: Plan,
    checkpoint: Callable[[str, DataFrame], DataFrame],
) -> SearchResult:
    """Search new codes in place if all of them can be sent to every task; else join all codes by cells."""
    matches = None
    if plan.is_incremental:
        new = vectors.where("is_unsearched").select("video_id").distinct()
        matches = search_new(index, new, plan.num_unsearched, min_cosine_similarity, config, checkpoint)
    if matches is None:
        matches = search_all(index, min_cosine_similarity, config, checkpoint)
        rows = _select_new(matches.rows, vectors) if plan.is_incremental else matches.rows
        matches = matches._replace(rows=rows)
    log.info("search recall estimated", recall=matches.recall, num_rows=config.recall_rows)
    return SearchResult(matches.rows, matches.recall)


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
    searcher = make_query_searcher(collect_rows(new), min_cosine_similarity)
    against_old = add_spread(old, config.seed).select("video_id", "vector", "spread").mapInArrow(searcher, FOUND_DDL)
    among = _search_blocks(new, min_cosine_similarity, config, replace(plan, num_rows=plan.num_unsearched))
    return keep_most_similar(against_old.unionByName(among))


def _balance_blocks(num_rows: int, parallelism: int) -> int:
    """Return a block size for which the number of pairs of blocks keeps all cores busy to the end."""
    num_blocks = 1
    while num_blocks * (num_blocks + 1) // 2 < GROUPS_PER_CORE * parallelism:
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
