"""`ndvr report`: makes the report of a run: its numbers, and the queue of pairs to review."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path  # noqa: TC003 - typer reads it when the program runs
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from jobs.commands import options
from jobs.commands.command_line import Command, run_command, show_examples
from jobs.config.loading import load_config
from jobs.contracts.run_log import log
from jobs.errors import UsageError
from jobs.lake.location import absolute
from jobs.lake.required_tables import require_tables
from jobs.tables import clusters, decisions, duplicates, pairs, runs

if TYPE_CHECKING:
    from jobs.config.settings import Config
    from jobs.lake.lake import Lake

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
DEFAULT_CLUSTERS = 1000


class ReportFacts(NamedTuple):
    """What a report has.

    Attributes:
        num_to_review: pairs of the queue about which nobody has decided.
        num_pairs: all pairs that the report can show.
        num_clipped_pairs: pairs with clips.
        clip_bytes: size of all clips.
    """

    num_to_review: int
    num_pairs: int
    num_clipped_pairs: int = 0
    clip_bytes: int = 0

    def __str__(self) -> str:
        """Return the numbers as text."""
        counted = f"pairs to review: {self.num_to_review}, shown: {self.num_pairs}"
        clips = f", clips of {self.num_clipped_pairs} pairs: {self.clip_bytes / 1e6:.1f} MB"
        return counted + (clips if self.num_clipped_pairs else "")


@app.command(cls=Command, epilog=show_examples("ndvr report --lake /data/lake --out /data/report"))
def report(  # noqa: PLR0913 - each option of the command line is one
    lake: options.LakeOption,
    out: Annotated[Path, typer.Option(help="Folder for the pages; an earlier report in it is replaced.")],
    run: Annotated[str | None, typer.Option(help="run_id of a published run.", show_default="the newest")] = None,
    num_clusters: Annotated[
        int,
        typer.Option(
            "--clusters",
            min=1,
            help="Clusters to show besides the queue: least certain, largest and newest in turn. "
            "Also the limit of contained videos.",
        ),
    ] = DEFAULT_CLUSTERS,
    config: Annotated[
        Path | None, typer.Option(help="YAML file of settings, for manifest.roots and the limits of decoders.")
    ] = None,
    *,
    has_clips: Annotated[
        bool,
        typer.Option(
            "--clips",
            help="Cut clips of a few seconds that play side by side, for the first 200 pairs; about 1 MB a pair.",
        ),
    ] = False,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print one JSON object: numbers of pairs, clips, and the path of index.html."),
    ] = False,
) -> None:
    """Make the report of a run: its numbers, and a queue of pairs with frames at matched seconds and buttons to decide.

    Open index.html in a browser; it works offline and needs no server. The pages save your decisions as a file that
    `ndvr decide --file` imports.

    Exit codes: 0 success; 2 invalid usage, an unknown run, or a run whose versions of the tables no longer exist.
    """
    from jobs.commands.open_lake import open_lake

    settings = load_config(config)
    opened = open_lake(absolute(lake), settings.spark)
    prepare_folder(out)
    facts = make_report(opened, run, out, num_clusters, settings, has_clips=has_clips)
    index = str(out / "index.html")
    text = json.dumps(facts._asdict() | {"index": index}) if as_json else f"{facts}; open {index}"
    sys.stdout.write(f"{text}\n")


def make_report(
    lake: Lake, run_id: str | None, folder: Path, max_clusters: int, config: Config, *, has_clips: bool = False
) -> ReportFacts:
    """Make the pages of a run in an empty folder. Runs on: driver; pictures and clips on executors.

    Raises:
        UsageError: a table is missing, the run does not exist, or its versions of the tables no longer exist.
    """
    from pyspark.sql import functions as F

    from jobs.review.charts import draw_charts
    from jobs.review.clips import ClipTotals, cut_pair_clips
    from jobs.review.overview import read_as_published, read_history, read_overview
    from jobs.review.pages import write_pages
    from jobs.review.queue import illustrate_queue, read_past_decisions
    from jobs.review.queue_selection import select_queue
    from jobs.review.report_data import Queue

    require_tables(lake, runs.TABLE, pairs.TABLE, clusters.TABLE, duplicates.TABLE, decisions.TABLE)
    history = read_history(lake, run_id)
    tables = {name: read_as_published(lake, name, history[0]) for name in ("clusters", "pairs", "duplicates")}
    overview = read_overview(lake, history, tables["clusters"], tables["pairs"])
    tables |= {name: lake.read(name) for name in ("decisions", "manifest")}
    tables["runs"] = lake.read("runs").where(F.col("run_id") == history[0].run_id)
    selected = select_queue(tables, max_clusters)
    log.info("report gathered", num_pairs=len(selected))
    videos = illustrate_queue(selected, lake, history[0].model_id, config, folder)
    totals = ClipTotals(0, 0)
    if has_clips:
        totals = cut_pair_clips((queued.pair for queued in selected), videos, lake, config, folder)
    queue = Queue(selected, videos, read_past_decisions(lake))
    write_pages(overview, draw_charts(overview, folder), queue, lake.root, folder)
    return ReportFacts(queue.num_undecided, len(queue.pairs), totals.num_pairs, totals.num_bytes)


def prepare_folder(folder: Path, what: str = "report") -> None:
    """Make the folder, or empty it if it has an earlier report or sample, complete or not.

    Args:
        folder: of the pages.
        what: "report" or "sample". The one never replaces the other.

    Raises:
        UsageError: the folder has other content.
    """
    marker = folder / f".ndvr-{what}"
    if folder.exists():
        if not folder.is_dir() or (any(folder.iterdir()) and not marker.exists()):
            raise UsageError(f"--out {str(folder)!r} exists and is not a {what}; pass an empty or a new folder")
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    marker.touch()


def main() -> int:
    """Run the command line and return the exit code."""
    return run_command(app)


if __name__ == "__main__":
    sys.exit(main())
