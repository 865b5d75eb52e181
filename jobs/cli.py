"""`ndvr`: the list of commands. Each is imported only when it runs."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup

import ndvr_start  # noqa: F401 - first: PYTHONPATH may contain another package with the name of ours
from jobs.commands.command_line import hide_types_of_flags, run_command, show_examples


class Job(NamedTuple):
    """A command as `ndvr --help` lists it.

    Attributes:
        panel: heading in the help.
        module: module with the command's `app`. It is imported when the command runs, so that help and completion do
            not wait for Spark and pandas.
        summary: one line of at most 60 characters.
    """

    panel: str
    module: str
    summary: str


JOBS = {
    "nightly": Job("Run", "jobs.nightly", "Update the lake from a manifest of videos."),
    "backfill": Job("Run", "jobs.backfill", "Describe a historical catalogue, or for a new model."),
    "maintain": Job("Run", "jobs.maintain", "Compact files and delete what is no longer needed."),
    "upgrade": Job("Run", "jobs.upgrade", "Upgrade the tables of a lake to this version."),
    "demo": Job("Run", "jobs.commands.demo", "Deduplicate real clips with planted copies."),
    "sql": Job("Ask", "jobs.commands.sql", "Query tables and views in SQL."),
    "query": Job("Ask", "jobs.commands.query", "Check whether one video is already in the lake."),
    "serve": Job("Ask", "jobs.commands.serve", "Answer the same question over HTTP."),
    "why": Job("Ask", "jobs.commands.why", "Explain why two videos are in one cluster, or not."),
    "quarantine": Job("Ask", "jobs.commands.quarantine", "List failed videos, or release them for a retry."),
    "report": Job("Review", "jobs.commands.report", "Make the report of a run, with the pairs to review."),
    "sample": Job("Review", "jobs.commands.sample", "Draw pairs for people to judge blind."),
    "estimate": Job("Review", "jobs.commands.estimate", "Measure precision and recall from their answers."),
    "decide": Job("Review", "jobs.commands.decide", "Record decisions that all later runs obey."),
    "train-triplets": Job("Train", "jobs.commands.train_triplets", "Train a model on edited copies of your videos."),
    "train-codebook": Job("Train", "jobs.commands.train_codebook", "Train a bag of visual words."),
    "calibrate": Job("Train", "jobs.commands.calibrate", "Fit a model's threshold and probabilities."),
    "evaluate": Job("Train", "jobs.commands.evaluate", "Measure pairs and clusters against a truth file."),
    "compare-models": Job("Train", "jobs.commands.compare_models", "Show what a new model would add and remove."),
    "views": Job("Share", "jobs.commands.views", "Create the views for analysts in a catalog."),
    "export-vectors": Job("Share", "jobs.commands.export_vectors", "Export vectors to Parquet or Qdrant."),
}


class _Jobs(TyperGroup):
    """Lists the commands without importing them, and imports the one that runs."""

    def __init__(self, **settings: Any) -> None:  # noqa: ANN401 - Typer's own, handed on
        super().__init__(**settings)
        for name, job in JOBS.items():
            self.add_command(TyperCommand(name, help=job.summary, rich_help_panel=job.panel))

    def get_params(self, ctx: Any) -> list[Any]:  # noqa: ANN401 - their types are private
        """Return the options."""
        return hide_types_of_flags(super().get_params(ctx))

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:  # noqa: ANN401 - its type is private
        """Return the command that the command line names, imported."""
        name, listed, rest = super().resolve_command(ctx, args)
        return name, listed and load_job(listed.name or ""), rest


def load_job(name: str) -> TyperCommand:
    """Import a command with its parameters and help."""
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
    """Print the version and exit."""
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
    """Handle the options before the command."""
    del version


def main() -> int:
    """Run the command line and return the exit code."""
    _restart_in_utf8()
    return run_command(app)


def _restart_in_utf8() -> None:
    """Start this program again if Python would read names of files in another character set than UTF-8.

    In the locales C and POSIX, and in those with UTF-8, Python uses UTF-8 by itself (PEP 540).
    """
    if sys.getfilesystemencoding() != "utf-8" and os.environ.get("PYTHONUTF8") != "1":
        arguments = [sys.executable, *sys.orig_argv[1:]]
        os.execve(sys.executable, arguments, os.environ | {"PYTHONUTF8": "1"})  # noqa: S606 - a shell is not needed


if __name__ == "__main__":
    sys.exit(main())
