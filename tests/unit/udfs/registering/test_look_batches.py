from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from models.verifier import EVIDENCE, FIRST_LOOK
from tests.support.pictures import film, list_moments
from tests.support.verifiers import make_verifier, split
from udfs.describing.thumbnails import encode_thumbnails
from udfs.registering import look_batches as module
from udfs.registering.look_batches import LOOK_COLUMNS, LOOKED_DDL, VERIFIED_DDL, list_frames, look_batches
from udfs.verifying.verify_batches import ALIGNED_DDL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

FIRST = [0.5] * len(FIRST_LOOK)
TAKE = film(scene=1, motion=1)
OTHER_TAKE = film(scene=1, motion=2)
MOMENTS = [moment._asdict() for moment in list_moments(8)]


def encode(frames: Sequence[NDArray[np.uint8]]) -> list[bytes]:
    """Return the frames of a take as thumbnails."""
    return [encode_thumbnails(np.repeat(frame[None, :, :, None], 3, axis=3))[0] for frame in frames]


def make_row(
    right_id: str,
    left: Sequence[bytes | None] | None,
    right: Sequence[bytes | None] | None,
    moments: Sequence[dict[str, int]] = MOMENTS,
) -> dict[str, Any]:
    """A row as Spark passes it. Thumbnails are those of all frames; the ones that the moments need are selected."""
    row: dict[str, Any] = {"left_id": "a", "right_id": right_id, "relation": "copy", "evidence": np.array(FIRST)}
    row |= {"moments": list(moments)}
    for side, thumbnails in (("left", left), ("right", right)):
        numbers = list_frames(moments, side)
        row[f"{side}_thumbnails"] = None if thumbnails is None else [thumbnails[number] for number in numbers]
    return row


def look_at(*rows: dict[str, Any], **options: Any) -> list[dict[str, Any]]:
    """Look at one batch and return its rows."""
    return [row for batch in look_batches(iter([pd.DataFrame(rows)]), **options) for row in batch.to_dict("records")]


def list_columns(ddl: str) -> list[str]:
    return re.findall(r"(\w+) [A-Z]", ddl)


def get_evidence(row: dict[str, Any]) -> dict[str, float]:
    return dict(zip(EVIDENCE, row["evidence"], strict=True))


def test_frames_are_listed_once_in_the_order_of_the_moments() -> None:
    moments = [
        {"left": 3, "right_before": 0, "right_after": 1},
        {"left": 4, "right_before": 1, "right_after": 2},
        {"left": 3, "right_before": 5, "right_after": 5},
    ]
    assert list_frames(moments, "left") == [3, 4]
    assert list_frames(moments, "right") == [0, 1, 5, 2]
    assert list_frames([], "left") == []


def test_a_copy_has_the_evidence_of_both_looks_and_what_the_second_one_saw() -> None:
    (row,) = look_at(make_row("b", encode(TAKE), encode(TAKE)))
    assert row["evidence"][: len(FIRST_LOOK)] == FIRST
    evidence = get_evidence(row)
    assert (evidence["num_moments"], evidence["place_agreement"]) == (8.0, 1.0)
    assert evidence["pixel_change_agreement"] == row["change_agreement"] == pytest.approx(1, abs=0.05)
    assert row["place_agreement"] == 1.0
    assert row["left_region"] == row["right_region"] == [0.0, 0.0, 1.0, 1.0]


def test_rows_have_the_columns_of_the_ddl() -> None:
    aligned = {name: 0.0 for name in list_columns(ALIGNED_DDL) if name not in ("evidence", "moments")}
    row = aligned | make_row("b", encode(TAKE), encode(TAKE))
    assert sorted(look_at(row)[0]) == sorted(list_columns(LOOKED_DDL))
    assert sorted(look_at(row, verifier=make_verifier())[0]) == sorted(list_columns(VERIFIED_DDL))
    assert set(LOOK_COLUMNS) < set(list_columns(LOOKED_DDL))


@pytest.mark.parametrize(
    ("left", "right"),
    [(None, encode(TAKE)), (encode(TAKE), None), (None, None), (encode(TAKE), [*encode(TAKE)[:7], None])],
    ids=["left", "right", "both", "one frame"],
)
def test_a_pair_without_all_of_its_thumbnails_keeps_the_evidence_of_the_first_look(
    left: list[bytes] | None, right: list[bytes | None] | None
) -> None:
    (row,) = look_at(make_row("b", left, right))
    assert row["evidence"][: len(FIRST_LOOK)] == FIRST
    assert len(row["evidence"]) == len(EVIDENCE)
    assert all(math.isnan(value) for value in row["evidence"][len(FIRST_LOOK) :])
    assert [row[name] for name in LOOK_COLUMNS] == [None] * 4


