from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from jobs.tables.estimates import Estimate, Share, format_age, format_share, make_row, read_estimate

DRAWN_AT = datetime(2024, 5, 1, tzinfo=UTC)
SHARE = Share(0.994, 0.985, 0.9984, 100)


def test_an_estimate_is_described_with_its_interval_answers_and_age() -> None:
    estimate = Estimate("s", DRAWN_AT, 120, duplicates_precision=SHARE)
    now = DRAWN_AT + timedelta(days=12, hours=5)
    assert estimate.describe(now) == "precision .994 (.985 to .998; 100 pairs, 12 days ago)"


def test_precision_is_that_of_duplicates_and_else_that_of_pairs() -> None:
    pairs = Share(0.9, 0.8, 0.95, 1)
    assert Estimate("s", DRAWN_AT, 2, pairs, SHARE).precision is SHARE
    assert Estimate("s", DRAWN_AT, 1, pairs).describe(DRAWN_AT) == "precision .9 (.8 to .95; 1 pair, today)"
    assert Estimate("s", DRAWN_AT, 1).describe(DRAWN_AT) == "precision not measured"


@pytest.mark.parametrize(
    ("value", "text"), [(1.0, "1"), (0.99999, ".999"), (0.0, "0"), (0.00001, ".001"), (0.5, ".5"), (0.9944, ".994")]
)
def test_only_certainty_is_printed_as_0_or_1(value: float, text: str) -> None:
    assert format_share(value) == text


def test_ages_are_whole_days() -> None:
    assert [format_age(days) for days in (0.9, 1.2, 12.0)] == ["today", "1 day ago", "12 days ago"]


def test_a_row_is_read_as_it_was_written() -> None:
    estimate = Estimate("s", DRAWN_AT, 120, SHARE, None, Share(0.9, 0.8, 0.95, 60))
    row = make_row(estimate, "m", "r", DRAWN_AT + timedelta(days=1))
    assert (row["pairs_precision_low"], row["duplicates_precision"], row["recall_answers"]) == (0.985, None, 60)
    assert read_estimate(row, DRAWN_AT) == estimate
