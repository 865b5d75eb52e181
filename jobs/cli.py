"""`ndvr`: one command for each job that can be started."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from jobs.calibrate import calibrate
from jobs.command import run_command
from jobs.decide import decide
from jobs.evaluate import evaluate
from jobs.location import absolute
from jobs.maintain import maintain
from jobs.nightly import nightly
from jobs.quarantine import quarantine
from jobs.report.command import report
from jobs.train_codebook import train_codebook
from jobs.train_triplets import train_triplets
from jobs.upgrade import upgrade
from jobs.views import views
from jobs.why import why

app = typer.Typer(
    name="ndvr",
    help="Find near-duplicate videos in a data lake.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.command(rich_help_panel="Run")(nightly)
app.command(rich_help_panel="Run")(maintain)
app.command(rich_help_panel="Run")(upgrade)
app.command(rich_help_panel="Train")(train_triplets)
app.command(rich_help_panel="Train")(train_codebook)
app.command(rich_help_panel="Train")(calibrate)
app.command(rich_help_panel="Train")(evaluate)
app.command(rich_help_panel="Ask")(report)
app.command(rich_help_panel="Ask")(why)
app.command(rich_help_panel="Ask")(decide)
app.command(rich_help_panel="Ask")(quarantine)
app.command(rich_help_panel="Ask")(views)


class OutputFormat(StrEnum):
    """How the rows of a query are printed."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


@app.command(rich_help_panel="Ask")
def sql(
    query: Annotated[str, typer.Argument(help='For example "SELECT * FROM duplicates".')],
    lake: Annotated[str, typer.Option(help="Folder or URI that holds the tables.")],
    output: Annotated[OutputFormat, typer.Option("--format", help="How rows are printed.")] = OutputFormat.TABLE,
) -> None:
    """Ask the lake's tables in SQL.

    They are manifest, descriptors, quarantine, embeddings, pairs, decisions, clusters, cluster_events, duplicates and
    runs. The views (docs/sql.md) are current_duplicates, new_duplicates, reclaimable_bytes, biggest_clusters,
    review_queue, quarantined_videos and run_history.
    """
    from jobs.sql import print_query

    print_query(query, absolute(lake), output)


@app.command(rich_help_panel="Run")
def demo(
    folder: Annotated[Path, typer.Option(help="Where the demo's videos and tables go.")] = Path("demo-lake"),
) -> None:
    """Deduplicate a catalogue made of real clips from public packages, and compare with what was planted."""
    from jobs.demo.show import run_demo

    run_demo(folder.absolute())


def main() -> int:
    """Run the command line and return the exit code."""
    return run_command(app)


if __name__ == "__main__":
    sys.exit(main())
