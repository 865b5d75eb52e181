from __future__ import annotations

import numpy as np
import pytest

from models.square import fit_inside, pad_to_square


@pytest.mark.parametrize(
    ("width", "height", "fitted"),
    [(640, 360, (224, 126)), (360, 640, (126, 224)), (100, 100, (224, 224)), (10_000, 2, (224, 1))],
)
def test_longer_side_fills_the_box(width: float, height: float, fitted: tuple[int, int]) -> None:
    assert fit_inside(width, height, 224) == fitted


def test_picture_is_centred_in_zeros() -> None:
    picture = np.full((2, 4, 3), 7, dtype=np.uint8)
    assert pad_to_square(picture, 4)[..., 0].tolist() == [[0] * 4, [7] * 4, [7] * 4, [0] * 4]


def test_odd_padding_goes_below() -> None:
    picture = np.full((1, 2, 3), 7, dtype=np.uint8)
    assert pad_to_square(picture, 2)[..., 0].tolist() == [[7, 7], [0, 0]]
