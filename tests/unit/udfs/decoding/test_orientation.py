from __future__ import annotations

import pytest

from udfs.decoding.orientation import check_pixel_aspect


@pytest.mark.parametrize(("declared", "used"), [(64 / 45, 64 / 45), (0.0, 1.0), (1e9, 1.0), (0.4, 0.4)])
def test_an_implausible_pixel_aspect_is_ignored(declared: float, used: float) -> None:
    assert check_pixel_aspect(declared) == used
