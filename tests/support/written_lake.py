"""A small lake with literal rows of two runs, which docs/sql.md prints."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from delta.tables import DeltaTable
from pyspark.sql.types import ArrayType

from jobs.lake.lake import Lake
from jobs.pipeline import TABLES

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import SparkSession
    from pyspark.sql.types import DataType

    from jobs.contracts.table import Table

FIRST, SECOND = "20240101T020000Z-aaaaaa", "20240102T020000Z-bbbbbb"
STARTED = {FIRST: datetime(2024, 1, 1, 2, tzinfo=UTC), SECOND: datetime(2024, 1, 2, 2, tzinfo=UTC)}
MODEL, DESCRIPTOR = "averaged-tiny-v1", "tiny-v1"

_VIDEOS = (  # video_id, owner, title, published, bytes
    ("cup-final", "ann", "Cup final 2023", 3, 900_000_000),
    ("cup-final-hd", "bob", "CUP FINAL full match", 9, 700_000_000),
    ("cup-goal", "dan", "What a goal", 10, 20_000_000),
    ("graphs-1", "eve", "Graphs, lecture 1", 4, 300_000_000),
    ("graphs-2", "eve", "Graphs, lecture 2", 11, 310_000_000),
    ("my-cat", "dan", "My cat", 12, None),
    ("rome", "ann", "Rome in a day", 1, 50_000_000),
    ("rome-again", "bob", "Rome!!", 5, 40_000_000),
    ("rome-small", "cyd", None, 6, 8_000_000),
    ("tides", "cyd", "Tides", 13, None),
)
_PAIRS = (  # left, right, probability, relation, times, run
    ("cup-final", "cup-final-hd", 0.97, "copy", (0, 5400, 0, 5400), SECOND),
    ("cup-final", "cup-goal", 0.91, "contained", (3120, 3150, 0, 30), SECOND),
    ("graphs-1", "graphs-2", 0.62, "overlap", (0, 12, 0, 12), SECOND),
    ("rome", "rome-again", 0.99, "copy", (0, 60, 0, 60), FIRST),
    ("rome", "rome-small", 0.71, "copy", (0, 60, 0, 60), FIRST),
)
_CLUSTERS = (  # video, cluster, keeper of it, run
    ("cup-final", "c-cup", "cup-final", SECOND),
    ("cup-final-hd", "c-cup", "cup-final", SECOND),
    ("rome", "c-rome", "rome", FIRST),
    ("rome-again", "c-rome", "rome", FIRST),
    ("rome-small", "c-rome", "rome", FIRST),
)
_DUPLICATES = (  # video, of, cluster, relation, probability, run
    ("cup-final-hd", "cup-final", "c-cup", "copy", 0.97, SECOND),
    ("cup-goal", "cup-final", "c-cup", "contained", 0.91, SECOND),
    ("rome-again", "rome", "c-rome", "copy", 0.99, FIRST),
    ("rome-small", "rome", "c-rome", "copy", 0.71, FIRST),
)
_REMOVED = ("graphs-2", "graphs-1", "graphs-1", "contained", 0.8, FIRST)
"""A row of duplicates that the second run removed."""
_STAGES = (  # run, stage, seconds, rows
    (FIRST, "descriptors", 610.0, 4),
    (FIRST, "pairs", 21.5, 2),
    (FIRST, "duplicates", 3.5, 2),
    (FIRST, "run", 650.0, 4),
    (SECOND, "descriptors", 302.0, 4),
    (SECOND, "pairs", 12.25, 5),
    (SECOND, "duplicates", 3.0, 4),
    (SECOND, "run", 331.0, 4),
)


def write_lake(spark: SparkSession, folder: Path) -> Path:
    """Write the tables and return the folder of the lake."""
    lake = Lake(spark, str(folder))
    rows = _make_rows()

    def write(table: Table) -> None:
        lake.create(table)
        if table.name == "duplicates":
            _write_duplicates(lake, table)
        else:
            append_rows(lake, table, rows.get(table.name, []))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, TABLES))
    return folder


def _write_duplicates(lake: Lake, table: Table) -> None:
    """Write `duplicates` as the two runs did: version 1 is that of the first, version 3 that of the second."""
    append_rows(lake, table, [_duplicate(*row) for row in (*_DUPLICATES, _REMOVED) if row[-1] == FIRST])
    DeltaTable.forPath(lake.spark, lake.path(table.name)).delete(f"video_id = '{_REMOVED[0]}'")
    append_rows(lake, table, [_duplicate(*row) for row in _DUPLICATES if row[-1] == SECOND])


def append_rows(lake: Lake, table: Table, rows: list[dict[str, Any]]) -> None:
    """Append rows in one file. A missing value is null, or a default of its type if it must not be null."""
    if rows:
        whole = [
            {f.name: row.get(f.name, _choose_default(f.dataType, f.nullable)) for f in table.schema.fields}
            for row in rows
        ]
        lake.append(table, lake.spark.createDataFrame(whole, table.schema).coalesce(1))


def _choose_default(kind: DataType, is_nullable: bool) -> Any:
    """Return null, or a value that passes the checks of a column that must not be null."""
    if is_nullable:
        return None
    if isinstance(kind, ArrayType):
        return [_choose_default(kind.elementType, is_nullable=False)]
    values = {
        "string": "",
        "double": 0.0,
        "float": 0.0,
        "boolean": True,
        "binary": bytearray(),
        "map": {},
        "date": date(2024, 1, 1),
        "timestamp": datetime(2024, 1, 1, tzinfo=UTC),
    }
    return values.get(kind.typeName(), 1)


def _make_rows() -> dict[str, list[dict[str, Any]]]:
    made = {"model_id": MODEL}
    return {
        "manifest": [
            {
                "video_id": video_id,
                "uri": f"/videos/{video_id}.mp4",
                "published_at": datetime(2023, 12, day, tzinfo=UTC),
                "owner_id": owner,
                "run_id": FIRST,
                "attributes": {"title": title} if title else {},
            }
            for video_id, owner, title, day, _ in _VIDEOS
        ],
        "descriptors": [
            {
                "video_id": video_id,
                "descriptor_id": DESCRIPTOR,
                "run_id": FIRST,
                "described_at": STARTED[FIRST],
                "uri": f"/videos/{video_id}.mp4",
                "size_bytes": size,
                "content_sha256": video_id,
            }
            for video_id, _, _, _, size in _VIDEOS
            if size
        ],
        "embeddings": [
            made
            | {"video_id": video_id, "segment_index": 0, "content_sha256": video_id, "run_id": FIRST}
            | {"start_seconds": 0.0, "end_seconds": 60.0}
            for video_id, _, _, _, size in _VIDEOS
            if size
        ],
        "quarantine": [
            _failure("my-cat", "TRUNCATED", 2, datetime(2024, 1, 4, 2, tzinfo=UTC), "bytes are missing at the end"),
            _failure("tides", "NOT_FOUND", 5, None, "no such file"),
        ],
        "pairs": [
            made
            | {"left_id": left, "right_id": right, "match_probability": p, "cosine_similarity": p, "relation": relation}
            | dict(zip(("left_start_seconds", "left_end_seconds"), map(float, times[:2]), strict=True))
            | dict(zip(("right_start_seconds", "right_end_seconds"), map(float, times[2:]), strict=True))
            | {"left_coverage": 0.01 if relation == "contained" else 1.0, "right_coverage": 1.0, "run_id": run_id}
            for left, right, p, relation, times, run_id in _PAIRS
        ],
        "clusters": [
            made
            | {"video_id": video_id, "cluster_id": cluster_id, "is_keeper": video_id == keeper, "run_id": run_id}
            | {"keeper_reason": "published first", "joined_by": None if video_id == keeper else keeper}
            for video_id, cluster_id, keeper, run_id in _CLUSTERS
        ],
        "decisions": [
            _decision("cup-final", "cup-final-hd", "duplicate", 9),
            _decision("rome", "rome-again", "duplicate", 9),
            _decision("rome", "rome-small", "not_duplicate", 9),
            _decision("rome", "rome-small", "not_duplicate", 10) | {"is_withdrawn": True},
        ],
        "runs": [
            made
            | {"run_id": run_id, "stage": stage, "status": "done", "seconds": seconds, "num_rows": num_rows}
            | {"run_date": date(2024, 1, STARTED[run_id].day), "started_at": STARTED[run_id], "output_version": 1}
            | {"error_counts": {"TRUNCATED": 1, "NOT_FOUND": 1} if stage == "run" else {}, "input_versions": {}}
            | ({"input_versions": {"embeddings": 0}, "search_plan": "exact"} if stage == "pairs" else {})
            | ({"output_version": 1 if run_id == FIRST else 3} if stage == "duplicates" else {})
            for run_id, stage, seconds, num_rows in _STAGES
        ],
    }


def _duplicate(
    video_id: str, other: str, cluster_id: str, relation: str, probability: float, run_id: str
) -> dict[str, Any]:
    return {
        "model_id": MODEL,
        "video_id": video_id,
        "duplicate_of": other,
        "cluster_id": cluster_id,
        "relation": relation,
        "match_probability": probability,
        "cosine_similarity": probability,
        "is_exact": False,
        "run_id": run_id,
    }


def _failure(video_id: str, code: str, attempts: int, next_retry_at: datetime | None, detail: str) -> dict[str, Any]:
    return {
        "video_id": video_id,
        "error_code": code,
        "attempts": attempts,
        "next_retry_at": next_retry_at,
        "last_tried_at": STARTED[SECOND],
        "uri": f"/videos/{video_id}.mp4",
        "error_detail": detail,
        "run_id": SECOND,
    }


def _decision(left_id: str, right_id: str, verdict: str, hour: int) -> dict[str, Any]:
    decided_at = datetime(2024, 1, 3, hour, tzinfo=UTC)
    subject = {"left_id": left_id, "right_id": right_id, "verdict": verdict, "is_withdrawn": False}
    return subject | {"decided_by": "ann", "decided_at": decided_at}
