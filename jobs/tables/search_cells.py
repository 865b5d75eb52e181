"""search_cells: the cells of the search, trained when exact search first becomes too expensive, and then kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from jobs.contracts.run_log import log
from jobs.contracts.table import Table
from jobs.pairing.candidates import plan_search
from jobs.pairing.cells import train_cells
from jobs.pairing.searched import find_searched_videos

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyspark.sql import DataFrame, SparkSession

    from jobs.contracts.run import Run
    from jobs.pairing.cells import Training
    from udfs.searching.cells import Cells

TABLE = Table(
    name="search_cells",
    grain="A cell of a version of the search's cells x model_id; the newest version is in use",
    key=("model_id", "cells_version", "cell"),
    checks={
        "version_is_positive": "cells_version >= 1",
        "recall_is_a_fraction": "sample_recall IS NULL OR sample_recall BETWEEN 0 AND 1",
    },
    ddl="""
        model_id STRING NOT NULL COMMENT 'the model whose vectors the cells divide',
        cells_version INT NOT NULL COMMENT 'version of the cells of the model, from 1',
        cell INT NOT NULL COMMENT 'number of the cell, from 0',
        run_id STRING NOT NULL COMMENT 'the run that trained the cells',
        trained_at TIMESTAMP NOT NULL COMMENT 'start of that run, UTC',
        num_rows BIGINT NOT NULL COMMENT 'segments that the cells were made for',
        num_sampled INT NOT NULL COMMENT 'segments of the sample that the cells were trained on',
        seed BIGINT NOT NULL COMMENT 'seed of the sample and of k-means',
        num_probes INT NOT NULL COMMENT 'cells that a segment is compared in, including its own',
        sample_recall DOUBLE COMMENT 'share of the pairs of the sample that the cells find; null without an estimate',
        code_margin DOUBLE NOT NULL COMMENT 'a search by codes lowers its cosine similarity by this',
        cell_share DOUBLE NOT NULL COMMENT 'share of the sample that is in this cell',
        centroid ARRAY<FLOAT> NOT NULL COMMENT 'centre of the cell, unit norm'
    """,
)


def build(inputs: Mapping[str, DataFrame], run: Run) -> DataFrame:
    """Train the first cells of a model, if the search of this run is to be by cells. Grain: one row per cell.

    Runs on: driver, with a sample of vectors. Later versions are trained by `ndvr maintain` only.
    """
    stored, embedded = inputs["search_cells"], inputs["embeddings"].where(F.col("model_id") == run.model.model_id)
    is_made = not stored.where(F.col("model_id") == run.model.model_id).isEmpty()
    if is_made or not _may_need_cells(embedded, run):
        return stored.limit(0)
    segments = find_searched_videos(inputs, run).segments
    plan = plan_search(segments, run.config.pairs)
    if plan.name != "cells":
        return stored.limit(0)
    cells, training = train_cells(segments, plan.num_rows, run.min_searched_similarity, run.config.pairs)
    return make_rows(stored.sparkSession, cells, training, 1, run)


def _may_need_cells(embedded: DataFrame, run: Run) -> bool:
    """Return whether a search of all stored vectors could be by cells; most lakes need only this count."""
    pairs = run.config.pairs
    if pairs.plan != "auto" or (run.verifier is None and run.search == "inverted_index"):
        return pairs.plan == "cells"
    first = embedded.select(F.size("vector")).first()
    return first is not None and embedded.count() ** 2 * first[0] / 1e12 > pairs.max_exact_teraflop


def make_rows(spark: SparkSession, cells: Cells, training: Training, version: int, run: Run) -> DataFrame:
    """Make the rows of a version of cells. Runs on: driver."""
    facts = {
        "model_id": run.model.model_id,
        "cells_version": version,
        "run_id": run.run_id,
        "trained_at": run.started_at,
        "num_rows": training.num_rows,
        "num_sampled": training.num_sampled,
        "seed": run.config.pairs.seed,
        "num_probes": cells.num_probes,
        "sample_recall": training.sample_recall,
        "code_margin": cells.margin,
    }
    log.info("cells made", **{name: value for name, value in facts.items() if name not in {"trained_at", "run_id"}})
    rows = [
        facts | {"cell": cell, "cell_share": float(training.cell_shares[cell]), "centroid": centroid.tolist()}
        for cell, centroid in enumerate(cells.centroids)
    ]
    return spark.createDataFrame(rows, TABLE.schema)
