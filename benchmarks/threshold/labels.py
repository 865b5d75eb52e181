"""What each pair of videos is: a whole copy, one of three kinds of other footage, or a pair that does not count."""

from __future__ import annotations

import csv
from enum import IntEnum
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray


class Kind(IntEnum):
    """A pair's kind. All but the first two are negatives."""

    IGNORED = -1
    COPY = 0
    UNRELATED = 1
    SAME_SCENE = 2
    ANOTHER_TAKE = 3


class Footage(Protocol):
    """What must be known of a clip."""

    video_id: str
    source_id: str
    scene_group: str


def read_relations(path: Path) -> dict[frozenset[str], str]:
    """Read truth.csv: the two video_ids of a pair -> `copy`, `partial` or `ignore`."""
    with path.open(newline="", encoding="utf-8") as file:
        return {frozenset((row["id_a"], row["id_b"])): row["relation"] for row in csv.DictReader(file)}


def label_clips(left: Footage, right: Footage, relations: dict[frozenset[str], str]) -> Kind:
    """Tell what two clips are to each other.

    A clip is a copy of itself; `copy` of the truth is one, `partial` and `ignore` do not count (`ignore` holds the
    pairs inside of ambiguous scene groups). Whatever the truth does not list is other footage.
    """
    relation = relations.get(frozenset((left.video_id, right.video_id)))
    if left.video_id == right.video_id or relation == "copy":
        return Kind.COPY
    if relation is not None:
        return Kind.IGNORED
    if left.source_id == right.source_id:
        return Kind.ANOTHER_TAKE
    same_scene = left.scene_group != "" and left.scene_group == right.scene_group
    return Kind.SAME_SCENE if same_scene else Kind.UNRELATED


def label_pairs(clips: Sequence[Footage], relations: dict[frozenset[str], str]) -> NDArray[np.int8]:
    """Label all pairs of videos, each given by the clip that it is or was made of: edits are whole copies.

    Returns:
        int8 (n, n) of `Kind`, symmetric.
    """
    unique = list({clip.video_id: clip for clip in clips}.values())
    by_clip = np.array([[label_clips(a, b, relations) for b in unique] for a in unique], dtype=np.int8)
    places = {clip.video_id: place for place, clip in enumerate(unique)}
    of_video = np.array([places[clip.video_id] for clip in clips])
    return by_clip[np.ix_(of_video, of_video)]
