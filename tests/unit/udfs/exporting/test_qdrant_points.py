from __future__ import annotations

import uuid
from contextlib import closing
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from udfs.exporting.qdrant_points import POINT_NAMESPACE, Target, make_point, make_point_id, name_points, write_points

if TYPE_CHECKING:
    from pathlib import Path

    from qdrant_client import QdrantClient


def row(number: int, **changes: Any) -> dict[str, Any]:
    made = {
        "video_id": f"v{number}",
        "model_id": "m",
        "segment_index": 0,
        "start_seconds": 0.0,
        "end_seconds": 1.1234567,
        "content_sha256": f"hash{number}",
        "published_at": None,
        "vector": np.array([0.6, 0.8], dtype=np.float32),
    }
    return made | changes


def test_the_namespace_of_ids_is_derived_as_documented() -> None:
    assert uuid.uuid5(uuid.NAMESPACE_URL, "ndvr:points") == POINT_NAMESPACE


def test_ids_are_stable() -> None:
    assert make_point_id("Größe/1", "m", 2) == str(uuid.uuid5(POINT_NAMESPACE, '["Größe/1","m",2]'))
    assert make_point_id("a", "m", 1) == "fe26c6fc-fbc8-5016-935a-89bcdf84c875"


def test_keys_with_quotes_have_distinct_ids() -> None:
    ids = {make_point_id('a","m', "n", 0), make_point_id("a", 'm","n', 0), make_point_id("a", "m", 0)}
    assert len(ids) == 3


def test_ids_are_in_the_order_of_rows() -> None:
    batch = pd.DataFrame([row(2), row(1)])
    (named,) = name_points(iter([batch]))
    assert list(named["point_id"]) == [make_point_id("v2", "m", 0), make_point_id("v1", "m", 0)]


def test_the_payload_leaves_out_nulls_and_rounds_seconds() -> None:
    assert make_point(row(1)).payload == {
        "video_id": "v1",
        "model_id": "m",
        "segment_index": 0,
        "start_seconds": 0.0,
        "end_seconds": 1.123457,
        "content_sha256": "hash1",
    }


def test_an_api_key_is_not_printed() -> None:
    assert "secret" not in repr(Target("c", url="http://x", api_key="secret"))


@pytest.fixture
def client(tmp_path: Path) -> QdrantClient:
    with closing(Target("c", path=str(tmp_path)).open()) as opened:
        from qdrant_client import models

        opened.create_collection("c", models.VectorParams(size=2, distance=models.Distance.COSINE))
        yield opened


def test_only_changed_points_are_written(client: QdrantClient) -> None:
    rows = [row(number) for number in range(300)]  # more than one batch
    assert write_points(client, "c", rows) == 300
    assert write_points(client, "c", rows) == 0
    rows[7] = row(7, content_sha256="other", vector=np.array([1.0, 0.0], dtype=np.float32))
    assert write_points(client, "c", rows) == 1
    (point,) = client.retrieve("c", [make_point_id("v7", "m", 0)], with_vectors=True)
    assert point.vector == [1.0, 0.0]
    assert point.payload is not None
    assert point.payload["content_sha256"] == "other"
    assert client.count("c").count == 300
    assert write_points(client, "c", []) == 0
