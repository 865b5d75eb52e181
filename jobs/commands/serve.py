"""`ndvr serve`: the one-video check as a small service."""

from __future__ import annotations

import ipaddress
import os
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jobs.commands import options
from jobs.commands.command_line import Command, run_command, show_examples
from jobs.config.loading import load_config
from jobs.errors import UsageError
from jobs.lake.location import absolute

if TYPE_CHECKING:
    from types import FrameType

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
TOKEN_VARIABLE = "NDVR_TOKEN"  # noqa: S105 -- the name of a variable
_GRACE_SECONDS = 10


@app.command(
    cls=Command,
    epilog=show_examples(
        "ndvr serve --lake /data/lake",
        "NDVR_TOKEN=... ndvr serve --lake /data/lake --host 0.0.0.0 --root /incoming",
    ),
)
def serve(  # noqa: PLR0913, PLR0917 - each option of the command line is one
    lake: options.IndexedLakeOption,
    config: options.IndexedConfigOption = None,
    host: Annotated[str, typer.Option(help="Address to listen at; any but loopback needs a token.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8080,
    root: Annotated[
        list[str] | None,
        typer.Option(help="Folder or URI that may be read, beside manifest.roots; repeat it for more."),
    ] = None,
    at_once: Annotated[int, typer.Option(min=1, help="Videos that are checked at a time.")] = 2,
    max_upload_mb: Annotated[int, typer.Option(min=1, help="Largest upload, in MB.")] = 2048,
    time_limit_seconds: Annotated[float, typer.Option(min=0.1, help="Seconds that one check may take.")] = 60.0,
) -> None:
    """Answer over HTTP whether the lake has a video's footage already.

    `POST /check` takes a form with `file` (an upload) or `uri` (below the roots) and answers as `ndvr query --json`;
    `GET /healthz` tells which index answers; `/docs` describes both. A new index is opened when a night has published
    it. SIGTERM lets what is being answered end. Where the environment has NDVR_TOKEN, `/check` wants it as a bearer
    token.

    Exit codes: 0 stopped; 2 bad usage, or no index there; 3 index and model do not belong together.
    """
    _check_packages()
    import uvicorn

    from jobs.one_video.checker import Checker
    from jobs.one_video.service.app import Service, ServiceLimits, make_app

    token = _read_token(host)
    settings = None if config is None else load_config(config)
    limits = ServiceLimits(at_once, max_upload_mb * 1_000_000, time_limit_seconds)
    with tempfile.TemporaryDirectory(prefix="ndvr-serve-") as uploads:
        roots = (uploads, *map(absolute, root or ()))
        checker = Checker(
            absolute(lake), settings, roots=roots, num_at_once=at_once, time_limit_seconds=time_limit_seconds
        )
        service = Service(checker, Path(uploads), limits)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _stay)  # uvicorn raises them once more after it has stopped
        uvicorn.run(
            make_app(service, limits, token),
            host=host,
            port=port,
            log_level="info",
            timeout_graceful_shutdown=int(time_limit_seconds) + _GRACE_SECONDS,
        )


def _check_packages() -> None:
    """Raise UsageError where the extra `serve` is not installed."""
    try:
        import fastapi  # noqa: F401
        import python_multipart  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise UsageError(f"serve needs packages that are not installed: pip install ndvr[serve] ({error})") from error


def _read_token(host: str) -> str | None:
    """Return the token that is asked for; None where there is none and nobody else can reach the service."""
    token = os.environ.get(TOKEN_VARIABLE) or None
    if token is None and not _is_loopback(host):
        raise UsageError(f"--host {host}: others can reach it, so set {TOKEN_VARIABLE}; only loopback goes without")
    return token


def _stay(number: int, frame: FrameType | None) -> None:
    """Do nothing: the end is uvicorn's to arrange."""
    del number, frame


def _is_loopback(host: str) -> bool:
    """Tell whether an address is reached from this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def main() -> int:
    """Run the command line and return the exit code."""
    return run_command(app)
