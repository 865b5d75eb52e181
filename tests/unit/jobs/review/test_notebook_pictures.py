from __future__ import annotations

from typing import TYPE_CHECKING

from PIL import Image

from jobs.review.notebook_pictures import stack_strips
from jobs.review.report_data import ReviewedPair, Strip

if TYPE_CHECKING:
    from pathlib import Path


def test_the_strips_of_a_pair_are_stacked(tmp_path: Path) -> None:
    Image.new("RGB", (100, 20), "red").save(tmp_path / "left.png")
    Image.new("RGB", (80, 30), "blue").save(tmp_path / "right.png")
    pair = ReviewedPair("b", "a", None, None, Strip(file="left.png"), Strip(file="right.png"))
    stacked = stack_strips(pair, tmp_path)
    assert stacked.size == (100, 20 + 4 + 30 + 4)
    assert stacked.getpixel((50, 10)) == (255, 0, 0)
    assert stacked.getpixel((50, 40)) == (0, 0, 255)
    assert stacked.getpixel((90, 40)) == (255, 255, 255)


def test_a_video_that_could_not_be_read_is_left_out(tmp_path: Path) -> None:
    Image.new("RGB", (100, 20), "red").save(tmp_path / "right.png")
    pair = ReviewedPair("b", "a", None, None, Strip(error_code="NOT_FOUND"), Strip(file="right.png"))
    assert stack_strips(pair, tmp_path).size == (100, 24)
    assert stack_strips(ReviewedPair("b", "a", None, None), tmp_path).size == (1, 1)
