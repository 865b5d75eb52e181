"""Exports vectors to a folder of Parquet files. Runs on the driver; executors write.

The folder appears complete or not at all.
"""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F

from jobs.errors import NdvrError, UsageError
from jobs.lake.folders import Folders
from jobs.sharing.card import make_card, write_readme
from jobs.sharing.selection import count_dims

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from jobs.lake.lake import Lake
    from jobs.sharing.selection import Segments

CARD = "model_card.json"
README = "README.md"
VECTORS = "vectors"


class AtomicFolder(Folders):
    """Writes files and puts folders in each other's place, on any of Hadoop's file systems. Runs on: driver."""

    def write_text(self, uri: str, text: str) -> None:
        """Write a file in UTF-8, over what lies there."""
        path = self._hadoop.Path(uri)
        stream = path.getFileSystem(self._conf).create(path, True)
        try:
            stream.write(bytearray(text, "utf-8"))
        finally:
            stream.close()

    def replace(self, staged: str, target: str) -> None:
        """Put a folder in the place of another, which is deleted; where that fails the other is back.

        Two renames: at once on a file system that renames folders at once, as local ones and HDFS do.
        """
        aside = f"{staged}.replaced"
        is_there = bool(self._exists(target))
        if is_there:
            self._move(target, aside)
        try:
            self._move(staged, target)
        except BaseException:
            if is_there:
                self._move(aside, target)
            raise
        self.delete(aside)

    def _exists(self, uri: str) -> Any:  # noqa: ANN401 - a Java boolean
        path = self._hadoop.Path(uri)
        return path.getFileSystem(self._conf).exists(path)

    def _move(self, source: str, target: str) -> None:
        path, goal = self._hadoop.Path(source), self._hadoop.Path(target)
        if not path.getFileSystem(self._conf).rename(path, goal):
            raise NdvrError(f"{source} could not be renamed to {target}: look at who may write there")


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
    shelf = AtomicFolder(lake.spark)
    out = out.rstrip("/")
    names = {entry.name for entry in shelf.list(out)}
    if names and CARD not in names:
        raise UsageError(f"--out {out!r} holds files that are not an export; choose an empty or new folder")
    num_dims = count_dims(vectors, model_id)
    parent, _, name = out.rpartition("/")
    staged = f"{parent}/.{name}-{uuid.uuid4().hex}"
    try:
        vectors.sortWithinPartitions("video_id", "segment_index").write.parquet(f"{staged}/{VECTORS}")
        written = lake.spark.read.parquet(f"{staged}/{VECTORS}")
        counts = written.agg(F.count_distinct("video_id").alias("videos"), F.count("*").alias("vectors")).collect()[0]
        card = make_card(lake, model_id, segments, num_dims, counts["videos"], counts["vectors"])
        shelf.write_text(f"{staged}/{README}", write_readme(card))
        shelf.write_text(f"{staged}/{CARD}", json.dumps(card, indent=2, ensure_ascii=False) + "\n")
        shelf.replace(staged, out)
    finally:
        shelf.delete(staged)
    return card
