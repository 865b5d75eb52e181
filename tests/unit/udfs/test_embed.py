from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from models.artefact import Card, pack_artefact, write_artefact
from models.embedders import LinearHead
from models.embedding_models import EmbeddingModel, find_model
from udfs.embed import INPUT_COLUMN, embed_batches, read_frames

if TYPE_CHECKING:
    from pathlib import Path

AVERAGED = EmbeddingModel("averaged-x", "x", "averaged", "early", None, None)
FRAMEWISE = EmbeddingModel("averaged-x", "x", "averaged", "late", None, None)
HALF = 0.5**0.5
SIXTH = 6**-0.5


def early(*rows: tuple[str, list[float]]) -> pd.DataFrame:
    """Rows with averaged descriptors, as Spark hands them on."""
    vectors = [np.array(vector, dtype=np.float32) for _, vector in rows]
    dims = [len(vector) for vector in vectors]
    ids = [video_id for video_id, _ in rows]
    return pd.DataFrame({"video_id": ids, "video_descriptor": vectors, "descriptor_dim": dims, "segment_index": 0})


def late(*rows: tuple[str, list[list[float]]], kind: Any = bytes) -> pd.DataFrame:
    """Rows with the descriptors of all frames, as Spark hands them on."""
    stored = [kind(np.array(frames, dtype="<f2").tobytes()) for _, frames in rows]
    dims = [len(frames[0]) for _, frames in rows]
    ids = [video_id for video_id, _ in rows]
    return pd.DataFrame({"video_id": ids, "frame_descriptors": stored, "descriptor_dim": dims, "segment_index": 0})


def test_descriptors_become_unit_vectors_row_by_row_in_order() -> None:
    (embedded,) = embed_batches(iter([early(("b", [2.0, 1.0, 0.0]), ("a", [0.0, -2.0, -4.0]))]), AVERAGED)
    assert list(embedded.columns) == ["video_id", "segment_index", "vector"]
    assert embedded["video_id"].tolist() == ["b", "a"]
    assert embedded["vector"][0].tolist() == pytest.approx([HALF, 0.0, -HALF])
    assert embedded["vector"][1].tolist() == pytest.approx([HALF, 0.0, -HALF])
    assert embedded["vector"][0].dtype == np.float32


def test_late_fusion_takes_the_frames_and_averages_their_unit_vectors() -> None:
    # (1, -1, 0) and (1, 0, -1), both over the root of 2, add up to (2, -1, -1)
    batch = late(("a", [[1, -1, 0], [9, 0, -9]]), ("b", [[2, 1, 0]]))
    (embedded,) = embed_batches(iter([batch]), FRAMEWISE)
    assert list(embedded.columns) == ["video_id", "segment_index", "vector"]
    assert embedded["vector"][0].tolist() == pytest.approx([2 * SIXTH, -SIXTH, -SIXTH])
    assert embedded["vector"][1].tolist() == pytest.approx([HALF, 0.0, -HALF])


@pytest.mark.parametrize("kind", [bytes, bytearray])
def test_frames_are_read_from_whatever_bytes_arrow_gives(kind: Any) -> None:
    (embedded,) = embed_batches(iter([late(("a", [[2, 1, 0]]), kind=kind)]), FRAMEWISE)
    assert embedded["vector"][0].tolist() == pytest.approx([HALF, 0.0, -HALF])


def test_stored_frames_are_half_precision_in_little_endian_order_a_frame_after_the_other() -> None:
    stored = bytes.fromhex("003c 0040 0000 00c0 0038 0034")
    assert read_frames(stored, 3).tolist() == [[1.0, 2.0, 0.0], [-2.0, 0.5, 0.25]]


def test_each_fusion_reads_its_column_of_the_descriptors() -> None:
    assert INPUT_COLUMN == {"early": "video_descriptor", "late": "frame_descriptors"}


def test_every_batch_is_embedded_and_empty_ones_are_passed_over() -> None:
    batches = [early(("a", [1.0, 0.0])), early(), early(("b", [0.0, 1.0]))]
    assert [frame["video_id"].tolist() for frame in embed_batches(iter(batches), AVERAGED)] == [["a"], ["b"]]


def test_rows_keep_their_vectors_whatever_their_index() -> None:
    batch = early(("a", [1.0, 0.0]), ("b", [0.0, 1.0])).set_index(pd.Index([7, 3]))
    (embedded,) = embed_batches(iter([batch]), AVERAGED)
    assert embedded.loc[3, "video_id"] == "b"
    assert embedded.loc[3, "vector"].tolist() == pytest.approx([-HALF, HALF])


@pytest.mark.parametrize("fusion", ["early", "late"])
def test_a_trained_model_runs_as_its_card_says(fusion: str, tmp_path: Path) -> None:
    head = LinearHead(np.zeros(3, np.float32), np.array([[1], [0], [0]], np.float32))
    card = Card("whitened", "linear", "tiny", fusion, 1, "none", {}, {})
    write_artefact(tmp_path, pack_artefact(head.to_tensors(), card))
    model = find_model("auto", "tiny", "tiny-1fps-0", tmp_path)
    batch = early(("a", [-3, 0, 1])) if fusion == "early" else late(("a", [[-3, 0, 1]]))
    (embedded,) = embed_batches(iter([batch]), model)
    assert embedded["vector"][0].tolist() == [-1.0]
