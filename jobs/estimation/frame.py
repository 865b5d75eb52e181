"""The pairs that a sample is drawn from: published pairs and duplicates, and candidates that were rejected.

Identical files count once: a pair of one content with another stands for all pairs of their files.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from jobs.contracts.presence import select_present
from jobs.contracts.run import keep_on_executors
from jobs.contracts.run_log import log
from jobs.estimation.strata import BY_PATH, IN_DUPLICATES, IN_PAIRS, REJECTED
from jobs.pairing.candidates import plan_search, search_candidates
from jobs.pairing.representatives import (
    find_representatives,
    fingerprint_videos,
    select_representative_segments,
)
from jobs.tables import pairs, thumbnails

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from jobs.config.settings import Config
    from jobs.lake.lake import Lake
    from models.verifier import Verifier

_PAIR = ["left_id", "right_id"]
_CONTENTS = ["left_content", "right_content"]
_FRAME = ("left_id", "right_id", "population", "match_probability", "relation", "duplicate_relation", "cluster_size")
_KINDS = {"copy": 3, "contained": 2, "contains": 1, "overlap": 0}


@dataclass(frozen=True)
class Rejected:
    """Candidates that the verifier rejected, of a sample of the videos.

    Attributes:
        rows: columns of the frame, and owner_id: the video of the sample that a pair counts for.
        num_videos: videos that the night searches: one of identical ones.
        num_searched: videos that were searched again.
    """

    rows: DataFrame
    num_videos: int
    num_searched: int


def list_published(lake: Lake, model_id: str) -> DataFrame:
    """List the published pairs and duplicates of a model, one row per two contents. Runs on: driver and executors.

    Pairs of relation `common` are left out, as in the audits. So are identical files, which nobody has to judge.

    Returns:
        left_id, right_id; population, one of `jobs.estimation.strata.PUBLISHED`; match_probability; relation of the
        pair, or null; duplicate_relation, or null; cluster_size of the cluster that has both, or null.
    """
    of_model = F.col("model_id") == model_id
    embedded = lake.read("embeddings").where(of_model & (F.col("segment_index") == 0))
    contents = embedded.select("video_id", "content_sha256")
    paired = lake.read("pairs").where(of_model & (F.col("relation") != "common"))
    by_content = _add_contents(paired.select(*_PAIR, "match_probability", "relation"), contents)
    paired = by_content.groupBy(*_CONTENTS).agg(F.min(F.struct(*_PAIR, "match_probability", "relation")).alias("pair"))
    ordered = _read_ordered_duplicates(lake, model_id).select(*_PAIR, "match_probability", "relation")
    weight = F.create_map(*[F.lit(part) for item in _KINDS.items() for part in item])[F.col("relation")]
    claims = _add_contents(ordered, contents).withColumn("weight", weight)
    claims = claims.groupBy(*_CONTENTS).agg(
        F.min(F.struct(*_PAIR, "match_probability")).alias("claim"),
        F.max_by("relation", "weight").alias("duplicate_relation"),
    )
    joined = paired.join(claims, _CONTENTS, "full_outer").select(
        F.coalesce("pair.left_id", "claim.left_id").alias("left_id"),
        F.coalesce("pair.right_id", "claim.right_id").alias("right_id"),
        F.when(F.col("pair").isNull(), BY_PATH)
        .when(F.col("duplicate_relation").isNull(), IN_PAIRS)
        .otherwise(IN_DUPLICATES)
        .alias("population"),
        F.coalesce("pair.match_probability", "claim.match_probability").alias("match_probability"),
        F.col("pair.relation").alias("relation"),
        "duplicate_relation",
    )
    return _add_cluster_size(joined, lake, model_id).select(*_FRAME)


def find_rejected(
    lake: Lake, model_id: str, verifier: Verifier, config: Config, num_videos: int, seed: int
) -> Rejected:
    """Search a random sample of the videos again, and verify the candidates that are not published, as a night does.

    The table `pairs` does not store rejected candidates. A candidate counts for one of its two videos, which a hash
    chooses, and is verified if that video is in the sample. So every candidate has the same chance, and the number of
    candidates is estimated by that of the sample times (videos / videos in the sample). Candidates that the first look
    rules out (`min_open_probability`) are not listed.

    Runs on: driver; search and verification on executors. The cost is that of a night with `num_videos` new videos.

    Args:
        lake: with the tables of a published run.
        model_id: of the model in use.
        verifier: of that model, with its threshold.
        config: settings of the run.
        num_videos: videos to search again; all if there are fewer.
        seed: of the choice.
    """
    present = select_present(lake.read("manifest"), lake.read("quarantine"))
    stored = lake.read("embeddings").where(F.col("model_id") == model_id).join(present, "video_id", "left_semi")
    videos = keep_on_executors("videos", find_representatives(fingerprint_videos(stored)))
    names = videos.where("video_id = representative_id").select("video_id")
    num_all = names.count()
    chosen = names.orderBy(F.xxhash64(F.lit(seed), "video_id"), "video_id").limit(num_videos)
    chosen = keep_on_executors("chosen", chosen.withColumn("is_chosen", F.lit(True)))
    marked = videos.join(F.broadcast(chosen), "video_id", "left").withColumn(
        "is_unsearched", F.coalesce("is_chosen", F.lit(False))
    )
    segments = select_representative_segments(stored, marked)
    search = config.pairs.model_copy(update={"incremental": True})
    found = search_candidates(
        segments, search.min_candidate_similarity, search, plan_search(segments, search), keep_on_executors
    ).rows
    is_left = F.xxhash64(F.lit(seed), *_PAIR) % 2 == 0
    owned = found.withColumn("owner_id", F.when(is_left, F.col("left_id")).otherwise(F.col("right_id")))
    owned = owned.join(chosen.select(F.col("video_id").alias("owner_id")), "owner_id", "left_semi")
    unpublished = _leave_out_published(owned.select(*_PAIR, "owner_id"), lake, model_id, stored)
    kept = keep_on_executors("unpublished", unpublished)
    whole = stored.join(videos.select("video_id", "content_sha256"), ["video_id", "content_sha256"], "left_semi")
    sources = thumbnails.read_sources(lake, config.describe.descriptor_id, config)
    looked = pairs.verify_named(kept.select(*_PAIR), whole, sources, verifier)
    judged = looked.select(*_PAIR, "match_probability", "relation").join(kept, _PAIR)
    rows = judged.withColumns(
        {"population": F.lit(REJECTED), "duplicate_relation": F.lit(None).cast("string"),
         "cluster_size": F.lit(None).cast("int")}
    )  # fmt: skip
    num_searched = min(num_videos, num_all)
    log.info("rejected candidates found", num_videos=num_all, num_searched=num_searched)
    return Rejected(keep_on_executors("rejected", rows.select(*_FRAME, "owner_id")), num_all, num_searched)


def _add_contents(rows: DataFrame, contents: DataFrame) -> DataFrame:
    """Add the contents of both videos, in order, and drop pairs of one content."""
    for side in ("left", "right"):
        named = contents.select(F.col("video_id").alias(f"{side}_id"), F.col("content_sha256").alias(f"own_{side}"))
        rows = rows.join(named, f"{side}_id")
    ordered = rows.withColumns(
        {"left_content": F.least("own_left", "own_right"), "right_content": F.greatest("own_left", "own_right")}
    )
    return ordered.where("own_left <> own_right").drop("own_left", "own_right")


def _add_cluster_size(rows: DataFrame, lake: Lake, model_id: str) -> DataFrame:
    """Add the size of the cluster that has both videos, or null."""
    clusters = lake.read("clusters").where(F.col("model_id") == model_id).select("video_id", "cluster_id")
    sizes = clusters.groupBy("cluster_id").agg(F.count("*").cast("int").alias("size"))
    for side in ("left", "right"):
        members = clusters.select(F.col("video_id").alias(f"{side}_id"), F.col("cluster_id").alias(f"{side}_cluster"))
        rows = rows.join(members, f"{side}_id", "left")
    joined = rows.join(sizes, F.col("left_cluster") == F.col("cluster_id"), "left")
    is_one = F.col("left_cluster") == F.col("right_cluster")
    return joined.withColumn("cluster_size", F.when(is_one, F.col("size")))


def _read_ordered_duplicates(lake: Lake, model_id: str) -> DataFrame:
    """Read the rows of `duplicates` of a model, with left_id and right_id in the order of `pairs`."""
    ends = {"left_id": F.least("video_id", "duplicate_of"), "right_id": F.greatest("video_id", "duplicate_of")}
    return lake.read("duplicates").where(F.col("model_id") == model_id).withColumns(ends)


def _leave_out_published(rows: DataFrame, lake: Lake, model_id: str, stored: DataFrame) -> DataFrame:
    """Leave out the candidates that are published, as pairs of any relation or as duplicates by a path."""
    of_model = F.col("model_id") == model_id
    contents = stored.where("segment_index = 0").select("video_id", "content_sha256")
    claimed = _read_ordered_duplicates(lake, model_id).select(*_PAIR)
    known = lake.read("pairs").where(of_model).select(*_PAIR).unionByName(claimed)
    named = _add_contents(known, contents).select(*_CONTENTS).distinct()
    return _add_contents(rows, contents).join(named, _CONTENTS, "left_anti").drop(*_CONTENTS)
