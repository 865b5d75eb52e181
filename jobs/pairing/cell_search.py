"""The search by cells, over codes: new segments against the stored ones in place, or a join of all by cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pyspark.sql import functions as F

from jobs.contracts.run_log import log
from jobs.lake.file_skipping import covers
from jobs.pairing.sampling import add_spread, is_in_sample
from udfs.searching.cell_groups import make_cell_assigner
from udfs.searching.cell_queries import MATCHED_DDL, CellQueries, make_cell_searcher
from udfs.searching.cells import plan_cells
from udfs.searching.codes import CodedRows
from udfs.searching.groups import FOUND_DDL, GROUPED_DDL, make_group_searcher
from udfs.searching.pair_search import make_pair_checker

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray
    from pyspark.sql import Column, DataFrame

    from jobs.config.settings import PairsConfig
    from udfs.searching.cells import Cells

GROUPS_PER_CORE = 4
MAX_QUERIES = 1 << 18
"""The most new segments that are sent to every task: 134 MB at 512 dims, and four times as much decoded."""
_MAX_CELLS_TO_SKIP_FILES = 0.5
"""Files are skipped only if less than this share of the cells is needed; else nearly every file has one."""
_RECALL_CELLS = 64
"""Recall is estimated on the rows of an eighth of the cells, but of all cells if they are fewer."""


class CellIndex(NamedTuple):
    """Segments as codes.

    Attributes:
        cells: the cells of the codes.
        codes: video_id, segment_index, cell, probe_cells, code, run_id; every searched segment once. It is read several
            times.
    """

    cells: Cells
    codes: DataFrame


class CellMatches(NamedTuple):
    """What a search by cells found.

    Attributes:
        rows: left_id < right_id, cosine_similarity of the codes; one row per pair of videos.
        recall: estimated share of the pairs that an exact search of the codes finds, in [0, 1]; None without pairs.
    """

    rows: DataFrame
    recall: float | None


def search_new(
    index: CellIndex,
    new: DataFrame,
    num_new: int,
    min_cosine_similarity: float,
    config: PairsConfig,
    checkpoint: Callable[[str, DataFrame], DataFrame],
) -> CellMatches | None:
    """Compare new segments with all by the rule of the cells; None if there are too many to send to every task.

    The stored codes are read once and not moved, and only where a cell may have a partner. In the same pass the sample
    on which recall is estimated is compared with every row of an eighth of the cells.

    Args:
        index: all segments, the new ones too.
        new: video_id of the new videos.
        num_new: number of new segments.
        min_cosine_similarity: of a pair of codes.
        config: `recall_rows`, `seed`.
        checkpoint: as in `jobs.contracts.run.Run`.

    Runs on: driver; search on executors.
    """
    if num_new > MAX_QUERIES:
        return None
    new = F.broadcast(new)
    run_ids = index.codes.select("video_id", "run_id").join(new, "video_id", "left_semi").select("run_id").distinct()
    written = index.codes.where(covers("run_id", [row["run_id"] for row in run_ids.collect()]))  # skips older files
    codes = written.join(new, "video_id", "left_semi")
    queries = _collect_queries(codes, is_in_sample(config.recall_rows, num_new, config.seed + 1), index.cells)
    if queries is None:
        return CellMatches(_no_pairs(index), None)
    matched = _match(_skip_cells(index, queries), queries, min_cosine_similarity)
    best = F.max(F.when(~F.col("is_sampled"), F.col("cosine_similarity"))).alias("cosine_similarity")
    pairs = matched.groupBy("left_id", "right_id").agg(best, F.bool_or("is_sampled").alias("is_sampled"))
    kept = checkpoint("candidates", pairs)
    is_found = F.col("cosine_similarity").isNotNull()
    recall = _measure_recall(kept.where("is_sampled").select(is_found.alias("is_found")))
    return CellMatches(kept.where(is_found).drop("is_sampled"), recall)


def search_all(
    index: CellIndex,
    min_cosine_similarity: float,
    config: PairsConfig,
    checkpoint: Callable[[str, DataFrame], DataFrame],
) -> CellMatches:
    """Compare all segments with one another by the rule of the cells: a join that moves every code to its cells.

    Args and returns: as `search_new`. The pairs are written before their recall is estimated, in one more pass.
    """
    stored, querying = _count_cells(index)
    num_rows = int(stored.sum())
    if not num_rows:
        return CellMatches(_no_pairs(index), None)
    min_tasks = GROUPS_PER_CORE * index.codes.sparkSession.sparkContext.defaultParallelism
    plan = plan_cells(stored, querying, block_rows=config.block_rows, min_tasks=min_tasks)
    log.info("cells planned", num_split=int((plan.num_blocks > 1).sum()), num_tasks=plan.num_tasks)
    spread = add_spread(index.codes, config.seed).select("video_id", "probe_cells", "code", "spread")
    grouped = spread.mapInArrow(make_cell_assigner(plan), GROUPED_DDL).repartitionById(plan.num_tasks, "task")
    found = grouped.mapInArrow(make_group_searcher(min_cosine_similarity, is_coded=True), FOUND_DDL)
    kept = checkpoint("candidates", keep_most_similar(found))
    sampled = index.codes.where(is_in_sample(config.recall_rows, num_rows, config.seed + 1))
    sample = _collect_queries(sampled, F.lit(True), index.cells)
    if sample is None:
        return CellMatches(kept, None)
    truth = _match(index.codes.where(F.col("cell") < sample.num_sampled_cells), sample, min_cosine_similarity)
    pairs = truth.where("is_sampled").select("left_id", "right_id").distinct()
    marked = pairs.join(kept.withColumn("is_found", F.lit(True)), ["left_id", "right_id"], "left")
    return CellMatches(kept, _measure_recall(marked.select(F.coalesce("is_found", F.lit(False)).alias("is_found"))))


def keep_most_similar(found: DataFrame) -> DataFrame:
    """Keep the most similar row of each pair of videos."""
    return found.groupBy("left_id", "right_id").agg(F.max("cosine_similarity").alias("cosine_similarity"))


def recheck_pairs(found: DataFrame, vectors: DataFrame, min_cosine_similarity: float) -> DataFrame:
    """Replace the similarities of codes by those of vectors, and keep the pairs that reach the threshold.

    Args:
        found: left_id and right_id.
        vectors: video_id, vector (ARRAY<FLOAT>, unit norm); one row per video.
        min_cosine_similarity: of a pair.

    Returns:
        Rows of FOUND_DDL, as an exact search makes them. Runs on: driver and executors; only vectors of pairs move.
    """
    left = vectors.select(F.col("video_id").alias("left_id"), F.col("vector").alias("left_vector"))
    right = vectors.select(F.col("video_id").alias("right_id"), F.col("vector").alias("right_vector"))
    both = found.select("left_id", "right_id").join(left, "left_id").join(right, "right_id")
    columns = ("left_id", "right_id", "left_vector", "right_vector")
    return both.select(*columns).mapInArrow(make_pair_checker(min_cosine_similarity), FOUND_DDL)


def _collect_queries(codes: DataFrame, is_sampled: Column, cells: Cells) -> CellQueries | None:
    """Collect codes on the driver, sorted by id; None if there are none."""
    import numpy as np

    columns = ("video_id", "segment_index", "probe_cells", "code", is_sampled.alias("is_sampled"))
    rows = codes.select(*columns).toArrow().sort_by([("video_id", "ascending"), ("segment_index", "ascending")])
    if not rows.num_rows:
        return None
    sample = np.flatnonzero(rows.column("is_sampled").to_numpy())
    count = len(cells.centroids)
    return CellQueries(CodedRows.read(rows), sample, count if count < _RECALL_CELLS else count // 8)


def _match(codes: DataFrame, queries: CellQueries, min_cosine_similarity: float) -> DataFrame:
    """Compare stored codes with queries: rows of MATCHED_DDL, several per pair."""
    searcher = make_cell_searcher(queries, min_cosine_similarity)
    return codes.select("video_id", "probe_cells", "code").mapInArrow(searcher, MATCHED_DDL)


def _skip_cells(index: CellIndex, queries: CellQueries) -> DataFrame:
    """Leave out the files without a cell that may have a partner of a query or is in the sample of recall."""
    needed = {*queries.by_probe, *range(queries.num_sampled_cells if len(queries.sample) else 0)}
    most = _MAX_CELLS_TO_SKIP_FILES * len(index.cells.centroids)
    if len(needed) > most:
        return index.codes
    own = index.codes.sparkSession.createDataFrame([(cell,) for cell in queries.by_cell], "probe INT")
    adjacent = index.codes.select("cell", F.explode("probe_cells").alias("probe")).join(F.broadcast(own), "probe")
    needed |= {row["cell"] for row in adjacent.select("cell").distinct().collect()}
    log.info("cells selected", num_needed=len(needed), num_cells=len(index.cells.centroids))
    return index.codes if len(needed) > most else index.codes.where(covers("cell", needed))


def _count_cells(index: CellIndex) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Count the rows of each cell, and the rows of other cells that probe it: two arrays int64 (c,)."""
    import numpy as np

    probes = index.codes.select("cell", F.explode("probe_cells").alias("probe"))
    counted = probes.groupBy("probe").agg(F.count_if(F.col("probe") == F.col("cell")), F.count("*")).collect()
    stored, probing = (np.zeros(len(index.cells.centroids), np.int64) for _ in range(2))
    for cell, num_stored, num_probing in counted:
        stored[cell], probing[cell] = num_stored, num_probing
    return stored, probing - stored


def _measure_recall(pairs: DataFrame) -> float | None:
    """Return the share of pairs with `is_found`; None without pairs."""
    counts = pairs.agg(F.count("*").alias("pairs"), F.count_if("is_found").alias("found")).collect()[0]
    return counts["found"] / counts["pairs"] if counts["pairs"] else None


def _no_pairs(index: CellIndex) -> DataFrame:
    """Return a frame without pairs."""
    return index.codes.sparkSession.createDataFrame([], FOUND_DDL)
