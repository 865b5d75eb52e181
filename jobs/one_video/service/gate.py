"""Checks a request before its body is stored: token, number of requests, size and upload speed."""

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
    """ASGI middleware for the path of uploads. Needed because FastAPI reads a body before it runs any dependency.

    Args:
        app: the application that gets accepted requests.
        token: bearer token that a request must have; None accepts every request.
        max_requests: requests at once; further ones get status 503.
        max_body_bytes: size of a request body.
        stall_seconds: longest pause in a body.
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
        """Pass a request on, or answer it with a problem."""
        if scope["type"] != "http" or scope["path"] != CHECK_PATH or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        try:
            self._check_headers(dict(scope["headers"]))
        except ProblemError as error:
            response = JSONResponse(error.problem.model_dump(), error.status, error.headers)
            await response(scope, receive, send)
            return
        self._num_requests += 1
        try:
            await self._app(scope, self._limit_body(receive), send)
        finally:
            self._num_requests -= 1

    def _check_headers(self, headers: dict[bytes, bytes]) -> None:
        """Raise a problem if the headers violate a rule, or if too many requests are waiting."""
        expected = None if self._token is None else b"Bearer " + self._token.encode()
        if expected is not None and not secrets.compare_digest(headers.get(b"authorization", b""), expected):
            raise ProblemError(401, "send the header Authorization: Bearer with the token of the service")
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or int(length) > self._max_body_bytes:
            self._refuse_size()
        if self._num_requests >= self._max_requests:
            raise ProblemError(503, f"{self._num_requests} requests are already waiting; try again later")

    def _limit_body(self, receive: Receive) -> Receive:
        """Wrap `receive` so that it enforces the size and the longest pause of a body."""
        num_bytes = 0
        is_whole = False

        async def receive_some() -> Message:
            nonlocal num_bytes, is_whole
            if is_whole:
                return await receive()  # waits until the client disconnects
            try:
                async with asyncio.timeout(self._stall_seconds):
                    message = await receive()
            except TimeoutError as error:
                raise ProblemError(408, f"no data arrived for {self._stall_seconds:g} seconds") from error
            num_bytes += len(message.get("body", b""))
            is_whole = not message.get("more_body", False)
            if num_bytes > self._max_body_bytes:
                self._refuse_size()
            return message

        return receive_some

    def _refuse_size(self) -> None:
        raise ProblemError(413, f"a request may have at most {self._max_body_bytes} bytes")
