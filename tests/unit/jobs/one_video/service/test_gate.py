"""The gate accepts or refuses requests before the application receives them."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from jobs.one_video.service.gate import Gate
from jobs.one_video.service.problems import ProblemError


class Application:
    """An application that reads the body, then waits until it may answer."""

    def __init__(self) -> None:
        self.may_answer = asyncio.Event()
        self.bodies: list[bytes] = []

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        del scope
        body = b""
        while True:
            message = await receive()
            body += message["body"]
            if not message["more_body"]:
                break
        self.bodies.append(body)
        await self.may_answer.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})


async def ask(
    gate: Gate, chunks: list[bytes], headers: dict[str, str] | None = None, path: str = "/check", method: str = "POST"
) -> Any:
    """Send chunks, then nothing; return (status, headers, body) of the answer."""
    scope = {"type": "http", "path": path, "method": method}
    scope |= {"headers": [(name.encode(), value.encode()) for name, value in (headers or {}).items()]}
    waiting = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    if waiting:
        waiting[-1]["more_body"] = False
    answer: dict[str, Any] = {"body": b""}

    async def receive() -> Any:
        if not waiting:
            await asyncio.sleep(3600)
        return waiting.pop(0)

    async def send(message: Any) -> None:
        answer.update(message | {"body": answer["body"] + message.get("body", b"")})

    await gate(scope, receive, send)
    return answer["status"], dict(answer["headers"]), answer["body"]


def make_gate(application: Application, **changed: Any) -> Gate:
    return Gate(
        application, **({"token": None, "max_requests": 2, "max_body_bytes": 10, "stall_seconds": 0.05} | changed)
    )


def test_a_request_beyond_the_limit_gets_503() -> None:
    async def run() -> Any:
        application = Application()
        gate = make_gate(application)
        first = [asyncio.create_task(ask(gate, [b"a"])) for _ in range(2)]
        await asyncio.sleep(0.01)
        refused = await ask(gate, [b"a"])
        application.may_answer.set()
        return refused, [await task for task in first], await ask(gate, [b"a"])

    refused, first, later = asyncio.run(run())
    assert (refused[0], refused[1][b"retry-after"]) == (503, b"2")
    assert json.loads(refused[2])["error_code"] == "BUSY"
    assert [answer[0] for answer in (*first, later)] == [200, 200, 200]


def test_a_body_of_unknown_length_is_refused_when_it_grows_too_large() -> None:
    application = Application()
    with pytest.raises(ProblemError, match="at most 10 bytes") as caught:
        asyncio.run(ask(make_gate(application), [b"12345678", b"901"]))
    assert (caught.value.status_code, application.bodies) == (413, [])


@pytest.mark.parametrize(
    ("length", "status"), [("11", 413), ("1" + "0" * 5000, 413), ("ten", 400), ("-1", 400), ("+5", 400), ("", 400)]
)
def test_a_length_that_is_too_large_or_invalid_is_refused_unread(length: str, status: int) -> None:
    application = Application()
    answer = asyncio.run(ask(make_gate(application), [b""], {"content-length": length}))
    assert (answer[0], answer[1][b"connection"]) == (status, b"close")
    assert application.bodies == []


def test_a_body_that_pauses_for_too_long_is_refused() -> None:
    with pytest.raises(ProblemError, match=r"no data arrived for 0\.05 seconds") as caught:
        asyncio.run(ask(make_gate(Application()), []))
    assert caught.value.status_code == 408


def test_a_body_that_comes_too_slowly_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pause is too long, but each byte would take a place for as long as the client likes."""
    monkeypatch.setattr("jobs.one_video.service.gate._MIN_BYTES_PER_SECOND", 100)

    async def run() -> None:
        async def receive() -> Any:
            await asyncio.sleep(0.03)
            return {"type": "http.request", "body": b"a", "more_body": True}

        scope = {"type": "http", "path": "/check", "method": "POST", "headers": []}
        await make_gate(Application(), max_body_bytes=1000)(scope, receive, receive)

    with pytest.raises(ProblemError, match="less than 100 bytes per second") as caught:
        asyncio.run(asyncio.wait_for(run(), 20))
    assert caught.value.status_code == 408


FORM = {"content-length": "5", "content-type": "Application/X-WWW-Form-URLEncoded; charset=utf-8"}


@pytest.mark.parametrize(
    ("changed", "status", "named"),
    [
        ({}, 200, None),
        ({"content-type": "multipart/form-data;boundary=b"}, 200, None),
        ({"content-encoding": "identity"}, 200, None),
        ({"content-type": "application/json"}, 415, b"accept"),
        ({"content-type": "text/plain, multipart/form-data"}, 415, b"accept"),
        ({"content-type": ""}, 415, b"accept"),
        ({"content-encoding": "gzip"}, 415, b"accept-encoding"),
    ],
)
def test_a_body_that_is_not_a_plain_form_is_refused(changed: dict[str, str], status: int, named: bytes | None) -> None:
    application = Application()
    application.may_answer.set()
    answer = asyncio.run(ask(make_gate(application), [b"uri=a"], FORM | changed))
    assert answer[0] == status
    assert named is None or named in answer[1]


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("Bearer s3cret~", 200), ("bearer s3cret~", 200), ("BEARER   s3cret~ ", 200), ("Bearer s3cret", 401),
        ("Bearers3cret~", 401), ("Basic s3cret~", 401), ("Bearer S3CRET~", 401), ("Bearer", 401), ("", 401),
        ("Bearer s3cret~ x", 401), ("Bearer s3cret~, Bearer s3cret~", 401), ("Bearer s3cret\u00e9", 401),
    ],
)  # fmt: skip
def test_the_name_of_the_scheme_has_no_case_but_the_token_has(header: str, status: int) -> None:
    application = Application()
    application.may_answer.set()
    gate = make_gate(application, token="s3cret~")  # noqa: S106
    assert asyncio.run(ask(gate, [b""], {"authorization": header}))[0] == status


def test_two_tokens_are_refused() -> None:
    scope = {"type": "http", "path": "/check", "method": "POST", "headers": [(b"authorization", b"Bearer a")] * 2}
    answers: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        answers.append(message)

    asyncio.run(make_gate(Application(), token="a")(scope, receive, send))  # noqa: S106
    assert answers[0]["status"] == 400


def test_only_requests_that_may_upload_need_the_token() -> None:
    async def run() -> list[int]:
        application = Application()
        application.may_answer.set()
        gate = make_gate(application, token="secret")  # noqa: S106
        right = {"authorization": "Bearer secret"}
        asked = [
            await ask(gate, [b""]),
            await ask(gate, [b""], right),
            await ask(gate, [b""], path="/check\n"),  # the router takes it for /check
            await ask(gate, [b""], path="/healthz", method="GET"),
        ]
        return [answer[0] for answer in asked]

    assert asyncio.run(run()) == [401, 200, 401, 200]
