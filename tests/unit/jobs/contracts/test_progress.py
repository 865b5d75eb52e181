from __future__ import annotations

import io
import threading
from typing import Any

import pytest
from rich.console import Console

from jobs.contracts import progress
from jobs.contracts.progress import Progress, show_bar


class FakeAccumulator:
    """A replacement for a Spark accumulator."""

    value = 0

    def add(self, count: int) -> None:
        self.value += count


class FakeSession:
    """A replacement for a session that only makes accumulators."""

    @property
    def sparkContext(self) -> FakeSession:  # noqa: N802 -- name in PySpark
        return self

    def accumulator(self, start: int) -> FakeAccumulator:
        assert start == 0
        return FakeAccumulator()


def make_progress(*, is_terminal: bool) -> tuple[Progress, io.StringIO]:
    out = io.StringIO()
    console = Console(file=out, force_terminal=is_terminal, width=120)
    session: Any = FakeSession()
    return Progress(session, console), out


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Collect the logged events. The counts are logged at every poll."""
    events: list[dict[str, Any]] = []

    class Log:
        def info(self, message: str, **fields: object) -> None:
            events.append({"message": message, **fields})

    monkeypatch.setattr(progress, "_POLL_SECONDS", 0.01)
    monkeypatch.setattr(progress, "_LOG_EVERY_SECONDS", 0.0)
    monkeypatch.setattr(progress, "log", Log())
    return events


def wait_for(events: list[dict[str, Any]], num_done: int) -> None:
    """Wait until an event has this num_done."""
    tick = threading.Event()
    for _ in range(500):
        if any(event["num_done"] == num_done for event in events):
            return
        tick.wait(0.01)
    pytest.fail(f"no event has num_done {num_done}: {events}")


def test_a_terminal_shows_done_and_expected_videos(logged: list[dict[str, Any]]) -> None:
    shown, out = make_progress(is_terminal=True)
    with shown.show("attempts"):
        shown.expect(5)
        shown.counter(2)
        wait_for(logged, 2)
    assert "attempts" in out.getvalue()
    assert "2/5" in out.getvalue()
    assert "videos/s" in out.getvalue()


def test_nothing_is_shown_without_a_terminal(logged: list[dict[str, Any]]) -> None:
    shown, out = make_progress(is_terminal=False)
    with shown.show("attempts"):
        shown.expect(5)
        shown.counter(2)
        wait_for(logged, 2)
    assert out.getvalue() == ""


def test_the_log_has_the_videos_done_in_this_stage(logged: list[dict[str, Any]]) -> None:
    shown, _ = make_progress(is_terminal=False)
    with shown.show("attempts"):
        shown.expect(3)
        shown.counter(3)
        wait_for(logged, 3)
    logged.clear()
    with shown.show("attempts"):
        shown.expect(4)
        shown.counter(1)
        wait_for(logged, 1)
    assert logged[-1] == {"message": "videos tried", "stage": "attempts", "num_done": 1, "num_expected": 4}


def test_a_stage_without_videos_logs_nothing(logged: list[dict[str, Any]]) -> None:
    shown, _ = make_progress(is_terminal=False)
    with shown.show("clusters"):
        threading.Event().wait(0.05)
    assert logged == []


def test_the_error_of_a_stage_is_raised_and_its_thread_ends() -> None:
    shown, _ = make_progress(is_terminal=False)
    before = threading.active_count()
    with pytest.raises(ZeroDivisionError), shown.show("pairs"):
        _ = 1 / 0
    assert threading.active_count() == before


@pytest.mark.parametrize("is_terminal", [True, False])
def test_a_bar_is_shown_only_at_a_terminal(is_terminal: bool) -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=is_terminal, width=120)
    with show_bar(console, "epochs") as update:
        update(3, 5)
        update(4, 5)
    shown = out.getvalue()
    assert ("epochs" in shown, "4/5" in shown) == (is_terminal, is_terminal)
