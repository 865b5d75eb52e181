"""Windows, and the frames that alignment needs. test_embed.py tests the vectors of whole videos."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from models.artefact import BACKGROUND, ModelCard, pack_artefact, write_artefact
from models.embedders import LinearHead
from models.embedding_models import EmbeddingModel, find_model
from udfs.embedding.embed import Windows, embed_batches, pack_vectors, unpack_vectors

if TYPE_CHECKING:
    from pathlib import Path

WINDOWS = Windows(4.0, 2.0)
FRAME_COLUMNS = ["frame_seconds", "frame_vectors", "frame_backgrounds"]
EAST, NORTH, WEST = [1.0, 0.0, -1.0], [-1.0, 2.0, -1.0], [-1.0, 0.0, 1.0]
"""Descriptors, which HEAD maps to (1, 0), (0, 1) and (-1, 0)."""
HEAD = LinearHead(np.zeros(3, np.float32), np.array([[0.5, -1 / 3], [0, 2 / 3], [-0.5, -1 / 3]], np.float32))
AVERAGED = EmbeddingModel("averaged-x", "x", "averaged", "early", None, None)


def make_model(folder: Path, background: list[list[float]] | None = None, fusion: str = "late") -> EmbeddingModel:
    """A model that maps EAST to (1, 0) and NORTH to (0, 1), loaded from an artefact."""
    tensors = HEAD.to_tensors()
    if background is not None:
        tensors[BACKGROUND] = np.array(background, dtype=np.float32)
    write_artefact(
        folder, pack_artefact(tensors, ModelCard("contrastive", "linear", "tiny", fusion, 2, "none", {}, {}))
    )
    return find_model("auto", "tiny", "tiny-1fps-0", folder)


@pytest.fixture
def model(tmp_path: Path) -> EmbeddingModel:
    return make_model(tmp_path, [[0.0, 1.0], [0.0, 1.0], [0.0, 1.0], [-1.0, 0.0]])


def video(video_id: str, *frames: list[float], duration: float | None = None, step: float = 1.0) -> dict[str, Any]:
    """A described video with one frame every `step` seconds, as Spark passes it."""
    return {
        "video_id": video_id,
        "model_id": "m",
        "content_sha256": f"sha of {video_id}",
        "run_id": "r",
        "duration_seconds": len(frames) * step if duration is None else duration,
        "frame_seconds": np.arange(len(frames)) * step,
        "frame_descriptors": np.array(frames, dtype="<f2").tobytes(),
        "descriptor_dim": 3,
    }


def embed(model: EmbeddingModel, *videos: dict[str, Any], windows: Windows = WINDOWS) -> pd.DataFrame:
    """Embed one batch and return its rows."""
    (rows,) = embed_batches(iter([pd.DataFrame(videos)]), model, windows)
    return rows


def bounds(rows: pd.DataFrame) -> list[tuple[float, float]]:
    return list(zip(rows["start_seconds"], rows["end_seconds"], strict=True))


def test_a_long_video_has_overlapping_windows_up_to_its_end(model: EmbeddingModel) -> None:
    rows = embed(model, video("a", *[EAST] * 9))
    assert bounds(rows) == [(0.0, 9.0), (0.0, 4.0), (2.0, 6.0), (4.0, 8.0), (6.0, 9.0)]
    assert rows["segment_index"].tolist() == [0, 1, 2, 3, 4]
    assert rows["content_sha256"].unique().tolist() == ["sha of a"]


@pytest.mark.parametrize(
    ("seconds", "ends"),
    [
        (3.0, []),
        (4.0, []),
        (4.5, [4.0, 4.5]),
        (6.0, [4.0, 6.0]),
        (6.1, [4.0, 6.0, 6.1]),
        (8.0, [4.0, 6.0, 8.0]),
    ],
)
def test_the_last_window_ends_with_the_video(seconds: float, ends: list[float], model: EmbeddingModel) -> None:
    frames = [EAST] * int(seconds * 2)
    rows = embed(model, video("a", *frames, duration=seconds, step=0.5))
    assert [end for _, end in bounds(rows)[1:]] == ends


def test_a_window_is_the_normalised_mean_of_the_frames_that_start_in_it(model: EmbeddingModel) -> None:
    rows = embed(model, video("a", EAST, EAST, EAST, EAST, NORTH, NORTH))
    half, third = 0.5**0.5, 5**-0.5
    expected = [[2 * third, third], [1.0, 0.0], [half, half]]
    for vector, wanted in zip(rows["vector"], expected, strict=True):
        assert vector.tolist() == pytest.approx(wanted, abs=1e-3)
        assert vector.dtype == np.float32


def test_a_window_without_frames_is_left_out(model: EmbeddingModel) -> None:
    slide = video("a", EAST, NORTH, duration=12.0) | {"frame_seconds": np.array([0.0, 11.0])}
    rows = embed(model, slide)
    assert bounds(rows) == [(0.0, 12.0), (0.0, 4.0), (8.0, 12.0)]
    assert rows["segment_index"].tolist() == [0, 1, 2]


def test_each_video_of_a_batch_has_its_own_windows(model: EmbeddingModel) -> None:
    rows = embed(model, video("long", *[EAST] * 6), video("short", EAST), video("other", *[NORTH] * 5))
    assert rows["video_id"].tolist() == ["long"] * 3 + ["short"] + ["other"] * 3
    assert rows["segment_index"].tolist() == [0, 1, 2, 0, 0, 1, 2]


def test_only_the_row_of_the_whole_video_has_frames(model: EmbeddingModel) -> None:
    rows = embed(model, video("a", EAST, NORTH, EAST, EAST, WEST))
    whole = rows.iloc[0]
    assert whole["frame_seconds"].tolist() == [0.0, 1.0, 2.0, 3.0, 4.0]
    frames = unpack_vectors(whole["frame_vectors"], 5)
    np.testing.assert_allclose(frames, [[1, 0], [0, 1], [1, 0], [1, 0], [-1, 0]], atol=1e-3)
    assert rows.loc[1:, FRAME_COLUMNS].isna().all(axis=None)


def test_a_frame_is_compared_with_its_three_nearest_background_frames(model: EmbeddingModel) -> None:
    # The background is three times (0, 1) and once (-1, 0).
    (whole,) = embed(model, video("a", EAST, NORTH, WEST)).to_dict("records")
    assert whole["frame_backgrounds"].tolist() == pytest.approx([0.0, 1.0, 1 / 3], abs=1e-3)
    assert whole["frame_backgrounds"].dtype == np.float32


def test_a_model_without_frames_has_one_row_per_video_with_null_frames(tmp_path: Path) -> None:
    early = {"video_descriptor": np.array(EAST, dtype=np.float32)}
    for model in (AVERAGED, make_model(tmp_path, fusion="early")):
        rows = embed(model, video("a", *[EAST] * 9) | early, video("b", NORTH) | early)
        assert rows["video_id"].tolist() == ["a", "b"]
        assert bounds(rows) == [(0.0, 9.0), (0.0, 1.0)]
        assert rows[FRAME_COLUMNS].isna().all(axis=None)


def test_an_artefact_without_background_cannot_keep_frames(tmp_path: Path) -> None:
    model = make_model(tmp_path)
    with pytest.raises(
        ValueError,
        match=re.escape(f"{model.model_id} has no background frames: train it again with `ndvr train-triplets`"),
    ):
        embed(model, video("a", EAST))
    with pytest.raises(ValueError, match="averaged-x has no background frames: train it again"):
        replace(AVERAGED, fusion="late").load_background()


def test_batches_without_rows_are_skipped(model: EmbeddingModel) -> None:
    batch = pd.DataFrame([video("a", EAST)])
    found = embed_batches(iter([batch.iloc[:0], batch, batch.iloc[:0]]), model, WINDOWS)
    assert [rows["video_id"].tolist() for rows in found] == [["a"]]


def test_window_names_contain_length_and_hop() -> None:
    assert Windows(4.0, 2.0).name == "w4h2"
    assert Windows(2.5, 0.75).name == "w2.5h0.75"


def test_windows_are_configurable(model: EmbeddingModel) -> None:
    rows = embed(model, video("a", *[EAST] * 5), windows=Windows(2.0, 1.5))
    assert bounds(rows) == [(0.0, 5.0), (0.0, 2.0), (1.5, 3.5), (3.0, 5.0)]


def test_vectors_are_packed_as_one_byte_per_value_scaled_to_the_largest() -> None:
    packed = pack_vectors(np.float32([[0.6, -0.8], [0.0, 1.0]]))
    assert np.frombuffer(packed, dtype=np.int8).tolist() == [95, -127, 0, 127]


@pytest.mark.parametrize("kind", [bytes, bytearray])
def test_unpacked_vectors_have_unit_norm_and_a_small_error(kind: Any) -> None:
    noise = np.random.default_rng(0).normal(size=(50, 256))
    vectors = (noise / np.linalg.norm(noise, axis=1, keepdims=True)).astype(np.float32)
    back = unpack_vectors(kind(pack_vectors(vectors)), 50)
    assert (back.shape, back.dtype) == ((50, 256), np.float32)
    np.testing.assert_allclose(np.linalg.norm(back, axis=1), 1.0, rtol=1e-6)
    # Half a step of 1/127 of the largest value, and as much again because the norm changes.
    assert (np.abs(back - vectors).max(axis=1) <= np.abs(vectors).max(axis=1) / 127).all()
    assert (np.einsum("nd,nd->n", back, vectors) > 0.9999).all()


def test_a_zero_vector_stays_zero() -> None:
    vectors = np.float32([[0, 0, 0], [0, 0, -1]])
    assert unpack_vectors(pack_vectors(vectors), 2).tolist() == vectors.tolist()
