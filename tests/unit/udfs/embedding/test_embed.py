from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from models.artefact import BACKGROUND, ModelCard, pack_artefact, write_artefact
from models.embedders import LinearHead
from models.embedding_models import EmbeddingModel, find_model
from udfs.embedding.embed import INPUT_COLUMN, Windows, embed_batches, read_frames

if TYPE_CHECKING:
    from pathlib import Path

AVERAGED = EmbeddingModel("averaged-x", "x", "averaged", "early", None, None)
WINDOWS = Windows(4.0, 2.0)
HALF = 0.5**0.5
SIXTH = 6**-0.5


@pytest.fixture
def framewise(tmp_path: Path) -> EmbeddingModel:
    """A model that only standardises each frame."""
    head = LinearHead(np.zeros(3, np.float32), np.eye(3, dtype=np.float32))
    tensors = head.to_tensors() | {BACKGROUND: np.eye(3, dtype=np.float32)}
    write_artefact(
        tmp_path, pack_artefact(tensors, ModelCard("contrastive", "linear", "tiny", "late", 3, "none", {}, {}))
    )
    return find_model("auto", "tiny", "tiny-1fps-0", tmp_path)


def rows_of(ids: list[str], column: str, stored: list[Any], dims: list[int], num_frames: list[int]) -> pd.DataFrame:
    """Described videos, one frame per second, as Spark passes them."""
    return pd.DataFrame(
        {
            "video_id": ids,
            "model_id": "m",
            "content_sha256": "sha",
            "run_id": "r",
            "duration_seconds": [float(count) for count in num_frames],
            "frame_seconds": [np.arange(float(count)) for count in num_frames],
            column: stored,
            "descriptor_dim": dims,
        }
    )


def early(*rows: tuple[str, list[float]]) -> pd.DataFrame:
    """Rows with averaged descriptors."""
    vectors = [np.array(vector, dtype=np.float32) for _, vector in rows]
    dims = [len(vector) for vector in vectors]
    ids = [video_id for video_id, _ in rows]
    return rows_of(ids, "video_descriptor", vectors, dims, [1] * len(rows))


def late(*rows: tuple[str, list[list[float]]], kind: Any = bytes) -> pd.DataFrame:
    """Rows with the descriptors of all frames."""
    stored = [kind(np.array(frames, dtype="<f2").tobytes()) for _, frames in rows]
    dims = [len(frames[0]) for _, frames in rows]
    ids = [video_id for video_id, _ in rows]
    return rows_of(ids, "frame_descriptors", stored, dims, [len(frames) for _, frames in rows])


def test_descriptors_become_unit_vectors_row_by_row_in_order() -> None:
    (embedded,) = embed_batches(iter([early(("b", [2.0, 1.0, 0.0]), ("a", [0.0, -2.0, -4.0]))]), AVERAGED, WINDOWS)
    assert embedded["video_id"].tolist() == ["b", "a"]
    assert embedded["vector"][0].tolist() == pytest.approx([HALF, 0.0, -HALF])
    assert embedded["vector"][1].tolist() == pytest.approx([HALF, 0.0, -HALF])
    assert embedded["vector"][0].dtype == np.float32


def test_late_fusion_averages_the_unit_vectors_of_frames(framewise: EmbeddingModel) -> None:
    # (1, -1, 0) and (1, 0, -1), each divided by the root of 2, add up to a multiple of (2, -1, -1).
    batch = late(("a", [[1, -1, 0], [9, 0, -9]]), ("b", [[2, 1, 0]]))
    (embedded,) = embed_batches(iter([batch]), framewise, WINDOWS)
    assert embedded["vector"][0].tolist() == pytest.approx([2 * SIXTH, -SIXTH, -SIXTH])
    assert embedded["vector"][1].tolist() == pytest.approx([HALF, 0.0, -HALF])


@pytest.mark.parametrize("kind", [bytes, bytearray])
def test_frames_are_read_from_bytes_and_bytearrays(kind: Any, framewise: EmbeddingModel) -> None:
    (embedded,) = embed_batches(iter([late(("a", [[2, 1, 0]]), kind=kind)]), framewise, WINDOWS)
    assert embedded["vector"][0].tolist() == pytest.approx([HALF, 0.0, -HALF])


def test_stored_frames_are_consecutive_little_endian_half_precision_numbers() -> None:
    stored = bytes.fromhex("003c 0040 0000 00c0 0038 0034")
    assert read_frames(stored, 3).tolist() == [[1.0, 2.0, 0.0], [-2.0, 0.5, 0.25]]


def test_each_fusion_reads_its_column_of_the_descriptors() -> None:
    assert INPUT_COLUMN == {"early": "video_descriptor", "late": "frame_descriptors"}


def test_every_batch_is_embedded_and_empty_batches_are_skipped() -> None:
    batches = [early(("a", [1.0, 0.0])), early(), early(("b", [0.0, 1.0]))]
    assert [frame["video_id"].tolist() for frame in embed_batches(iter(batches), AVERAGED, WINDOWS)] == [["a"], ["b"]]


def test_the_pandas_index_does_not_matter() -> None:
    batch = early(("a", [1.0, 0.0]), ("b", [0.0, 1.0])).set_index(pd.Index([7, 3]))
    (embedded,) = embed_batches(iter([batch]), AVERAGED, WINDOWS)
    assert embedded["video_id"].tolist() == ["a", "b"]
    assert embedded["vector"][1].tolist() == pytest.approx([-HALF, HALF])


@pytest.mark.parametrize("fusion", ["early", "late"])
def test_a_trained_model_uses_the_fusion_of_its_card(fusion: str, tmp_path: Path) -> None:
    head = LinearHead(np.zeros(3, np.float32), np.array([[1], [0], [0]], np.float32))
    card = ModelCard("whitened", "linear", "tiny", fusion, 1, "none", {}, {})
    tensors = head.to_tensors() | {BACKGROUND: np.ones((1, 1), np.float32)}
    write_artefact(tmp_path, pack_artefact(tensors, card))
    model = find_model("auto", "tiny", "tiny-1fps-0", tmp_path)
    batch = early(("a", [-3, 0, 1])) if fusion == "early" else late(("a", [[-3, 0, 1]]))
    (embedded,) = embed_batches(iter([batch]), model, WINDOWS)
    assert embedded["vector"][0].tolist() == [-1.0]
