"""What a night is about to publish, counted: what its audits judge."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyspark.sql import DataFrame, Row

    from jobs.contracts.run import Run
    from jobs.lake.lake import Lake


@dataclass(frozen=True)
class Measures:
    """What a night is about to publish, in numbers.

    New, and tried, is what has been since the last night that was published: one that was refused is refused again
    until its cause is mended. Pairs of relation `common` are not counted: an intro makes as many as it likes.

    Attributes:
        num_described: videos tried and described.
        error_counts: videos tried and in quarantine, by error_code.
        num_videos: described by the model in use, and not removed.
        num_new_videos: of them, new to the model.
        num_pairs: pairs.
        num_new_pairs: of them, those with a new video.
        num_clustered: rows of `clusters`.
        num_without_keeper: of them, those of a cluster that has not exactly one keeper.
        largest_cluster_id: None where there is no cluster.
        num_in_largest: videos in it.
    """

    num_described: int = 0
    error_counts: Mapping[str, int] = field(default_factory=dict)
    num_videos: int = 0
    num_new_videos: int = 0
    num_pairs: int = 0
    num_new_pairs: int = 0
    num_clustered: int = 0
    num_without_keeper: int = 0
    largest_cluster_id: str | None = None
    num_in_largest: int = 0

    @property
    def num_failed(self) -> int:
        """Videos tried and in quarantine."""
        return sum(self.error_counts.values())

    @property
    def num_tried(self) -> int:
        """Videos described or in quarantine."""
        return self.num_described + self.num_failed

    @property
    def values(self) -> dict[str, float]:
        """What is kept in `runs.audit_values`, and what later runs compare with: ratios of what is there."""
        ratios = {
            "failed_fraction": (self.num_failed, self.num_tried),
            "largest_cluster_fraction": (self.num_in_largest, self.num_videos),
            "pairs_per_new_video": (self.num_new_pairs, self.num_new_videos),
            "without_keeper_fraction": (self.num_without_keeper, self.num_clustered),
            "clustered_fraction": (self.num_clustered, self.num_videos),
            "pairs_per_video": (self.num_pairs, self.num_videos),
        }
        return {name: count / of for name, (count, of) in ratios.items() if of}


@dataclass(frozen=True)
class EarlierRuns:
    """The nights before this one, as `runs` tells.

    Attributes:
        refused: run_ids of those that failed since the last that was published.
        last_of_model: run_id of the last that was published with the model in use; empty where there is none.
        history: what the audits of published ones measured, the newest first; nothing of those of older versions.
    """

    refused: list[str]
    last_of_model: str
    history: list[dict[str, float]]


def read_earlier_runs(lake: Lake, run: Run) -> EarlierRuns:
    """Read them: a row a night, a few hundred. Runs on: driver."""
    whole = lake.read("runs").where("stage = 'run'").select("run_id", "status", "model_id", "audit_values").collect()
    rows = sorted(whole, reverse=True, key=lambda row: row["run_id"])
    published = [row for row in rows if row["status"] == "done"]
    last = published[0]["run_id"] if published else ""
    return EarlierRuns(
        [row["run_id"] for row in rows if row["run_id"] > last],
        next((row["run_id"] for row in published if row["model_id"] == run.model.model_id), ""),
        [dict(row["audit_values"]) for row in published if row["audit_values"] is not None],
    )


def measure_attempts(lake: Lake, run: Run, nights: EarlierRuns) -> Measures:
    """Count the videos tried in this night and in those that were refused before it, as they stand now.

    What backfills tried is not counted: the past may be as broken as it is. Runs on: driver.
    """
    is_of_night = F.col("run_id").isin(run.run_id, *nights.refused)
    described = lake.read("descriptors").where(is_of_night & (F.col("descriptor_id") == run.model.descriptor_id))
    failed = lake.read("quarantine").where(is_of_night).groupBy("error_code").count()
    return Measures(
        num_described=described.count(), error_counts={row["error_code"]: row["count"] for row in failed.collect()}
    )


def measure_staged(lake: Lake, run: Run, nights: EarlierRuns) -> Measures:
    """Count all that the audits judge, in what is staged and what is stored. Runs on: driver; counted on executors."""
    of_model = F.col("model_id") == run.model.model_id
    tried = measure_attempts(lake, run, nights)
    present = lake.read("manifest").where("removed_at IS NULL").select("video_id")
    embedded = lake.read("embeddings").where(of_model & (F.col("segment_index") == 0)).select("video_id", "run_id")
    videos = embedded.join(present, "video_id", "left_semi")
    is_new = F.col("run_id") > nights.last_of_model
    counted = videos.agg(F.count("*").alias("all"), F.count_if(is_new).alias("new")).collect()[0]
    pairs = _count_pairs(
        lake.read("pairs").where(of_model & (F.col("relation") != "common")), videos.where(is_new).select("video_id")
    )
    clusters = lake.read("clusters").where(of_model).groupBy("cluster_id")
    sizes = clusters.agg(F.count("*").alias("size"), F.count_if("is_keeper").alias("num_keepers"))
    found = sizes.agg(
        F.sum("size").alias("num_clustered"),
        F.sum(F.when(F.col("num_keepers") != 1, F.col("size"))).alias("num_without_keeper"),
        F.max(F.struct("size", "cluster_id")).alias("largest"),
    ).collect()[0]
    return replace(
        tried,
        num_videos=counted["all"],
        num_new_videos=counted["new"],
        num_pairs=pairs["all"],
        num_new_pairs=pairs["new"],
        num_clustered=found["num_clustered"] or 0,
        num_without_keeper=found["num_without_keeper"] or 0,
        largest_cluster_id=found["largest"]["cluster_id"] if found["largest"] else None,
        num_in_largest=found["largest"]["size"] if found["largest"] else 0,
    )


def _count_pairs(pairs: DataFrame, new: DataFrame) -> Row:
    """Count pairs, `all` and those with a new video, `new`."""
    marked = pairs.select("left_id", "right_id")
    for end in ("left_id", "right_id"):
        marked = marked.join(new.select(F.col("video_id").alias(end), F.lit(True).alias(f"new_{end}")), end, "left")
    is_new = F.coalesce("new_left_id", "new_right_id", F.lit(False))
    return marked.agg(F.count("*").alias("all"), F.count_if(is_new).alias("new")).collect()[0]
