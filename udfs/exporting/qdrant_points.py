"""Writes embeddings to a Qdrant collection: makes points with stable ids, and writes those that differ."""

from __future__ import annotations

import json
import uuid
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pandas as pd
    from qdrant_client import QdrantClient
    from qdrant_client.models import PointStruct

POINT_NAMESPACE = uuid.UUID("7aedebfe-59c2-5026-ae06-576f3c7dc16d")
"""Namespace of all point ids: `uuid.uuid5(uuid.NAMESPACE_URL, "ndvr:points")`."""
KEY_COLUMNS = ("video_id", "model_id", "segment_index")
PAYLOAD_COLUMNS = (*KEY_COLUMNS, "start_seconds", "end_seconds", "content_sha256", "published_at")
IDS_DDL = "point_id STRING NOT NULL"
WRITTEN_DDL = "num_points BIGINT NOT NULL, num_written BIGINT NOT NULL"
_MAX_BATCH_POINTS = 256
_MAX_BATCH_VALUES = 500_000  # about 5 MB as JSON; by default Qdrant rejects requests of more than 32 MB
_MAX_RETRIES = 3  # of a batch, by the client; Spark also retries a task
_TIMEOUT_SECONDS = 60  # a collection may respond slowly while Qdrant optimises it
_DECIMALS = 6  # of seconds: numbers with so few decimals are read back unchanged


@dataclass(frozen=True)
class Target:
    """The destination of points: a server (url) or an embedded database (path), which one process at a time may open.

    Attributes:
        collection: name of the collection.
        url: of the server, or None.
        path: folder of the embedded database, or None.
        api_key: of the server; never printed.
    """

    collection: str
    url: str | None = None
    path: str | None = None
    api_key: str | None = field(default=None, repr=False)

    @property
    def place(self) -> str:
        """The url or path, for messages."""
        return self.url or self.path or ""

    def open(self) -> QdrantClient:
        """Open a client, which the caller must close. Runs on: driver and, for a server, executor."""
        from qdrant_client import QdrantClient

        if self.path is not None:
            return QdrantClient(path=self.path)
        return QdrantClient(url=self.url, api_key=self.api_key, timeout=_TIMEOUT_SECONDS, check_compatibility=False)


def make_point_id(video_id: str, model_id: str, segment_index: int) -> str:
    """Return the UUIDv5 of a segment: of the JSON array of the arguments, without spaces and not escaped to ASCII."""
    name = json.dumps([video_id, model_id, int(segment_index)], ensure_ascii=False, separators=(",", ":"))
    return str(uuid.uuid5(POINT_NAMESPACE, name))


def make_point(row: Mapping[str, Any]) -> PointStruct:
    """Make the point of a row of PAYLOAD_COLUMNS and `vector`. The payload leaves out nulls."""
    from qdrant_client.models import PointStruct

    payload = {name: row[name] for name in PAYLOAD_COLUMNS if row[name] is not None}
    payload |= {name: round(row[name], _DECIMALS) for name in ("start_seconds", "end_seconds")}
    return PointStruct(
        id=make_point_id(*(row[name] for name in KEY_COLUMNS)),
        vector=[float(number) for number in row["vector"]],
        payload=payload,
    )


def write_points(client: QdrantClient, collection: str, rows: Sequence[Mapping[str, Any]]) -> int:
    """Write the points that are missing or have another payload, and return their number.

    The payload contains the hash of the file, so a changed video is written again.

    Args:
        client: an open client.
        collection: name of an existing collection.
        rows: as for `make_point`, with vectors of one length.
    """
    num_values = len(rows[0]["vector"]) if rows else 1
    size = max(1, min(_MAX_BATCH_POINTS, _MAX_BATCH_VALUES // num_values))
    num_written = 0
    for begin in range(0, len(rows), size):
        points = {str(point.id): point for point in map(make_point, rows[begin : begin + size])}
        stored = client.retrieve(collection, ids=list(points), with_payload=True, with_vectors=False)
        for record in stored:
            if record.payload == points[str(record.id)].payload:
                del points[str(record.id)]
        client.upload_points(collection, points.values(), batch_size=size, max_retries=_MAX_RETRIES, wait=True)
        num_written += len(points)
    return num_written


def write_batches(batches: Iterator[pd.DataFrame], target: Target) -> Iterator[pd.DataFrame]:
    """Write the points of a partition through one client: rows -> WRITTEN_DDL, one row per batch.

    If a task fails, its points so far stay written, and a retry writes the rest. Runs on: executor, by `mapInPandas`.
    """
    import pandas as pd

    with closing(target.open()) as client:
        for batch in batches:
            rows: list[dict[str, Any]] = batch.to_dict("records")  # type: ignore[assignment]  # keys are the columns
            num_written = write_points(client, target.collection, rows)
            yield pd.DataFrame({"num_points": [len(rows)], "num_written": [num_written]})


def name_points(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    """Return the point ids of rows: KEY_COLUMNS -> IDS_DDL, in the same order. Runs on: executor, by `mapInPandas`."""
    import pandas as pd

    for batch in batches:
        keys = batch[list(KEY_COLUMNS)].itertuples(index=False)
        yield pd.DataFrame({"point_id": [make_point_id(*key) for key in keys]})
