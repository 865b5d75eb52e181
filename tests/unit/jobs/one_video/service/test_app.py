"""The service answers valid requests, refuses others with a reason, and conforms to its OpenAPI description."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, load_all_checks

from jobs.one_video.service.app import ServiceLimits
from tests.support.indexes import write_index
from tests.support.service import run_service

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

load_all_checks()
TOKEN = "not-a-secret"  # noqa: S105
AUTHORISED = {"Authorization": f"Bearer {TOKEN}"}
LIMITS = ServiceLimits(num_at_once=1, max_upload_bytes=200_000, reload_seconds=0.1)


@pytest.fixture(scope="module")
def lake(embedded: dict[str, list[dict[str, Any]]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("served")
    write_index(folder, [embedded["discs"], embedded["tiles"]])
    return folder


@pytest.fixture(scope="module")
def uploads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("uploads")


@pytest.fixture(scope="module")
def client(lake: Path, videos: dict[str, Path], uploads: Path) -> Iterator[httpx.Client]:
    """A client of the service, which listens on a free port."""
    with (
        run_service(lake, uploads, LIMITS, TOKEN, str(videos["upload"].parent)) as port,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=AUTHORISED, timeout=120) as opened,
    ):
        yield opened


def test_an_upload_is_answered(client: httpx.Client, videos: dict[str, Path]) -> None:
    response = client.post("/check", files={"file": videos["upload"].read_bytes()})
    assert response.status_code == 200, response.text
    answer = response.json()
    assert (answer["is_duplicate"], answer["original"]) == (True, "discs")
    assert answer["matches"][0]["evidence"]


def test_an_identical_file_is_an_exact_match_with_its_cluster(client: httpx.Client, videos: dict[str, Path]) -> None:
    answer = client.post("/check", files={"file": videos["tiles"].read_bytes()}).json()
    assert (answer["is_duplicate"], answer["exact_match"]) == (True, "tiles")
    assert [match["is_exact"] for match in answer["matches"]][:1] == [True]


def test_a_uri_below_the_roots_gets_the_answer_of_an_upload(client: httpx.Client, videos: dict[str, Path]) -> None:
    by_uri = client.post("/check", data={"uri": str(videos["upload"])}).json()
    by_upload = client.post("/check", files={"file": videos["upload"].read_bytes()}).json()
    assert by_uri | {"seconds": 0} == by_upload | {"seconds": 0}


def test_a_video_with_its_id_is_not_compared_with_itself(client: httpx.Client, videos: dict[str, Path]) -> None:
    asked = {"uri": str(videos["tiles"]), "video_id": "tiles"}
    assert client.post("/check", data=asked).json()["is_duplicate"] is False


def test_health_returns_the_index_and_a_new_one_is_opened(
    client: httpx.Client, lake: Path, embedded: dict[str, list[dict[str, Any]]]
) -> None:
    before = client.get("/healthz").json()
    assert (before["status"], before["num_videos"]) == ("ok", 2)
    version = "20240509T120000Z-abcdef"
    write_index(lake, [embedded["discs"], embedded["tiles"], embedded["glow"]], version=version)
    deadline = time.monotonic() + 60
    while (health := client.get("/healthz").json())["index_version"] != version and time.monotonic() < deadline:
        time.sleep(0.1)
    assert health["num_videos"] == 3


@pytest.mark.parametrize(
    ("asked", "status", "code"),
    [
        ({}, 422, "INVALID_REQUEST"),
        ({"data": {"uri": "/videos/a.mp4"}, "files": {"file": b"x"}}, 422, "INVALID_REQUEST"),
        ({"data": {"uri": ""}}, 422, "INVALID_REQUEST"),
        ({"data": {"uri": "/etc/passwd"}}, 403, "OUTSIDE_ROOTS"),
        ({"data": {"uri": "{folder}/../../etc/passwd"}}, 403, "OUTSIDE_ROOTS"),
        ({"data": {"uri": "http://127.0.0.1/video.mp4"}}, 422, "UNSUPPORTED_SCHEME"),
        ({"data": {"uri": "{folder}/none.mp4"}}, 404, "NOT_FOUND"),
        ({"files": {"file": b""}}, 422, "EMPTY_FILE"),
        ({"files": {"file": b"no video\n" * 9}}, 415, "NOT_A_VIDEO"),
        ({"files": {"file": b"#EXTM3U\n/etc/passwd\n"}}, 415, "PLAYLIST_REFUSED"),
        ({"files": {"file": bytes(300_000)}}, 413, "TOO_LARGE"),
        ({"content": b"x", "headers": {"Content-Type": "multipart/form-data"}}, 400, "BAD_REQUEST"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_invalid_requests_are_refused_with_a_reason(
    asked: dict[str, Any], status: int, code: str, client: httpx.Client, videos: dict[str, Path]
) -> None:
    if "{folder}" in asked.get("data", {}).get("uri", ""):
        asked = {"data": {"uri": asked["data"]["uri"].format(folder=videos["upload"].parent)}}
    response = client.post("/check", **asked)
    assert (response.status_code, response.json()["error_code"]) == (status, code)
    assert response.json()["reason"]


def test_a_truncated_upload_is_refused_and_deleted(
    client: httpx.Client, videos: dict[str, Path], uploads: Path
) -> None:
    response = client.post("/check", files={"file": videos["upload"].read_bytes()[:-2000]})
    assert (response.status_code, response.json()["error_code"]) == (422, "TRUNCATED")
    assert not list(uploads.iterdir())


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer other", f"Basic {TOKEN}"])
def test_a_request_without_the_token_is_refused(header: str, client: httpx.Client, videos: dict[str, Path]) -> None:
    response = client.post("/check", data={"uri": str(videos["upload"])}, headers={"Authorization": header})
    assert (response.status_code, response.headers["WWW-Authenticate"]) == (401, "Bearer")


def test_another_method_or_path_is_refused_in_the_same_format(client: httpx.Client) -> None:
    assert (client.get("/check").status_code, client.get("/check").headers["Allow"]) == (405, "POST")
    assert client.get("/none").json() == {"error_code": "NOT_FOUND", "reason": "Not Found"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "method", "mode"),
    [
        ("/check", "POST", GenerationMode.POSITIVE),
        ("/check", "POST", GenerationMode.NEGATIVE),
        ("/healthz", "GET", GenerationMode.POSITIVE),
    ],
)
def test_the_service_conforms_to_its_description(
    path: str, method: str, mode: GenerationMode, client: httpx.Client
) -> None:
    """Schemathesis sends requests that the OpenAPI description allows, and requests that it does not."""
    operation = schemathesis.openapi.from_url(f"{client.base_url}/openapi.json")[path][method]
    # The description allows random bytes. They are not a video, so the service refuses them correctly.
    excluded = [CHECKS.get_one("positive_data_acceptance")]

    @settings(max_examples=40, suppress_health_check=list(HealthCheck), derandomize=True, database=None)
    @given(case=operation.as_strategy(mode))
    def check_conformance(case: schemathesis.Case) -> None:
        case.call_and_validate(headers=AUTHORISED, excluded_checks=excluded)

    check_conformance()
