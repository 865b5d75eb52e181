"""The card of an index: what it holds, which tables it reflects, and the settings of the night that published it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from jobs.errors import ContractError, UsageError

if TYPE_CHECKING:
    from udfs.indexing.store import Store

INDEX_FOLDER = "_index"
CARD_FILE = "current.json"
LISTING_FILE = "listing.arrow"
_FORMAT = 1


@dataclass(frozen=True)
class IndexCard:
    """What an index is.

    Attributes:
        version: the run that published it.
        published_at: UTC, ISO 8601.
        model_id: whose vectors it holds.
        code_version: of the ndvr that wrote it.
        tables: Delta version of each table that it reflects.
        config: the settings of the run, as JSON: one video is judged by them as a night would.
        listing: folder of the listing of present videos.
        shards: folder of each shard and how many segments it holds, dead ones too; a listing numbers them in this
            order.
        num_videos: present ones.
        num_segments: of present videos.
    """

    version: str
    published_at: str
    model_id: str
    code_version: str
    tables: dict[str, int]
    config: dict[str, Any]
    listing: str
    shards: dict[str, int]
    num_videos: int
    num_segments: int

    @property
    def folders(self) -> set[str]:
        """The folders that it names."""
        return {self.listing, *self.shards}

    def to_json(self) -> bytes:
        """Write it as JSON."""
        return json.dumps({"format": _FORMAT} | asdict(self), indent=1, ensure_ascii=False).encode() + b"\n"

    @classmethod
    def from_json(cls, content: bytes) -> IndexCard:
        """Read what `to_json` wrote.

        Raises:
            ContractError: it is of a newer format, or no card.
        """
        try:
            values = json.loads(content)
            found = values.pop("format")
            if found == _FORMAT:
                return cls(**values)
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            raise ContractError(
                f"{CARD_FILE} of the index is not a card: {error}; the next nightly run mends it if it is removed"
            ) from error
        raise ContractError(
            f"the index is of format {found!r}, this ndvr reads {_FORMAT}: take the same version of ndvr for both"
        )


def read_card(index: Store, model_id: str) -> IndexCard | None:
    """Read the card of a model's index; None where it has none.

    Args:
        index: the lake's folder of indexes.
        model_id: of the model.
    """
    content = index.at(model_id).read(CARD_FILE)
    return None if content is None else IndexCard.from_json(content)


def read_current_model(index: Store, lake_uri: str) -> str:
    """Read which model's index was published last.

    Raises:
        UsageError: none is there.
    """
    content = index.read(CARD_FILE)
    if content is None:
        raise UsageError(
            f"no index in {lake_uri!r}: a nightly run publishes one where its model compares frames (model.verifier); "
            "query and serve are not available for others"
        )
    return str(json.loads(content)["model_id"])
