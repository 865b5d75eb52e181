"""Each request has one line in the log, with its verdict or error."""

from __future__ import annotations

import io
import json
import logging
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from jobs.contracts import run_log
from jobs.contracts.run_log import log_to_stderr
from jobs.one_video.service.app import ServiceLimits
from tests.support.service import run_service

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TOKEN = "not-a-secret"  # noqa: S105
AUTHORISED = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def stderr(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """Write the log to a file instead of the standard error of the tests."""
    file = io.StringIO()
    monkeypatch.setattr("sys.stderr", file)
    logger = run_log._logger
    before = list(logger.handlers)
    log_to_stderr("ndvr-test")
    yield file
    logger.handlers[:] = before
    logging.getLogger("ndvr-test").handlers.clear()


def read_requests(file: io.StringIO) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in file.getvalue().splitlines()]
    return [line for line in lines if line["message"] == "request"]


def test_a_line_has_the_verdict_and_the_duration_or_the_error(
    indexed_lake: Path, videos: dict[str, Path], tmp_path: Path, stderr: io.StringIO
) -> None:
    limits = ServiceLimits(num_at_once=1)
    with (
        run_service(indexed_lake, tmp_path, limits, TOKEN, str(videos["upload"].parent)) as port,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=120) as client,
    ):
        client.post("/check", data={"uri": str(videos["upload"]), "video_id": "zz"}, headers=AUTHORISED)
        client.post("/check", files={"file": ("stripes.mp4", videos["stripes"].read_bytes())}, headers=AUTHORISED)
        client.post("/check", data={"uri": "/etc/passwd"}, headers=AUTHORISED)
        client.post("/check", data={"uri": "/etc/passwd"})
        client.get("/none%0A")
    copy, other, outside, stranger, missing = read_requests(stderr)
    assert (copy["method"], copy["path"], copy["status"], copy["client"]) == ("POST", "/check", 200, "127.0.0.1")
    assert (copy["uri"], copy["video_id"]) == (str(videos["upload"]), "zz")
    assert (copy["is_duplicate"], copy["original"]) == (True, "discs")
    assert 0 < copy["check_seconds"] <= copy["seconds"] < 120
    assert copy["match_probability"] > 0.5
    assert (other["file"], other["is_duplicate"], "original" in other) == ("stripes.mp4", False, False)
    assert (outside["status"], outside["error_code"], "is_duplicate" in outside) == (403, "OUTSIDE_ROOTS", False)
    assert (stranger["status"], stranger["error_code"], "uri" in stranger) == (401, "UNAUTHORISED", False)
    assert (missing["status"], missing["error_code"], missing["path"]) == (404, "NOT_FOUND", "/none\n")


def test_lines_of_other_loggers_are_json_too(stderr: io.StringIO) -> None:
    logging.getLogger("ndvr-test.part").info("listening on %s", "port 1")
    (line,) = [json.loads(line) for line in stderr.getvalue().splitlines()]
    assert (line["level"], line["message"], "run_id" in line) == ("INFO", "listening on port 1", False)
    assert line["at"].endswith("Z")
