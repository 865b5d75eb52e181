"""The REST interface of Qdrant over its embedded engine, because PyPI and Debian have no Qdrant server."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any

from qdrant_client import QdrantClient, models

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_DONE = {"operation_id": 0, "status": "completed"}


@dataclass
class Database:
    """The server, as tests use it.

    Attributes:
        url: URL of the server.
        api_key: key that requests must have.
        engine: the embedded engine.
        written: ids of the points in each request that wrote points.
        is_broken: whether writing fails.
    """

    url: str
    api_key: str
    engine: QdrantClient
    written: list[list[str]] = field(default_factory=list)
    is_broken: bool = False

    def answer(self, method: str, path: str, body: dict[str, Any]) -> Any:
        """Answer a request; KeyError if it is unknown."""
        _, _, name, *rest = path.split("/", 3)
        engine = self.engine
        answers: dict[tuple[str, str], Callable[[], Any]] = {
            ("GET", "exists"): lambda: {"exists": engine.collection_exists(name)},
            ("GET", ""): lambda: engine.get_collection(name),
            ("PUT", ""): lambda: engine.create_collection(name, models.VectorParams(**body["vectors"])),
            ("PUT", "index"): lambda: {"operation_id": 0, "status": "completed"},
            ("PUT", "points"): lambda: self._write(name, [models.PointStruct(**point) for point in body["points"]]),
            ("POST", "points"): lambda: engine.retrieve(name, body["ids"]),
            ("POST", "points/count"): lambda: engine.count(name, models.Filter(**(body.get("filter") or {}))),
            ("POST", "points/scroll"): lambda: self._scroll(name, body["limit"], body.get("offset")),
            ("POST", "points/delete"): lambda: engine.delete(name, models.PointIdsList(points=body["points"])),
        }
        return answers[method, "".join(rest)]()

    def _write(self, name: str, points: list[models.PointStruct]) -> Any:
        if self.is_broken:
            raise OSError("no space left on device")
        self.written.append([str(point.id) for point in points])
        return self.engine.upsert(name, points)

    def _scroll(self, name: str, limit: int, offset: Any) -> Any:
        records, after = self.engine.scroll(name, limit=limit, offset=offset)
        return {"points": records, "next_page_offset": after}


@contextmanager
def serve_qdrant(api_key: str) -> Iterator[Database]:
    """Serve an empty database on a free port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        def _respond(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.headers.get("api-key") != api_key:
                self._send(401, {"status": {"error": "Must provide an API key"}})
                return
            try:
                result = database.answer(self.command, self.path.partition("?")[0], json.loads(body or "{}"))
            except OSError as error:
                self._send(500, {"status": {"error": str(error)}})
            else:
                self._send(200, {"result": _as_json(result), "status": "ok", "time": 0.0})

        do_GET = do_PUT = do_POST = _respond  # noqa: N815 - the names that BaseHTTPRequestHandler looks for

        def _send(self, status: int, content: dict[str, Any]) -> None:
            text = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    database = Database(f"http://127.0.0.1:{server.server_port}", api_key, QdrantClient(":memory:"))
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield database
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        database.engine.close()


def _as_json(result: Any) -> Any:
    if isinstance(result, dict):
        return {name: _as_json(value) for name, value in result.items()}
    if isinstance(result, list):
        return [_as_json(value) for value in result]
    return result.model_dump(mode="json") if hasattr(result, "model_dump") else result
