"""The state of each video of a catalogue, read from the tables: done, failed, pending or removed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from jobs.contracts.retries import is_waiting
from jobs.engine.budget import BackfillProgress
from jobs.engine.shards import NUM_BUCKETS, Pending

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from jobs.contracts.run import Run
    from jobs.engine.shards import BackfillShard
    from jobs.lake.lake import Lake

_NUM_RECENT_RUNS = 5


def add_shard(catalogue: DataFrame) -> DataFrame:
    """Add `hash`, `bucket` and `month` to rows with video_id and published_at. Runs on: driver."""
    columns = {
        "hash": F.xxhash64("video_id"),
        "bucket": F.pmod(F.xxhash64("video_id"), F.lit(NUM_BUCKETS)).cast("int"),
        "month": F.date_format("published_at", "yyyy-MM"),
    }
    return catalogue.withColumns(columns)


def add_state(catalogue: DataFrame, lake: Lake, run: Run) -> DataFrame:
    """Add `state`, given the current tables: done, failed, pending or removed.

    A video is done if it has descriptors and embeddings for the model of the run. Nightly runs detect replaced files,
    because they check every file that their manifest names. A video is failed if it has no descriptors and waits in
    quarantine. Runs on: driver.
    """
    model = run.model
    described = lake.read("descriptors").where(F.col("descriptor_id") == model.descriptor_id)
    embedded = lake.read("embeddings").where((F.col("model_id") == model.model_id) & (F.col("segment_index") == 0))
    waiting = lake.read("quarantine").where(is_waiting(run))
    removed = lake.read("manifest").where("removed_at IS NOT NULL")
    marked = catalogue
    for name, rows in {"embedded": embedded, "described": described, "waiting": waiting, "removed": removed}.items():
        flag = rows.select("video_id", F.lit(True).alias(f"is_{name}"))
        marked = marked.join(flag, "video_id", "left")
    state = (
        F.when(F.col("is_removed"), "removed")
        .when(F.col("is_described") & F.col("is_embedded"), "done")
        .when(F.col("is_described").isNull() & F.col("is_waiting"), "failed")
        .otherwise("pending")
    )
    return marked.select(*catalogue.columns, state.alias("state"))


def select_pending(
    catalogue: DataFrame, shard: BackfillShard, after: tuple[int, str] | None, lake: Lake, run: Run
) -> DataFrame:
    """Select the pending videos of a shard after (hash, video_id). Grain: one row per video. Runs on: driver."""
    is_here = F.col("month").eqNullSafe(F.lit(shard.month)) & F.col("bucket").between(
        shard.first_bucket, shard.last_bucket
    )
    if after is not None:
        last_hash, last_id = after
        is_here &= (F.col("hash") > last_hash) | ((F.col("hash") == last_hash) & (F.col("video_id") > last_id))
    rows = add_state(catalogue.where(is_here).select("video_id", "hash"), lake, run)
    return rows.where("state = 'pending'").select("video_id", "hash")


def count_states(catalogue: DataFrame, lake: Lake, run: Run) -> tuple[BackfillProgress, list[Pending]]:
    """Count the videos of a catalogue by state, month and bucket, a few thousand rows. Runs on: driver."""
    keys = ("state", "month", "bucket")
    counts = add_state(catalogue.select("video_id", "month", "bucket"), lake, run).groupBy(*keys).count().collect()
    total = dict.fromkeys(("done", "failed", "pending", "removed"), 0)
    for row in counts:
        total[row["state"]] += row["count"]
    pending = [Pending(row["month"], row["bucket"], row["count"]) for row in counts if row["state"] == "pending"]
    num_videos = total["done"] + total["failed"] + total["pending"]
    return BackfillProgress(num_videos, total["done"], total["failed"], read_rate(lake, run)), pending


def read_rate(lake: Lake, run: Run) -> float | None:
    """Return the videos per second of the last backfills for the model, from `runs`; None if there are none."""
    of_model = (F.col("stage") == "backfill") & (F.col("model_id") == run.model.model_id) & (F.col("num_rows") > 0)
    recent = lake.read("runs").where(of_model).orderBy(F.desc("started_at")).limit(_NUM_RECENT_RUNS)
    row = recent.agg(F.sum("num_rows").alias("videos"), F.sum("seconds").alias("seconds")).collect()[0]
    return row["videos"] / row["seconds"] if row["seconds"] else None
