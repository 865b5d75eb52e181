"""Synchronises a collection of a Qdrant database with the vectors of a lake. Runs on the driver and executors."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from pyspark.errors import PySparkException
from pyspark.sql import functions as F

from jobs.contracts.run import keep_on_executors
from jobs.contracts.times import as_utc_text
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

_ROWS_AT_ONCE = 1000  # in the memory of the driver, for an embedded database
_IDS_AT_ONCE = 200_000  # in the memory of the driver during the search for stale points: about 30 MB
_PAGE_POINTS = 5000
_MAX_ERROR_CHARACTERS = 300


@dataclass(frozen=True)
class QdrantExport:
    """Result of an export to a collection.

    Attributes:
        num_points: points in the collection after the export.
        num_written: points that were new or changed.
        num_deleted: points that were deleted because the lake no longer has them.
    """

    num_points: int
    num_written: int
    num_deleted: int


def export_to_qdrant(vectors: DataFrame, target: Target, model_id: str) -> QdrantExport:
    """Synchronise a collection with the vectors; create it if missing. Equal points are not written again.

    New points are written before stale points are deleted. After a failure the written points stay, and the next
    export writes the rest.

    Args:
        vectors: as `jobs.sharing.selection.select_vectors` returns them.
        target: a server, to which executors write, or an embedded database, to which the driver writes.
        model_id: model of the vectors.

    Raises:
        UsageError: there are no vectors; qdrant-client is not installed; the database cannot be opened; the collection
            has another vector size or distance, or holds points of another model.
        NdvrError: the database failed during the export.
    """
    num_dims = count_dims(vectors, model_id)
    published_at = as_utc_text(F.col("published_at"), keeps_zeros=True)
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
                f"Qdrant at {target.place} failed while points were being written ({_shorten(error)}); the written "
                "points stay. Fix the cause and export again"
            ) from error
    return QdrantExport(num_points, num_written, num_deleted)


def _open(target: Target, num_dims: int, model_id: str) -> QdrantClient:
    """Open the database and create or check the collection."""
    try:
        faults: tuple[type[Exception], ...] = (*_client_faults(), OSError, RuntimeError, ValueError)
        client = target.open()
    except ImportError as error:
        raise UsageError(f"{error}: pip install ndvr[qdrant]") from error
    except (OSError, RuntimeError, ValueError) as error:  # locked by another process; unknown URL scheme
        raise UsageError(f"Qdrant at {target.place} cannot be opened: {_shorten(error)}") from error
    try:
        _prepare(client, target, num_dims, model_id)
    except faults as error:
        client.close()
        raise UsageError(
            f"Qdrant at {target.place} is not usable: {_shorten(error)}; check the address and the API key in "
            "NDVR_QDRANT_API_KEY"
        ) from error
    except BaseException:
        client.close()
        raise
    return client


def _prepare(client: QdrantClient, target: Target, num_dims: int, model_id: str) -> None:
    """Create the collection, or check the vector size, distance and model of an existing one."""
    from qdrant_client import models

    name, wanted = target.collection, models.VectorParams(size=num_dims, distance=models.Distance.COSINE)
    if not client.collection_exists(name):
        client.create_collection(name, vectors_config=wanted)
        if target.url is not None:  # an embedded database has no indexes and would warn
            for column in ("model_id", "video_id"):
                client.create_payload_index(name, column, models.PayloadSchemaType.KEYWORD)
        return
    existing = client.get_collection(name).config.params.vectors
    if not isinstance(existing, models.VectorParams) or (existing.size, existing.distance) != (
        wanted.size,
        wanted.distance,
    ):
        raise UsageError(
            f"collection {name!r} does not hold unnamed vectors of {num_dims} numbers with cosine distance; choose "
            "another --collection"
        )
    is_ours = models.FieldCondition(key="model_id", match=models.MatchValue(value=model_id))
    num_foreign = client.count(name, count_filter=models.Filter(must_not=[is_ours]), exact=True).count
    if num_foreign:
        raise UsageError(
            f"collection {name!r} holds {num_foreign} points of models other than {model_id!r}; vectors of two models "
            "cannot be compared. Choose another --collection"
        )


def _write(rows: DataFrame, target: Target, client: QdrantClient) -> tuple[int, int]:
    """Write the points that differ; return the number of all points and of written points."""
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
    """Delete the points that match no row: their video was removed or its file was replaced."""
    from qdrant_client import models

    wanted = keep_on_executors("point_ids", rows.select(*KEY_COLUMNS).mapInPandas(name_points, IDS_DDL))
    ids = _list_ids(client, collection)
    num_deleted = 0
    while page_ids := list(islice(ids, _IDS_AT_ONCE)):
        stored = rows.sparkSession.createDataFrame([(point_id,) for point_id in page_ids], IDS_DDL)
        stale = [row["point_id"] for row in stored.join(wanted, "point_id", "left_anti").collect()]
        for begin in range(0, len(stale), _PAGE_POINTS):
            page = models.PointIdsList(points=stale[begin : begin + _PAGE_POINTS])
            client.delete(collection, points_selector=page, wait=True)
        num_deleted += len(stale)
    return num_deleted


def _list_ids(client: QdrantClient, collection: str) -> Iterator[str]:
    """Yield the ids of all points in order, so that points already yielded may be deleted meanwhile."""
    offset: Any = None
    while True:
        records, offset = client.scroll(
            collection, limit=_PAGE_POINTS, offset=offset, with_payload=False, with_vectors=False
        )
        yield from (str(record.id) for record in records)
        if offset is None:
            return


def _client_faults() -> tuple[type[Exception], ...]:
    """Return the exceptions that the client raises if a server is unreachable, refuses a request or is overloaded."""
    from qdrant_client.common.client_exceptions import QdrantException
    from qdrant_client.http.exceptions import ApiException

    return ApiException, QdrantException


def _shorten(error: Exception) -> str:
    """Return an error's message on one line. Of a long message keep the end, where a traceback names the error."""
    message = " ".join(str(error).split())
    return message if len(message) <= _MAX_ERROR_CHARACTERS else f"...{message[-_MAX_ERROR_CHARACTERS:]}"
