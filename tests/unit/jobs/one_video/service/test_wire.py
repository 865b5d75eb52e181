"""The service over real connections: bodies that are too large, too slow, of another form, or that never come."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

import pytest

from jobs.one_video.service.app import ServiceLimits
from tests.support.limits import PROCESS_SECONDS
from tests.support.service import run_service

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LIMITS = ServiceLimits(num_at_once=1, max_upload_bytes=200_000, time_limit_seconds=1.0)
FORM = b"Content-Type: multipart/form-data; boundary=b\r\n"
FILE = b'--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'
RIGHT = b"Authorization: bearer secret\r\n"


@pytest.fixture(scope="module")
def port(indexed_lake: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    uploads = tmp_path_factory.mktemp("uploads")
    with run_service(indexed_lake, uploads, LIMITS, "secret") as listening:
        yield listening


def talk(port: int, *parts: bytes) -> tuple[int, bytes]:
    """Send parts of a request; return the status and all bytes until the service closes or is done."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
        for part in parts:
            client.sendall(part)
        answer = b""
        while chunk := client.recv(65536):
            answer += chunk
    return int(answer.split(b" ", 2)[1]), answer


def start(line: str, *headers: bytes) -> bytes:
    return line.encode() + b" HTTP/1.1\r\nHost: x\r\n" + b"".join(headers) + b"\r\n"


def test_a_chunked_body_that_grows_too_large_gets_413(port: int) -> None:
    chunk = b"10000\r\n" + bytes(65536) + b"\r\n"
    head = start("POST /check", RIGHT, FORM, b"Transfer-Encoding: chunked\r\n")
    status, answer = talk(port, head, b"%x\r\n" % len(FILE) + FILE + b"\r\n", *[chunk] * 12)
    assert (status, b'"TOO_LARGE"' in answer, b"connection: close" in answer) == (413, True, True)


def test_a_body_that_stops_gets_408(port: int) -> None:
    status, answer = talk(port, start("POST /check", RIGHT, FORM, b"Content-Length: 5000\r\n"), FILE)
    assert (status, b'"UPLOAD_TOO_SLOW"' in answer, b"connection: close" in answer) == (408, True, True)


@pytest.mark.parametrize(
    ("line", "headers", "status", "named"),
    [
        ("POST /check", [FORM, b"Content-Length: 900000\r\n"], 401, b"www-authenticate: Bearer"),
        ("POST /check", [RIGHT, FORM, b"Content-Length: 900000\r\nExpect: 100-continue\r\n"], 413, b"TOO_LARGE"),
        ("POST /check%0A", [FORM, b"Content-Length: 0\r\n"], 401, b"www-authenticate: Bearer"),
        ("POST /check/", [RIGHT, FORM, b"Content-Length: 0\r\nConnection: close\r\n"], 404, b"NOT_FOUND"),
        ("POST /check", [RIGHT, b"Content-Type: application/json\r\nContent-Length: 2\r\n"], 415, b"accept: multipart"),
        ("POST /check", [RIGHT, RIGHT, FORM, b"Content-Length: 2\r\n"], 400, b"one header Authorization"),
        ("POST /check", [RIGHT, b"Content-Length: 0\r\nConnection: close\r\n"], 422, b"either file or uri"),
        ("HEAD /healthz", [b"Connection: close\r\n"], 200, b"content-type: application/json"),
        ("HEAD /check", [b"Connection: close\r\n"], 405, b"allow: POST"),
        ("DELETE /healthz", [RIGHT], 405, b"allow: GET, HEAD"),
        ("POST /check", [RIGHT, FORM, b"Content-Length: 5\r\nContent-Length: 6\r\n"], 400, b"Invalid HTTP request"),
    ],
)
def test_a_request_is_refused_from_its_headers(
    line: str, headers: list[bytes], status: int, named: bytes, port: int
) -> None:
    found, answer = talk(port, start(line, *headers))
    assert (found, named in answer) == (status, True), answer
    assert b"100 Continue" not in answer
    assert not (line.startswith("HEAD") and answer.split(b"\r\n\r\n", 1)[1])


@pytest.mark.parametrize(
    "body",
    [
        b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--\r\n",
        b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\nno file\r\n--b--\r\n',
        b'--b\r\nContent-Disposition: form-data; name="uri"\r\n\r\n/a\x00b\r\n--b--\r\n',
        b'--b\r\nContent-Disposition: form-data; name="uri"\r\n\r\n' + b"a" * 9000 + b"\r\n--b--\r\n",
        b'--b\r\nContent-Disposition: form-data; name="uri"\r\n\r\nhalf',
        b"no boundary",
        b"--b--\r\n",
        FILE + b"\r\n--b\r\n" + FILE.split(b"\r\n", 1)[1] + b"\r\n--b--\r\n",
    ],
)
def test_an_unusual_form_is_refused_with_a_reason(body: bytes, port: int) -> None:
    head = start("POST /check", RIGHT, FORM, b"Connection: close\r\nContent-Length: %d\r\n" % len(body))
    status, answer = talk(port, head, body)
    assert 400 <= status < 500, answer
    assert b'"error_code"' in answer


def test_a_client_that_leaves_does_no_harm(port: int) -> None:
    for _ in range(20):  # more than may wait
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(start("POST /check", RIGHT, FORM, b"Content-Length: 5000\r\n") + FILE)
    body = b"--b--\r\n"
    head = start("POST /check", RIGHT, FORM, b"Connection: close\r\nContent-Length: %d\r\n" % len(body))
    deadline = time.monotonic() + PROCESS_SECONDS
    while (status := talk(port, head, body)[0]) == 503 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert status == 422
