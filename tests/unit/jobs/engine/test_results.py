from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from jobs.engine.results import Results, format_bytes, write_open_command
from jobs.tables.estimates import Estimate, Share

DRAWN_AT = datetime(2024, 5, 1, tzinfo=UTC)


def test_the_last_line_says_what_changed_and_what_is_left() -> None:
    estimate = Estimate("s", DRAWN_AT, 100, duplicates_precision=Share(0.994, 0.985, 0.998, 100))
    results = Results(12, 1, 47, 3_100_000_000, 83, estimate)
    assert results.describe(DRAWN_AT + timedelta(days=12)) == (
        "+12 duplicates, -1, 47 decisions obeyed, 3.1 GB reclaimable, 83 to review, "
        "precision .994 (.985 to .998; 100 pairs, 12 days ago)"
    )


def test_without_an_estimate_the_last_line_names_the_command_that_measures() -> None:
    assert Results(1, 0, 1, 0, 0, None).describe(DRAWN_AT) == (
        "+1 duplicate, -0, 1 decision obeyed, 0 B reclaimable, 0 to review, precision not measured: ndvr sample"
    )


@pytest.mark.parametrize(
    ("num_bytes", "text"),
    [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (850_000, "850 kB"), (3_140_000_000, "3.1 GB"), (10**16, "10 PB")],
)
def test_bytes_have_decimal_units(num_bytes: int, text: str) -> None:
    assert format_bytes(num_bytes) == text


def test_the_browser_is_opened_by_the_command_of_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    assert write_open_command("my report/index.html") == "xdg-open 'my report/index.html'"
    monkeypatch.setattr("sys.platform", "darwin")
    assert write_open_command("report/index.html") == "open report/index.html"
