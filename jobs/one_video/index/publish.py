"""Publishes the index after the tables: a run writes shards of new videos, and a listing of the present ones."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from jobs.contracts.presence import select_present
from jobs.contracts.run import CODE_VERSION
from jobs.contracts.run_ids import parse_run_time
from jobs.contracts.run_log import log
from jobs.contracts.stage import StageRecord
from jobs.contracts.times import format_utc
from jobs.one_video.index.index_card import CARD_FILE, INDEX_FOLDER, LISTING_FILE, IndexCard, read_card
from jobs.pairing.cells import read_cells
from udfs.indexing.shard import FRAME_DETAILS, SEGMENT_COLUMNS, THUMBNAILS, WRITTEN_DDL, make_shard_writer
from udfs.indexing.store import Store

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa
    from pyspark.sql import DataFrame

    from jobs.contracts.run import Run
    from jobs.lake.lake import Lake
    from udfs.searching.cells import Cells

STAGE = "index"
INDEXED_TABLES = ("manifest", "quarantine", "embeddings", "clusters")
"""The tables that an index reflects."""
SHARD_SEGMENTS = 1 << 17
"""Approximate segments of a shard: 256 MiB of vectors at 512 dims, held in memory by the task that writes it."""
MAX_SMALL_SHARDS = 16
"""If more shards than this are less than half full, they are rewritten as one; each costs a search about 50 us."""
MAX_DEAD_FRACTION = 0.2
"""A shard is rewritten if a larger fraction of its segments belongs to removed or replaced videos."""
_KEY = ["video_id", "content_sha256"]
_LISTED = {
    "shard": "string",
    "row": "int32",
    "video_id": "string",
    "content_sha256": "string",
    "num_segments": "int32",
}
"""Columns of the listing. `row` is the row of the video in the shard's Arrow file."""


def publish_index(lake: Lake, run: Run, versions: Mapping[str, int]) -> StageRecord:
    """Update the index of the run's model from the tables; write nothing if it already reflects them.

    Shards never change after they are written. New and changed videos go to new shards; removed and replaced videos are
    left out of the listing. The card is replaced last, so that a reader sees either the old or the new index. Runs on:
    driver, which holds the ids of all videos; vectors stay on executors.

    Args:
        lake: the published tables.
        run: the run, with its model, settings and id.
        versions: Delta version of each of INDEXED_TABLES.
    """
    started = time.monotonic()
    index = Store.of(f"{lake.root}/{INDEX_FOLDER}")
    last = read_card(index, run.model.model_id)
    settings = run.config.model_dump(mode="json", exclude={"spark"})
    if last is not None and (last.tables, last.config, last.code_version) == (dict(versions), settings, CODE_VERSION):
        _point_at(index, last.model_id)
        return StageRecord(STAGE, "skipped", 0.0)
    with run.progress.show(STAGE):
        store = index.at(run.model.model_id)
        cells = read_cells(lake.read("search_cells"), run.model.model_id)
        listing, shards, num_written = _write_changes(lake, run, store, last, cells)
        card = IndexCard(
            version=run.run_id,
            published_at=format_utc(run.started_at),
            model_id=run.model.model_id,
            code_version=CODE_VERSION,
            tables=dict(versions),
            config=settings,
            listing=_write_listing(store, listing, last, f"{run.run_id}-listing"),
            shards=shards,
            num_videos=listing.num_rows,
            num_segments=sum(listing.column("num_segments").to_pylist()),
            coded=[] if cells is None else sorted(shards),
        )
        store.replace(CARD_FILE, card.to_json())
        _point_at(index, card.model_id)
        _remove_unnamed(store, card.folders | (last.folders if last else set()), run)
    seconds = time.monotonic() - started
    log.info("index published", num_videos=card.num_videos, num_segments=card.num_segments, num_shards=len(shards))
    return StageRecord(STAGE, "done", seconds, num_written, input_versions=dict(versions))


