"""What a request has to pass before anything of its body is kept: token, room, size and pace."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

from fastapi.responses import JSONResponse

from jobs.one_video.service.problems import ProblemError

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
ASGIApp: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]
CHECK_PATH = "/check"


class Gate:
    """ASGI middleware around the path that takes uploads. FastAPI reads a body before it runs any dependency.

    Args:
        app: what is behind the gate.
        token: that `Authorization: Bearer` must carry; None lets everybody in.
        max_requests: at a time; more are told to come again.
        max_body_bytes: of a request.
        stall_seconds: that a body may stand still.
    """

    def __init__(
        self, app: ASGIApp, *, token: str | None, max_requests: int, max_body_bytes: int, stall_seconds: float
    ) -> None:
        self._app = app
        self._token = token
        self._max_requests = max_requests
        self._max_body_bytes = max_body_bytes
        self._stall_seconds = stall_seconds
        self._num_requests = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request pass, or end it with a problem."""
        if scope["type"] != "http" or scope["path"] != CHECK_PATH or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        try:
            self._look_at(dict(scope["headers"]))
        except ProblemError as error:
            response = JSONResponse(error.problem.model_dump(), error.status, error.headers)
            await response(scope, receive, send)
            return
        self._num_requests += 1
        try:
            await self._app(scope, self._limit(receive), send)
        finally:
            self._num_requests -= 1

    def _look_at(self, headers: dict[bytes, bytes]) -> None:
        """Raise a problem that the headers show already, or that there is no room."""
        expected = None if self._token is None else b"Bearer " + self._token.encode()
        if expected is not None and not secrets.compare_digest(headers.get(b"authorization", b""), expected):
            raise ProblemError(401, "send the header Authorization: Bearer with the token of the service")
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or int(length) > self._max_body_bytes:
            self._refuse_size()
        if self._num_requests >= self._max_requests:
            raise ProblemError(503, f"{self._num_requests} requests wait already")

    def _limit(self, receive: Receive) -> Receive:
        """Count what comes in, and watch that it keeps coming."""
        num_bytes = 0
        is_whole = False

        async def receive_some() -> Message:
            nonlocal num_bytes, is_whole
            if is_whole:
                return await receive()  # which waits for the client to go away
            try:
                async with asyncio.timeout(self._stall_seconds):
                    message = await receive()
            except TimeoutError as error:
                raise ProblemError(408, f"nothing came for {self._stall_seconds:g} seconds") from error
            num_bytes += len(message.get("body", b""))
            is_whole = not message.get("more_body", False)
            if num_bytes > self._max_body_bytes:
                self._refuse_size()
            return message

        return receive_some

    def _refuse_size(self) -> None:
        raise ProblemError(413, f"a request may have {self._max_body_bytes} bytes at most")
