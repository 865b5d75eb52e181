"""Compare two models on one lake: the published pairs and clusters, and those that another model would publish."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F

from jobs.contracts.presence import select_present
from jobs.errors import UsageError
from jobs.pairing.representatives import fingerprint_videos
from jobs.tables import clusters, pairs, search_cells, thumbnails

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyspark.sql import Column, DataFrame

    from jobs.contracts.run import Run
    from jobs.lake.lake import Lake

_PAIR = ("left_id", "right_id")
_PAIR_COLUMNS = ("match_probability", "cosine_similarity", "relation")
_MAX_SHOWN_MEMBERS = 10


@dataclass(frozen=True)
class Changes:
    """Differences between the pairs, or the clusters, of two models.

    Attributes:
        num_old: number of pairs or clusters of the old model.
        num_new: number of pairs or clusters of the new model.
        num_both: number of pairs or clusters of both models. Clusters are equal if they have the same videos.
        num_altered: number of those of both models whose relation (pairs) or keeper (clusters) differs.
        gained: samples of pairs or clusters that only the new model has, rows as dicts: the most probable pairs, or the
            largest clusters.
        lost: samples of pairs or clusters that only the old model has.
    """

    num_old: int
    num_new: int
    num_both: int
    num_altered: int
    gained: list[dict[str, Any]]
    lost: list[dict[str, Any]]

    @property
    def num_gained(self) -> int:
        """Number of pairs or clusters that only the new model has."""
        return self.num_new - self.num_both

    @property
    def num_lost(self) -> int:
        """Number of pairs or clusters that only the old model has."""
        return self.num_old - self.num_both


@dataclass(frozen=True)
class Comparison:
    """Changes of a switch from one model to another.

    Attributes:
        old_id: model_id of the published rows.
        new_id: model_id of the model whose rows are computed.
        num_videos: number of videos that both have embedded; only these are compared.
        num_missing: number of videos that only the old model has embedded, because the backfill is not complete.
        pairs: differences between pairs.
        clusters: differences between clusters.
    """

    old_id: str
    new_id: str
    num_videos: int
    num_missing: int
    pairs: Changes
    clusters: Changes


def compare_models(lake: Lake, run: Run, old_id: str, num_samples: int, out: str | None = None) -> Comparison:
    """Compute the pairs and clusters of the run's model and compare them with the published ones. Publish nothing.

    Computed rows are written to the run's staging area. Runs on: driver; search, alignment and clusters on executors.

    Args:
        lake: the lake with the tables.
        run: a run whose model is the new one, and whose `checkpoint` writes to the lake.
        old_id: the model whose rows are published.
        num_samples: maximum number of samples of gained rows, and of lost rows.
        out: folder or URI for all differences, as Parquet (`pairs`, `clusters`), or None.

    Raises:
        UsageError: both models are the same, or no video is embedded by both.
    """
    new_id = run.model.model_id
    if new_id == old_id:
        raise UsageError(f"the old and the new model are both {new_id}: give --new a config with another model")
    old, new = (_read_embedded(lake, model_id) for model_id in (old_id, new_id))
    common = run.checkpoint("common", old.join(new, "video_id", "left_semi"))
    num_old, num_common = old.count(), common.count()
    if not num_common:
        raise UsageError(
            f"no video is embedded by both {old_id} ({num_old} videos) and {new_id} ({new.count()} videos): first run "
            "`ndvr backfill` with the config of --new"
        )
    of_old = F.col("model_id") == old_id
    old_pairs, new_pairs = lake.read("pairs").where(of_old), _build_pairs(lake, run, common)
    new_clusters = _build_clusters(lake, run, new_pairs)
    changed_pairs = run.checkpoint("changed_pairs", _match_pairs(_among(old_pairs, common, _PAIR), new_pairs))
    old_clusters = _among(lake.read("clusters").where(of_old), common, ("video_id",))
    changed_clusters = run.checkpoint("changed_clusters", _match_clusters(old_clusters, new_clusters))
    if out is not None:
        for name, changed in (("pairs", changed_pairs), ("clusters", changed_clusters)):
            changed.where("change <> 'both' OR is_altered").write.mode("overwrite").parquet(f"{out}/{name}")
    titles = lake.read("manifest").select("video_id", F.coalesce(F.col("attributes")["title"], "uri").alias("title"))
    return Comparison(
        old_id,
        new_id,
        num_common,
        num_old - num_common,
        _summarise(changed_pairs, partial(_add_titles, titles), ("probability", *_PAIR), num_samples),
        _summarise(changed_clusters, partial(_shorten, titles), ("num_videos", "keeper_id"), num_samples),
    )


def _read_embedded(lake: Lake, model_id: str) -> DataFrame:
    """Return the ids of the present videos that a model has embedded."""
    present = select_present(lake.read("manifest"), lake.read("quarantine"))
    rows = lake.read("embeddings").where((F.col("model_id") == model_id) & (F.col("segment_index") == 0))
    return rows.select("video_id").join(present, "video_id", "left_semi")


def _build_pairs(lake: Lake, run: Run, videos: DataFrame) -> DataFrame:
    """Build the pairs of the run's model among some videos, as the first run of this model would."""
    inputs = {name: lake.read(name) for name in ("manifest", "quarantine", "descriptors", "pairs")}
    inputs["thumbnails"] = thumbnails.read_stored(lake)
    inputs["embeddings"] = lake.read("embeddings").join(videos, "video_id", "left_semi")
    hashed = fingerprint_videos(inputs["embeddings"].where(F.col("model_id") == run.model.model_id))
    inputs["fingerprints"] = hashed.withColumn("model_id", F.lit(run.model.model_id))
    inputs["search_cells"] = lake.spark.createDataFrame([], search_cells.TABLE.schema)
    return run.checkpoint("new_pairs", pairs.build(inputs, run).rows)


