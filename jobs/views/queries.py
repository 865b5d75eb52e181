"""The views that analysts query: one SQL file each in `jobs/views/sql`; `{table}` stands for a table of the lake."""

from __future__ import annotations

import string
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from jobs.contracts import published_runs
from jobs.contracts.decisions_in_force import DECISIONS_IN_FORCE
from jobs.lake.quoting import quote_name
from udfs.clustering.containment import write_relation_to

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyspark.sql import DataFrame

    from jobs.lake.lake import Lake

CERTAIN_FROM = 0.9
"""Pairs with a lower probability are in the review queue. The shipped verifier publishes pairs from .743."""
NUM_LARGE_CLUSTERS = 20
"""Clusters whose least probable pair is in the review queue, because a wrong pair there misplaces many videos."""
_SHARED = {  # replaced in this order, so that a part may contain those after it
    "{DECIDED}": DECISIONS_IN_FORCE,
    # The relation of a side `s` of a pair to the other side.
    "{RELATION_TO}": write_relation_to("s.relation", "s.coverage", "s.other_coverage"),
    # The present videos with the content that the model in use embedded; see jobs.contracts.presence.
    "{CONTENTS}": """(
  SELECT e.video_id, e.content_sha256, e.end_seconds
  FROM {embeddings} e
  JOIN {manifest} v ON v.video_id = e.video_id
  LEFT ANTI JOIN {quarantine} q ON q.video_id = e.video_id
  WHERE e.segment_index = 0 AND e.model_id = {MODEL_IN_USE} AND v.removed_at IS NULL
)""",
    # Tables may hold rows of several models.
    "{MODEL_IN_USE}": "(SELECT {newest_model} FROM {runs} WHERE {is_published})",
    "{NEWEST_RUN}": "(SELECT {newest_run_id} FROM {runs} WHERE {is_published})",
    "{certain_from}": str(CERTAIN_FROM),
    "{num_large_clusters}": str(NUM_LARGE_CLUSTERS),
    "{newest_model}": published_runs.MODEL_IN_USE,
    "{newest_run_id}": published_runs.NEWEST_RUN_ID,
    "{is_published}": published_runs.IS_PUBLISHED,
    # A video may have descriptors of several kinds; its size is that of the file that was described last.
    "{FILE_SIZES}": "(SELECT video_id, max_by(size_bytes, described_at) AS size_bytes FROM {descriptors} GROUP BY 1)",
}
VIEW_NAMES = (
    "current_duplicates",
    "reclaimable_bytes",
    "new_duplicates",
    "changes_since_last_run",
    "shared_footage",
    "biggest_clusters",
    "cluster_members",
    "review_queue",
    "quarantined_videos",
    "run_history",
)
"""In the order in which they are created and documented."""

BEFORE = "duplicates_before_last_run"
"""Name by which a view reads `duplicates` as the published runs before the newest left it."""
BEFORE_VERSION = f"""SELECT max(output_version) AS version FROM {{runs}}
WHERE stage = 'duplicates' AND status = 'done'
  AND run_id <> (SELECT {published_runs.NEWEST_RUN_ID} FROM {{runs}} WHERE {published_runs.IS_PUBLISHED})"""
"""Selects the version of `duplicates` that BEFORE means; null if no run was published before the newest."""


@dataclass(frozen=True)
class View:
    """One view.

    Attributes:
        name: the view's name.
        grain: what a row is, in one line; becomes the view's comment.
        text: Spark SQL, with each table's name and each part that several views share in braces.
    """

    name: str
    grain: str
    text: str

    @property
    def query(self) -> str:
        """The text with the shared parts inserted."""
        query = self.text
        for name, part in _SHARED.items():
            query = query.replace(name, part)
        return query

    @property
    def is_storable(self) -> bool:
        """Whether a catalog can store it: whether it reads the newest versions of tables only."""
        return BEFORE not in self.tables

    @property
    def tables(self) -> set[str]:
        """The tables that the view reads, and BEFORE if it reads that."""
        return {field for _, field, _, _ in string.Formatter().parse(self.query) if field}

    def write(self, name_table: Callable[[str], str]) -> str:
        """Return the query with its tables named by `name_table`."""
        return self.query.format_map({table: name_table(table) for table in self.tables})


@cache
def read_views() -> tuple[View, ...]:
    """Read the views from their files. The first line of a file is a comment that states the grain."""
    return tuple(_read_view(name) for name in VIEW_NAMES)


def _read_view(name: str) -> View:
    """Read one view, from the folder or from the zip that spark-submit ships."""
    text = (files("jobs.views") / "sql" / f"{name}.sql").read_text(encoding="utf-8")
    first, _, query = text.partition("\n")
    return View(name, first.removeprefix("-- "), query.rstrip("\n"))


def select_view(lake: Lake, name: str) -> DataFrame:
    """Return the rows of a view over the tables of a lake, with Spark. Runs on: driver.

    Args:
        lake: the lake.
        name: one of VIEW_NAMES, of a view that a catalog can store (`View.is_storable`).
    """
    view = next(view for view in read_views() if view.name == name)
    return lake.spark.sql(view.write(lambda table: f"delta.{quote_name(lake.path(table))}"))
