"""An S3 server in its own process, behind a link with a latency and a bandwidth. It counts requests and bytes."""

from __future__ import annotations

import json
import multiprocessing
import threading
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.support.object_store import ObjectStore, run_object_store

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from multiprocessing.connection import Connection
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

_TRAFFIC_PATH = "/-/traffic"
_CHUNK_BYTES = 256 * 1024


@dataclass
class Traffic:
    """What clients asked of a server.

    Attributes:
        requests: number of requests by kind: HEAD, GET, LIST and others.
        sent_bytes: bytes of the bodies of objects that were sent.
    """

    requests: dict[str, int] = field(default_factory=dict)
    sent_bytes: int = 0

    def __str__(self) -> str:
        """For example `1 HEAD + 2 GET`."""
        return " + ".join(f"{count} {kind}" for kind, count in sorted(self.requests.items(), reverse=True))


class _Link:
    """Delays each request by the latency, and sends all bodies together at the bandwidth."""

    def __init__(self, app: WSGIApplication, latency_seconds: float, bytes_per_second: float) -> None:
        self._app = app
        self._latency_seconds = latency_seconds
        self._bytes_per_second = bytes_per_second
        self._traffic = Traffic()
        self._free_at = 0.0
        self._lock = threading.Lock()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] == _TRAFFIC_PATH:
            start_response("200 OK", [("Content-Type", "application/json")])
            with self._lock:
                traffic, self._traffic = self._traffic, Traffic()
            return [json.dumps(vars(traffic)).encode()]
        method = environ["REQUEST_METHOD"]
        kind = "LIST" if method == "GET" and "prefix=" in environ["QUERY_STRING"] else method
        with self._lock:
            self._traffic.requests[kind] = self._traffic.requests.get(kind, 0) + 1
        time.sleep(self._latency_seconds)
        return self._send(self._app(environ, start_response), is_object=kind == "GET")

    def _send(self, body: Iterable[bytes], *, is_object: bool) -> Iterator[bytes]:
        for part in body:
            for begin in range(0, len(part), _CHUNK_BYTES):
                chunk = part[begin : begin + _CHUNK_BYTES]
                with self._lock:
                    self._free_at = max(self._free_at, time.monotonic()) + len(chunk) / self._bytes_per_second
                    wait_seconds = self._free_at - time.monotonic()
                    self._traffic.sent_bytes += len(chunk) if is_object else 0
                time.sleep(max(0.0, wait_seconds))
                yield chunk


class DistantStore(ObjectStore):
    """A server behind a link."""

    def take_traffic(self) -> Traffic:
        """Return the traffic since the last call."""
        with urllib.request.urlopen(self.endpoint + _TRAFFIC_PATH) as answer:  # noqa: S310 - of this machine
            return Traffic(**json.load(answer))


@contextmanager
def run_distant_store(latency_seconds: float, bytes_per_second: float) -> Iterator[DistantStore]:
    """Run a server during the block. Its process does not share Python's lock with the client.

    Args:
        latency_seconds: added to each request.
        bytes_per_second: of all bodies together.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, latency_seconds, bytes_per_second))
    process.start()
    try:
        yield DistantStore(ours.recv())
    finally:
        ours.send(None)
        process.join()


def _serve(connection: Connection[Any, Any], latency_seconds: float, bytes_per_second: float) -> None:
    with run_object_store(lambda app: _Link(app, latency_seconds, bytes_per_second)) as store:
        connection.send(store.endpoint)
        connection.recv()
