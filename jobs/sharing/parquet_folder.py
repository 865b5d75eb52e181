"""Exports vectors to a folder of Parquet files. Runs on the driver; executors write.

The folder appears complete or not at all.
"""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F

from jobs.errors import UsageError
from jobs.lake.readers import literal_reader
from jobs.sharing.card import make_card, write_readme
from jobs.sharing.selection import count_dims

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from jobs.lake.lake import Lake
    from jobs.sharing.selection import Segments

CARD = "model_card.json"
README = "README.md"
VECTORS = "vectors"


def export_to_parquet(vectors: DataFrame, lake: Lake, out: str, model_id: str, segments: Segments) -> dict[str, Any]:
    """Write the vectors, a card and a README into a folder, and return the card.

    Args:
        vectors: as `jobs.sharing.selection.select_vectors` returns them.
        lake: lake of the vectors.
        out: absolute path or URI of the folder. An earlier export is replaced.
        model_id: model of the vectors.
        segments: which segments the vectors are of.

    Raises:
        UsageError: there are no vectors, or `out` holds something other than an export.
        NdvrError: the finished folder could not be moved to `out`.
    """
    files = lake.files
    out = out.rstrip("/")
    names = {entry.name for entry in files.list_folder(out)}
    if names and CARD not in names:
        raise UsageError(f"--out {out!r} holds files that are not an export; choose an empty or new folder")
    num_dims = count_dims(vectors, model_id)
    parent, _, name = out.rpartition("/")
    staged = f"{parent}/.{name}-{uuid.uuid4().hex}"
    try:
        vectors.sortWithinPartitions("video_id", "segment_index").write.parquet(f"{staged}/{VECTORS}")
        written = literal_reader(lake.spark).parquet(f"{staged}/{VECTORS}")
        counts = written.agg(F.count_distinct("video_id").alias("videos"), F.count("*").alias("vectors")).collect()[0]
        card = make_card(lake, model_id, segments, num_dims, counts["videos"], counts["vectors"])
        files.write_text(f"{staged}/{README}", write_readme(card))
        files.write_text(f"{staged}/{CARD}", json.dumps(card, indent=2, ensure_ascii=False) + "\n")
        files.replace_folder(staged, out)
    finally:
        files.delete(staged)
    return card
