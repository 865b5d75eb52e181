"""The templates of the pages, and how their text is written. Runs on the driver."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined

from jobs.review import formatting

if TYPE_CHECKING:
    from pathlib import Path


def make_environment() -> Environment:
    """Return the template environment. All values are escaped, because ids and titles are untrusted."""
    environment = Environment(
        loader=PackageLoader("jobs.review"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"duration": formatting.format_duration, "quote": shlex.quote}
    return environment


def write_text(file: Path, text: str) -> None:
    """Write text as UTF-8; an unpaired surrogate, which UTF-8 cannot encode, becomes a question mark."""
    file.write_bytes(text.encode("utf-8", errors="replace"))
