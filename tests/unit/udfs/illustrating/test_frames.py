from __future__ import annotations

import numpy as np
import pytest

from udfs.describing.thumbnails import encode_thumbnails
from udfs.illustrating.frames import read_thumbnails


def make_thumbnails(*colours: tuple[int, int, int], size_px: tuple[int, int] = (32, 16)) -> list[bytes]:
    width, height = size_px
    return encode_thumbnails(np.array([np.full((height, width, 3), colour, np.uint8) for colour in colours]))


def test_thumbnails_are_shown_in_colour_and_in_the_size_of_frames() -> None:
    frames = read_thumbnails(make_thumbnails((200, 0, 0), (0, 0, 200)), np.array([1.0, 2.5]), 20)
    assert frames is not None
    assert frames.seconds == [1.0, 2.5]
    assert [(picture.shape, picture.dtype) for picture in frames.pictures] == [((10, 20, 3), np.uint8)] * 2
    assert frames.pictures[0][5, 5] == pytest.approx([200, 0, 0], abs=6)
    assert frames.pictures[1][5, 5] == pytest.approx([0, 0, 200], abs=6)


def test_thumbnails_of_another_shape_are_scaled_to_the_first() -> None:
    thumbnails = [*make_thumbnails((9, 9, 9)), *make_thumbnails((9, 9, 9), size_px=(16, 32))]
    frames = read_thumbnails(thumbnails, [0.0, 1.0], 32)
    assert frames is not None
    assert [picture.shape for picture in frames.pictures] == [(16, 32, 3)] * 2


@pytest.mark.parametrize("damaged", [None, b"", b"no jpeg", make_thumbnails((9, 9, 9))[0][:40]])
def test_a_missing_or_damaged_thumbnail_gives_no_frames(damaged: bytes | None) -> None:
    assert read_thumbnails([*make_thumbnails((9, 9, 9)), damaged], [0.0, 1.0], 32) is None
    assert read_thumbnails(None, [0.0], 32) is None
