"""Writes indexes without Spark, of a few embedded videos or of generated rows."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyarrow import ipc

from jobs.config.settings import Config
from jobs.contracts.run import CODE_VERSION, find_configured_model
from jobs.one_video.embedder import VideoEmbedder
from jobs.one_video.index.index_card import CARD_FILE, INDEX_FOLDER, LISTING_FILE, IndexCard
from udfs.indexing.shard import FRAME_DETAILS, SEGMENT_COLUMNS, THUMBNAILS, write_shard
from udfs.indexing.store import Store
from udfs.opening.roots import Roots

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from udfs.searching.cells import Cells

SEGMENT_SCHEMA = pa.schema(
    {
        "video_id": pa.string(),
        "segment_index": pa.int32(),
        "content_sha256": pa.string(),
        "end_seconds": pa.float64(),
        "vector": pa.list_(pa.float32()),
        "frame_seconds": pa.list_(pa.float64()),
        "frame_vectors": pa.binary(),
        "frame_backgrounds": pa.list_(pa.float32()),
        "thumbnails": pa.list_(pa.binary()),
        "frame_details": pa.list_(pa.float32()),
    }
)


def embed_videos(videos: Mapping[str, Path], config: Config | None = None) -> list[dict[str, Any]]:
    """Return the rows of `embeddings` that a run would write for videos, sorted by id, with their thumbnails."""
    config = config or Config()
    embedder = VideoEmbedder(config, find_configured_model(config), Roots.of("/"))
    try:
        return [row | {"video_id": name} for name in sorted(videos) for row in embedder.embed(str(videos[name]))]
    finally:
        embedder.close()


def write_index(  # noqa: PLR0913 -- as many as an index has parts
    lake: Path,
    shards: Sequence[Sequence[Mapping[str, Any]]],
    *,
    keepers: Mapping[str, str] | None = None,
    uris: Mapping[str, str] | None = None,
    dead: frozenset[str] = frozenset(),
    version: str = "20240501T120000Z-abcdef",
    config: Config | None = None,
) -> IndexCard:
    """Publish an index of rows of `embeddings`.

    Args:
        lake: folder of the lake.
        shards: the rows of each shard.
        keepers: video_id -> keeper of its cluster, whose id is also the cluster_id.
        uris: video_id -> where it was described; None for an index of an earlier version, which does not say.
        dead: videos that are in a shard but no longer present.
        version: version of the index, which is part of the names of its folders.
        config: settings of the run.
    """
    batches = [pa.RecordBatch.from_pylist(list(rows), schema=SEGMENT_SCHEMA) for rows in shards]
    return publish_shards(
        lake, ([batch] for batch in batches), keepers or {}, dead, version, config or Config(), uris=uris
    )


def publish_shards(  # noqa: PLR0913 -- as many as an index has parts
    lake: Path,
    shards: Iterator[Sequence[pa.RecordBatch]],
    keepers: Mapping[str, str],
    dead: frozenset[str],
    version: str,
    config: Config,
    *,
    uris: Mapping[str, str] | None = None,
    cells: Cells | None = None,
) -> IndexCard:
    """Publish an index of record batches of SEGMENT_COLUMNS, and THUMBNAILS and FRAME_DETAILS if they have them.

    With cells, its shards store codes too.
    """
    model_id = find_configured_model(config).model_id
    store = Store.of(str(lake / INDEX_FOLDER / model_id))
    written, sizes = [], {}
    for number, (first, *others) in enumerate(shards):
        name = f"{version}-{number:05d}-0"
        optional = [name for name in (THUMBNAILS, FRAME_DETAILS) if name in first.schema.names]
        columns = [*SEGMENT_COLUMNS, *optional]
        rows = write_shard(store, name, first.select(columns), iter(others), cells)
        sizes[name] = sum(rows.column("num_segments").to_pylist())
        written += [row for row in rows.to_pylist() if row["video_id"] not in dead]
    for row in written:
        row["cluster_id"] = row["keeper_id"] = keepers.get(row["video_id"])
        if uris is not None:
            row["uri"] = uris.get(row["video_id"])
    schema = {"shard": pa.string(), "row": pa.int32(), "video_id": pa.string(), "content_sha256": pa.string()}
    schema |= {"num_segments": pa.int32(), "cluster_id": pa.string(), "keeper_id": pa.string()}
    schema |= {"uri": pa.string()} if uris is not None else {}
    listing = pa.Table.from_pylist(sorted(written, key=lambda row: row["video_id"]), pa.schema(schema))
    card = IndexCard(
        version=version,
        published_at="2024-05-01T12:00:00+00:00",
        model_id=model_id,
        code_version=CODE_VERSION,
        tables={"manifest": 1, "embeddings": 1, "clusters": 1},
        config=config.model_dump(mode="json"),
        listing=f"{version}-listing",
        shards=sizes,
        num_videos=listing.num_rows,
        num_segments=sum(listing.column("num_segments").to_pylist()),
        coded=[] if cells is None else sorted(sizes),
    )
    with store.write_folder(card.listing) as folder, ipc.new_file(str(folder / LISTING_FILE), listing.schema) as file:
        file.write_table(listing)
    store.replace(CARD_FILE, card.to_json())
    Store.of(str(lake / INDEX_FOLDER)).replace(CARD_FILE, json.dumps({"model_id": model_id}).encode())
    return card
