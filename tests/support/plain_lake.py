"""Writes Delta tables with delta-rs, without Spark: the columns that the views read."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from deltalake import write_deltalake

if TYPE_CHECKING:
    from pathlib import Path

MODEL = "m-v1"
RUN_1, RUN_2 = "20240101T020000Z-aaaaaa", "20240102T020000Z-bbbbbb"
TIME = pa.timestamp("us", tz="UTC")
_TEXTS = {
    "manifest": ("video_id", "uri", "owner_id"),
    "descriptors": ("video_id", "content_sha256"),
    "quarantine": ("video_id", "error_code", "error_detail", "uri"),
    "embeddings": ("video_id", "model_id", "content_sha256"),
    "pairs": ("left_id", "right_id", "model_id", "relation"),
    "clusters": ("video_id", "model_id", "cluster_id", "keeper_reason", "joined_by"),
    "duplicates": ("video_id", "duplicate_of", "model_id", "cluster_id", "relation", "run_id"),
    "decisions": ("left_id", "right_id", "verdict", "decided_by"),
    "runs": ("run_id", "stage", "status", "model_id"),
}
_BOUNDS = ("start_seconds", "end_seconds")
_OTHERS: dict[str, dict[str, pa.DataType]] = {
    "manifest": {"published_at": TIME, "removed_at": TIME, "attributes": pa.map_(pa.string(), pa.string())},
    "descriptors": {"size_bytes": pa.int64(), "described_at": TIME},
    "quarantine": {"attempts": pa.int32(), "next_retry_at": TIME, "last_tried_at": TIME},
    "embeddings": {"segment_index": pa.int32(), "end_seconds": pa.float64()},
    "pairs": dict.fromkeys(
        (
            "match_probability",
            *(f"{side}_{bound}" for side in ("left", "right") for bound in (*_BOUNDS, "coverage")),
        ),
        pa.float64(),
    ),
    "clusters": {"is_keeper": pa.bool_()},
    "duplicates": {
        **dict.fromkeys(("match_probability", "cosine_similarity"), pa.float64()),
        **dict.fromkeys(("is_direct", "is_exact"), pa.bool_()),
    },
    "decisions": {"is_withdrawn": pa.bool_(), "decided_at": TIME},
    "runs": {"started_at": TIME, "output_version": pa.int64()},
}


def write_plain_lake(folder: Path, rows: dict[str, list[dict[str, Any]]]) -> Path:
    """Write every table, with these rows, and return the folder of the lake. Missing values are null."""
    for table in _TEXTS:
        write_rows(folder, table, rows.get(table, []))
    return folder


def write_rows(folder: Path, table: str, rows: list[dict[str, Any]], mode: str = "append") -> None:
    """Write rows of a table in one commit."""
    fields = dict.fromkeys(_TEXTS[table], pa.string()) | _OTHERS[table]
    whole = [{name: row.get(name) for name in fields} for row in rows]
    assert all(set(row) <= set(fields) for row in rows)
    write_deltalake(str(folder / table), pa.Table.from_pylist(whole, schema=pa.schema(fields)), mode=mode)  # type: ignore[call-overload] # mode is a literal


def describe_video(video_id: str, content: str, seconds: float = 60.0) -> dict[str, list[dict[str, Any]]]:
    """Make the rows of one video, by table."""
    return {
        "manifest": [
            {"video_id": video_id, "uri": f"/{video_id}.mp4", "owner_id": "ann", "attributes": [("title", video_id)]}
        ],
        "embeddings": [
            {"video_id": video_id, "model_id": MODEL, "content_sha256": content, "segment_index": 0}
            | {"end_seconds": seconds}
        ],
    }


def pair(left_id: str, right_id: str, probability: float, relation: str = "copy", **values: float) -> dict[str, Any]:
    """Make a row of `pairs`; both videos are covered completely unless `values` say otherwise."""
    whole = {"left_start_seconds": 0.0, "right_start_seconds": 0.0, "left_end_seconds": 60.0, "right_end_seconds": 60.0}
    covered = {"left_coverage": 1.0, "right_coverage": 1.0}
    found = {"left_id": left_id, "right_id": right_id, "model_id": MODEL, "relation": relation}
    return found | whole | covered | {"match_probability": probability} | values


def members(cluster_id: str, keeper_id: str, *others: str, joined_by: str | None = None) -> list[dict[str, Any]]:
    """Make the rows of `clusters` of one cluster, whose other members are joined by the keeper or by `joined_by`."""
    return [
        {"video_id": video_id, "model_id": MODEL, "cluster_id": cluster_id, "keeper_reason": "published first"}
        | {"is_keeper": video_id == keeper_id, "joined_by": None if video_id == keeper_id else joined_by or keeper_id}
        for video_id in (keeper_id, *others)
    ]


def duplicate(video_id: str, duplicate_of: str, cluster_id: str, probability: float, **values: Any) -> dict[str, Any]:
    """Make a row of `duplicates`."""
    row = {"video_id": video_id, "duplicate_of": duplicate_of, "model_id": MODEL, "cluster_id": cluster_id}
    row |= {"relation": "copy", "match_probability": probability, "is_direct": True, "is_exact": False}
    return row | {"run_id": RUN_1} | values


def decide(left_id: str, right_id: str, verdict: str, hour: int = 9, *, is_withdrawn: bool = False) -> dict[str, Any]:
    """Make a row of `decisions`."""
    row = {"left_id": left_id, "right_id": right_id, "verdict": verdict, "is_withdrawn": is_withdrawn}
    return row | {"decided_by": "ann", "decided_at": datetime(2024, 1, 3, hour, tzinfo=UTC)}


def record_run(run_id: str, output_version: int | None, status: str = "done") -> list[dict[str, Any]]:
    """Make the rows of `runs` of one run: the whole, and the stage `duplicates`."""
    row = {"run_id": run_id, "status": status, "model_id": MODEL}
    row |= {"started_at": datetime(int(run_id[:4]), int(run_id[4:6]), int(run_id[6:8]), tzinfo=UTC)}
    stage_status = "done" if output_version is not None else "skipped"
    return [
        row | {"stage": "run"},
        row | {"stage": "duplicates", "status": stage_status, "output_version": output_version},
    ]
