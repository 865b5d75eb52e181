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


async def ask(gate: Gate, chunks: list[bytes], headers: dict[str, str] | None = None, path: str = "/check") -> Any:
    """Send chunks, then nothing; return (status, headers, body) of the answer."""
    scope = {"type": "http", "path": path, "method": "POST"}
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
    assert (caught.value.status, application.bodies) == (413, [])


@pytest.mark.parametrize("length", ["11", "ten", "-1"])
def test_a_length_that_is_too_large_or_invalid_is_refused_unread(length: str) -> None:
    application = Application()
    assert asyncio.run(ask(make_gate(application), [], {"content-length": length}))[0] == 413
    assert application.bodies == []


def test_a_body_that_pauses_for_too_long_is_refused() -> None:
    with pytest.raises(ProblemError, match=r"no data arrived for 0\.05 seconds") as caught:
        asyncio.run(ask(make_gate(Application()), []))
    assert caught.value.status == 408


def test_only_checks_need_the_token() -> None:
    async def run() -> list[int]:
        application = Application()
        application.may_answer.set()
        gate = make_gate(application, token="secret")  # noqa: S106
        right = {"authorization": "Bearer secret"}
        asked = [await ask(gate, [b""]), await ask(gate, [b""], right), await ask(gate, [b""], path="/healthz")]
        return [answer[0] for answer in asked]

    assert asyncio.run(run()) == [401, 200, 200]
