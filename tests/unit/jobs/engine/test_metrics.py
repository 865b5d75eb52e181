"""The metrics of a run, pushed to a local server that records requests."""

from __future__ import annotations

import json
import sys
import threading
from collections import Counter
from datetime import UTC, date, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from jobs.config.settings import Config
from jobs.contracts.run_log import log_to
from jobs.contracts.stage import StageRecord
from jobs.engine.metrics import check_client
from jobs.engine.outcome import Outcome
from jobs.engine.summary_writer import RunSummaryWriter
from jobs.errors import QualityError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Gateway(HTTPServer):
    """Answers with `status`, and records method, path and body of each request."""

    status = 200

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests: list[tuple[str, str, str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Gateway

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.server.requests.append((self.command, self.path, body))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Print nothing."""


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    with Gateway() as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server
        server.shutdown()


def end_run(folder: Path, url: str, failure: Exception | None = None) -> list[dict[str, Any]]:
    """End a run, with or without a failure, and return its log."""
    config = Config(metrics={"pushgateway_url": url})
    outcome = Outcome([StageRecord("pairs", "done", 2.0, 5, search_recall=0.98)], 9, Counter({"CORRUPT": 3}))
    started_at = datetime(2024, 5, 1, 2, tzinfo=UTC)
    writer = RunSummaryWriter("run-1", date(2024, 5, 1), started_at, "/m.csv", "lake", config, outcome)
    with log_to(folder / "log.jsonl", "run-1"):
        try:
            with writer.written_to(folder / "summary.json"):
                if failure:
                    raise failure
        except QualityError:
            pass
    return [json.loads(line) for line in (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()]


def test_the_metrics_of_a_run_are_pushed_with_its_job_and_lake(gateway: Gateway, tmp_path: Path) -> None:
    events = end_run(tmp_path, gateway.url)
    ((method, path, body),) = gateway.requests
    assert (method, path) == ("POST", "/metrics/job/ndvr_nightly/lake/lake")
    lines = body.splitlines()
    assert "ndvr_run_exit_code 0.0" in lines
    assert "ndvr_videos_described 9.0" in lines
    assert 'ndvr_videos_quarantined{error_code="CORRUPT"} 3.0' in lines
    assert 'ndvr_stage_seconds{stage="pairs"} 2.0' in lines
    assert 'ndvr_stage_rows{stage="pairs"} 5.0' in lines
    assert "ndvr_search_recall 0.98" in lines
    assert any(line.startswith("ndvr_last_success_timestamp_seconds 1.7145288") for line in lines)
    assert [(event["level"], event["message"]) for event in events] == [("INFO", "metrics pushed")]


def test_a_failed_run_pushes_its_exit_code_and_keeps_the_last_success(gateway: Gateway, tmp_path: Path) -> None:
    end_run(tmp_path, gateway.url, QualityError("too many failed"))
    ((_, _, body),) = gateway.requests
    assert "ndvr_run_exit_code 4.0" in body.splitlines()
    assert "ndvr_last_success_timestamp_seconds" not in body


@pytest.mark.parametrize("fault", ["refused", "answer", "no url"])
def test_a_failed_push_is_logged_as_a_warning(gateway: Gateway, tmp_path: Path, fault: str) -> None:
    gateway.status = 500
    url = {"refused": "http://127.0.0.1:1", "answer": gateway.url, "no url": "http://[nowhere"}[fault]
    (event,) = end_run(tmp_path, url)
    assert (event["level"], event["message"], event["url"]) == ("WARNING", "metrics not pushed", url)
    assert event["why"]


def test_nothing_is_pushed_without_a_configured_gateway(gateway: Gateway, tmp_path: Path) -> None:
    writer = RunSummaryWriter("run-1", date(2024, 5, 1), datetime(2024, 5, 1, tzinfo=UTC), "/m.csv", "lake", Config())
    with writer.written_to(tmp_path / "summary.json"):
        pass
    assert gateway.requests == []


def test_a_missing_client_is_reported_before_any_work(monkeypatch: pytest.MonkeyPatch) -> None:
    check_client(Config(metrics={"pushgateway_url": "http://gateway:9091"}).metrics)
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    check_client(Config().metrics)
    with pytest.raises(UsageError, match=r"prometheus-client is not installed; run pip install 'ndvr\[metrics\]'"):
        check_client(Config(metrics={"pushgateway_url": "http://gateway:9091"}).metrics)
