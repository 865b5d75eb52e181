"""Runs the service on a free port."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import uvicorn

from jobs.one_video.checker import Checker
from jobs.one_video.service.app import Service, ServiceLimits, make_app

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def run_service(lake: Path, uploads: Path, limits: ServiceLimits, token: str | None, *roots: str) -> Iterator[int]:
    """Run the service in a thread; yield its port."""
    app = make_app(Service(Checker(str(lake), roots=(str(uploads), *roots)), uploads, limits), limits, token)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join()
