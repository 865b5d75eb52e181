"""segment_codes: int8 codes of the searched segments with their cells, which the search reads instead of vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from jobs.contracts.table import Table
from jobs.pairing.cells import encode_segments, read_cells
from jobs.pairing.representatives import select_written
from jobs.pairing.searched import find_searched_videos, select_wanted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyspark.sql import DataFrame

    from jobs.contracts.run import Run
    from udfs.searching.cells import Cells

TABLE = Table(
    name="segment_codes",
    grain="A segment of a content of a video x model_id x cells_version; empty while no search is by cells",
    key=("video_id", "model_id", "cells_version", "content_hash", "segment_index"),
    compared=("cell",),
    clustered_by=("model_id", "cells_version", "cell"),
    num_indexed_columns=7,
    checks={"own_cell_is_first": "cell = probe_cells[0]", "has_code": "length(code) > 0"},
    ddl="""
        model_id STRING NOT NULL COMMENT 'the model that made the vector',
        cells_version INT NOT NULL COMMENT 'version of search_cells',
        cell INT NOT NULL COMMENT 'the nearest cell',
        video_id STRING NOT NULL COMMENT 'id in the manifest',
        content_hash BIGINT NOT NULL COMMENT 'xxhash64 of content_sha256 of the file that was described',
        segment_index INT NOT NULL COMMENT '0 for the whole video; windows follow in time order',
        run_id STRING NOT NULL COMMENT 'the run that wrote this row',
        probe_cells ARRAY<INT> NOT NULL COMMENT 'the cells that the segment is compared in, the nearest first',
        code BINARY NOT NULL COMMENT 'int8 (dims,): the vector, scaled to its largest value'
    """,
)


def build(inputs: Mapping[str, DataFrame], run: Run) -> DataFrame:
    """Encode the segments of representatives that have no codes in the newest cells. Grain: one row per segment.

    Rows of videos that are gone or replaced stay until `ndvr maintain` deletes them; a search leaves them out. Runs on:
    driver; vectors are read and encoded on executors, and only from files that hold new rows.
    """
    cells = read_cells(inputs["search_cells"], run.model.model_id)
    return inputs["segment_codes"].limit(0) if cells is None else encode_missing(inputs, run, cells)


def encode_missing(inputs: Mapping[str, DataFrame], run: Run, cells: Cells) -> DataFrame:
    """Encode the segments of present representatives that have no codes in some cells. Runs on: driver."""
    is_of_model = F.col("model_id") == run.model.model_id
    is_stored = is_of_model & (F.col("cells_version") == cells.version) & (F.col("segment_index") == 0)
    searched = find_searched_videos({name: rows for name, rows in inputs.items() if name != "seen_embeddings"}, run)
    coded = inputs["segment_codes"].where(is_stored).select("video_id", "content_hash")
    missing = select_wanted(searched.videos).join(coded, ["video_id", "content_hash"], "left_anti")
    whole = inputs["embeddings"].where(is_of_model & (F.col("segment_index") == 0))
    written = whole.select("video_id", "content_sha256", "run_id").join(
        missing, ["video_id", "content_sha256"], "left_semi"
    )
    segments = select_written(inputs["embeddings"].where(is_of_model), run.checkpoint("unencoded", written))
    columns = ("video_id", F.xxhash64("content_sha256").alias("content_hash"), "segment_index", "vector")
    facts = {"model_id": run.model.model_id, "cells_version": cells.version, "run_id": run.run_id}
    encoded = encode_segments(segments.select(*columns), cells)
    return encoded.withColumns({name: F.lit(value) for name, value in facts.items()})
