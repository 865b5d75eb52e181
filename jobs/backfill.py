"""`ndvr backfill`: describe a historical catalogue, or the lake for a new model. Also started by spark-submit."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path  # noqa: TC003 - typer reads it when the program runs
from typing import Annotated

import typer

import ndvr_start  # noqa: F401 - first: PYTHONPATH may contain another package with the name of ours
from jobs.commands import options
from jobs.commands.command_line import Command, run_command, show_examples
from jobs.config.loading import load_config
from jobs.engine.backfill_run import read_progress, run_backfill
from jobs.engine.budget import BackfillBudget
from jobs.lake.location import absolute

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
_SECONDS_PER_HOUR = 3600.0


@app.command(
    cls=Command,
    epilog=show_examples(
        "ndvr backfill --lake /data/lake --manifest /data/past.csv --max-hours 6",
        "ndvr backfill --lake /data/lake --manifest /data/past.csv --status",
        "ndvr backfill --lake /data/lake --config new.yaml --max-videos 50000",
    ),
)
def backfill(  # noqa: PLR0913 - each option of the command line is one
    lake: options.NewLakeOption,
    manifest: Annotated[
        str | None,
        typer.Option(help="Historical manifest, in a format of the nightly job.", show_default="the lake's own"),
    ] = None,
    config: Annotated[Path | None, typer.Option(help="YAML file of settings, with the model to fill up.")] = None,
    max_videos: Annotated[
        int | None, typer.Option(min=1, help="Videos that this run processes at most.", show_default="all")
    ] = None,
    max_hours: Annotated[
        float | None,
        typer.Option(min=0.0, help="Time limit. A started batch is completed.", show_default="no limit"),
    ] = None,
    *,
    is_status: Annotated[bool, typer.Option("--status", help="Only print the progress of the backfill.")] = False,
    master: options.MasterOption = None,
    log_dir: options.LogDirOption = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the progress as one JSON object, also after a run.")
    ] = False,
) -> None:
    """Describe and embed pending videos: newest first, in shards, within a budget.

    A backfill continues where the last one stopped, even if it was killed. It may run beside nightly runs; no video is
    described by both. With --manifest it adds videos that are not in the lake and leaves the others unchanged. Without
    --manifest it processes the lake's own videos for the model of --config. The next nightly run finds the pairs,
    clusters and duplicates.

    Exit codes: 0 done, or the budget is used up; 2 invalid usage or settings; 3 a table or the manifest breaks its
    contract; 4 too many videos failed.
    """
    budget = BackfillBudget(max_videos, None if max_hours is None else max_hours * _SECONDS_PER_HOUR)
    given = None if manifest is None else absolute(manifest)
    settings = load_config(config)
    if is_status:
        progress = read_progress(absolute(lake), given, settings, master=master)
    else:
        progress = run_backfill(absolute(lake), given, settings, budget, master=master, log_dir=log_dir)
    if as_json:
        fields = asdict(progress) | {"num_left": progress.num_left, "eta_seconds": progress.eta_seconds}
        sys.stdout.write(json.dumps(fields) + "\n")
    elif is_status:
        sys.stdout.write(progress.describe() + "\n")


def main() -> int:
    """Run the command line and return the exit code."""
    return run_command(app)


if __name__ == "__main__":
    sys.exit(main())