def _build_clusters(lake: Lake, run: Run, new_pairs: DataFrame) -> DataFrame:
    """Build clusters from the pairs. Decisions of reviewers apply to all models."""
    names = ("manifest", "quarantine", "descriptors", "decisions", "cluster_events", "clusters")
    inputs = {name: lake.read(name) for name in names} | {"pairs": new_pairs}
    return run.checkpoint("new_clusters", clusters.build(inputs, run))


def _among(rows: DataFrame, videos: DataFrame, columns: tuple[str, ...]) -> DataFrame:
    """Return the rows whose videos in `columns` are all in `videos`."""
    for column in columns:
        rows = rows.join(videos.select(F.col("video_id").alias(column)), column, "left_semi")
    return rows


def _match_pairs(old: DataFrame, new: DataFrame) -> DataFrame:
    """Match pairs by their videos. Grain: one row per pair of either model, with the columns of both."""
    sides = [rows.select(*_PAIR, F.struct(*_PAIR_COLUMNS).alias(name)) for rows, name in ((old, "old"), (new, "new"))]
    is_altered = F.coalesce(F.col("old.relation") != F.col("new.relation"), F.lit(False))
    return (
        sides[0]
        .join(sides[1], [*_PAIR], "full_outer")
        .select(
            *_PAIR,
            _change().alias("change"),
            is_altered.alias("is_altered"),
            F.coalesce("new.match_probability", "old.match_probability").alias("probability"),
            "old",
            "new",
        )
    )


def _match_clusters(old: DataFrame, new: DataFrame) -> DataFrame:
    """Match clusters by their videos. Grain: one row per set of videos that is a cluster of either model."""
    sides = []
    for rows, name in ((old, "old"), (new, "new")):
        grouped = rows.groupBy("cluster_id").agg(
            F.sort_array(F.collect_set("video_id")).alias("video_ids"),
            F.max(F.when(F.col("is_keeper"), F.col("video_id"))).alias("keeper_id"),
        )
        columns = F.struct("cluster_id", "keeper_id").alias(name)
        sides.append(grouped.where("size(video_ids) > 1").select("video_ids", columns))
    is_altered = F.coalesce(~F.col("old.keeper_id").eqNullSafe(F.col("new.keeper_id")), F.lit(False))
    return (
        sides[0]
        .join(sides[1], "video_ids", "full_outer")
        .select(
            "video_ids",
            F.size("video_ids").alias("num_videos"),
            _change().alias("change"),
            (is_altered & (_change() == "both")).alias("is_altered"),
            F.coalesce("new.keeper_id", "old.keeper_id").alias("keeper_id"),
            "old",
            "new",
        )
    )


def _change() -> Column:
    """Return which side of an outer join a row has: gained, lost or both."""
    return F.when(F.col("old").isNull(), "gained").when(F.col("new").isNull(), "lost").otherwise("both")


def _summarise(
    changed: DataFrame, show: Callable[[DataFrame], DataFrame], order: tuple[str, ...], num_samples: int
) -> Changes:
    """Count the changes and select samples, in order of the first column of `order` descending, then of the others."""
    counts = changed.groupBy("change").agg(F.count("*").alias("all"), F.count_if("is_altered").alias("altered"))
    counted = {row["change"]: row for row in counts.collect()}
    num = {change: counted[change]["all"] if change in counted else 0 for change in ("both", "gained", "lost")}
    by: list[Column | str | int] = [F.desc(order[0]), *order[1:]]
    samples = {
        change: show(changed.where(F.col("change") == change).orderBy(*by).limit(num_samples)).orderBy(*by)
        for change in ("gained", "lost")
    }
    rows = {
        change: [row.asDict(recursive=True) for row in sample.drop("change", "is_altered").collect()]
        for change, sample in samples.items()
    }
    return Changes(
        num["both"] + num["lost"],
        num["both"] + num["gained"],
        num["both"],
        counted["both"]["altered"] if "both" in counted else 0,
        rows["gained"],
        rows["lost"],
    )


def _add_titles(titles: DataFrame, sample: DataFrame) -> DataFrame:
    """Add the title of both videos, or the uri if a video has no title."""
    for side in ("left", "right"):
        sample = sample.join(titles.toDF(f"{side}_id", f"{side}_title"), f"{side}_id", "left")
    return sample


def _shorten(titles: DataFrame, sample: DataFrame) -> DataFrame:
    """Limit the shown videos of each cluster, and add the title of the keeper, or its uri if it has no title."""
    shown = sample.withColumn("video_ids", F.slice("video_ids", 1, _MAX_SHOWN_MEMBERS))
    return shown.join(titles.toDF("keeper_id", "keeper_title"), "keeper_id", "left")
