"""Counts the rows that a run is about to publish, for its audits."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from jobs.contracts.presence import select_present

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyspark.sql import DataFrame, Row

    from jobs.contracts.run import Run
    from jobs.engine.recorded_runs import EarlierRuns
    from jobs.lake.lake import Lake


@dataclass(frozen=True)
class Measures:
    """Counts of the rows that a run is about to publish.

    New and tried videos are counted since the last published run, so that a rejected run is rejected again until the
    cause is fixed. Pairs of relation `common` are not counted, because an intro can make any number of them.

    Attributes:
        num_described: tried videos that are described.
        error_counts: tried videos that are in quarantine, by error_code.
        num_videos: present videos with embeddings of the model in use.
        num_new_videos: number of these that are new to the model.
        num_pairs: pairs.
        num_new_pairs: pairs with a new video.
        num_clustered: rows of `clusters`.
        num_without_keeper: rows of `clusters` whose cluster does not have exactly one keeper.
        largest_cluster_id: id of the largest cluster; None without clusters.
        num_in_largest: videos in the largest cluster.
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
        """Tried videos that are in quarantine."""
        return sum(self.error_counts.values())

    @property
    def num_tried(self) -> int:
        """Tried videos: those described and those in quarantine."""
        return self.num_described + self.num_failed

    @property
    def values(self) -> dict[str, float]:
        """The ratios whose denominator is not 0. `runs.audit_values` stores them; later runs compare with them."""
        ratios = {
            "failed_fraction": (self.num_failed, self.num_tried),
            "largest_cluster_fraction": (self.num_in_largest, self.num_videos),
            "pairs_per_new_video": (self.num_new_pairs, self.num_new_videos),
            "without_keeper_fraction": (self.num_without_keeper, self.num_clustered),
            "clustered_fraction": (self.num_clustered, self.num_videos),
            "pairs_per_video": (self.num_pairs, self.num_videos),
        }
        return {name: count / of for name, (count, of) in ratios.items() if of}


def measure_attempts(lake: Lake, run: Run, earlier: EarlierRuns, *, has_attempts: bool) -> Measures:
    """Count the videos that this run and the rejected runs before it tried, by their present state.

    Without attempts of this run (`has_attempts`) and rejected runs there are none, and no table is read.

    Videos that backfills tried are not counted, because old videos may fail more often. Nor are lost files, which say
    nothing of the videos that were tried: `jobs.tables.manifest.check_lost` has their limit. Runs on: driver.
    """
    if not has_attempts and not earlier.rejected:
        return Measures()
    is_counted_run = F.col("run_id").isin(run.run_id, *earlier.rejected)
    described = lake.read("descriptors").where(is_counted_run & (F.col("descriptor_id") == run.model.descriptor_id))
    lost = _select_lost(lake, run).join(lake.read("manifest").where("file_error IS NOT NULL"), "video_id", "left_semi")
    failed = lake.read("quarantine").where(is_counted_run).join(lost, "video_id", "left_anti")
    failed = failed.groupBy("error_code").count()
    return Measures(
        num_described=described.count(), error_counts={row["error_code"]: row["count"] for row in failed.collect()}
    )


def count_lost(lake: Lake, run: Run) -> dict[str, int]:
    """Count the videos in quarantine that were described before, by error_code. Runs on: driver."""
    held = lake.read("quarantine")
    if held.isEmpty():
        return {}
    lost = held.join(_select_lost(lake, run), "video_id", "left_semi")
    counts = lost.groupBy("error_code").count().collect()
    return {row["error_code"]: row["count"] for row in sorted(counts, key=lambda row: (-row["count"], row[0]))}


def _select_lost(lake: Lake, run: Run) -> DataFrame:
    """Select the video_id of videos that are not removed, were described, and failed at their last attempt."""
    described = lake.read("descriptors").where(F.col("descriptor_id") == run.model.descriptor_id).select("video_id")
    listed = lake.read("manifest").where("removed_at IS NULL").select("video_id")
    held = lake.read("quarantine").select("video_id")
    return held.join(listed, "video_id", "left_semi").join(described, "video_id", "left_semi")


def measure_staged(lake: Lake, run: Run, earlier: EarlierRuns, *, has_attempts: bool) -> Measures:
    """Count everything that the audits need, in staged and stored rows. Runs on: driver; counts on executors."""
    of_model = F.col("model_id") == run.model.model_id
    tried = measure_attempts(lake, run, earlier, has_attempts=has_attempts)
    present = select_present(lake.read("manifest"), lake.read("quarantine"))
    embedded = lake.read("embeddings").where(of_model & (F.col("segment_index") == 0)).select("video_id", "run_id")
    videos = embedded.join(present, "video_id", "left_semi")
    is_new = F.col("run_id") > earlier.last_of_model
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
    """Count all pairs, as `all`, and the pairs with a new video, as `new`."""
    marked = pairs.select("left_id", "right_id")
    for end in ("left_id", "right_id"):
        marked = marked.join(new.select(F.col("video_id").alias(end), F.lit(True).alias(f"new_{end}")), end, "left")
    is_new = F.coalesce("new_left_id", "new_right_id", F.lit(False))
    return marked.agg(F.count("*").alias("all"), F.count_if(is_new).alias("new")).collect()[0]
