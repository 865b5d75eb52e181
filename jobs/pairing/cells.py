"""The cells of the search: training on a sample, their rows in the lake, and the codes of segments in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from jobs.contracts.run_log import log
from jobs.pairing.sampling import sample_rows
from udfs.searching.cells import Cells, find_cells, train_centroids
from udfs.searching.codes import CODE_DDL, make_encoder, measure_code_error
from udfs.searching.probes import MAX_PROBES, choose_probes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from pyspark.sql import DataFrame

    from jobs.config.settings import PairsConfig

_TRAINING_ROWS_PER_CELL = 64
_MAX_TRAINING_ROWS = 1 << 18
"""The sample is collected on the driver: 0.5 GB at 512 dims."""
_MAX_CELLS = 1 << 16


@dataclass(frozen=True)
class Training:
    """What the training of cells measured.

    Attributes:
        num_rows: vectors that the cells were made for.
        num_sampled: vectors of the sample.
        sample_recall: share of the sample's pairs that the cells find, in [0, 1]; None without pairs.
        cell_shares: float64 (c,), share of the sample in each cell.
    """

    num_rows: int
    num_sampled: int
    sample_recall: float | None
    cell_shares: NDArray[np.float64]


def train_cells(
    vectors: DataFrame, num_rows: int, min_cosine_similarity: float, config: PairsConfig
) -> tuple[Cells, Training]:
    """Train cells on a sample, which also chooses the number of probes and measures the error of codes.

    Args:
        vectors: video_id, segment_index, vector.
        num_rows: number of vectors.
        min_cosine_similarity: of the pairs that the cells must find.
        config: `cell_rows`, `num_probes`, `min_search_recall`, `seed`.

    Runs on: driver, with a sample of at most 262,144 vectors.
    """
    import numpy as np

    num_cells = choose_num_cells(num_rows, config)
    wanted = min(_MAX_TRAINING_ROWS, max(_TRAINING_ROWS_PER_CELL * num_cells, num_cells))
    sample = sample_rows(vectors, wanted, num_rows, config.seed)
    num_cells = min(num_cells, len(sample))
    centroids = train_centroids(sample.vectors, num_cells, config.seed)
    nearest = find_cells(centroids, sample.vectors, min(config.num_probes or MAX_PROBES, num_cells))
    num_probes, recall = nearest.shape[1], None
    if config.num_probes is None:
        probes = choose_probes(sample, nearest, min_cosine_similarity, config.min_search_recall, config.seed)
        num_probes, recall = probes.num_probes, probes.recall
        log.info("probes chosen", **probes._asdict())
    error = measure_code_error(sample.vectors)
    log.info("cells trained", num_cells=num_cells, num_probes=num_probes, num_sampled=len(sample), margin=error.margin)
    shares = np.bincount(nearest[:, 0], minlength=num_cells) / len(sample)
    return Cells(centroids, num_probes, error.margin), Training(num_rows, len(sample), recall, shares)


def choose_num_cells(num_rows: int, config: PairsConfig) -> int:
    """Return the number of cells for a number of vectors, by `cell_rows`."""
    return max(1, min(_MAX_CELLS, num_rows // config.cell_rows))


def read_cells(stored: DataFrame, model_id: str) -> Cells | None:
    """Read the newest cells of a model from rows of `search_cells`; None if it has none. Runs on: driver."""
    import numpy as np

    of_model = stored.where(F.col("model_id") == model_id)
    version = of_model.agg(F.max("cells_version")).collect()[0][0]
    if version is None:
        return None
    newest = of_model.where(F.col("cells_version") == version)
    columns = ("cell", "num_probes", "code_margin", F.to_date("trained_at").alias("trained_on"), "centroid")
    rows = newest.select(*columns).toArrow().sort_by("cell").combine_chunks()
    centroids = rows.column("centroid").combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return Cells(
        np.ascontiguousarray(centroids.reshape(rows.num_rows, -1), np.float32),
        rows.column("num_probes")[0].as_py(),
        rows.column("code_margin")[0].as_py(),
        version,
        rows.column("trained_on")[0].as_py(),
    )


def encode_segments(segments: DataFrame, cells: Cells) -> DataFrame:
    """Replace the column `vector` by those of `udfs.searching.codes.CODE_DDL`. Runs on: driver and executors."""
    kept = [name for name in segments.columns if name != "vector"]
    fields = ", ".join(f"`{f.name}` {f.dataType.simpleString()}" for f in segments.select(*kept).schema.fields)
    encoder = make_encoder(cells.centroids, cells.num_probes)
    return segments.select(*kept, "vector").mapInArrow(encoder, f"{fields}, {CODE_DDL}")
