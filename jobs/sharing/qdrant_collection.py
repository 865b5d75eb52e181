"""Brings a collection of a Qdrant database to a lake's vectors. Runs on the driver; executors write to a server."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from pyspark.errors import PySparkException
from pyspark.sql import functions as F

from jobs.contracts.run import keep_on_executors
from jobs.errors import NdvrError, UsageError
from jobs.sharing.selection import count_dims
from udfs.exporting.qdrant_points import (
    IDS_DDL,
    KEY_COLUMNS,
    PAYLOAD_COLUMNS,
    WRITTEN_DDL,
    name_points,
    write_batches,
    write_points,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyspark.sql import DataFrame
    from qdrant_client import QdrantClient

    from udfs.exporting.qdrant_points import Target

_ROWS_AT_ONCE = 1000  # that the driver holds, of an embedded database
_IDS_AT_ONCE = 200_000  # that the driver holds while it looks for points that are no longer wanted: some 30 MB
_PAGE_POINTS = 5000
_MAX_TOLD_CHARACTERS = 300
_TIME_PATTERN = "yyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX"  # as Qdrant reads times


@dataclass(frozen=True)
class Written:
    """What an export did to a collection.

    Attributes:
        num_points: points that it holds now.
        num_written: of those, new or changed.
        num_deleted: points that it held and the lake no longer has.
    """

    num_points: int
    num_written: int
    num_deleted: int


def export_to_qdrant(vectors: DataFrame, target: Target, model_id: str) -> Written:
    """Bring a collection to the vectors, and make it if it is not there. What is there already is not written again.

    New points are there before old ones are deleted. Where it fails, what was written stays, and the next export writes
    the rest.

    Args:
        vectors: as `jobs.sharing.selection.select_vectors` returns them.
        target: a server, which executors write to, or an embedded database, which this process writes to.
        model_id: of the vectors.

    Raises:
        UsageError: there are no vectors; qdrant-client is not installed; the database cannot be opened; the collection
            has another shape, or holds what this model has not made.
        NdvrError: the database failed on the way.
    """
    num_dims = count_dims(vectors, model_id)
    published_at = F.date_format("published_at", _TIME_PATTERN)
    rows = vectors.withColumn("published_at", published_at).select(*PAYLOAD_COLUMNS, "vector")
    with closing(_open(target, num_dims, model_id)) as client:
        faults: tuple[type[Exception], ...] = (*_client_faults(), PySparkException)
        try:
            num_points, num_written = _write(rows, target, client)
            is_stale = client.count(target.collection, exact=True).count > num_points
            num_deleted = _delete_stale(client, target.collection, rows) if is_stale else 0
        except faults as error:
            if isinstance(error, PySparkException) and "qdrant_client" not in str(error):
                raise
            raise NdvrError(
                f"Qdrant at {target.place} failed while points were written ({_shorten(error)}); what was written "
                "stays: mend the cause and export again"
            ) from error
    return Written(num_points, num_written, num_deleted)


def _open(target: Target, num_dims: int, model_id: str) -> QdrantClient:
    """Open the database and make sure that the collection is there and fit for the vectors."""
    try:
        faults: tuple[type[Exception], ...] = (*_client_faults(), OSError, RuntimeError, ValueError)
        client = target.open()
    except ImportError as error:
        raise UsageError(f"{error}: pip install ndvr[qdrant]") from error
    except (OSError, RuntimeError, ValueError) as error:  # another process has it open; no such scheme
        raise UsageError(f"Qdrant at {target.place} cannot be opened: {_shorten(error)}") from error
    try:
        _prepare(client, target, num_dims, model_id)
    except faults as error:
        client.close()
        raise UsageError(
            f"Qdrant at {target.place} cannot be used: {_shorten(error)}; look at the address, and at the API key in "
            "NDVR_QDRANT_API_KEY"
        ) from error
    except BaseException:
        client.close()
        raise
    return client


def _prepare(client: QdrantClient, target: Target, num_dims: int, model_id: str) -> None:
    """Make the collection, or hold the one that is there to what it must be."""
    from qdrant_client import models

    name, wanted = target.collection, models.VectorParams(size=num_dims, distance=models.Distance.COSINE)
    if not client.collection_exists(name):
        client.create_collection(name, vectors_config=wanted)
        if target.url is not None:  # an embedded database has no indexes, and warns
            for column in ("model_id", "video_id"):
                client.create_payload_index(name, column, models.PayloadSchemaType.KEYWORD)
        return
    held = client.get_collection(name).config.params.vectors
    if not isinstance(held, models.VectorParams) or (held.size, held.distance) != (wanted.size, wanted.distance):
        raise UsageError(
            f"collection {name!r} does not hold {num_dims} numbers by cosine distance under no name; give another "
            "--collection"
        )
    is_ours = models.FieldCondition(key="model_id", match=models.MatchValue(value=model_id))
    num_foreign = client.count(name, count_filter=models.Filter(must_not=[is_ours]), exact=True).count
    if num_foreign:
        raise UsageError(
            f"collection {name!r} holds {num_foreign} points that are not of model {model_id!r}, and vectors of two "
            "models cannot be compared; give another --collection"
        )


def _write(rows: DataFrame, target: Target, client: QdrantClient) -> tuple[int, int]:
    """Write what differs; return the number of points and of those written."""
    if target.url is not None:
        counts = rows.mapInPandas(partial(write_batches, target=target), WRITTEN_DDL)
        total = counts.agg(F.sum("num_points").alias("points"), F.sum("num_written").alias("written")).collect()[0]
        return int(total["points"]), int(total["written"])
    num_points = num_written = 0
    local = (row.asDict() for row in rows.toLocalIterator())
    while batch := list(islice(local, _ROWS_AT_ONCE)):
        num_points += len(batch)
        num_written += write_points(client, target.collection, batch)
    return num_points, num_written


def _delete_stale(client: QdrantClient, collection: str, rows: DataFrame) -> int:
    """Delete the points that are of none of the rows: of videos that were removed or whose file was replaced."""
    from qdrant_client import models

    wanted = keep_on_executors("point_ids", rows.select(*KEY_COLUMNS).mapInPandas(name_points, IDS_DDL))
    ids = _list_ids(client, collection)
    num_deleted = 0
    while held := list(islice(ids, _IDS_AT_ONCE)):
        asked = rows.sparkSession.createDataFrame([(point_id,) for point_id in held], IDS_DDL)
        stale = [row["point_id"] for row in asked.join(wanted, "point_id", "left_anti").collect()]
        for begin in range(0, len(stale), _PAGE_POINTS):
            page = models.PointIdsList(points=stale[begin : begin + _PAGE_POINTS])
            client.delete(collection, points_selector=page, wait=True)
        num_deleted += len(stale)
    return num_deleted


def _list_ids(client: QdrantClient, collection: str) -> Iterator[str]:
    """List the ids of all points, in their order, so that those listed may be deleted meanwhile."""
    offset: Any = None
    while True:
        records, offset = client.scroll(
            collection, limit=_PAGE_POINTS, offset=offset, with_payload=False, with_vectors=False
        )
        yield from (str(record.id) for record in records)
        if offset is None:
            return


def _client_faults() -> tuple[type[Exception], ...]:
    """Return what the client raises where a server is not there, refuses or is overloaded."""
    from qdrant_client.common.client_exceptions import QdrantException
    from qdrant_client.http.exceptions import ApiException

    return ApiException, QdrantException


def _shorten(error: Exception) -> str:
    """Return what an error says, in one line; of a long one the end, where Python's tracebacks name the error."""
    told = " ".join(str(error).split())
    return told if len(told) <= _MAX_TOLD_CHARACTERS else f"...{told[-_MAX_TOLD_CHARACTERS:]}"