def choose_kept(num_live: Mapping[str, int], num_stored: Mapping[str, int]) -> list[str]:
    """Choose the shards to keep; the present videos of the others are rewritten.

    Args:
        num_live: segments of present videos in each shard that has any.
        num_stored: segments in each shard.
    """
    kept = [name for name, count in num_stored.items() if num_live.get(name, 0) >= (1 - MAX_DEAD_FRACTION) * count]
    small = {name for name in kept if num_stored[name] < SHARD_SEGMENTS // 2}
    return [name for name in kept if name not in small] if len(small) > MAX_SMALL_SHARDS else kept


def _write_changes(
    lake: Lake, run: Run, store: Store, last: IndexCard | None, cells: Cells | None
) -> tuple[pa.Table, dict[str, int], int]:
    """Write the missing shards; return the listing, the number of segments of each shard, and of videos written.

    Once the lake has cells, shards without codes are written again. Shards in earlier cells are kept, because each has
    the centroids of its codes.
    """
    import pyarrow as pa

    embeddings = lake.read("embeddings").where(F.col("model_id") == run.model.model_id)
    present_videos = select_present(lake.read("manifest"), lake.read("quarantine"))
    wanted = embeddings.where("segment_index = 0").join(present_videos, "video_id", "left_semi").select(*_KEY)
    present = wanted.toArrow().cast(_key_schema())
    listed = _listed_schema().empty_table()
    shards: dict[str, int] = {}
    if last is not None:
        listed, shards = _keep(_read_listing(store, last), present, last, has_cells=cells is not None)
        present = present.join(listed.select(_KEY), _KEY, join_type="left anti")
        wanted = lake.spark.createDataFrame(present.cast(_key_schema())) if listed.num_rows else wanted
    if present.num_rows:
        written = _write_shards(embeddings.join(wanted, _KEY, "left_semi"), lake.read("thumbnails"), store, run, cells)
        listed = pa.concat_tables([listed, written])
        shards |= _count_segments(written)
    return _add_clusters(_add_uris(listed, lake, run), lake, run), shards, present.num_rows


def _listed_schema() -> pa.Schema:
    """Return the Arrow schema of a listing."""
    import pyarrow as pa

    return pa.schema({name: pa.type_for_alias(kind) for name, kind in _LISTED.items()})


def _key_schema() -> pa.Schema:
    """Return the Arrow schema of the columns that identify a video's content."""
    import pyarrow as pa

    return pa.schema({name: pa.string() for name in _KEY})


def _keep(listing: pa.Table, present: pa.Table, last: IndexCard, *, has_cells: bool) -> tuple[pa.Table, dict[str, int]]:
    """Return the rows of a listing to keep, those of present videos in shards that are kept, and these shards."""
    import pyarrow as pa
    import pyarrow.compute as pc

    live = listing.select(_LISTED.keys()).join(present, _KEY, join_type="left semi").cast(_listed_schema())
    stored = last.shards if not has_cells else {name: last.shards[name] for name in last.coded}
    kept = choose_kept(_count_segments(live), stored)
    is_kept = pc.is_in(live.column("shard"), pa.array(kept, pa.string()))
    return live.filter(is_kept), {name: last.shards[name] for name in kept}


def _count_segments(listed: pa.Table) -> dict[str, int]:
    """Count the segments of each shard's listed videos."""
    counts = listed.group_by("shard").aggregate([("num_segments", "sum")]).to_pylist()
    return {row["shard"]: row["num_segments_sum"] for row in sorted(counts, key=lambda row: str(row["shard"]))}


def _write_shards(segments: DataFrame, thumbnails: DataFrame, store: Store, run: Run, cells: Cells | None) -> pa.Table:
    """Write segments of `embeddings`, with thumbnails, as shards of similar size on executors; return their listing."""
    num_shards = max(1, round(segments.count() / SHARD_SEGMENTS))
    pictures = thumbnails.where(F.col("descriptor_id") == run.model.descriptor_id).select(
        *_KEY, F.lit(0).alias("segment_index"), THUMBNAILS, FRAME_DETAILS
    )
    rows = segments.select(*SEGMENT_COLUMNS).join(pictures, [*_KEY, "segment_index"], "left")
    rows = rows.select(*SEGMENT_COLUMNS, THUMBNAILS, FRAME_DETAILS).repartition(num_shards, "video_id")
    rows = rows.sortWithinPartitions("video_id", "segment_index")
    return rows.mapInArrow(make_shard_writer(store, run.run_id, cells), WRITTEN_DDL).toArrow().cast(_listed_schema())


def _add_uris(listed: pa.Table, lake: Lake, run: Run) -> pa.Table:
    """Add the uri of each file, from which frames are decoded where thumbnails are not stored."""
    described = lake.read("descriptors").where(F.col("descriptor_id") == run.model.descriptor_id)
    return listed.join(described.select(*_KEY, "uri").toArrow(), _KEY, join_type="left outer")


def _add_clusters(listed: pa.Table, lake: Lake, run: Run) -> pa.Table:
    """Add cluster_id and keeper_id, null if a video is in no cluster; sort by video_id."""
    clusters = lake.read("clusters").where(F.col("model_id") == run.model.model_id)
    keepers = clusters.where("is_keeper").select("cluster_id", F.col("video_id").alias("keeper_id"))
    members = clusters.select("video_id", "cluster_id").join(keepers, "cluster_id")
    known = members.select("video_id", "cluster_id", "keeper_id").toArrow()
    return listed.join(known, "video_id", join_type="left outer").sort_by("video_id").combine_chunks()


def _read_listing(store: Store, card: IndexCard) -> pa.Table:
    """Read the listing of a card."""
    from pyarrow import ipc

    with store.filesystem.open_input_file(f"{store.path}/{card.listing}/{LISTING_FILE}") as file:
        return ipc.open_file(file).read_all()


def _write_listing(store: Store, listing: pa.Table, last: IndexCard | None, name: str) -> str:
    """Write a listing and return its folder; return the folder of the last one if they are equal."""
    from pyarrow import ipc

    if last is not None and _read_listing(store, last).equals(listing):
        return last.listing
    with store.write_folder(name) as folder, ipc.new_file(str(folder / LISTING_FILE), listing.schema) as file:
        file.write_table(listing)
    return name


def _point_at(index: Store, model_id: str) -> None:
    """Set the model whose index readers open, unless it is already set."""
    content = json.dumps({"model_id": model_id}).encode() + b"\n"
    if index.read(CARD_FILE) != content:
        index.replace(CARD_FILE, content)


def _remove_unnamed(store: Store, named: set[str], run: Run) -> None:
    """Remove the folders that neither the new card nor the last one names.

    Folders of a run that may still be active are kept: it has not replaced the card yet.
    """
    oldest = run.started_at - timedelta(hours=run.config.maintenance.idle_run_hours)
    for name in store.list_folders():
        written_at = parse_run_time(name)
        if name not in named and written_at is not None and written_at < oldest:
            store.remove(name)
