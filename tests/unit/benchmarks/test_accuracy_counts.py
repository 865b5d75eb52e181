"""What the accuracy benchmark counts in the tables of a night, for pairs that can be counted by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd

from benchmarks.accuracy.counts import count_false, count_found, list_negatives, order_ids, pair_with_original
from jobs.evaluation.truth import SEGMENT_COLUMNS, Truth

MANIFEST = pd.DataFrame(
    [
        ("film", "original", "", "film"),
        ("film-again", "original", "", "film"),
        ("film-wide", "stretch", "geometry", "film"),
        ("film-half", "trim-head", "temporal", "film"),
        ("intro", "shared-intro", "", "film"),
        ("take-1", "take", "take", "room"),
        ("take-1-wide", "take", "take", "room"),
        ("take-2", "take", "take", "room"),
        ("take-3", "take", "take", "street"),
    ],
    columns=["video_id", "transform", "family", "clip_id"],
)
TRUTH = Truth(
    pd.DataFrame(
        [
            ("film", "film-again", "copy"),
            ("film", "film-wide", "copy"),
            ("film", "film-half", "partial"),
            ("film", "intro", "partial"),
            ("film-again", "film-half", "ignore"),
            ("take-1", "take-1-wide", "copy"),
        ],
        columns=["left_id", "right_id", "relation"],
    ).assign(transform="", **dict.fromkeys(SEGMENT_COLUMNS, np.nan))
)


def test_copies_are_counted_by_family_with_pairs_and_clusters_apart() -> None:
    found = order_ids([("film-wide", "film"), ("film", "film-half")])
    clusters = {"film": "1", "film-wide": "2", "film-again": "1"}
    assert count_found(pair_with_original(TRUTH, MANIFEST), found, clusters) == [
        ("geometry", "1", "1.000", "0.000", "0", ""),
        ("in the wild", "1", "0.000", "1.000", "0", ""),
        ("shared-intro", "0", "", "", "1", "0.000"),
        ("temporal", "0", "", "", "1", "1.000"),
        ("all", "2", "0.500", "0.500", "2", "0.500"),
    ]


def test_two_videos_without_a_cluster_are_not_together() -> None:
    counted = count_found(pair_with_original(TRUTH, MANIFEST), set(), {})
    assert {row[3] for row in counted} == {"0.000", ""}


def test_takes_of_one_clip_are_negatives_unless_they_are_copies_of_one_take() -> None:
    assert list_negatives("take", TRUTH, MANIFEST) == {("take-1", "take-2"), ("take-1-wide", "take-2")}


def test_false_pairs_are_counted_by_kind_and_ignored_pairs_are_not_false() -> None:
    found = {("film-again", "film-half"), ("take-1", "take-2"), ("film", "take-3"), ("film", "film-wide")}
    false = count_false(found, TRUTH, MANIFEST)
    assert (false["all"], false["take"], false["layout"]) == (2, 1, 0)
