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
from udfs.describing.settings import DescribeSettings
from udfs.describing.thumbnails import encode_thumbnails
from udfs.illustrating.strips import make_strips
from udfs.opening.roots import Roots

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FRAME_PX = 96


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[DescribeSettings]:
    made = DescribeSettings(Roots.of(str(tmp_path)), DecoderSettings(FRAME_PX))
    yield made
    get_worker_pool(made.decoder, made.roots, made.num_decoders).close()
    get_worker_pool.cache_clear()


def make_row(left: Path, right: Path, **changes: Any) -> dict[str, Any]:
    row: dict[str, Any] = {
        "left_id": left.stem,
        "right_id": right.stem,
        "match": None,
        "segments": [[0.0, 2.0, 0.0, 2.0]],
    }
    for side, path in (("left", left), ("right", right)):
        row |= {f"{side}_uri": str(path), f"{side}_seconds": [0.25, 0.75, 1.25, 1.75]}
        row |= {f"{side}_thumbnails": None, f"{side}_region": None}
    return row | changes


def make_thumbnails(*numbers: int) -> list[bytes]:
    return encode_thumbnails(np.array([draw_picture(number, (192, 128)) for number in numbers]))


def illustrate(settings: DescribeSettings, *rows: dict[str, Any]) -> list[dict[str, Any]]:
    shown = pd.concat(make_strips(iter([pd.DataFrame(rows)]), settings, FRAME_PX))
    return [{str(name): value for name, value in row.items()} for row in shown.to_dict("records")]


def read_numbers(strip: bytes, cell_px: int) -> list[int]:
    with Image.open(io.BytesIO(strip)) as image:
        pixels = np.asarray(image.convert("RGB"))
    return [read_number(pixels[:, x : x + cell_px]) for x in range(0, pixels.shape[1], cell_px + 4)]


def test_strips_show_both_videos_at_matched_seconds(tmp_path: Path, settings: DescribeSettings) -> None:
    left, right = make_video(tmp_path / "a.mp4"), make_video(tmp_path / "b.mp4", seconds=3.0)
    (row,) = illustrate(settings, make_row(left, right, right_seconds=[1.25, 1.75, 2.25, 2.75]))
    assert row["left_seconds"] == pytest.approx([0.25, 0.75, 1.25, 1.75], abs=0.06)
    assert row["right_seconds"] == pytest.approx([1.25, 1.75, 2.25, 2.75], abs=0.06)
    for side in ("left", "right"):
        assert read_numbers(row[f"{side}_strip"], 96) == pytest.approx(np.multiply(row[f"{side}_seconds"], 10))
    assert (row["left_error"], row["right_error"], row["match"]) == (None, None, None)


def test_a_video_with_thumbnails_is_not_opened(tmp_path: Path, settings: DescribeSettings) -> None:
    gone, here = tmp_path / "gone.mp4", make_video(tmp_path / "b.mp4")
    stored = {"left_thumbnails": make_thumbnails(0, 9), "left_seconds": [0.0, 0.9], "match": b"a picture"}
    (row,) = illustrate(settings, make_row(gone, here, **stored, right_seconds=[0.0, 0.9]))
    assert read_numbers(row["left_strip"], 96) == read_numbers(row["right_strip"], 96) == [0, 9]
    assert row["left_seconds"] == row["right_seconds"] == [0.0, 0.9]
    assert (row["left_error"], row["right_error"], row["match"]) == (None, None, b"a picture")


@pytest.mark.parametrize("damaged", [None, b"no jpeg"])
def test_a_video_with_a_damaged_thumbnail_is_decoded(
    tmp_path: Path, settings: DescribeSettings, damaged: bytes | None
) -> None:
    here = make_video(tmp_path / "a.mp4")
    stored = {"seconds": [0.0, 0.9], "thumbnails": [make_thumbnails(5)[0], damaged]}
    row = make_row(here, tmp_path / "gone.mp4")
    row |= {f"{side}_{name}": value for side in ("left", "right") for name, value in stored.items()}
    (shown,) = illustrate(settings, row)
    assert read_numbers(shown["left_strip"], 96) == [0, 9]
    assert (shown["right_strip"], shown["right_seconds"], shown["right_error"]) == (None, [0.0, 0.9], "NOT_FOUND")


def test_the_part_that_the_other_video_shows_is_outlined(tmp_path: Path, settings: DescribeSettings) -> None:
    row = make_row(tmp_path / "a.mp4", tmp_path / "b.mp4")
    for side, region in (("left", [0.25, 0.25, 0.75, 0.75]), ("right", [0.0, 0.01, 1.0, 0.99])):
        grey = encode_thumbnails(np.full((2, 64, 96, 3), 128, np.uint8))
        row |= {f"{side}_thumbnails": grey, f"{side}_seconds": [0.0, 1.0], f"{side}_region": region}
    (shown,) = illustrate(settings, row)
    yellow = []
    for side in ("left", "right"):
        with Image.open(io.BytesIO(shown[f"{side}_strip"])) as image:
            pixels = np.asarray(image.convert("RGB")).astype(int)
        yellow.append([int((cell[..., 0] - cell[..., 2] > 60).sum()) for cell in (pixels[:, :96], pixels[:, 100:])])
    assert min(yellow[0]) > 100
    assert yellow[1] == [0, 0]


def test_cells_are_as_wide_as_the_wider_video(tmp_path: Path, settings: DescribeSettings) -> None:
    wide, tall = make_video(tmp_path / "a.mp4"), make_video(tmp_path / "b.mp4", size=(64, 96))
    (row,) = illustrate(settings, make_row(wide, tall))
    sizes = []
    for side in ("left", "right"):
        with Image.open(io.BytesIO(row[f"{side}_strip"])) as image:
            sizes.append(image.size)
    assert sizes == [(4 * 100 - 4, 64), (4 * 100 - 4, 96)]


def test_a_video_that_cannot_be_read_has_an_error_code_and_the_other_a_strip(
    tmp_path: Path, settings: DescribeSettings
) -> None:
    here, link = make_video(tmp_path / "a.mp4"), tmp_path / "link.mp4"
    link.symlink_to(tmp_path.parent / "other.mp4")
    gone, outside = illustrate(settings, make_row(here, tmp_path / "gone.mp4"), make_row(here, link))
    assert (gone["right_strip"], gone["right_error"], gone["left_error"]) == (None, "NOT_FOUND", None)
    assert (outside["right_strip"], outside["right_error"]) == (None, "OUTSIDE_ROOTS")
    assert read_numbers(gone["left_strip"], 96) == read_numbers(outside["left_strip"], 96)


def test_no_pairs_yield_no_rows(settings: DescribeSettings) -> None:
    assert list(make_strips(iter([]), settings, FRAME_PX)) == []
