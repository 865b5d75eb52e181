from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

from jobs.contracts.run_log import log, log_to

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def lines_of(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def test_an_event_is_one_json_line_with_run_id_and_fields(tmp_path: Path) -> None:
    file = tmp_path / "run.jsonl"
    with log_to(file, "run-1"):
        log.info("stage done", stage="pairs", seconds=1.5, path=tmp_path)
    (event,) = lines_of(file)
    assert datetime.fromisoformat(event.pop("at")).utcoffset() is not None
    assert event == {
        "level": "INFO",
        "run_id": "run-1",
        "message": "stage done",
        "stage": "pairs",
        "seconds": 1.5,
        "path": str(tmp_path),
    }


def test_text_with_line_breaks_and_any_script_stays_on_one_line(tmp_path: Path) -> None:
    file = tmp_path / "run.jsonl"
    with log_to(file, "run-1"):
        log.info("a\nb", name="日本語")
    assert file.read_text(encoding="utf-8").count("\n") == 1
    assert lines_of(file)[0]["name"] == "日本語"


def test_a_logged_error_has_its_traceback(tmp_path: Path) -> None:
    file = tmp_path / "run.jsonl"
    with log_to(file, "run-1"):
        try:
            int("why")
        except ValueError as error:
            log.error("failed", exc_info=error)
    (event,) = lines_of(file)
    assert event["level"] == "ERROR"
    assert event["traceback"].endswith("ValueError: invalid literal for int() with base 10: 'why'")


def test_the_folder_is_created_and_each_run_has_its_own_file(tmp_path: Path) -> None:
    first, second = tmp_path / "logs" / "1.jsonl", tmp_path / "logs" / "2.jsonl"
    with log_to(first, "run-1"):
        log.info("one")
    with log_to(second, "run-2"):
        log.info("two")
    assert [event["message"] for event in lines_of(first)] == ["one"]
    assert [event["run_id"] for event in lines_of(second)] == ["run-2"]


def test_nothing_is_written_to_the_terminal(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with log_to(tmp_path / "run.jsonl", "run-1"):
        log.error("quiet")
    log.error("quiet too")
    assert capfd.readouterr() == ("", "")
