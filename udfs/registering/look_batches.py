"""The adapter of `look_again` for data frames: rows of aligned pairs with thumbnails -> rows with a probability."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeGuard, cast

import numpy as np

from models.verifier import SECOND_LOOK
from udfs.describing.thumbnails import decode_thumbnails
from udfs.registering.keypoints import detect_keypoints
from udfs.registering.second_look import Pictures, SecondLook, look_again
from udfs.verifying.moments import Moment
from udfs.verifying.verify_batches import ALIGNED_DDL

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pandas as pd

    from models.verifier import Verifier
    from udfs.registering.keypoints import Keypoints

LOOKED_DDL = (
    ALIGNED_DDL.rpartition(", moments")[0] + ", place_agreement DOUBLE, change_agreement DOUBLE, "
    "left_region ARRAY<DOUBLE>, right_region ARRAY<DOUBLE>"
)
"""The columns of an aligned pair, with both looks in `evidence`, and what the second look saw."""
VERIFIED_DDL = f"{LOOKED_DDL}, match_probability DOUBLE"
LOOK_COLUMNS = ("place_agreement", "change_agreement", "left_region", "right_region")
"""The columns of a pair from the second look; null without one."""
_CACHED_PICTURES = 1024  # 160 MB of keypoints at most
_DECIMALS = 6
_NO_LOOK = SecondLook(0)


def list_frames(moments: Sequence[Mapping[str, int]], side: str) -> list[int]:
    """Return the numbers of the frames that moments need of one side, `left` or `right`, without repetition."""
    names = ("left",) if side == "left" else ("right_before", "right_after")
    return list(dict.fromkeys(moment[name] for name in names for moment in moments))


def look_batches(batches: Iterator[pd.DataFrame], verifier: Verifier | None = None) -> Iterator[pd.DataFrame]:
    """Look at aligned pairs again: rows of ALIGNED_DDL -> rows of LOOKED_DDL, or VERIFIED_DDL with a verifier.

    Each row also has `left_thumbnails` and `right_thumbnails`: the thumbnails of `list_frames`, in that order, or null.
    A pair without all of its thumbnails keeps the evidence of the first look. Keypoints of a picture are detected once
    per batch of videos: rows are best sorted by left_id. Runs on: executor, by `mapInPandas`, and the machine that
    checks one video.
    """
    import pandas as pd

    detect = lru_cache(_CACHED_PICTURES)(_Picture)
    for batch in batches:
        pairs = cast("list[dict[str, Any]]", batch.to_dict("records"))
        rows = [_look_row(pair, detect) for pair in pairs]
        if not rows:
            continue
        if verifier is not None:
            probabilities = verifier.predict_probability(np.array([row["evidence"] for row in rows], np.float64))
            rows = [row | {"match_probability": float(p)} for row, p in zip(rows, probabilities, strict=True)]
        yield pd.DataFrame(rows)


class _Picture:
    """A decoded thumbnail; its keypoints are detected at the first use."""

    def __init__(self, thumbnail: bytes) -> None:
        (self.pixels,) = decode_thumbnails([thumbnail])
        self._keypoints: Keypoints | None = None

    @property
    def keypoints(self) -> Keypoints:
        if self._keypoints is None:
            self._keypoints = detect_keypoints(self.pixels)
        return self._keypoints


def _look_row(pair: dict[str, Any], read: Any) -> dict[str, Any]:  # noqa: ANN401 -- a cached function has no type
    """Return the row of one pair."""
    moments = [dict(moment) if isinstance(moment, dict) else moment.asDict() for moment in pair["moments"]]
    look = _NO_LOOK
    if moments and all(is_complete(pair[f"{side}_thumbnails"]) for side in ("left", "right")):
        sides = []
        for side in ("left", "right"):
            numbers = list_frames(moments, side)
            pictures = dict(zip(numbers, map(read, pair[f"{side}_thumbnails"]), strict=True))
            sides.append(_make_pictures(pictures))
        look = look_again(sides[0], sides[1], [Moment(**moment) for moment in moments])
    second = look.evidence if look is not _NO_LOOK else (math.nan,) * len(SECOND_LOOK)
    columns = {
        name: value for name, value in pair.items() if name not in ("moments", "left_thumbnails", "right_thumbnails")
    }
    return columns | {
        "evidence": [*pair["evidence"], *second],
        "place_agreement": _round(look.place_agreement),
        "change_agreement": _round(look.change_agreement),
        "left_region": None if look.left_region is None else list(look.left_region),
        "right_region": None if look.right_region is None else list(look.right_region),
    }


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, _DECIMALS)


def is_complete(thumbnails: Sequence[bytes | None] | None) -> TypeGuard[Sequence[bytes]]:
    """Whether a side has all of its thumbnails: a single one is null if fewer frames are stored than were aligned."""
    return thumbnails is not None and all(thumbnail is not None for thumbnail in thumbnails)


def _make_pictures(pictures: dict[int, _Picture]) -> Pictures:
    """Make the input of `look_again`; pictures of another shape than the first are scaled to it."""
    import cv2

    height, width = next(iter(pictures.values())).pixels.shape
    frames = {
        number: picture.pixels
        if picture.pixels.shape == (height, width)
        else cv2.resize(picture.pixels, (width, height)).astype(np.uint8)
        for number, picture in pictures.items()
    }

    def detect(number: int) -> Keypoints:
        picture = pictures[number]
        return picture.keypoints if picture.pixels.shape == (height, width) else detect_keypoints(frames[number])

    return Pictures(frames, detect)
