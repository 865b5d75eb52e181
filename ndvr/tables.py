"""The tables of a lake through Spark: queries, explanations, decisions, pictures and evaluation."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd
    from pyspark.sql import SparkSession

    from jobs.clustering.decisions import Decision
    from jobs.clustering.explanation import Explanation
    from jobs.config.settings import Config
    from jobs.evaluation.measure import EvaluationReport
    from jobs.evaluation.truth import Truth
    from jobs.lake.lake import Lake as LakeTables
    from jobs.review.report_data import ReviewedCluster
    from jobs.training.threshold import ScoredCandidates
    from jobs.training.trial import Trial


class Tables:
    """The tables of a lake, with the Spark session that reads them. Runs on: driver.

    Several lakes may be open at once. They share the session.
    """

    _named: ClassVar[Tables | None] = None
    """The tables whose names the session has."""

    def __init__(self, lake: LakeTables) -> None:
        self._lake = lake
        Tables._named = self

    @property
    def spark(self) -> SparkSession:
        """The session. It has a temporary view of each table of this lake, with the name of the table."""
        from jobs.commands.open_lake import open_lake

        if Tables._named is not self:
            open_lake(self.root)
            Tables._named = self
        return self._lake.spark

    @property
    def root(self) -> str:
        """Folder or URI of the tables."""
        return self._lake.root

    def path(self, table: str) -> str:
        """Return the path or URI of a table, for other readers of Delta."""
        return self._lake.path(table)

    def list_tables(self) -> dict[str, str]:
        """Return what a row of each table of the lake is, by the name of the table, in the order of the pipeline."""
        from jobs.pipeline import TABLES

        return {table.name: table.grain for table in TABLES if self._lake.exists(table)}

    def list_views(self) -> dict[str, str]:
        """Return what a row of each view is, by the name of the view."""
        from jobs.views.queries import BEFORE, read_views

        stored = self.list_tables().keys()
        return {view.name: view.grain for view in read_views() if view.tables - {BEFORE} <= stored}

    def sql(self, query: str) -> pd.DataFrame:
        """Return the answer of a query over tables and views.

        Raises:
            pyspark.errors.PySparkException: the query is invalid or fails.
        """
        from jobs.views.selection import add_temp_views

        _ = self.spark  # names the tables
        add_temp_views(self._lake, query, set(self.list_tables()))
        answer: pd.DataFrame = self.spark.sql(query).toArrow().to_pandas()
        return answer

    def explain(self, left_id: str, right_id: str, config: Config | None = None) -> Explanation:
        """Find why two videos are or are not in one cluster, as `ndvr why`.

        Args:
            left_id: a video.
            right_id: another video.
            config: settings of the night; None uses the defaults.

        Raises:
            UsageError: a table is missing, no run has been published, or a video is not in the manifest.
        """
        from jobs.commands.why import explain
        from jobs.config.settings import Config as Settings

        return explain(self._lake, left_id, right_id, (config or Settings()).clusters.relations)

    def decide(self, video_ids: Sequence[str], verdict: str, *, by: str, note: str | None = None) -> bool:
        """Record a decision that all later runs obey; return whether it was not yet in force.

        Args:
            video_ids: two videos, or one for `keep_this`.
            verdict: `duplicate`, `not_duplicate` or `part` for two videos, `keep_this` for one.
            by: name of the person who decides.
            note: reason.

        Raises:
            UsageError: the decision is invalid, a video is not in the manifest, or another decision contradicts it.
        """
        from jobs.clustering.decisions import make_decision
        from jobs.commands.decide import record_decisions
        from jobs.errors import UsageError

        try:
            decision = make_decision(video_ids, verdict, note)
        except ValueError as error:
            raise UsageError(str(error)) from error
        return record_decisions(self._lake, [decision], by) == 1

    def withdraw(self, video_ids: Sequence[str], *, by: str, note: str | None = None) -> Decision:
        """Withdraw the decision about one or two videos and return it. The table `decisions` keeps both.

        Raises:
            UsageError: no decision about them is in force.
        """
        from jobs.commands.decide import withdraw

        return withdraw(self._lake, video_ids, by, note)

    def read_decisions(self) -> dict[tuple[str, str], Decision]:
        """Read the decisions in force, by their videos: the smaller id first, or the same id twice for `keep_this`."""
        from jobs.commands.decide import read_decisions_in_force

        return read_decisions_in_force(self._lake)

    def illustrate(
        self,
        folder: Path,
        *,
        order: str = "least-certain",
        max_clusters: int = 10,
        max_pairs: int = 1,
        config: Config | None = None,
    ) -> list[ReviewedCluster]:
        """Make pictures of the least certain pairs of clusters. `ndvr.stack_strips` shows the pictures of a pair.

        Args:
            folder: for the pictures.
            order: of the clusters: least-certain, largest or newest.
            max_clusters: number of clusters.
            max_pairs: number of pairs of each cluster.
            config: for manifest.roots and the limits of decoders; None uses the defaults.

        Raises:
            UsageError: no run has been published, or the order is unknown.
        """
        from jobs.errors import UsageError
        from jobs.review.cluster_selection import ORDERS, sort_clusters
        from jobs.review.notebook_pictures import illustrate_clusters

        if order not in ORDERS:
            raise UsageError(f"the order must be one of {', '.join(ORDERS)}, got {order!r}")
        return sort_clusters(illustrate_clusters(self._lake, folder, max_clusters, max_pairs, config), order)

    def evaluate(self, truth: Truth) -> tuple[str | None, EvaluationReport]:
        """Evaluate the pairs and clusters of the model in use; return its id and the report.

        Raises:
            UsageError: a table is missing, or pairs exist but no run has been published.
            ContractError: the truth has no positive pairs of the lake's videos.
        """
        from jobs.commands.evaluate import evaluate_lake

        return evaluate_lake(self._lake, truth)

    def try_model(self, truth_file: Path, config: Config) -> Trial:
        """Embed the described videos with the model of a config, and compare all pairs with a truth. Writes nothing.

        Args:
            truth_file: as `ndvr.load_truth` reads it.
            config: section `embeddings` selects the model, section `describe` the descriptors.

        Raises:
            UsageError: there is no such model, or the truth has no copy among the videos.
            ContractError: the truth is not in the format.
        """
        from jobs.training.trial import try_model

        return try_model(self._lake, truth_file, config)

    def score_candidates(self, truth: Truth, config: Config | None = None) -> ScoredCandidates:
        """Verify all candidate pairs again, also those below the threshold, and label them. Writes nothing.

        Args:
            truth: labels all pairs of the described videos; pairs that are not listed share nothing.
            config: settings of the night; None uses the defaults.

        Raises:
            UsageError: the model does not compare frames, or no pair of the truth is among the videos.
        """
        from jobs.config.settings import Config as Settings
        from jobs.training.threshold import score_candidates

        return score_candidates(self._lake, truth, config or Settings())


def connect(lake: str | Path) -> Tables:
    """Start Spark, or use the session of this process, and open the tables of a lake.

    Args:
        lake: folder or URI of the tables.

    Raises:
        UsageError: the lake has no tables, or Spark cannot start on this machine.
    """
    from jobs.commands.open_lake import open_lake
    from jobs.lake.location import absolute

    return Tables(open_lake(absolute(str(lake))))
