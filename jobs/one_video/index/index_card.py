"""The card of an index: its contents, the tables that it reflects, and the settings of the run that published it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from jobs.errors import ContractError, UsageError

if TYPE_CHECKING:
    from udfs.indexing.store import Store

INDEX_FOLDER = "_index"
CARD_FILE = "current.json"
LISTING_FILE = "listing.arrow"
_FORMATS = {False: 1, True: 2}
"""The format of an index by whether its shards have codes. Versions of ndvr before codes refuse format 2."""


@dataclass(frozen=True)
class IndexCard:
    """The description of an index.

    Attributes:
        version: the run that published it.
        published_at: UTC, ISO 8601.
        model_id: the model of its vectors.
        code_version: the version of ndvr that wrote it.
        tables: Delta version of each table that it reflects.
        config: the settings of the run, as JSON; checks of one video use them, so that they decide as the run does.
        listing: folder of the listing of present videos.
        shards: folder of each shard and its number of segments, including those of removed and replaced videos; a
            listing numbers the shards in this order.
        num_videos: present videos.
        num_segments: segments of present videos.
        coded: the shards that store codes too; all or none of a new index.
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
    coded: list[str] = field(default_factory=list)

    @property
    def folders(self) -> set[str]:
        """The folders that the card names."""
        return {self.listing, *self.shards}

    def to_json(self) -> bytes:
        """Return the card as JSON."""
        known = {"format": _FORMATS[bool(self.coded)]} | asdict(self)
        if not self.coded:
            del known["coded"]
        return json.dumps(known, indent=1, ensure_ascii=False).encode() + b"\n"

    @classmethod
    def from_json(cls, content: bytes) -> IndexCard:
        """Read a card that `to_json` wrote.

        Raises:
            ContractError: the content is not a card, or a card of another format.
        """
        try:
            values = json.loads(content)
            found = values.pop("format")
            if found in _FORMATS.values():
                return cls(**values)
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            raise ContractError(
                f"{CARD_FILE} of the index is not a card: {error}; remove it, and the next nightly run writes it again"
            ) from error
        known = " and ".join(map(str, _FORMATS.values()))
        raise ContractError(
            f"the index has format {found!r}, but this ndvr reads formats {known}: use the version of ndvr that "
            "published the index"
        )


def read_card(index: Store, model_id: str) -> IndexCard | None:
    """Read the card of a model's index; None if the model has no index.

    Args:
        index: the lake's folder of indexes.
        model_id: the model.
    """
    content = index.at(model_id).read(CARD_FILE)
    return None if content is None else IndexCard.from_json(content)


def read_current_model(index: Store, lake_uri: str) -> str:
    """Read which model's index was published last.

    Raises:
        UsageError: no index has been published.
    """
    content = index.read(CARD_FILE)
    if content is None:
        raise UsageError(
            f"no index in {lake_uri!r}: a nightly run publishes one if its model compares frames (model.verifier); "
            "query and serve are not available for other models"
        )
    return str(json.loads(content)["model_id"])