def test_a_pair_without_moments_gets_no_second_look() -> None:
    (row,) = look_at(make_row("b", encode(TAKE), encode(TAKE), moments=[]))
    assert all(math.isnan(value) for value in row["evidence"][len(FIRST_LOOK) :])


def test_a_pair_that_does_not_register_has_its_moments_and_no_inliers() -> None:
    black = encode([np.zeros((126, 224), np.uint8)] * 8)
    (row,) = look_at(make_row("b", encode(TAKE), black))
    evidence = get_evidence(row)
    assert (evidence["num_moments"], evidence["num_inliers"], evidence["inlier_support"]) == (8.0, 0.0, 0.0)
    assert (evidence["place_agreement"], evidence["place_disagreement"]) == (0.0, 1.0)
    assert math.isnan(evidence["pixel_change_agreement"])
    assert row["left_region"] is None


def test_a_verifier_adds_the_probability_of_each_pair() -> None:
    rows = [
        make_row("copy", encode(TAKE), encode(TAKE)),
        make_row("take", encode(TAKE), encode(OTHER_TAKE)),
        make_row("unseen", None, None),
    ]
    verifier = make_verifier(
        split("pixel_change_agreement", 0.5, low=-math.log(3), high=math.log(3), missing=math.log(3))
    )
    found = {row["right_id"]: row["match_probability"] for row in look_at(*rows, verifier=verifier)}
    assert found == {"copy": 0.75, "take": 0.25, "unseen": 0.75}


def test_the_result_does_not_depend_on_how_rows_are_batched() -> None:
    left, other = encode(TAKE), encode(OTHER_TAKE)
    rows = [make_row(str(number), left, right) for number, right in enumerate([left, other, None, left])]
    verifier = make_verifier(split("place_agreement", 0.5, low=-1.0, high=1.0))
    whole = look_at(*rows, verifier=verifier)
    split_rows = [
        row
        for batch in look_batches(iter([pd.DataFrame(rows[:1]), pd.DataFrame(rows[1:])]), verifier)
        for row in batch.to_dict("records")
    ]
    reversed_rows = look_at(*rows[::-1], verifier=verifier)[::-1]
    for one, two, three in zip(whole, split_rows, reversed_rows, strict=True):
        assert one["evidence"] == pytest.approx(two["evidence"], abs=0, nan_ok=True)
        assert one["evidence"] == pytest.approx(three["evidence"], abs=0, nan_ok=True)
        assert one["match_probability"] == two["match_probability"] == three["match_probability"]


def test_keypoints_of_a_thumbnail_are_detected_once(monkeypatch: pytest.MonkeyPatch) -> None:
    detected, detect = [], module.detect_keypoints
    monkeypatch.setattr(module, "detect_keypoints", lambda picture: detected.append(1) or detect(picture))
    left = encode(TAKE)
    look_at(make_row("b", left, left))
    assert len(detected) == 3  # three moments are registered; both sides show the same pictures
    look_at(make_row("b", left, left), make_row("c", left, left))
    assert len(detected) == 6


def test_thumbnails_of_one_video_may_have_several_shapes() -> None:
    """A video whose format changes has larger and smaller pictures; they are compared at the size of the first one."""
    small = [*TAKE[:4], *[frame[::2, ::2] for frame in TAKE[4:]]]
    (row,) = look_at(make_row("b", encode(small), encode(TAKE)))
    assert row["place_agreement"] > 0.9


def test_batches_without_rows_yield_nothing() -> None:
    rows = pd.DataFrame([make_row("b", encode(TAKE), encode(TAKE))])
    found = list(look_batches(iter([rows.iloc[:0], rows, rows.iloc[:0]])))
    assert [batch["right_id"].tolist() for batch in found] == [["b"]]


def test_a_thumbnail_that_is_no_picture_is_rejected() -> None:
    with pytest.raises(ValueError, match="a thumbnail must be a JPEG picture, got 7 bytes: describe the video again"):
        look_at(make_row("b", encode(TAKE), [b"no jpeg"] * 8))
