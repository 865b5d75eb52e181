"""`ndvr report`: makes the review pages of a run, with pictures and buttons for decisions."""

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

if TYPE_CHECKING:
    from jobs.config.settings import Config
    from jobs.lake.lake import Lake

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
_MARKER = ".ndvr-report"
DEFAULT_CLUSTERS = 1000


@app.command(cls=Command, epilog=show_examples("ndvr report --lake /data/lake --out /data/report"))
def report(
    lake: options.LakeOption,
    out: Annotated[Path, typer.Option(help="Folder for the pages; an earlier report in it is replaced.")],
    run: Annotated[str | None, typer.Option(help="run_id of a published run.", show_default="the newest")] = None,
    num_clusters: Annotated[
        int,
        typer.Option(
            "--clusters",
            min=1,
            help="Clusters to show: least certain, largest and newest in turn. Also the limit of contained videos.",
        ),
    ] = DEFAULT_CLUSTERS,
    config: Annotated[
        Path | None, typer.Option(help="YAML file of settings, for manifest.roots and the limits of decoders.")
    ] = None,
    *,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object: the number of pages and the path of index.html.")
    ] = False,
) -> None:
    """Make pages to review a run: frames of both videos at matched seconds, the evidence, and buttons for decisions.

    Open index.html in a browser; it works offline and needs no server. The pages save your decisions as a file that
    `ndvr decide --file` imports.

    Exit codes: 0 success; 2 invalid usage, an unknown run, or a run whose versions of the tables no longer exist.
    """
    from jobs.commands.open_lake import open_lake

    settings = load_config(config)
    prepare_folder(out)
    opened = open_lake(absolute(lake), settings.spark)
    num_pages = make_report(opened, run, out, num_clusters, settings)
    index = str(out / "index.html")
    text = json.dumps({"num_pages": num_pages, "index": index}) if as_json else f"{num_pages} pages; open {index}"
    sys.stdout.write(f"{text}\n")


def make_report(lake: Lake, run_id: str | None, folder: Path, max_clusters: int, config: Config) -> int:
    """Make the pages of a run in an empty folder; return their number. Runs on: driver; pictures on executors.

    Raises:
        UsageError: a table is missing, the run does not exist, or its versions of the tables no longer exist.
    """
    from jobs.review.charts import draw_charts
    from jobs.review.cluster_selection import choose_illustrated, read_videos, select_clusters, select_contained
    from jobs.review.illustrations import illustrate_pairs
    from jobs.review.overview import read_as_published, read_history, read_overview
    from jobs.review.pages import write_pages

    for table in (runs.TABLE, pairs.TABLE, clusters.TABLE, duplicates.TABLE, decisions.TABLE):
        if not lake.exists(table):
            raise UsageError(f"no table {table.name} in {lake.root!r}; pass the lake of a nightly run to --lake")
    history = read_history(lake, run_id)
    of_run, pairs_of_run = (read_as_published(lake, name, history[0]) for name in ("clusters", "pairs"))
    overview = read_overview(lake, history, of_run, pairs_of_run)
    shown = select_clusters(of_run, pairs_of_run, lake.read("decisions"), max_clusters)
    duplicates_of_run = read_as_published(lake, "duplicates", history[0])
    shown += select_contained(duplicates_of_run, of_run, pairs_of_run, lake.read("decisions"), max_clusters)
    named = {video_id for cluster in shown for pair in cluster.pairs for video_id in pair.ids}
    videos = read_videos(lake, named | {cluster.keeper_id for cluster in shown})
    illustrated = choose_illustrated(shown)
    log.info("report gathered", num_clusters=len(shown), num_illustrated=len(illustrated))
    illustrate_pairs(illustrated, videos, lake, history[0].model_id, config, folder)
    return write_pages(overview, draw_charts(overview, folder), shown, videos, lake.root, folder)


def prepare_folder(folder: Path) -> None:
    """Make the folder, or empty it if it has an earlier report, complete or not.

    Raises:
        UsageError: the folder has other content.
    """
    if folder.exists():
        if not folder.is_dir() or (any(folder.iterdir()) and not (folder / _MARKER).exists()):
            raise UsageError(f"--out {str(folder)!r} exists and is not a report; pass an empty or a new folder")
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    (folder / _MARKER).touch()


def main() -> int:
    """Run the command line and return the exit code."""
    return run_command(app)


if __name__ == "__main__":
    sys.exit(main())
