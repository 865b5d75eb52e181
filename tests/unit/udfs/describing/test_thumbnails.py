from __future__ import annotations

import numpy as np
import pytest

from tests.support.pictures import make_texture
from udfs.describing.thumbnails import (
    crop_padding,
    decode_in_colour,
    decode_thumbnails,
    encode_thumbnails,
    measure_details,
)
from udfs.video import FrameChunk


def make_chunk(picture_px: tuple[int, int] | None) -> FrameChunk:
    """Two frames of 8 x 8 px that show the number of their row in red and of their column in green."""
    frames = np.zeros((2, 8, 8, 3), np.uint8)
    frames[..., 0], frames[..., 1] = np.arange(8)[:, None], np.arange(8)
    return FrameChunk("a", np.arange(2.0), frames, picture_px)


@pytest.mark.parametrize(
    ("picture_px", "rows", "columns"),
    [
        ((8, 4), [2, 3, 4, 5], list(range(8))),
        ((4, 8), list(range(8)), [2, 3, 4, 5]),
        ((8, 5), [1, 2, 3, 4, 5], list(range(8))),
        ((1, 1), [3], [3]),
        ((8, 8), list(range(8)), list(range(8))),
        (None, list(range(8)), list(range(8))),
    ],
)
def test_padding_is_cut_off(picture_px: tuple[int, int] | None, rows: list[int], columns: list[int]) -> None:
    pictures = crop_padding(make_chunk(picture_px))
    assert pictures.shape == (2, len(rows), len(columns), 3)
    assert pictures[0, :, 0, 0].tolist() == pictures[1, :, -1, 0].tolist() == rows
    assert pictures[0, 0, :, 1].tolist() == columns


def test_a_picture_padded_by_the_decoder_is_found_again() -> None:
    from models.square import pad_to_square

    picture = np.random.default_rng(0).integers(0, 256, (5, 8, 3), dtype=np.uint8)
    chunk = FrameChunk("a", np.zeros(1), pad_to_square(picture, 8)[None], (8, 5))
    assert crop_padding(chunk)[0].tolist() == picture.tolist()


def test_a_decoded_thumbnail_is_nearly_the_grey_picture() -> None:
    grey = make_texture(1)
    (decoded,) = decode_thumbnails(encode_thumbnails(np.repeat(grey[None, :, :, None], 3, axis=3)))
    assert (decoded.shape, decoded.dtype) == ((126, 224), np.uint8)
    assert np.abs(decoded.astype(int) - grey).mean() < 4


def test_thumbnails_are_jpeg_pictures_in_colour_that_other_programs_can_read() -> None:
    import io

    from PIL import Image

    red = np.zeros((1, 16, 32, 3), np.uint8)
    red[..., 0] = 200
    (thumbnail,) = encode_thumbnails(red)
    picture = Image.open(io.BytesIO(thumbnail))
    assert (picture.format, picture.mode, picture.size) == ("JPEG", "RGB", (32, 16))
    assert np.asarray(picture)[8, 16] == pytest.approx([200, 0, 0], abs=6)
    assert decode_in_colour([thumbnail])[0][8, 16] == pytest.approx([200, 0, 0], abs=6)


def test_a_thumbnail_of_224_px_takes_a_few_kilobytes() -> None:
    (thumbnail,) = encode_thumbnails(np.repeat(make_texture(1)[None, :, :, None], 3, axis=3))
    assert 1000 < len(thumbnail) < 8000


def to_rgb(grey: np.ndarray) -> np.ndarray:
    return np.repeat(grey[None, :, :, None], 3, axis=3)


@pytest.mark.parametrize("grey", [0, 16, 128, 255])
def test_a_flat_picture_has_no_detail_and_noise_of_encoders_is_none(grey: int) -> None:
    flat = np.full((126, 224), grey)
    noise = np.random.default_rng(0).normal(0, 3, flat.shape)  # a variance of 9
    assert measure_details(to_rgb(flat.astype(np.uint8))).tolist() == [0.0]
    assert measure_details(to_rgb((flat + noise).clip(0, 255).astype(np.uint8))).tolist() == [0.0]


def test_a_textured_picture_is_all_detail_and_half_of_it_is_half() -> None:
    texture = make_texture(1)
    assert measure_details(to_rgb(texture)).tolist() == [pytest.approx(1.0, abs=0.01)]
    half = texture.copy()
    half[:, 112:] = 0
    # Windows of 21 px at the edge count too: 122 of 224 columns.
    assert measure_details(to_rgb(half)).tolist() == [pytest.approx(122 / 224, abs=0.02)]


def test_a_title_card_has_little_detail() -> None:
    from PIL import Image, ImageDraw

    card = Image.new("L", (224, 126))
    ImageDraw.Draw(card).text((112, 63), "A FILM BY\nNOBODY", fill=255, anchor="mm", font_size=14)
    (detail,) = measure_details(to_rgb(np.asarray(card)))
    assert 0.05 < detail < 0.2


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (2, 2), (300, 10)])
def test_pictures_smaller_than_the_window_have_a_detail(shape: tuple[int, int]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (2, *shape, 3), dtype=np.uint8)
    details = measure_details(noise)
    assert (details.shape, details.dtype) == ((2,), np.float32)
    assert ((details >= 0) & (details <= 1)).all()


def test_fading_a_picture_out_reduces_its_detail() -> None:
    texture = make_texture(1).astype(np.float32)
    details = [float(measure_details(to_rgb((texture * share).astype(np.uint8)))[0]) for share in (1, 0.3, 0.1, 0.03)]
    assert details == sorted(details, reverse=True)
    assert details[-1] == 0.0


def test_no_frames_give_no_thumbnails() -> None:
    assert encode_thumbnails(np.zeros((0, 4, 4, 3), np.uint8)) == []
    assert decode_thumbnails([]) == []
    assert measure_details(np.zeros((0, 4, 4, 3), np.uint8)).shape == (0,)


@pytest.mark.parametrize("content", [b"", b"no jpeg"])
def test_a_thumbnail_that_is_no_picture_is_rejected(content: bytes) -> None:
    message = f"a thumbnail must be a JPEG picture, got {len(content)} bytes: describe the video again"
    with pytest.raises(ValueError, match=message):
        decode_thumbnails([content])
    with pytest.raises(ValueError, match=message):
        decode_in_colour([content])
