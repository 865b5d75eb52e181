"""Compare two models before a switch. Started by spark-submit, or as `ndvr compare-models`."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from jobs.commands import options
from jobs.commands.command_line import Command, run_command, show_examples
from jobs.commands.printing import print_rows
from jobs.config.loading import load_config
from jobs.contracts.progress import Progress
from jobs.contracts.run import Run
from jobs.contracts.run_ids import make_run_id
from jobs.errors import UsageError
from jobs.evaluation.model_comparison import Comparison, compare_models
from jobs.lake.lake import Lake
from jobs.lake.location import absolute
from jobs.lake.required_tables import require_tables
from jobs.lake.session import start_session
from jobs.pipeline import REQUIRED_TABLES
from jobs.tables import runs

if TYPE_CHECKING:
    from jobs.config.settings import Config
    from jobs.evaluation.model_comparison import Changes

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(
    cls=Command,
    epilog=show_examples(
        "ndvr compare-models --lake /data/lake --new new.yaml",
        "ndvr compare-models --lake /data/lake --new new.yaml --out /data/changes --json",
    ),
)
def compare(  # noqa: PLR0913 - each option of the command line is one
    lake: options.LakeOption,
    new: Annotated[Path, typer.Option(help="YAML file of settings with the new model, after a backfill.")],
    old: Annotated[
        str | None,
        typer.Option(help="model_id or YAML file of settings.", show_default="the model in use"),
    ] = None,
    samples: Annotated[int, typer.Option(min=0, help="Number of samples of each kind.")] = 10,
    out: Annotated[
        str | None, typer.Option(help="Folder or URI for all differences, as Parquet (pairs, clusters).")
    ] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    master: options.MasterOption = None,
) -> None:
    """Show the pairs and clusters that a switch to another model would gain and lose. Nothing is published.

    Those of the old model are the published ones. Those of the new model are computed as a nightly run would compute
    them. Only videos that both models have embedded are compared.

    Exit codes: 0 done; 2 bad usage or config, or nothing to compare.
    """
    settings = load_config(new)
    root = absolute(lake)
    spark = start_session("ndvr compare-models", root, settings=settings.spark, master=master)
    found = run_comparison(Lake(spark, root), settings, old, samples, None if out is None else absolute(out))
    if as_json:
        sys.stdout.write(json.dumps(_to_dict(found), ensure_ascii=False) + "\n")
    else:
        _print_comparison(found)


def run_comparison(lake: Lake, config: Config, old: str | None, num_samples: int, out: str | None) -> Comparison:
    """Compare the model of a config with another one. Nothing remains in the lake. Runs on: driver.

    Raises:
        UsageError: a table is missing, or there is nothing to compare.
    """
    require_tables(lake, *REQUIRED_TABLES)
    now = datetime.now(UTC)
    console = Console(stderr=True)
    run = Run(make_run_id(now), now.date(), now, lake.path("manifest"), config, Progress(lake.spark, console))
    run = replace(run, checkpoint=partial(lake.checkpoint, run=run))
    _ = run.calibration, run.search  # so that wrong settings raise before the work starts
    try:
        with console.status("comparing"):
            return compare_models(lake, run, choose_old(lake, run, old), num_samples, out)
    finally:
        lake.clear_staging(run)


def choose_old(lake: Lake, run: Run, old: str | None) -> str:
    """Return the model_id of the old model: the model in use, or the one in --old, which may be a file of settings.

    Raises:
        UsageError: no run has been published, or the model has no embeddings.
    """
    if old is None:
        return runs.choose_model(lake, None)
    model_id = replace(run, config=load_config(Path(old))).model.model_id if Path(old).is_file() else old
    known = sorted(row[0] for row in lake.read("embeddings").select("model_id").distinct().collect())
    if model_id not in known:
        raise UsageError(
            f"--old {old!r} is neither a file nor a model of this lake; models: {', '.join(known) or 'none'}"
        )
    return model_id


def _to_dict(found: Comparison) -> dict[str, object]:
    """Return a comparison as a dict for JSON, including the derived counts."""
    content = asdict(found)
    for name, changes in (("pairs", found.pairs), ("clusters", found.clusters)):
        content[name] |= {"num_gained": changes.num_gained, "num_lost": changes.num_lost}
    return content


def _print_comparison(found: Comparison) -> None:
    """Print the counts, then the samples."""
    title = f"{found.old_id} (old) and {found.new_id} (new), over {found.num_videos} videos"
    if found.num_missing:
        title += f"; {found.num_missing} videos that the new model has not embedded are excluded"
    sys.stdout.write(f"{title}\n")
    counts = [
        (name, c.num_old, c.num_new, c.num_both, c.num_gained, c.num_lost, f"{c.num_altered} {altered}")
        for name, c, altered in (
            ("pairs", found.pairs, "with another relation"),
            ("clusters", found.clusters, "with another keeper"),
        )
    ]
    print_rows(("", "old", "new", "both", "gained", "lost", "of both"), counts)
    for change in ("gained", "lost"):
        _print_pairs(found.pairs, change)
        _print_clusters(found.clusters, change)


def _print_pairs(changes: Changes, change: str) -> None:
    """Print samples of gained or lost pairs."""
    side = "new" if change == "gained" else "old"
    rows = [
        (
            row["left_id"],
            row["right_id"],
            f"{row[side]['match_probability']:.3f}",
            f"{row[side]['cosine_similarity']:.3f}",
            row[side]["relation"],
            row["left_title"],
            row["right_title"],
        )
        for row in getattr(changes, change)
    ]
    if rows:
        headings = ("left_id", "right_id", "probability", "cosine", "relation", "left", "right")
        print_rows(headings, rows, f"pairs {change}, most probable first")


def _print_clusters(changes: Changes, change: str) -> None:
    """Print samples of gained or lost clusters."""
    rows = [
        (row["num_videos"], row["keeper_id"], row["keeper_title"], ", ".join(row["video_ids"]))
        for row in getattr(changes, change)
    ]
    if rows:
        print_rows(("videos", "keeper", "title", "video_ids"), rows, f"clusters {change}, largest first")


def main() -> int:
    """Run the command line and return the exit code."""
    return run_command(app)


if __name__ == "__main__":
    sys.exit(main())
