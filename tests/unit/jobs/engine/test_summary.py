from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import pytest

from jobs.config.settings import Config
from jobs.contracts.stage import StageRecord
from jobs.engine.audits import Finding
from jobs.engine.outcome import Outcome
from jobs.engine.results import Results
from jobs.engine.summary import RunSummary
from jobs.engine.summary_writer import RunSummaryWriter
from jobs.errors import QualityError
from jobs.tables.estimates import Estimate, Share

if TYPE_CHECKING:
    from pathlib import Path

RUN_ID = "20240501T020000Z-abcdef"
UNSEEN = {"NOT_FOUND": 2, "REPLACED": 1}
TRIPPED = Finding("failed_fraction", 0.75, 0.5, "quality.max_failed_fraction", "3 of 4 videos failed", "fix it")


def make_writer(**parts: Any) -> RunSummaryWriter:
    started_at = datetime(2024, 5, 1, 2, tzinfo=UTC)
    return RunSummaryWriter(RUN_ID, date(2024, 5, 1), started_at, "/m.csv", "/lake", Config(), **parts)


def make_outcome() -> Outcome:
    """Return the outcome of a run that built pairs and skipped duplicates."""
    pairs = StageRecord(
        "pairs", "done", 2.0, 5, {"embeddings": 3}, {"embeddings": 40}, 7, search_plan="exact", unseen_pairs=UNSEEN
    )
    kept = StageRecord("embeddings", "done", 0.5, 4, output_version=3)
    return Outcome([kept, pairs, StageRecord("duplicates", "skipped", 0.0)], 1, Counter({"CORRUPT": 3}), [TRIPPED])


def test_a_summary_has_stages_rows_rates_errors_audits_and_versions() -> None:
    writer = make_writer(outcome=make_outcome(), model_id="m", fingerprint="f")
    summary = json.loads(writer.summarise(3.14159, None).model_dump_json())
    assert summary == {
        "schema_version": 1,
        "run_id": RUN_ID,
        "run_date": "2024-05-01",
        "started_at": "2024-05-01T02:00:00Z",
        "seconds": 3.142,
        "status": "done",
        "exit_code": 0,
        "error": None,
        "manifest": "/m.csv",
        "lake": "/lake",
        "model_id": "m",
        "code_version": "0.1.0",
        "config_fingerprint": "f",
        "unread_values": [],
        "num_described": 1,
        "num_unchanged": 0,
        "error_counts": {"CORRUPT": 3},
        "lost_counts": {},
        "stages": [
            stage("embeddings", seconds=0.5, num_rows=4, rows_per_second=8.0),
            stage(
                "pairs",
                seconds=2.0,
                num_rows=5,
                rows_per_second=2.5,
                input_rows={"embeddings": 40},
                search_plan="exact",
                unseen_pairs={"NOT_FOUND": 2, "REPLACED": 1},
            ),
            stage("duplicates", status="skipped", seconds=0.0),
        ],
        "audits": [
            {
                "audit": "failed_fraction",
                "value": 0.75,
                "limit": 0.5,
                "setting": "quality.max_failed_fraction",
                "is_tripped": True,
                "what": "3 of 4 videos failed",
            }
        ],
        "is_overruled": False,
        "results": None,
        "published": {"pairs": 7},
    }


def stage(name: str, **parts: Any) -> dict[str, Any]:
    empty = {"status": "done", "num_rows": None, "input_rows": {}, "rows_per_second": None}
    return {"stage": name, "search_plan": None, "search_recall": None, "unseen_pairs": {}} | empty | parts


def test_the_summary_of_a_published_run_has_its_results_and_the_age_of_the_estimate() -> None:
    share = Share(0.994, 0.985, 0.998, 60)
    estimate = Estimate("s", datetime(2024, 4, 19, 14, tzinfo=UTC), 100, duplicates_precision=share)
    outcome = make_outcome()
    outcome.results = Results(12, 1, 47, 3_100, 83, estimate)
    results = json.loads(make_writer(outcome=outcome).summarise(1.0, None).model_dump_json())["results"]
    assert results == {
        "num_added": 12,
        "num_removed": 1,
        "num_obeyed": 47,
        "reclaimable_bytes": 3100,
        "num_to_review": 83,
        "estimate": {
            "sample_id": "s",
            "drawn_at": "2024-04-19T14:00:00Z",
            "age_days": 11.5,
            "pairs_precision": None,
            "duplicates_precision": {"value": 0.994, "low": 0.985, "high": 0.998, "num_answers": 60},
            "recall": None,
        },
    }


def test_pairs_without_a_second_look_are_described_for_people() -> None:
    expected = "3 pairs got no second look, because a file could not be read: NOT_FOUND 2, REPLACED 1"
    assert make_outcome().describe_unseen_pairs() == expected
    assert Outcome([StageRecord("pairs", "done", 1.0, 5)]).describe_unseen_pairs() is None


def test_every_field_is_documented_in_the_schema() -> None:
    schema = RunSummary.model_json_schema()
    models = [schema, *schema["$defs"].values()]
    fields = {name: field for model in models for name, field in model["properties"].items()}
    assert [name for name, field in fields.items() if not field.get("description")] == []


@pytest.mark.parametrize(
    ("failure", "exit_code"), [(QualityError("no"), 4), (OSError("no space"), 1), (KeyboardInterrupt(), 130)]
)
def test_a_failed_run_is_summarised_and_its_error_is_raised(
    tmp_path: Path, failure: BaseException, exit_code: int
) -> None:
    file = tmp_path / "summary.json"
    with pytest.raises(type(failure)), make_writer().written_to(file):
        raise failure
    summary = json.loads(file.read_text(encoding="utf-8"))
    assert (summary["status"], summary["exit_code"]) == ("failed", exit_code)
    assert summary["error"] == f"{type(failure).__name__}: {failure}"


def test_as_json_prints_the_summary_on_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with make_writer().written_to(tmp_path / "quiet.json"):
        pass
    assert capsys.readouterr().out == ""
    file = tmp_path / "summary.json"
    with make_writer().written_to(file, as_json=True):
        pass
    assert capsys.readouterr().out == file.read_text(encoding="utf-8")
    assert file.read_text(encoding="utf-8").count("\n") == 1


def test_lost_videos_are_a_warning_with_their_codes() -> None:
    assert Outcome().describe_lost() is None
    lost = Outcome(lost_counts={"NOT_FOUND": 2, "EMPTY_FILE": 3}).describe_lost()
    assert lost == (
        "5 videos that were described before cannot be read any more: EMPTY_FILE 3, NOT_FOUND 2. They are in no pair, "
        "cluster or duplicate until their files are back; ndvr quarantine lists them"
    )


def test_unchanged_videos_are_counted_apart_from_described_ones() -> None:
    outcome = Outcome(num_described=1, num_unchanged=2, error_counts=Counter({"CORRUPT": 3}))
    assert outcome.describe_attempts() == "described 1 videos, found 2 unchanged, quarantined 3 CORRUPT 3"
