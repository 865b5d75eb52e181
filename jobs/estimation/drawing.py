"""Draws a stratified sample of published pairs, duplicates and rejected candidates. Runs on: driver."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any

from pyspark.sql import Window
from pyspark.sql import functions as F

from jobs.contracts.run import keep_on_executors
from jobs.contracts.run_ids import make_run_id
from jobs.errors import UsageError
from jobs.estimation.frame import Rejected, find_rejected, list_published
from jobs.estimation.strata import REJECTED, SMALL_CLUSTER, Cell, CellFacts, find_cluster_kind, list_bounds, plan_strata
from jobs.tables import samples

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from pyspark.sql import Column, DataFrame

    from jobs.config.settings import Config
    from jobs.estimation.strata import Stratum
    from jobs.lake.lake import Lake
    from models.verifier import Verifier

_CELL = ("population", "band", "kind", "cluster")


@dataclass(frozen=True)
class Draw:
    """What is drawn from, and how.

    Attributes:
        model_id: the model in use.
        run_id: the newest published run.
        min_probability: the threshold of that run.
        verifier: of the model; None if pairs are not verified: then no candidates are drawn.
        config: settings of that run.
        num_pairs: pairs to draw.
        num_videos: videos that are searched again for rejected candidates.
        seed: of the sample.
    """

    model_id: str
    run_id: str
    min_probability: float
    verifier: Verifier | None
    config: Config
    num_pairs: int
    num_videos: int
    seed: int


@dataclass(frozen=True)
class Sample:
    """A drawn sample.

    Attributes:
        sample_id: its id.
        rows: rows of the table `samples`.
        strata: the strata, with the number of pairs drawn from each.
        num_videos: videos that a night searches; 0 if no candidates are drawn.
        num_searched: videos that were searched again.
    """

    sample_id: str
    rows: list[dict[str, Any]]
    strata: list[Stratum]
    num_videos: int
    num_searched: int


def draw_sample(lake: Lake, draw: Draw, drawn_at: datetime) -> Sample:
    """Draw a sample and return it; nothing is written. The same seed, tables and settings give the same pairs.

    Raises:
        UsageError: nothing is published.
    """
    frame = _add_cells(list_published(lake, draw.model_id), draw.min_probability)
    rejected = None
    if draw.verifier is not None:
        rejected = find_rejected(lake, draw.model_id, draw.verifier, draw.config, draw.num_videos, draw.seed)
        frame = frame.unionByName(_add_cells(rejected.rows.drop("owner_id"), draw.min_probability))
    frame = keep_on_executors("frame", frame)
    strata = plan_strata(_count_cells(frame), draw.num_pairs, draw.min_probability)
    if not strata:
        raise UsageError(f"nothing to draw from: run {draw.run_id} published no pair of two different files")
    sizes = {stratum.name: (float(stratum.num_pairs), 0.0) for stratum in strata}
    if rejected is not None:
        sizes |= _estimate_sizes(rejected, strata, draw.min_probability)
    sample_id = make_run_id(drawn_at)
    shared = {
        "sample_id": sample_id,
        "model_id": draw.model_id,
        "run_id": draw.run_id,
        "min_probability": draw.min_probability,
        "seed": draw.seed,
        "drawn_at": drawn_at,
    }
    rows = [
        shared | _make_row(row, sizes[row["stratum"]]) for row in _select(frame, strata, draw.seed).collect()
    ]  # fmt: skip
    of_videos = (0, 0) if rejected is None else (rejected.num_videos, rejected.num_searched)
    return Sample(sample_id, rows, strata, *of_videos)


def write_sample(lake: Lake, sample: Sample) -> None:
    """Append the rows of a sample to the table `samples`. Runs on: driver."""
    lake.create(samples.TABLE)
    lake.append(samples.TABLE, lake.spark.createDataFrame(sample.rows, samples.TABLE.schema).coalesce(1))


def _make_row(row: Any, size: tuple[float, float]) -> dict[str, Any]:  # noqa: ANN401 - a Row has no fixed type
    """Make a row of `samples` from a row of the frame."""
    names = ("left_id", "right_id", "stratum", "match_probability", "relation", "duplicate_relation")
    of_stratum = {"stratum_size": size[0], "stratum_size_variance": size[1]}
    return {name: row[name] for name in names} | of_stratum | {"is_published": row["is_in_pairs"]}


def _add_cells(rows: DataFrame, min_probability: float) -> DataFrame:
    """Add the columns of `Cell`, and is_in_pairs."""
    bounds = list_bounds(min_probability)
    band: Column = F.lit(0)
    for population, lower in bounds.items():
        counted = reduce(
            lambda total, bound: total + (F.col("match_probability") >= bound).cast("int"), lower, F.lit(0)
        )
        band = F.when(F.col("population") == population, counted).otherwise(band)
    size = F.col("cluster_size")
    cluster = (
        F.when(size.isNull(), find_cluster_kind(None))
        .when(size <= SMALL_CLUSTER, find_cluster_kind(SMALL_CLUSTER))
        .otherwise(find_cluster_kind(SMALL_CLUSTER + 1))
    )
    is_copy = F.coalesce("relation", "duplicate_relation") == "copy"
    return rows.withColumns(
        {
            "band": band,
            "kind": F.when(is_copy, "copy").otherwise("partial"),
            "cluster": cluster,
            "is_in_pairs": F.col("relation").isNotNull() & (F.col("population") != REJECTED),
        }
    )


def _count_cells(frame: DataFrame) -> dict[Cell, CellFacts]:
    """Count the pairs of each cell."""
    counted = (
        frame.groupBy(*_CELL).agg(F.count("*").alias("number"), F.avg("match_probability").alias("mean")).collect()
    )
    return {Cell(*(row[name] for name in _CELL)): CellFacts(row["number"], row["mean"]) for row in counted}


def _select(frame: DataFrame, strata: Sequence[Stratum], seed: int) -> DataFrame:
    """Select the pairs with the smallest hashes of each stratum; a larger sample of one seed has those of a smaller."""
    named = [(*cell, stratum.name, stratum.num_drawn) for stratum in strata for cell in stratum.cells]
    ddl = "population STRING, band INT, kind STRING, cluster STRING, stratum STRING, num_drawn INT"
    plan = frame.sparkSession.createDataFrame(named, ddl)
    order = F.struct(F.xxhash64(F.lit(seed), "left_id", "right_id"), "left_id", "right_id")
    ranked = frame.join(F.broadcast(plan), list(_CELL)).withColumn(
        "rank", F.row_number().over(Window.partitionBy("stratum").orderBy(order))
    )
    return ranked.where("rank <= num_drawn").orderBy("stratum", "rank")


def _estimate_sizes(
    rejected: Rejected, strata: Sequence[Stratum], min_probability: float
) -> Mapping[str, tuple[float, float]]:
    """Estimate the sizes of the strata of rejected candidates and their variances, from the candidates of each video.

    The sample of videos is a simple random sample without replacement: Cochran 1977, Sampling Techniques, section 2.
    """
    names = {cell: stratum.name for stratum in strata for cell in stratum.cells}
    per_video: Counter[tuple[str, str]] = Counter()
    counted = _add_cells(rejected.rows, min_probability).groupBy("owner_id", *_CELL).count().collect()
    for row in counted:
        per_video[names[Cell(*(row[name] for name in _CELL))], row["owner_id"]] += row["count"]
    sizes = {}
    for name in {name for name, _ in per_video}:
        counts = [count for (stratum, _), count in per_video.items() if stratum == name]
        sizes[name] = expand(counts, rejected.num_searched, rejected.num_videos)
    return sizes


def expand(counts: Sequence[int], num_drawn: int, num_all: int) -> tuple[float, float]:
    """Return the estimated total of counts and its variance.

    Args:
        counts: of the drawn videos that have any.
        num_drawn: videos that were drawn.
        num_all: all videos.
    """
    total = sum(counts) * num_all / num_drawn
    if num_drawn in {1, num_all}:
        return total, 0.0 if num_drawn == num_all else total**2
    mean = sum(counts) / num_drawn
    spread = (sum(count**2 for count in counts) - num_drawn * mean**2) / (num_drawn - 1)
    return total, num_all**2 * (1 - num_drawn / num_all) * spread / num_drawn
