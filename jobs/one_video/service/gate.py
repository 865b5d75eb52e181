"""Checks a request before its body is stored: token, form, number of requests, size and upload speed."""

from __future__ import annotations

import asyncio
import secrets
import time
from typing import TYPE_CHECKING

from jobs.one_video.service.problems import ProblemError
from jobs.one_video.service.request_log import note_in_log

if TYPE_CHECKING:
    from jobs.one_video.service.asgi import ASGIApp, Message, Receive, Scope, Send

CHECK_PATH = "/check"
_OPEN_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_FORM_TYPES = ("multipart/form-data", "application/x-www-form-urlencoded")
_MAX_LENGTH_DIGITS = 18
_MIN_BYTES_PER_SECOND = 1000
"""A body may take `stall_seconds`, and one second more for each of these bytes: one byte at a time holds no place."""
_LINGER_SECONDS = 5.0
"""How long the rest of a refused body is read. A socket that closes with unread data loses the response."""


class Gate:
    """ASGI middleware for all requests that may upload. Needed because FastAPI reads a body before any dependency.

    It covers all paths: a path that the gate compared could be written in another way that the router also accepts.

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
        if scope["type"] != "http" or scope["method"] in _OPEN_METHODS:
            # The server sends no body in response to HEAD.
            await self._app({**scope, "method": "GET"} if scope.get("method") == "HEAD" else scope, receive, send)
            return
        body = _Body(receive, self._max_body_bytes, self._stall_seconds)
        response = _Response(send, body)
        try:
            self._check_headers(scope["headers"])
        except ProblemError as error:
            note_in_log(scope, error_code=error.problem.error_code)
            await error.respond()(scope, receive, response.send)
            return
        self._num_requests += 1
        try:
            await self._app(scope, body.receive, response.send)
        finally:
            self._num_requests -= 1

    def _check_headers(self, headers: list[tuple[bytes, bytes]]) -> None:
        """Raise a problem if the headers violate a rule, or if too many requests are waiting."""
        self._check_token(_get_all(headers, b"authorization"))
        length = next(iter(_get_all(headers, b"content-length")), b"0")
        if not length.isdigit():
            raise ProblemError(400, "Content-Length must be a number of bytes")
        if len(length.lstrip(b"0")) > _MAX_LENGTH_DIGITS or int(length) > self._max_body_bytes:
            raise _make_too_large(self._max_body_bytes)
        if int(length) or _get_all(headers, b"transfer-encoding"):
            _check_form(headers)
        if self._num_requests >= self._max_requests:
            raise ProblemError(503, f"{self._num_requests} requests are already waiting; try again later")

    def _check_token(self, given: list[bytes]) -> None:
        """Raise a problem if the request does not have the token. The name of the scheme has no case (RFC 9110)."""
        if self._token is None:
            return
        if len(given) > 1:
            raise ProblemError(400, f"send one header Authorization, got {len(given)}")
        scheme, _, token = (given or [b""])[0].strip().partition(b" ")
        is_right = secrets.compare_digest(token.strip(b" "), self._token.encode())
        if scheme.lower() != b"bearer" or not is_right:
            raise ProblemError(401, "send the header Authorization: Bearer with the token of the service")


class _Body:
    """Receives a body and enforces its size, its longest pause and its speed."""

    def __init__(self, receive: Receive, max_bytes: int, stall_seconds: float) -> None:
        self._receive = receive
        self._max_bytes = max_bytes
        self._stall_seconds = stall_seconds
        self._started = time.monotonic()
        self._num_bytes = 0
        self.is_whole = False

    async def receive(self) -> Message:
        """Return the next message.

        Raises:
            ProblemError: the body is too large or too slow.
        """
        if self.is_whole:
            return await self._receive()  # waits until the client disconnects
        spent = time.monotonic() - self._started
        allowed = self._stall_seconds + self._num_bytes / _MIN_BYTES_PER_SECOND
        try:
            async with asyncio.timeout(max(0.0, min(self._stall_seconds, allowed - spent))):
                message = await self._receive()
        except TimeoutError as error:
            is_slow = allowed - spent < self._stall_seconds
            reason = (
                f"less than {_MIN_BYTES_PER_SECOND} bytes per second arrived"
                if is_slow and self._num_bytes
                else f"no data arrived for {self._stall_seconds:g} seconds"
            )
            raise ProblemError(408, reason) from error
        self._note(message)
        if self._num_bytes > self._max_bytes:
            raise _make_too_large(self._max_bytes)
        return message

    async def discard(self) -> None:
        """Read the rest for a few seconds, without keeping it."""
        try:
            async with asyncio.timeout(_LINGER_SECONDS):
                while not self.is_whole:
                    self._note(await self._receive())
        except TimeoutError:
            return

    def _note(self, message: Message) -> None:
        self._num_bytes += len(message.get("body", b""))
        self.is_whole = not message.get("more_body", False)


class _Response:
    """Sends a response. If the body was not read, it asks to close the connection, and waits before it ends.

    The client may still be sending. It would otherwise use the connection again in the middle of the old body.
    """

    def __init__(self, send: Send, body: _Body) -> None:
        self._send = send
        self._body = body

    async def send(self, message: Message) -> None:
        """Send a message of the response."""
        if self._body.is_whole:
            await self._send(message)
        elif message["type"] == "http.response.start":
            await self._send({**message, "headers": [*message.get("headers", []), (b"connection", b"close")]})
        elif message.get("more_body", False):
            await self._send(message)
        else:
            await self._send({**message, "more_body": True})
            await self._body.discard()
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})


def _check_form(headers: list[tuple[bytes, bytes]]) -> None:
    """Raise a problem if a body is not a plain form."""
    encodings = b",".join(_get_all(headers, b"content-encoding")).strip().lower()
    if encodings not in {b"", b"identity"}:
        raise ProblemError(415, "send the form without Content-Encoding", headers={"Accept-Encoding": "identity"})
    types = _get_all(headers, b"content-type")
    media_type = types[0].partition(b";")[0].strip().lower().decode("latin-1") if types else "no Content-Type"
    if media_type not in _FORM_TYPES:
        raise ProblemError(
            415,
            f"send a form ({' or '.join(_FORM_TYPES)}), got {media_type}",
            headers={"Accept": ", ".join(_FORM_TYPES)},
        )


def _get_all(headers: list[tuple[bytes, bytes]], name: bytes) -> list[bytes]:
    """Return the values of all headers of a name, which ASGI has in lower case."""
    return [value for key, value in headers if key == name]


def _make_too_large(max_bytes: int) -> ProblemError:
    return ProblemError(413, f"a request may have at most {max_bytes} bytes")
