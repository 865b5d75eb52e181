"""What the gate lets pass, before the application behind it sees anything."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from jobs.one_video.service.gate import Gate
from jobs.one_video.service.problems import ProblemError


class Behind:
    """An application that reads its body, then waits until it may answer."""

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
    """Send chunks, and then nothing; return (status, headers, body) of the answer."""
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


def make_gate(behind: Behind, **changed: Any) -> Gate:
    return Gate(behind, **({"token": None, "max_requests": 2, "max_body_bytes": 10, "stall_seconds": 0.05} | changed))


def test_a_request_beyond_those_that_may_wait_is_told_to_come_again() -> None:
    async def run() -> Any:
        behind = Behind()
        gate = make_gate(behind)
        first = [asyncio.create_task(ask(gate, [b"a"])) for _ in range(2)]
        await asyncio.sleep(0.01)
        refused = await ask(gate, [b"a"])
        behind.may_answer.set()
        return refused, [await task for task in first], await ask(gate, [b"a"])

    refused, first, later = asyncio.run(run())
    assert (refused[0], refused[1][b"retry-after"]) == (503, b"2")
    assert json.loads(refused[2])["error_code"] == "BUSY"
    assert [answer[0] for answer in (*first, later)] == [200, 200, 200]


def test_a_body_that_grows_too_large_is_cut_off_wherever_its_length_is_not_told() -> None:
    behind = Behind()
    with pytest.raises(ProblemError, match="10 bytes at most") as caught:
        asyncio.run(ask(make_gate(behind), [b"12345678", b"901"]))
    assert (caught.value.status, behind.bodies) == (413, [])


@pytest.mark.parametrize("length", ["11", "ten", "-1"])
def test_a_length_that_is_too_large_or_none_is_refused_unread(length: str) -> None:
    behind = Behind()
    assert asyncio.run(ask(make_gate(behind), [], {"content-length": length}))[0] == 413
    assert behind.bodies == []


def test_a_body_that_stands_still_is_given_up() -> None:
    with pytest.raises(ProblemError, match=r"nothing came for 0\.05 seconds") as caught:
        asyncio.run(ask(make_gate(Behind()), []))
    assert caught.value.status == 408


def test_the_token_is_wanted_for_checks_alone() -> None:
    async def run() -> list[int]:
        behind = Behind()
        behind.may_answer.set()
        gate = make_gate(behind, token="secret")  # noqa: S106
        right = {"authorization": "Bearer secret"}
        asked = [await ask(gate, [b""]), await ask(gate, [b""], right), await ask(gate, [b""], path="/healthz")]
        return [answer[0] for answer in asked]

    assert asyncio.run(run()) == [401, 200, 200]
