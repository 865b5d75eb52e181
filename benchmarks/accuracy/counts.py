"""Counts what a set of found pairs contains: copies with their original by family, and hard negatives by kind."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import pandas as pd

from benchmarks.accuracy.videos import GENERATED, LAYOUT, ORIGINAL, SHARED_INTRO, TAKE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from jobs.evaluation.truth import Truth

    Pair = tuple[str, str]

HARD = {
    TAKE: "two takes of one clip",
    SHARED_INTRO: "different clips after the same intro",
    GENERATED: "flat and static clips",
    LAYOUT: "one layout with other content",
}
"""Kinds of hard negatives, by the transform of both videos."""
_GROUPED_BY = {TAKE: "clip_id", LAYOUT: "footage_id"}
_IN_THE_WILD = "in the wild"


def order_ids(pairs: Iterable[Pair]) -> set[Pair]:
    """Return pairs with the smaller id first."""
    return {(min(pair), max(pair)) for pair in pairs}


def list_known(truth: Truth) -> set[Pair]:
    """Return the pairs that the truth lists, with the smaller id first. Pairs to ignore are among them."""
    return (
        set() if truth.pairs is None else order_ids(zip(truth.pairs["left_id"], truth.pairs["right_id"], strict=True))
    )


def count_false(found: set[Pair], truth: Truth, manifest: pd.DataFrame) -> dict[str, int]:
    """Count the found pairs that share no footage: "all", and those of each kind of hard negative."""
    kinds = dict(zip(manifest["video_id"], manifest["transform"], strict=True))
    false = found - list_known(truth)
    counts = {kind: sum(kinds[left] == kinds[right] == kind for left, right in false) for kind in HARD}
    return counts | {"all": len(false)}


def list_negatives(kind: str, truth: Truth, manifest: pd.DataFrame) -> set[Pair]:
    """List the pairs of two takes of one clip, or of two screens of one design, that share no footage."""
    of_kind = manifest[manifest["transform"] == kind]
    pairs = {pair for _, ids in of_kind.groupby(_GROUPED_BY[kind])["video_id"] for pair in combinations(sorted(ids), 2)}
    return pairs - list_known(truth)


def pair_with_original(truth: Truth, manifest: pd.DataFrame) -> pd.DataFrame:
    """List the true pairs of an unedited clip and a copy of it: columns left_id, right_id, relation, family.

    Two unedited clips that share footage are a pair in the wild. Generated layouts are left out: they are not footage.

    Args:
        truth: relations `copy`, `partial` and `ignore`.
        manifest: columns video_id, transform, family.
    """
    if truth.pairs is None:
        return pd.DataFrame(columns=["left_id", "right_id", "relation", "family"])
    pairs = truth.pairs[truth.pairs["relation"] != "ignore"].drop_duplicates(["left_id", "right_id"])
    by_id = manifest.set_index("video_id")
    left, right = (by_id.reindex(pairs[side]).reset_index() for side in ("left_id", "right_id"))
    edited = right.where(left["transform"] == ORIGINAL, left)
    families = edited["family"].where(edited["family"] != "", edited["transform"])
    is_original = [side["transform"] == ORIGINAL for side in (left, right)]
    is_layout = (left["transform"] == LAYOUT) | (right["transform"] == LAYOUT)
    listed = pairs[["left_id", "right_id", "relation"]].reset_index(drop=True)
    listed["family"] = families.mask(is_original[0] & is_original[1], _IN_THE_WILD)
    return listed[(is_original[0] | is_original[1]) & ~is_layout]


def count_found(
    pairs: pd.DataFrame, found: set[Pair], clusters: Mapping[str, str]
) -> list[tuple[str, str, str, str, str, str]]:
    """Count by family: whole copies, the shares of them that are found and in one cluster, parts, and their share.

    Args:
        pairs: as `pair_with_original` returns them.
        found: published pairs, with the smaller id first.
        clusters: video_id -> cluster_id.
    """
    ends = list(zip(pairs["left_id"], pairs["right_id"], strict=True))
    counted = pairs.assign(
        is_found=[(min(pair), max(pair)) in found for pair in ends],
        is_together=[left in clusters and clusters[left] == clusters.get(right) for left, right in ends],
    )
    rows = []
    for family, group in (*counted.groupby("family"), ("all", counted)):
        whole, parts = (group[group["relation"] == relation] for relation in ("copy", "partial"))
        shares = [
            _format_share(whole["is_found"]),
            _format_share(whole["is_together"]),
            _format_share(parts["is_found"]),
        ]
        rows.append((str(family), str(len(whole)), shares[0], shares[1], str(len(parts)), shares[2]))
    return rows


def _format_share(flags: pd.Series) -> str:
    return f"{flags.mean():.3f}" if len(flags) else ""
