"""`ndvr`: one command for each job that can be started."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup

from jobs.commands.command_line import hide_types_of_flags, run_command, show_examples


class Job(NamedTuple):
    """A command as `ndvr --help` lists it.

    Attributes:
        panel: the heading that it stands under.
        module: whose `app` it is; imported when the command is run, so that help and completion need not wait for
            Spark and pandas.
        summary: what it does, in a line of 60 characters.
    """

    panel: str
    module: str
    summary: str


JOBS = {
    "nightly": Job("Run", "jobs.nightly", "Bring the lake up to date with a manifest of videos."),
    "backfill": Job("Run", "jobs.backfill", "Describe the past, or the lake for another model."),
    "maintain": Job("Run", "jobs.maintain", "Lay files out anew; delete what is no longer needed."),
    "upgrade": Job("Run", "jobs.upgrade", "Bring the tables of an older version to this one."),
    "demo": Job("Run", "jobs.commands.demo", "Deduplicate real clips, copies planted among them."),
    "sql": Job("Ask", "jobs.commands.sql", "Ask the tables and views in SQL."),
    "query": Job("Ask", "jobs.commands.query", "Is this one video in the lake already?"),
    "serve": Job("Ask", "jobs.commands.serve", "The same over HTTP."),
    "why": Job("Ask", "jobs.commands.why", "Why are two videos in one cluster, or not?"),
    "quarantine": Job("Ask", "jobs.commands.quarantine", "List what could not be described; release it."),
    "report": Job("Review", "jobs.commands.report", "Make pages to review a run by, with pictures."),
    "decide": Job("Review", "jobs.commands.decide", "Decide what is a duplicate, for every later night."),
    "train-triplets": Job("Train", "jobs.commands.train_triplets", "Train a model on edited copies of your videos."),
    "train-codebook": Job("Train", "jobs.commands.train_codebook", "Train a bag of visual words."),
    "calibrate": Job("Train", "jobs.commands.calibrate", "Find a model's threshold and its probabilities."),
    "evaluate": Job("Train", "jobs.commands.evaluate", "Judge pairs and clusters by what is true."),
    "compare-models": Job("Train", "jobs.commands.compare_models", "Show what another model would gain and lose."),
    "views": Job("Share", "jobs.commands.views", "Create the views for analysts in a catalogue."),
    "export-vectors": Job("Share", "jobs.commands.export_vectors", "Export vectors to Parquet or to Qdrant."),
}


class _Jobs(TyperGroup):
    """Lists the commands without importing them, and imports the one that is run."""

    def __init__(self, **settings: Any) -> None:  # noqa: ANN401 - Typer's own, handed on
        super().__init__(**settings)
        for name, job in JOBS.items():
            self.add_command(TyperCommand(name, help=job.summary, rich_help_panel=job.panel))

    def get_params(self, ctx: Any) -> list[Any]:  # noqa: ANN401 - their types are private
        """Return the options."""
        return hide_types_of_flags(super().get_params(ctx))

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:  # noqa: ANN401 - its type is private
        """Find what the command line names, as what runs."""
        name, listed, rest = super().resolve_command(ctx, args)
        return name, listed and load_job(listed.name or ""), rest


def load_job(name: str) -> TyperCommand:
    """Import a command: its parameters, its help and what it runs."""
    command = typer.main.get_command(import_module(JOBS[name].module).app)
    command.name = name
    return command  # type: ignore[return-value] # an app of one command is that command


app = typer.Typer(
    name="ndvr",
    cls=_Jobs,
    help="Find near-duplicate videos in a data lake.",
    epilog=show_examples(
        "ndvr demo",
        "ndvr nightly --manifest /data/manifest.csv --lake /data/lake",
        'ndvr sql --lake /data/lake "SELECT * FROM duplicates"',
        "ndvr query --lake /data/lake upload.mp4",
        "ndvr COMMAND --help",
    ),
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


def _print_version(is_asked: bool) -> None:
    """Print the version and end."""
    if is_asked:
        from jobs.contracts.run import CODE_VERSION

        sys.stdout.write(f"ndvr {CODE_VERSION}\n")
        raise typer.Exit


@app.callback()
def _start(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options that come before the command."""
    del version


def main() -> int:
    """Run the command line and return the exit code."""
    return run_command(app)


if __name__ == "__main__":
    sys.exit(main())
