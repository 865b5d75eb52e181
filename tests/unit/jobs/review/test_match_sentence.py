from __future__ import annotations

from typing import Any

import pytest

from jobs.review.match_sentence import describe_match, measure_speed
from jobs.review.report_data import ReviewedPair
from tests.support.reports import ROW

SAME = (0.0, 8.0, 0.0, 8.0)


@pytest.mark.parametrize(
    ("values", "segments", "sentence"),
    [
        ({}, [SAME], "Each shows all of the other: the same pictures in the same order, from the start."),
        (
            {},
            [(2.0, 10.0, 0.0, 10.0)],
            (
                "Each shows all of the other: the same pictures in the same order, 0.8 times as fast in the second, "
                "from 0:02.0 of the first."
            ),
        ),
        (
            {"relation": "contained", "right_coverage": 0.2},
            [(0.0, 8.0, 61.5, 69.5)],
            "The second contains the first: the same pictures in the same order, from 1:01.5 of the second.",
        ),
        (
            {"relation": "contained", "left_coverage": 0.2},
            [SAME],
            "The first contains the second: the same pictures in the same order, from the start.",
        ),
        (
            {"relation": "overlap"},
            [(4.0, 8.0, 9.0, 13.0), (1.0, 3.0, 2.0, 4.0)],
            (
                "They share a part: the same pictures in 2 pieces, in the same order, from 0:01.0 of the first and "
                "0:02.0 of the second."
            ),
        ),
        (
            {"relation": "common"},
            [(0.0, 4.0, 4.0, 8.0), (4.0, 8.0, 0.0, 4.0)],
            (
                "They share a part that many other videos have too: the same pictures in 2 pieces, in another order, "
                "from the start."
            ),
        ),
        (
            {"left_start_seconds": 1.0, "left_end_seconds": 5.0, "right_start_seconds": 0.0, "right_end_seconds": 4.0},
            [],
            "Each shows all of the other: the same pictures in the same order, from 0:01.0 of the first.",
        ),
    ],
)
def test_the_shared_footage_is_one_sentence(
    values: dict[str, Any], segments: list[tuple[float, float, float, float]], sentence: str
) -> None:
    pair = ReviewedPair("a", "b", ROW | values, None, segments=segments)
    assert describe_match(pair) == sentence


def test_nothing_is_said_about_a_pair_without_a_match() -> None:
    assert describe_match(ReviewedPair("a", "b", None, None, segments=[SAME])) == ""


def test_the_speed_is_that_of_the_second_video() -> None:
    assert measure_speed((0.0, 8.0, 0.0, 10.0)) == 0.8
    assert measure_speed((0.0, 0.0, 0.0, 10.0)) == 1.0
