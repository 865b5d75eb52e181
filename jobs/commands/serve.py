"""`ndvr serve`: checks one video per HTTP request."""

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
from jobs.contracts.run_log import log_to_stderr
from jobs.errors import UsageError
from jobs.lake.location import absolute

if TYPE_CHECKING:
    from types import FrameType

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
TOKEN_VARIABLE = "NDVR_TOKEN"  # noqa: S105 -- the name of a variable
_GRACE_SECONDS = 10
_FIRST_VISIBLE, _LAST_VISIBLE = "!", "~"
"""The range of ASCII characters that are visible and not a space."""


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
    host: Annotated[str, typer.Option(help="Address to listen on; any but loopback needs a token.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 picks a free one.")] = 8080,
    root: Annotated[
        list[str] | None,
        typer.Option(help="Folder or URI of videos to allow, besides manifest.roots; may be repeated."),
    ] = None,
    at_once: Annotated[int, typer.Option(min=1, help="Videos to check at once.")] = 2,
    max_upload_mb: Annotated[int, typer.Option(min=1, help="Largest upload, in MB.")] = 2048,
    time_limit_seconds: Annotated[float, typer.Option(min=0.1, help="Longest check, in seconds.")] = 60.0,
) -> None:
    """Check over HTTP whether the lake already has a video's footage.

    `POST /check` accepts a form with `file` (an upload) or `uri` (below the roots) and answers like `ndvr query
    --json`. `GET /healthz` returns the index in use. `/docs` describes both, and can send requests. The service opens
    each new index that a nightly run publishes. After SIGTERM it finishes the checks in progress, then stops. If the
    environment variable NDVR_TOKEN is set, `/check` requires it as a bearer token. The log on standard error has one
    JSON object per line; that of a request has the verdict and the duration.

    Exit codes: 0 stopped; 2 invalid usage, or no index; 3 the index does not match the settings or the model.
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
        log_to_stderr("uvicorn")
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _ignore_signal)  # uvicorn raises them again after it has stopped
        uvicorn.run(
            make_app(service, limits, token),
            host=host,
            port=port,
            log_config=None,
            log_level="info",
            access_log=False,  # the application logs each request with its verdict
            timeout_graceful_shutdown=int(time_limit_seconds) + _GRACE_SECONDS,
        )


def _check_packages() -> None:
    """Raise UsageError if the extra `serve` is not installed."""
    try:
        import fastapi  # noqa: F401
        import fastapi_swagger  # noqa: F401
        import python_multipart  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise UsageError(f"serve needs packages that are not installed: pip install ndvr[serve] ({error})") from error


def _read_token(host: str) -> str | None:
    """Return the token that requests must have; None if none is set and only this machine reaches the service.

    White space around it is ignored: files of secrets end with a line end.

    Raises:
        UsageError: a token is needed, or no header can contain the one that is set.
    """
    given = os.environ.get(TOKEN_VARIABLE)
    if given is None:
        if not _is_loopback(host):
            raise UsageError(
                f"--host {host} is reachable from other machines: set {TOKEN_VARIABLE}; only loopback needs no token"
            )
        return None
    token = given.strip()
    if not token:
        raise UsageError(f"{TOKEN_VARIABLE} is set but empty: set a token, or unset the variable")
    if not all(_FIRST_VISIBLE <= character <= _LAST_VISIBLE for character in token):
        raise UsageError(
            f"{TOKEN_VARIABLE} has {len(token)} characters, and some of them cannot be in a header: use visible ASCII "
            "characters without spaces, for example the output of `openssl rand -hex 32`"
        )
    return token


def _ignore_signal(number: int, frame: FrameType | None) -> None:
    """Do nothing: uvicorn shuts the service down."""
    del number, frame


def _is_loopback(host: str) -> bool:
    """Return whether an address is reachable from this machine only."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def main() -> int:
    """Run the command line and return the exit code."""
    return run_command(app)
