"""Faults of an object store, injected between a client and a real server, and a record of its requests."""

from __future__ import annotations

import socket
import struct
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    # Answers a request in place of the server, which is passed too.
    Fault = Callable[[WSGIApplication, WSGIEnvironment, StartResponse], Iterable[bytes]]


@dataclass
class _Rule:
    """A fault of the requests with a method whose path ends with a text. `times` counts down; None is without end."""

    fault: Fault
    methods: tuple[str, ...]
    path_end: str
    times: int | None

    def applies(self, method: str, path: str) -> bool:
        return self.times != 0 and method in self.methods and path.endswith(self.path_end)


class Faults:
    """The faults of a server. Pass `wrap` to `run_object_store`.

    Attributes:
        requests: method, path and query of each request so far, as `GET /bucket/a.mp4?query`.
    """

    def __init__(self) -> None:
        self.requests: list[str] = []
        self._rules: list[_Rule] = []
        self._lock = threading.Lock()

    def inject(
        self, fault: Fault, path_end: str, *, methods: tuple[str, ...] = ("GET",), times: int | None = None
    ) -> None:
        """Answer the requests whose path ends with `path_end` by a fault; None repeats it until `clear`."""
        self._rules.append(_Rule(fault, methods, path_end, times))

    def clear(self) -> None:
        """Remove all faults, and forget the requests."""
        self._rules.clear()
        self.requests.clear()

    def count(self, method: str, path_end: str) -> int:
        """Return the number of requests with a method whose path ends with a text."""
        paths = (request.split("?")[0] for request in self.requests)
        return sum(path.startswith(f"{method} ") and path.endswith(path_end) for path in paths)

    def wrap(self, app: WSGIApplication) -> WSGIApplication:
        """Return a server with these faults."""

        def serve(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
            with self._lock:
                self.requests.append(f"{method} {path}?{environ['QUERY_STRING']}")
                rule = next((rule for rule in self._rules if rule.applies(method, path)), None)
                if rule is not None and rule.times is not None:
                    rule.times -= 1
            return rule.fault(app, environ, start_response) if rule else app(environ, start_response)

        return serve


def refuse(status: str, code: str) -> Fault:
    """Return a fault that answers with an error of S3, such as ("503 Slow Down", "SlowDown")."""

    def answer(_app: WSGIApplication, _environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>injected</Message></Error>".encode()
        start_response(status, [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
        return [body]

    return answer


def delay(seconds: float) -> Fault:
    """Return a fault that waits before the server answers."""

    def answer(app: WSGIApplication, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        time.sleep(seconds)
        return app(environ, start_response)

    return answer


def first_do(act: Callable[[], Any]) -> Fault:
    """Return a fault that does something, such as replacing the object, before the server answers."""

    def answer(app: WSGIApplication, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        act()
        return app(environ, start_response)

    return answer


def cut_body(app: WSGIApplication, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Send half of the body after the headers of all of it, and close the connection."""
    body = b"".join(app(environ, start_response))
    yield body[: len(body) // 2]


def reset_body(app: WSGIApplication, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Send half of the body, and reset the connection."""
    yield from cut_body(app, environ, start_response)
    connection: socket.socket = environ["werkzeug.socket"]
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def page_at_two_keys(app: WSGIApplication, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """List at most two keys a page. Other requests are unchanged."""
    query = dict(parse_qsl(environ["QUERY_STRING"], keep_blank_values=True))
    if "prefix" in query:
        environ["QUERY_STRING"] = urlencode(query | {"max-keys": "2"})
    return app(environ, start_response)
