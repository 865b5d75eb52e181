"""Reads the index of a lake without Spark: the stored videos that may share footage with one, and their frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jobs.errors import ContractError
from jobs.one_video.index.index_card import INDEX_FOLDER, LISTING_FILE, IndexCard, read_card, read_current_model
from udfs.indexing.shard import IndexShard
from udfs.indexing.shard_codes import VideoVectors
from udfs.indexing.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

_TRIES = 3


@dataclass(frozen=True)
class StoredVideo:
    """A present video.

    Attributes:
        number: its row in the listing.
        video_id: in the manifest.
        content_sha256: of its file.
        cluster_id: its cluster; None if it is in no cluster.
        keeper_id: the keeper of that cluster; None if it is in no cluster.
        uri: where it was described; None in an index of an earlier version.
    """

    number: int
    video_id: str
    content_sha256: str
    cluster_id: str | None
    keeper_id: str | None
    uri: str | None = None


@dataclass(frozen=True)
class Index:
    """One version of an index, mapped into memory. Several threads may use it at once.

    Attributes:
        card: its description.
        shards: in the order of the card.
        listing: Arrow table of the present videos.
        numbers: for each shard int64 (num_videos,), the row of each of its videos in the listing; -1 if the video was
            removed or replaced.
        places: int64 (num_videos, 2), the shard and the row in the shard for each row of the listing.
    """

    card: IndexCard
    shards: tuple[IndexShard, ...]
    listing: pa.Table
    numbers: tuple[NDArray[np.int64], ...]
    places: NDArray[np.int64]

    def search(self, queries: NDArray[np.float32], min_cosine_similarity: float) -> list[int]:
        """Find the present videos with a segment that is similar enough to a query; return their rows in the listing.

        Args:
            queries: float32 (n, dim), unit norm.
            min_cosine_similarity: in [-1, 1].
        """
        import numpy as np

        asked, found = VideoVectors(queries), set[int]()
        for shard, numbers in zip(self.shards, self.numbers, strict=True):
            segments = shard.search(asked, min_cosine_similarity)
            found.update(numbers[np.unique(shard.find_videos(segments))].tolist())
        return sorted(found - {-1})

    def find_content(self, content_sha256: str) -> list[int]:
        """Find the present videos with an identical file; return their rows in the listing."""
        import pyarrow.compute as pc

        return list(pc.indices_nonzero(pc.equal(self.listing.column("content_sha256"), content_sha256)).to_pylist())

    def list_videos(self, numbers: Iterable[int]) -> list[StoredVideo]:
        """Return the videos in these rows of the listing."""
        chosen = list(numbers)
        optional = ["uri"] if "uri" in self.listing.schema.names else []
        names = ["video_id", "content_sha256", "cluster_id", "keeper_id", *optional]
        rows = self.listing.select(names).take(chosen).to_pylist() if chosen else []
        return [StoredVideo(number, **row) for number, row in zip(chosen, rows, strict=True)]

    def read_video(self, number: int) -> dict[str, Any]:
        """Read the frames of the video in a row of the listing; see `IndexShard.read_video`."""
        shard, row = self._find(number)
        return shard.read_video(row)

    def read_thumbnails(self, number: int, frames: Sequence[int]) -> list[bytes] | None:
        """Read the thumbnails of some frames of the video in a row of the listing; None if they are not stored."""
        shard, row = self._find(number)
        return shard.read_thumbnails(row, frames)

    def _find(self, number: int) -> tuple[IndexShard, int]:
        """Return the shard of the video in a row of the listing, and its row there."""
        shard_number, row = self.places[number].tolist()
        return self.shards[shard_number], row


@dataclass(frozen=True)
class IndexFolder:
    """The folder of the indexes of a lake.

    Attributes:
        lake_uri: absolute path or URI of the lake.
        cache: where a remote index is copied to; None uses `udfs.indexing.store.default_cache`.
        model_id: the model whose index is read; None uses the model of the index that was published last.
    """

    lake_uri: str
    cache: Path | None = None
    model_id: str | None = None

    def read_card(self) -> IndexCard:
        """Read the newest card.

        Raises:
            UsageError: no index has been published.
            ContractError: the card has another format, or the model has no index.
        """
        store = self._store
        model_id = self.model_id or read_current_model(store, self.lake_uri)
        card = read_card(store, model_id)
        if card is None:
            read_current_model(store, self.lake_uri)  # raises if no index of any model exists
            raise ContractError(
                f"no index of {model_id} in {self.lake_uri!r}: a nightly run with these settings publishes one"
            )
        return card

    def open(self, card: IndexCard | None = None) -> Index:
        """Open the newest version, or the version of a card that was just read.

        Raises:
            UsageError: no index has been published.
            ContractError: the card has another format, or files are missing.
        """
        for _ in range(_TRIES):
            card = card or self.read_card()
            try:
                return self._open(card)
            except FileNotFoundError as error:  # a nightly run has just replaced it
                missing, card = error, None
        raise ContractError(
            f"a file of the index in {self.lake_uri!r} is missing: {missing}; remove the folder {INDEX_FOLDER}, and "
            "the next nightly run writes the index again"
        )

    @property
    def _store(self) -> Store:
        return Store.of(f"{self.lake_uri.rstrip('/')}/{INDEX_FOLDER}")

    def _open(self, card: IndexCard) -> Index:
        import numpy as np
        import pyarrow as pa
        from pyarrow import ipc

        store = self._store.at(card.model_id)
        shards = tuple(IndexShard.open(store.fetch(name, self.cache)) for name in card.shards)
        file = store.fetch(card.listing, self.cache) / LISTING_FILE
        listing = ipc.open_file(pa.memory_map(str(file))).read_all()
        store.keep_only(card.folders, self.cache)
        order = {name: number for number, name in enumerate(card.shards)}
        names = listing.column("shard").combine_chunks().dictionary_encode()
        by_code = np.array([order[name] for name in names.dictionary.to_pylist()], dtype=np.int64)
        of_shard = by_code[names.indices.to_numpy()] if listing.num_rows else np.empty(0, np.int64)
        rows = listing.column("row").to_numpy().astype(np.int64)
        numbers = tuple(np.full(len(shard.first_segments), -1, dtype=np.int64) for shard in shards)
        for number, table in enumerate(numbers):
            mine = np.flatnonzero(of_shard == number)
            table[rows[mine]] = mine
        return Index(card, shards, listing, numbers, np.stack([of_shard, rows], axis=1))
