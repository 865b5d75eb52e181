"""`ndvr nightly`: update the lake from a manifest of videos. Also started by spark-submit."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path  # noqa: TC003 - typer reads it when the program runs
from typing import Annotated

import typer

import ndvr_start  # noqa: F401 - first: PYTHONPATH may contain another package with the name of ours
from jobs.commands import options
from jobs.commands.command_line import Command, run_command, show_examples
from jobs.config.loading import load_config
from jobs.engine.night import run_nightly
from jobs.lake.location import absolute

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(
    cls=Command,
    epilog=show_examples(
        "ndvr nightly --manifest /data/manifest.csv --lake /data/lake",
        "ndvr nightly --manifest /data/manifest.csv --lake /data/lake --config ndvr.yaml --json",
    ),
)
def nightly(  # noqa: PLR0913 - each option of the command line is one
    *,
    manifest: Annotated[str, typer.Option(help="Manifest: path or URI of CSV, JSON lines, Parquet or Delta.")],
    lake: options.NewLakeOption,
    config: Annotated[Path | None, typer.Option(help="YAML file of settings.")] = None,
    run_date: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Date that this run is for.", show_default="today, UTC"),
    ] = None,
    master: options.MasterOption = None,
    log_dir: options.LogDirOption = None,
    publish_anyway: Annotated[
        bool,
        typer.Option(
            "--publish-anyway",
            help="Publish even if quality gates fail. Failures are reported but do not block publishing.",
        ),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the summary of the run as one line of JSON, however the run ends.")
    ] = False,
) -> None:
    """Update the tables of a lake from a manifest of videos.

    Exit codes: 0 done; 2 invalid usage or settings; 3 a table or the manifest breaks its contract; 4 a quality gate
    failed. Only a run with exit code 0 publishes. The log folder has the summary as RUN_ID.summary.json.
    """
    settings = load_config(config)
    night = run_date.date() if run_date else datetime.now(UTC).date()
    run_nightly(
        absolute(manifest),
        absolute(lake),
        settings,
        night,
        master=master,
        log_dir=log_dir,
        publish_anyway=publish_anyway,
        as_json=as_json,
    )


def main() -> int:
    """Run the command line and return the exit code."""
    return run_command(app)


if __name__ == "__main__":
    sys.exit(main())
