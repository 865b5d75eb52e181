"""Makes review pages of a run: what it found, with pictures, and buttons to decide by."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path  # noqa: TC003 - typer reads it when the program runs
from typing import TYPE_CHECKING, Annotated

import typer

from jobs.commands import options
from jobs.commands.command_line import Command, run_command, show_examples
from jobs.config.loading import load_config
from jobs.contracts.run_log import log
from jobs.errors import UsageError
from jobs.lake.location import absolute
from jobs.tables import clusters, decisions, duplicates, pairs, runs
from jobs.tables.attempts import describe_settings

if TYPE_CHECKING:
    from jobs.config.settings import Config
    from jobs.lake.lake import Lake

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
_MARK = ".ndvr-report"
DEFAULT_CLUSTERS = 1000


@app.command(cls=Command, epilog=show_examples("ndvr report --lake /data/lake --out /data/report"))
def report(
    lake: options.LakeOption,
    out: Annotated[Path, typer.Option(help="Folder for the pages; an earlier report there is replaced.")],
    run: Annotated[str | None, typer.Option(help="run_id of a published run.", show_default="the newest")] = None,
    num_clusters: Annotated[
        int,
        typer.Option(
            "--clusters",
            min=1,
            help="Clusters shown: least certain, largest and newest in turn; and as many parts of longer videos.",
        ),
    ] = DEFAULT_CLUSTERS,
    config: Annotated[
        Path | None, typer.Option(help="YAML file of settings, for manifest.roots and limits of decoders.")
    ] = None,
    *,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object: how many pages, and the first.")
    ] = False,
) -> None:
    """Make pages to review a run by: frames of both videos at matched seconds, why they are together, and buttons.

    Open index.html in a browser; no network and no server is needed. Decisions made there are saved as a file that
    ndvr decide --file imports.

    Exit codes: 0 done; 2 bad usage, no such run, or tables of it that are no longer there.
    """
    from jobs.commands.open_lake import open_lake

    settings = load_config(config)
    prepare_folder(out)
    opened = open_lake(absolute(lake))
    num_pages = make_report(opened, run, out, num_clusters, settings)
    index = str(out / "index.html")
    told = json.dumps({"num_pages": num_pages, "index": index}) if as_json else f"{num_pages} pages; open {index}"
    sys.stdout.write(f"{told}\n")


def make_report(lake: Lake, run_id: str | None, folder: Path, max_clusters: int, config: Config) -> int:
    """Make the pages of a run in an empty folder; return how many. Runs on: driver; pictures on executors.

    Raises:
        UsageError: a table is missing, there is no such run, or what it left is no longer there.
    """
    from jobs.review.charts import draw_charts
    from jobs.review.gather import choose_illustrated, gather_clusters, gather_parts, gather_videos
    from jobs.review.overview import find_runs, gather_overview, read_as_published
    from jobs.review.pages import write_pages
    from jobs.review.strips import SAMPLING, find_roots, illustrate_pairs

    for table in (runs.TABLE, pairs.TABLE, clusters.TABLE, duplicates.TABLE, decisions.TABLE):
        if not lake.exists(table):
            raise UsageError(f"no table {table.name} in {lake.root!r}; give --lake the folder of a nightly run")
    history = find_runs(lake, run_id)
    of_run, pairs_of_run = (read_as_published(lake, name, history[0]) for name in ("clusters", "pairs"))
    overview = gather_overview(lake, history, of_run, pairs_of_run)
    shown = gather_clusters(of_run, pairs_of_run, lake.read("decisions"), max_clusters)
    duplicates_of_run = read_as_published(lake, "duplicates", history[0])
    shown += gather_parts(duplicates_of_run, of_run, pairs_of_run, lake.read("decisions"), max_clusters)
    named = {video_id for cluster in shown for pair in cluster.pairs for video_id in pair.ids}
    videos = gather_videos(lake, named | {cluster.keeper_id for cluster in shown})
    illustrated = choose_illustrated(shown)
    log.info("report gathered", num_clusters=len(shown), num_illustrated=len(illustrated))
    roots = find_roots(config.manifest.roots, videos.values())
    reading = describe_settings(config, roots, SAMPLING)
    illustrate_pairs(illustrated, videos, lake, history[0].model_id, reading, folder)
    return write_pages(overview, draw_charts(overview, folder), shown, videos, lake.root, folder)


def prepare_folder(folder: Path) -> None:
    """Make the folder, or empty it where it holds an earlier report, finished or not.

    Raises:
        UsageError: something else is there.
    """
    if folder.exists():
        if not folder.is_dir() or (any(folder.iterdir()) and not (folder / _MARK).exists()):
            raise UsageError(f"--out {str(folder)!r} holds something that is no report; give an empty or a new folder")
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    (folder / _MARK).touch()


def main() -> int:
    """Run the command line and return the exit code."""
    return run_command(app)


if __name__ == "__main__":
    sys.exit(main())
