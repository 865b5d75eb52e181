"""The pictures of a report without Spark, in one process."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pandas as pd
from deltalake import DeltaTable

from jobs.review.illustrations import FRAME_PX, NUM_MOMENTS
from udfs.illustrating.matches import match_batches
from udfs.illustrating.strips import make_strips

if TYPE_CHECKING:
    from pathlib import Path

    from udfs.describing.settings import DescribeSettings

_SIDES = ("left", "right")
_FEATURES = ("frame_seconds", "frame_vectors", "frame_backgrounds")


def measure_pictures(folder: Path, num_pairs: int, settings: DescribeSettings) -> float:
    """Return the CPU seconds of one process for matching and drawing a pair of a lake, of the first `num_pairs`.

    Args:
        folder: the lake.
        num_pairs: number of pairs.
        settings: as of the night; nothing is decoded, because all videos have thumbnails.
    """
    pairs, whole, stored = _read_tables(folder, num_pairs)
    matched = pd.DataFrame([_make_pair(number, pair, whole, stored) for number, pair in enumerate(pairs)])
    started = time.process_time()
    found: list[Any] = pd.concat(match_batches(iter([matched]), NUM_MOMENTS)).to_dict("records")
    rows = pd.DataFrame([_choose(pair, row, stored) for pair, row in zip(pairs, found, strict=True)])
    drawn = pd.concat(make_strips(iter([rows]), settings, FRAME_PX))
    return (time.process_time() - started) / len(drawn)


def _read_tables(
    folder: Path, num_pairs: int
) -> tuple[list[dict[str, Any]], dict[str, dict[str, Any]], dict[str, dict[str, Any]]]:
    """Read pairs, and the vectors of whole videos and the thumbnails by video_id."""
    pairs = DeltaTable(str(folder / "pairs")).to_pyarrow_table().to_pylist()[:num_pairs]
    embedded = DeltaTable(str(folder / "embeddings")).to_pyarrow_table(filters=[("segment_index", "=", 0)]).to_pylist()
    stored = DeltaTable(str(folder / "thumbnails")).to_pyarrow_table().to_pylist()
    return pairs, {row["video_id"]: row for row in embedded}, {row["video_id"]: row for row in stored}


def _make_pair(
    number: int, pair: dict[str, Any], whole: dict[str, dict[str, Any]], stored: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    """Make a row of the input of `match_batches`."""
    row: dict[str, Any] = {"number": number}
    for side in _SIDES:
        video = whole[pair[f"{side}_id"]]
        row |= {f"{side}_{end}_seconds": pair[f"{side}_{end}_seconds"] for end in ("start", "end")}
        row |= {f"{side}_{name}": video[name] for name in _FEATURES} | {
            f"{side}_duration_seconds": video["end_seconds"]
        }
        row[f"{side}_thumbnail_seconds"] = stored[pair[f"{side}_id"]]["frame_seconds"]
    return row


def _choose(pair: dict[str, Any], found: dict[str, Any], stored: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Make a row of the input of `make_strips`."""
    row = {"left_id": pair["left_id"], "right_id": pair["right_id"]} | {k: found[k] for k in ("match", "segments")}
    for side in _SIDES:
        pictures = stored[pair[f"{side}_id"]]["thumbnails"]
        row |= {f"{side}_uri": None, f"{side}_region": pair[f"{side}_region"]}
        row[f"{side}_seconds"] = found[f"{side}_seconds"]
        row[f"{side}_thumbnails"] = [pictures[number] for number in found[f"{side}_numbers"]]
    return row
