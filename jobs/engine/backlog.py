"""What a backfill is to do, by the tables: each video of a catalogue is done, in quarantine, or pending."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

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
    """Add `state`, by the tables as they are now: done, failed, pending, or removed.

    Done is a video with descriptors and embeddings for the model of the run. Whether its file has been replaced since
    is the nights' to see: they look at every file that they are told of. Failed is one without descriptors that waits
    in quarantine. Runs on: driver.
    """
    model = run.model
    described = lake.read("descriptors").where(F.col("descriptor_id") == model.descriptor_id)
    embedded = lake.read("embeddings").where((F.col("model_id") == model.model_id) & (F.col("segment_index") == 0))
    is_waiting = F.col("next_retry_at").isNull() | (F.col("next_retry_at") > F.lit(run.started_at))
    waiting = lake.read("quarantine").where(is_waiting | (F.col("run_id") == run.run_id))
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
    """Select what is pending of a shard, behind (hash, video_id). Grain: one row per video. Runs on: driver."""
    is_here = F.col("month").eqNullSafe(F.lit(shard.month)) & F.col("bucket").between(
        shard.first_bucket, shard.last_bucket
    )
    if after is not None:
        last_hash, last_id = after
        is_here &= (F.col("hash") > last_hash) | ((F.col("hash") == last_hash) & (F.col("video_id") > last_id))
    rows = add_state(catalogue.where(is_here).select("video_id", "hash"), lake, run)
    return rows.where("state = 'pending'").select("video_id", "hash")


def count_states(catalogue: DataFrame, lake: Lake, run: Run) -> tuple[BackfillProgress, list[Pending]]:
    """Count a catalogue by state, month and bucket; a few thousand rows come to the driver. Runs on: driver."""
    keys = ("state", "month", "bucket")
    counts = add_state(catalogue.select("video_id", "month", "bucket"), lake, run).groupBy(*keys).count().collect()
    total = dict.fromkeys(("done", "failed", "pending", "removed"), 0)
    for row in counts:
        total[row["state"]] += row["count"]
    pending = [Pending(row["month"], row["bucket"], row["count"]) for row in counts if row["state"] == "pending"]
    num_videos = total["done"] + total["failed"] + total["pending"]
    return BackfillProgress(num_videos, total["done"], total["failed"], read_rate(lake, run)), pending


def read_rate(lake: Lake, run: Run) -> float | None:
    """Return the videos a second of the last backfills of the model, as `runs` has them; None where it has none."""
    of_model = (F.col("stage") == "backfill") & (F.col("model_id") == run.model.model_id) & (F.col("num_rows") > 0)
    recent = lake.read("runs").where(of_model).orderBy(F.desc("started_at")).limit(_NUM_RECENT_RUNS)
    row = recent.agg(F.sum("num_rows").alias("videos"), F.sum("seconds").alias("seconds")).collect()[0]
    return row["videos"] / row["seconds"] if row["seconds"] else None
