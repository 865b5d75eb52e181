from __future__ import annotations

import pytest

from jobs.review.verdict import Verdict, describe_look


@pytest.mark.parametrize(
    ("places", "changes", "words"),
    [
        (None, None, ""),
        (0.912, 0.054, "same place, different motion (places 0.91, changes 0.05)"),
        (0.95, 0.9, "same place, same motion (places 0.95, changes 0.90)"),
        (1.0, None, "same place, nothing moves (places 1.00)"),
        (0.1, -0.2, "other place, or strongly edited, different motion (places 0.10, changes -0.20)"),
    ],
)
def test_the_second_look_is_described_in_words(places: float | None, changes: float | None, words: str) -> None:
    assert describe_look(places, changes) == words


def test_a_verdict_is_a_sentence_with_probability_and_threshold() -> None:
    assert Verdict(0.1234, 0.79, 0.9, 0.05).describe() == (
        "same place, different motion (places 0.90, changes 0.05); probability 0.123, published from 0.790"
    )
    assert Verdict(0.5, 0.79, None, None).describe() == ("no second look; probability 0.500, published from 0.790")
