"""Rows of vectors to points of a Qdrant collection: their ids, their payload, and the writing of those that differ."""

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
"""Of all point ids: `uuid.uuid5(uuid.NAMESPACE_URL, "ndvr:points")`."""
KEY_COLUMNS = ("video_id", "model_id", "segment_index")
PAYLOAD_COLUMNS = (*KEY_COLUMNS, "start_seconds", "end_seconds", "content_sha256", "published_at")
IDS_DDL = "point_id STRING NOT NULL"
WRITTEN_DDL = "num_points BIGINT NOT NULL, num_written BIGINT NOT NULL"
_MAX_BATCH_POINTS = 256
_MAX_BATCH_NUMBERS = 500_000  # some 5 MB as JSON; Qdrant refuses requests of more than 32 MB unless told otherwise
_MAX_RETRIES = 3  # of a batch, by the client; Spark tries a task again too
_TIMEOUT_SECONDS = 60  # a collection that is being optimised may answer late
_DECIMALS = 6  # of seconds: a number so short is read back as it was written


@dataclass(frozen=True)
class Target:
    """Where points go: a server by its url, or an embedded database, which one process at a time may open, by its path.

    Attributes:
        collection: its name.
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
        """What people know it by."""
        return self.url or self.path or ""

    def open(self) -> QdrantClient:
        """Make a client, which must be closed. Runs on: driver and, of a server, executor."""
        from qdrant_client import QdrantClient

        if self.path is not None:
            return QdrantClient(path=self.path)
        return QdrantClient(url=self.url, api_key=self.api_key, timeout=_TIMEOUT_SECONDS, check_compatibility=False)


def make_point_id(video_id: str, model_id: str, segment_index: int) -> str:
    """Return the UUIDv5 of a segment: of the JSON array of the three, without spaces and not escaped to ASCII."""
    name = json.dumps([video_id, model_id, int(segment_index)], ensure_ascii=False, separators=(",", ":"))
    return str(uuid.uuid5(POINT_NAMESPACE, name))


def make_point(row: Mapping[str, Any]) -> PointStruct:
    """Make the point of a row of PAYLOAD_COLUMNS and `vector`; nulls are left out of its payload."""
    from qdrant_client.models import PointStruct

    payload = {name: row[name] for name in PAYLOAD_COLUMNS if row[name] is not None}
    payload |= {name: round(row[name], _DECIMALS) for name in ("start_seconds", "end_seconds")}
    return PointStruct(
        id=make_point_id(*(row[name] for name in KEY_COLUMNS)),
        vector=[float(number) for number in row["vector"]],
        payload=payload,
    )


def write_points(client: QdrantClient, collection: str, rows: Sequence[Mapping[str, Any]]) -> int:
    """Write the points whose payload, which names the file's content, is not there already; return how many.

    Args:
        client: open.
        collection: that is there.
        rows: as `make_point` takes them, with vectors of one length.
    """
    num_numbers = len(rows[0]["vector"]) if rows else 1
    size = max(1, min(_MAX_BATCH_POINTS, _MAX_BATCH_NUMBERS // num_numbers))
    num_written = 0
    for begin in range(0, len(rows), size):
        points = {str(point.id): point for point in map(make_point, rows[begin : begin + size])}
        held = client.retrieve(collection, ids=list(points), with_payload=True, with_vectors=False)
        for record in held:
            if record.payload == points[str(record.id)].payload:
                del points[str(record.id)]
        client.upload_points(collection, points.values(), batch_size=size, max_retries=_MAX_RETRIES, wait=True)
        num_written += len(points)
    return num_written


def write_batches(batches: Iterator[pd.DataFrame], target: Target) -> Iterator[pd.DataFrame]:
    """Write the points of a partition through one client: rows -> WRITTEN_DDL, a row a batch.

    What was written stays where a task fails; tried again, it writes the rest. Runs on: executor, by `mapInPandas`.
    """
    import pandas as pd

    with closing(target.open()) as client:
        for batch in batches:
            rows: list[dict[str, Any]] = batch.to_dict("records")  # type: ignore[assignment]  # keys are the columns
            num_written = write_points(client, target.collection, rows)
            yield pd.DataFrame({"num_points": [len(rows)], "num_written": [num_written]})


def name_points(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    """Name the points of rows: KEY_COLUMNS -> IDS_DDL, in the same order. Runs on: executor, by `mapInPandas`."""
    import pandas as pd

    for batch in batches:
        keys = batch[list(KEY_COLUMNS)].itertuples(index=False)
        yield pd.DataFrame({"point_id": [make_point_id(*key) for key in keys]})
