"""The command that compacts files and deletes what is no longer needed: by spark-submit, or `ndvr maintain`."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path  # noqa: TC003 - typer reads it when the program runs
from typing import TYPE_CHECKING, Annotated

import typer

import ndvr_start  # noqa: F401 - first: PYTHONPATH may contain another package with the name of ours
from jobs.commands import options
from jobs.commands.command_line import Command, run_command, show_examples
from jobs.config.loading import load_config
from jobs.lake.location import absolute
from jobs.maintenance.apply import run_maintenance
from jobs.maintenance.report import REPORT_COLUMNS, make_report_rows

if TYPE_CHECKING:
    from jobs.maintenance.report import MaintenanceReport

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(
    cls=Command,
    epilog=show_examples(
        "ndvr maintain --lake /data/lake --config ndvr.yaml --dry-run",
        "ndvr maintain --lake /data/lake --config ndvr.yaml",
    ),
)
def maintain(
    lake: options.LakeOption,
    config: Annotated[Path | None, typer.Option(help="YAML file of settings, the same as for nightly runs.")] = None,
    *,
    is_dry: Annotated[bool, typer.Option("--dry-run", help="Print what would be done; change nothing.")] = False,
    master: options.MasterOption = None,
    log_dir: options.LogDirOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Compact the tables' files, and delete what is no longer needed.

    It retrains the cells of the search if they no longer fit, unless a run is active; the next runs then search a share
    of the videos again. In each table, it deletes rows of expired models and records of old runs. It joins small files
    and clusters them on the key (OPTIMIZE). It deletes files that no version within `maintenance.retention_hours` reads
    (VACUUM). Files that an active run may read, and the embeddings that the next search compares with, are kept longer.
    Then it deletes the staging folders of killed runs, and old logs. Otherwise rows that nightly runs read do not
    change, so the next run has no extra work. It may run beside nightly runs.

    Exit codes: 0 done; 2 bad usage or config, or the lake has no tables.
    """
    report = run_maintenance(absolute(lake), load_config(config), is_dry=is_dry, master=master, log_dir=log_dir)
    if as_json:
        sys.stdout.write(json.dumps(asdict(report), ensure_ascii=False) + "\n")
    else:
        _print_report(report, is_dry=is_dry)


def _print_report(report: MaintenanceReport, *, is_dry: bool) -> None:
    """Print a row for each table, then active runs and deleted files."""
    from jobs.commands.printing import print_rows

    print_rows(REPORT_COLUMNS, make_report_rows(report), "dry run: nothing was changed" if is_dry else None)
    if report.cells is not None and report.cells.reason is not None:
        what = "to retrain" if is_dry else "retrained"
        sys.stdout.write(f"{what}: the cells of the search, version {report.cells.version}: {report.cells.reason}\n")
    for run_id in report.going:
        sys.stdout.write(f"active run, its files are kept: {run_id}\n")
    for uri in report.removed:
        sys.stdout.write(f"{'to delete' if is_dry else 'deleted'}: {uri}\n")


def main() -> int:
    """Run the command line and return the exit code."""
    return run_command(app)


if __name__ == "__main__":
    sys.exit(main())
