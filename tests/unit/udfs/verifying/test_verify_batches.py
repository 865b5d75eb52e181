from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.support.verifiers import leaf, make_verifier, split
from udfs.embedding.embed import pack_vectors
from udfs.verifying.verify_batches import ALIGNED_DDL, align_batches


def side(name: str, *numbers: int, vector: list[float] | None = None) -> dict[str, Any]:
    """One side of a candidate as Spark passes it: a video that shows these rows of the identity, one per second."""
    vectors = np.eye(32, dtype=np.float32)[list(numbers)]
    return {
        f"{name}_vector": np.array(vector or [0.6, 0.8], dtype=np.float32),
        f"{name}_end_seconds": float(len(numbers)),
        f"{name}_frame_seconds": np.arange(float(len(numbers))),
        f"{name}_frame_vectors": pack_vectors(vectors),
        f"{name}_frame_backgrounds": np.zeros(len(numbers), dtype=np.float32),
        f"{name}_frame_details": None,
    }


def candidate(left_id: str, right_id: str, left: dict[str, Any], right: dict[str, Any]) -> dict[str, Any]:
    return {"left_id": left_id, "right_id": right_id} | left | right


def align_pairs(*candidates: dict[str, Any]) -> list[dict[str, Any]]:
    """Align one batch and return its rows."""
    batches = list(align_batches(iter([pd.DataFrame(candidates)])))
    return [row for batch in batches for row in batch.to_dict("records")]


def test_a_pair_that_aligns_becomes_a_row_with_bounds_relation_and_evidence() -> None:
    (row,) = align_pairs(candidate("a", "b", side("left", *range(20)), side("right", *range(5, 11))))
    evidence = [1.0, 0.4, math.log(7), 1.0, 0.3, 0.005, 0.3, 2.0, 0.0, 6.0]
    assert row.pop("evidence") == pytest.approx(evidence, abs=1e-6)
    assert row.pop("moments") == [
        {"left": 5 + number, "right_before": max(0, number - 1), "right_after": number} for number in range(6)
    ]
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


def test_rows_have_the_columns_of_the_ddl() -> None:
    (row,) = align_pairs(candidate("a", "b", side("left", 1, 2), side("right", 1, 2)))
    assert sorted(row) == sorted(re.findall(r"(\w+) [A-Z]", ALIGNED_DDL))


def test_pairs_that_do_not_align_are_left_out() -> None:
    unrelated = candidate("a", "b", side("left", 1, 2, 3), side("right", 4, 5, 6))
    copies = candidate("a", "c", side("left", 1, 2, 3), side("right", 1, 2, 3))
    assert [(row["left_id"], row["right_id"]) for row in align_pairs(unrelated, copies)] == [("a", "c")]


def test_batches_without_rows_or_alignments_yield_nothing() -> None:
    unrelated = pd.DataFrame([candidate("a", "b", side("left", 1), side("right", 2))])
    copies = pd.DataFrame([candidate("a", "c", side("left", 1), side("right", 1))])
    batches = list(align_batches(iter([unrelated.iloc[:0], unrelated, copies, unrelated])))
    assert [batch["right_id"].tolist() for batch in batches] == [["c"]]


def test_the_cosine_similarity_is_of_the_whole_videos_and_at_most_one() -> None:
    left, right = side("left", 1, vector=[0.6000001, 0.8000001]), side("right", 1, vector=[0.6000001, 0.8000001])
    assert [row["cosine_similarity"] for row in align_pairs(candidate("a", "b", left, right))] == [1.0]
    apart = side("right", 1, vector=[-0.8, 0.6])
    assert [row["cosine_similarity"] for row in align_pairs(candidate("a", "b", left, apart))] == [0.0]


def test_backgrounds_are_read_with_the_frames() -> None:
    common = side("right", 1, 2) | {"right_frame_backgrounds": np.array([0.5, 0.5], dtype=np.float32)}
    (row,) = align_pairs(candidate("a", "b", side("left", 1, 2), common))
    assert row["alignment_similarity"] == 0.8  # 1 - .4 x .5


def test_with_a_verifier_only_pairs_that_the_first_look_leaves_open_stay() -> None:
    whole = side("left", *range(20))
    pairs = [
        candidate("a", "clip", whole, side("right", *range(5, 11))),  # it covers .3 of the left video
        candidate("a", "frame", whole, side("right", 5)),  # .05
        candidate("a", "other", whole, side("right", *range(20, 26))),
    ]
    # The logit is log 3 above a coverage of .2, else -log 3: probabilities of .75 and .25.
    tree = split("smaller_coverage", 0.2, low=-math.log(3), high=math.log(3))

    def list_open(min_open_probability: float) -> list[str]:
        verifier = make_verifier(tree, min_open_probability=min_open_probability)
        batches = align_batches(iter([pd.DataFrame(pairs)]), verifier)
        return [name for batch in batches for name in batch["right_id"]]

    assert list_open(0.25) == ["clip", "frame"]
    assert list_open(0.26) == ["clip"]
    assert list_open(0.76) == []


def test_a_verifier_does_not_change_the_rows() -> None:
    pair = candidate("a", "b", side("left", 1, 2, 3), side("right", 1, 2, 3))
    (alone,) = align_pairs(pair)
    (batch,) = align_batches(iter([pd.DataFrame([pair])]), make_verifier(leaf(1.0)))
    assert batch.to_dict("records") == [alone]


def relation_and_coverages(left: list[float] | None, right: list[float] | None) -> list[Any]:
    """Align 8 s of footage with the same behind 4 s of other frames, with these details."""
    film = side("left", *range(8)) | {"left_frame_details": left}
    behind = side("right", 20, 21, 22, 23, *range(8)) | {"right_frame_details": right}
    (row,) = align_pairs(candidate("a", "b", film, behind))
    assert [row[f"right_{name}_seconds"] for name in ("start", "end")] == [4.0, 12.0]
    assert row["evidence"][3:5] == pytest.approx([row["left_coverage"], row["right_coverage"]])
    return [row[name] for name in ("relation", "left_coverage", "right_coverage")]


def test_with_details_only_content_is_to_be_covered() -> None:
    black, card = [0.0] * 4 + [0.6] * 8, [0.1] * 4 + [0.6] * 8
    assert relation_and_coverages([0.6] * 8, black) == ["copy", 1.0, 1.0]
    assert relation_and_coverages([0.6] * 8, card) == ["copy", 1.0, 1.0]
    assert relation_and_coverages(None, card) == ["copy", 1.0, 1.0]
    assert relation_and_coverages([0.6] * 8, [0.6] * 12) == ["contained", 1.0, round(8 / 12, 6)]


@pytest.mark.parametrize("details", [None, [], [0.0] * 4 + [0.6] * 7], ids=["none", "empty", "too few"])
def test_without_details_of_all_frames_the_whole_video_is_content(details: list[float] | None) -> None:
    assert relation_and_coverages([0.6] * 8, details) == ["contained", 1.0, round(8 / 12, 6)]


def test_details_that_pandas_lost_are_missing() -> None:
    pairs = pd.DataFrame([candidate("a", "b", side("left", 1, 2), side("right", 1, 2))])
    (batch,) = align_batches(iter([pairs.assign(left_frame_details=np.nan)]))
    assert batch["left_coverage"].tolist() == [1.0]
