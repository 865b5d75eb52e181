"""Logs each request with its status, duration and verdict."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from jobs.contracts.run_log import log

if TYPE_CHECKING:
    from jobs.one_video.service.asgi import ASGIApp, Message, Receive, Scope, Send

_STATE = "state"
_NOTES = "log_notes"
_FAULT = 500
"""The status that the server answers if the application raises."""


def note_in_log(scope: Scope, **fields: object) -> None:
    """Add fields to the log line of a request; those that are None are left out."""
    notes = scope.setdefault(_STATE, {}).setdefault(_NOTES, {})
    notes.update({name: value for name, value in fields.items() if value is not None})


class RequestLog:
    """ASGI middleware that writes one event per HTTP request after its response.

    The event has `client`, `method`, `path`, `status` (null if the client left before the response), `seconds` from the
    headers of the request to the end of the response, and the fields of `note_in_log`.

    Args:
        app: the application that answers.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and log it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.monotonic()
        status: int | None = None
        note_in_log(scope)  # so that copies of the scope share the notes

        async def send_on(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_on)
        except Exception:
            status = status or _FAULT
            note_in_log(scope, error_code="INTERNAL_ERROR")
            raise
        finally:
            log.info(
                "request",
                client=(scope.get("client") or [None])[0],
                method=scope["method"],
                path=scope["path"],
                status=status,
                seconds=round(time.monotonic() - started, 6),
                **scope[_STATE][_NOTES],
            )
