from __future__ import annotations

import io
import threading
from typing import Any

import pytest
from rich.console import Console

from jobs.contracts import progress
from jobs.contracts.progress import Progress, show_bar


class FakeAccumulator:
    """A Spark accumulator, in one process."""

    value = 0

    def add(self, count: int) -> None:
        self.value += count


class FakeSession:
    """A session that can do no more than make an accumulator."""

    @property
    def sparkContext(self) -> FakeSession:  # noqa: N802 -- PySpark's name
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
    """Log at every look, and collect what is logged."""
    events: list[dict[str, Any]] = []

    class Log:
        def info(self, message: str, **fields: object) -> None:
            events.append({"message": message, **fields})

    monkeypatch.setattr(progress, "_POLL_SECONDS", 0.01)
    monkeypatch.setattr(progress, "_LOG_EVERY_SECONDS", 0.0)
    monkeypatch.setattr(progress, "log", Log())
    return events


def wait_for(events: list[dict[str, Any]], num_done: int) -> None:
    """Return when a log line says so many are done."""
    tick = threading.Event()
    for _ in range(500):
        if any(event["num_done"] == num_done for event in events):
            return
        tick.wait(0.01)
    pytest.fail(f"no log line says that {num_done} are done: {events}")


def test_a_terminal_sees_how_many_of_how_many_are_done(logged: list[dict[str, Any]]) -> None:
    shown, out = make_progress(is_terminal=True)
    with shown.show("attempts"):
        shown.expect(5)
        shown.counter(2)
        wait_for(logged, 2)
    assert "attempts" in out.getvalue()
    assert "2/5" in out.getvalue()
    assert "videos/s" in out.getvalue()


def test_what_is_no_terminal_sees_nothing(logged: list[dict[str, Any]]) -> None:
    shown, out = make_progress(is_terminal=False)
    with shown.show("attempts"):
        shown.expect(5)
        shown.counter(2)
        wait_for(logged, 2)
    assert out.getvalue() == ""


def test_the_log_says_how_many_are_done_in_this_stage(logged: list[dict[str, Any]]) -> None:
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


def test_a_stage_that_fails_is_heard_and_its_watcher_ends() -> None:
    shown, _ = make_progress(is_terminal=False)
    before = threading.active_count()
    with pytest.raises(ZeroDivisionError), shown.show("pairs"):
        _ = 1 / 0
    assert threading.active_count() == before


@pytest.mark.parametrize("is_terminal", [True, False])
def test_a_bar_shows_what_it_is_told_to_a_terminal_alone(is_terminal: bool) -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=is_terminal, width=120)
    with show_bar(console, "epochs") as tell:
        tell(3, 5)
        tell(4, 5)
    shown = out.getvalue()
    assert ("epochs" in shown, "4/5" in shown) == (is_terminal, is_terminal)
