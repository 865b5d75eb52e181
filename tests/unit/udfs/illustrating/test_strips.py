from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tests.support.videos import draw_picture, make_video, read_number
from udfs.decoding.settings import DecoderSettings
from udfs.describing.describe import get_worker_pool
from udfs.embedding.embed import pack_vectors
from udfs.illustrating.strips import StripSettings, make_strips
from udfs.opening.roots import Roots
from udfs.video import SamplingRule

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FRAME_PX = 96


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[StripSettings]:
    made = StripSettings(DecoderSettings(FRAME_PX, SamplingRule(10.0, 1)), Roots.of(str(tmp_path)), 4)
    yield made
    get_worker_pool(made.decoder, made.roots, num_decoders=1).close()
    get_worker_pool.cache_clear()


def make_row(left: Path, right: Path, **changes: Any) -> dict[str, Any]:
    row: dict[str, Any] = {"left_id": left.stem, "right_id": right.stem}
    for side, path in (("left", left), ("right", right)):
        row |= {f"{side}_uri": str(path), f"{side}_duration_seconds": 2.0}
        row |= {f"{side}_start_seconds": 0.0, f"{side}_end_seconds": 2.0}
        row |= dict.fromkeys((f"{side}_frame_seconds", f"{side}_frame_vectors", f"{side}_frame_backgrounds"))
    return row | changes


def illustrate(settings: StripSettings, *rows: dict[str, Any]) -> list[dict[str, Any]]:
    shown = pd.concat(make_strips(iter([pd.DataFrame(rows)]), settings))
    return [{str(name): value for name, value in row.items()} for row in shown.to_dict("records")]


def read_numbers(strip: bytes, cell_px: int) -> list[int]:
    with Image.open(io.BytesIO(strip)) as image:
        pixels = np.asarray(image.convert("RGB"))
    return [read_number(pixels[:, x : x + cell_px]) for x in range(0, pixels.shape[1], cell_px + 4)]


def test_strips_show_both_videos_at_matched_seconds(tmp_path: Path, settings: StripSettings) -> None:
    left, right = make_video(tmp_path / "a.mp4"), make_video(tmp_path / "b.mp4", seconds=3.0)
    (row,) = illustrate(settings, make_row(left, right, right_start_seconds=1.0, right_end_seconds=3.0))
    assert (row["left_seconds"], row["right_seconds"]) == ([0.25, 0.75, 1.25, 1.75], [1.25, 1.75, 2.25, 2.75])
    found = np.array([read_numbers(row["left_strip"], 96), read_numbers(row["right_strip"], 96)])
    assert np.abs(found - [[2.5, 7.5, 12.5, 17.5], [12.5, 17.5, 22.5, 27.5]]).max() <= 0.5
    assert (row["left_error"], row["right_error"], row["match"]) == (None, None, None)


def test_cells_are_as_wide_as_the_wider_video(tmp_path: Path, settings: StripSettings) -> None:
    wide, tall = make_video(tmp_path / "a.mp4"), make_video(tmp_path / "b.mp4", size=(64, 96))
    (row,) = illustrate(settings, make_row(wide, tall))
    sizes = []
    for side in ("left", "right"):
        with Image.open(io.BytesIO(row[f"{side}_strip"])) as image:
            sizes.append(image.size)
    assert sizes == [(4 * 100 - 4, 64), (4 * 100 - 4, 96)]


def test_a_video_that_cannot_be_read_has_an_error_code_and_the_other_a_strip(
    tmp_path: Path, settings: StripSettings
) -> None:
    here = make_video(tmp_path / "a.mp4")
    gone, outside = illustrate(
        settings, make_row(here, tmp_path / "gone.mp4"), make_row(here, tmp_path / ".." / "other.mp4")
    )
    assert (gone["right_strip"], gone["right_error"], gone["left_error"]) == (None, "NOT_FOUND", None)
    assert (outside["right_strip"], outside["right_error"]) == (None, "OUTSIDE_ROOTS")
    assert read_numbers(gone["left_strip"], 96) == read_numbers(outside["left_strip"], 96)


def test_stored_frames_decide_which_moments_match(tmp_path: Path, settings: StripSettings) -> None:
    left, right = make_video(tmp_path / "a.mp4"), make_video(tmp_path / "b.mp4", seconds=3.0)
    vectors = np.array([draw_picture(n, (24, 16)).ravel() for n in range(30)], dtype=np.float32)
    vectors -= vectors.mean(axis=0)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    seconds = np.arange(30) / 10
    frames = {}
    for side, begin, end in (("left", 0, 20), ("right", 0, 30)):
        frames |= {
            f"{side}_frame_seconds": seconds[begin:end],
            f"{side}_frame_vectors": pack_vectors(vectors[begin:end]),
            f"{side}_frame_backgrounds": np.zeros(end - begin, np.float32),
        }
    (row,) = illustrate(settings, make_row(left, right, right_duration_seconds=3.0, right_end_seconds=3.0, **frames))
    assert np.abs(np.array(row["left_seconds"]) - row["right_seconds"]).max() <= 0.1
    assert row["match"][:4] == b"RIFF"


def test_no_pairs_yield_no_rows(settings: StripSettings) -> None:
    assert list(make_strips(iter([]), settings)) == []
