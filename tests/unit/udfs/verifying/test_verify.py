from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from models.verifier import EVIDENCE, PRODUCTS, Verifier
from udfs.embedding.embed import pack_vectors
from udfs.verifying.align import TimeAlignment
from udfs.verifying.verify import EVIDENCE_DDL, JUDGED_DDL, gather_evidence, judge_pairs, weigh_evidence

ALIGNMENT = TimeAlignment(
    left_start_seconds=5.0,
    left_end_seconds=11.0,
    right_start_seconds=0.0,
    right_end_seconds=6.0,
    left_coverage=0.3,
    right_coverage=1.0,
    similarity=0.9,
    left_chamfer=0.4,
    right_chamfer=0.8,
    independent_frames=6.0,
    change_agreement=0.5,
    attainable_agreement=0.5,
    change=0.2,
)


def side(name: str, *numbers: int, vector: list[float] | None = None) -> dict[str, Any]:
    """One side of a candidate as Spark hands it on: a video that shows these rows of the identity, one a second."""
    vectors = np.eye(32, dtype=np.float32)[list(numbers)]
    return {
        f"{name}_vector": np.array(vector or [0.6, 0.8], dtype=np.float32),
        f"{name}_end_seconds": float(len(numbers)),
        f"{name}_frame_seconds": np.arange(float(len(numbers))),
        f"{name}_frame_vectors": pack_vectors(vectors),
        f"{name}_frame_backgrounds": np.zeros(len(numbers), dtype=np.float32),
    }


def candidate(left_id: str, right_id: str, left: dict[str, Any], right: dict[str, Any]) -> dict[str, Any]:
    return {"left_id": left_id, "right_id": right_id} | left | right


def gathered(*candidates: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows that come of one batch."""
    batches = list(gather_evidence(iter([pd.DataFrame(candidates)])))
    return [row for batch in batches for row in batch.to_dict("records")]


def test_a_pair_that_aligns_becomes_a_row_with_bounds_relation_and_evidence() -> None:
    (row,) = gathered(candidate("a", "b", side("left", *range(20)), side("right", *range(5, 11))))
    assert row.pop("evidence") == pytest.approx([1.0, 0.4, math.log(7), 1.0, 0.3, 0.005, 0.3], abs=1e-6)
    assert row == {
        "left_id": "a",
        "right_id": "b",
        "cosine_similarity": 1.0,
        "alignment_similarity": 1.0,
        "relation": "contained",
        "left_start_seconds": 5.0,
        "left_end_seconds": 11.0,
        "right_start_seconds": 0.0,
        "right_end_seconds": 6.0,
        "left_coverage": 0.3,
        "right_coverage": 1.0,
    }


def test_the_columns_are_those_that_spark_is_told() -> None:
    (row,) = gathered(candidate("a", "b", side("left", 1, 2), side("right", 1, 2)))
    assert sorted(row) == sorted(column.split()[0] for column in EVIDENCE_DDL.split(", "))


def test_pairs_that_do_not_align_are_left_out_and_the_others_stay() -> None:
    strangers = candidate("a", "b", side("left", 1, 2, 3), side("right", 4, 5, 6))
    copies = candidate("a", "c", side("left", 1, 2, 3), side("right", 1, 2, 3))
    assert [(row["left_id"], row["right_id"]) for row in gathered(strangers, copies)] == [("a", "c")]


def test_batches_without_rows_or_alignments_give_nothing() -> None:
    strangers = pd.DataFrame([candidate("a", "b", side("left", 1), side("right", 2))])
    copies = pd.DataFrame([candidate("a", "c", side("left", 1), side("right", 1))])
    batches = list(gather_evidence(iter([strangers.iloc[:0], strangers, copies, strangers])))
    assert [batch["right_id"].tolist() for batch in batches] == [["c"]]


def test_the_cosine_is_of_the_whole_videos_and_never_above_one() -> None:
    left, right = side("left", 1, vector=[0.6000001, 0.8000001]), side("right", 1, vector=[0.6000001, 0.8000001])
    assert [row["cosine_similarity"] for row in gathered(candidate("a", "b", left, right))] == [1.0]
    apart = side("right", 1, vector=[-0.8, 0.6])
    assert [row["cosine_similarity"] for row in gathered(candidate("a", "b", left, apart))] == [0.0]


def test_backgrounds_are_read_with_their_frames() -> None:
    common = side("right", 1, 2) | {"right_frame_backgrounds": np.array([0.5, 0.5], dtype=np.float32)}
    (row,) = gathered(candidate("a", "b", side("left", 1, 2), common))
    assert row["alignment_similarity"] == 0.8  # 1 - .4 x .5


def test_the_evidence_is_in_the_order_that_a_verifier_weighs_it_in() -> None:
    faint = replace(ALIGNMENT, similarity=0.3, change=0.004, change_agreement=0.04, attainable_agreement=0.17)
    assert dict(zip(EVIDENCE, weigh_evidence(faint), strict=True)) == {
        "larger_chamfer": 0.8,
        "alignment_similarity": 0.3,
        "log_independent_frames": pytest.approx(math.log(7)),
        "larger_coverage": 1.0,
        "smaller_coverage": 0.3,
        "change": 0.004,
        "change_agreement": pytest.approx(0.2),  # .04 of .17 and of the .03 that noise may be
    }


@pytest.mark.parametrize(
    ("name", "value", "counted"),
    [("alignment_similarity", 0.9, 0.4), ("change", 0.5, 0.005), ("change_agreement", 0.5, 0.3)],
)
def test_more_than_enough_of_a_piece_counts_as_enough(name: str, value: float, counted: float) -> None:
    field = {"alignment_similarity": "similarity"}.get(name, name)
    weighed = dict(zip(EVIDENCE, weigh_evidence(replace(ALIGNMENT, **{field: value})), strict=True))
    assert weighed[name] == counted


def test_changes_against_each_other_count_as_none() -> None:
    assert weigh_evidence(replace(ALIGNMENT, change_agreement=-0.2))[EVIDENCE.index("change_agreement")] == 0.0


def test_the_evidence_does_not_tell_left_from_right() -> None:
    swapped = replace(ALIGNMENT, left_coverage=1.0, right_coverage=0.3, left_chamfer=0.8, right_chamfer=0.4)
    assert weigh_evidence(swapped) == weigh_evidence(ALIGNMENT)


def test_a_verifier_gives_each_pair_that_aligns_its_probability() -> None:
    whole, strangers = side("left", *range(20)), side("right", *range(20, 26))
    pairs = [candidate("a", "b", whole, side("right", *range(5, 11))), candidate("a", "c", whole, strangers)]
    # Of the one pair that aligns .3 and all is covered: log-odds of 10 * .3 * 1 - 3 + log(3).
    weights = tuple(10.0 * (names == ("larger_coverage", "smaller_coverage")) for names in PRODUCTS)
    verifier = Verifier(0.5, math.log(3) - 3, weights, "by hand")
    (judged,) = judge_pairs(iter([pd.DataFrame(pairs)]), verifier)
    assert judged[["left_id", "right_id", "match_probability"]].to_dict("records") == [
        {"left_id": "a", "right_id": "b", "match_probability": 0.75}
    ]
    assert sorted(judged.columns) == sorted(column.split()[0] for column in JUDGED_DDL.split(", "))
