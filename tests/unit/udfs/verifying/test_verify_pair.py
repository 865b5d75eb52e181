from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from models.verifier import FIRST_LOOK
from udfs.verifying.align import TimeAlignment, align
from udfs.verifying.features import Segment, VideoFeatures
from udfs.verifying.lines import AlignedSegment
from udfs.verifying.verify_pair import measure_evidence, verify_pair

ALIGNMENT = TimeAlignment(
    left=Segment(5.0, 11.0),
    right=Segment(0.0, 6.0),
    left_coverage=0.3,
    right_coverage=1.0,
    similarity=0.9,
    left_chamfer=0.4,
    right_chamfer=0.8,
    independent_frames=6.0,
    change_agreement=0.5,
    attainable_agreement=0.5,
    change=0.2,
    segments=(AlignedSegment(Segment(5.0, 11.0), Segment(0.0, 6.0)),),
)


def video(*numbers: int) -> VideoFeatures:
    """A video that shows these rows of the identity, one per second."""
    vectors, count = np.eye(32, dtype=np.float32)[list(numbers)], len(numbers)
    return VideoFeatures(vectors, np.arange(float(count)), np.zeros(count, np.float32), float(count))


def test_a_pair_has_its_alignment_its_evidence_and_its_relation() -> None:
    left, right = video(*range(20)), video(*range(5, 11))
    match = verify_pair(left, right)
    assert match is not None
    assert match.alignment == align(left, right)
    assert match.evidence == measure_evidence(match.alignment)
    assert match.relation == "contained"


def test_unrelated_videos_do_not_match() -> None:
    assert verify_pair(video(1, 2, 3), video(4, 5, 6)) is None


def test_the_kernel_imports_neither_pandas_nor_spark_nor_torch() -> None:
    code = "import sys, udfs.verifying.verify_pair; print({'pandas', 'pyspark', 'torch', 'faiss'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_evidence_is_in_the_order_of_the_verifier() -> None:
    weak = replace(ALIGNMENT, similarity=0.3, change=0.004, change_agreement=0.04, attainable_agreement=0.17)
    assert dict(zip(FIRST_LOOK, measure_evidence(weak), strict=True)) == {
        "larger_chamfer": 0.8,
        "alignment_similarity": 0.3,
        "log_independent_frames": pytest.approx(math.log(7)),
        "larger_coverage": 1.0,
        "smaller_coverage": 0.3,
        "change": 0.004,
        "change_agreement": pytest.approx(0.2),  # .04 / (.17 + .03 for noise)
        "offset_seconds": 2.0,  # 5, capped
        "log_speed": 0.0,
        "aligned_seconds": 6.0,
    }


@pytest.mark.parametrize(
    ("name", "value", "cap"),
    [("alignment_similarity", 0.9, 0.4), ("change", 0.5, 0.005), ("change_agreement", 0.5, 0.3)],
)
def test_pieces_of_evidence_are_capped(name: str, value: float, cap: float) -> None:
    field = {"alignment_similarity": "similarity"}.get(name, name)
    evidence = dict(zip(FIRST_LOOK, measure_evidence(replace(ALIGNMENT, **{field: value})), strict=True))
    assert evidence[name] == cap


def test_negative_change_agreement_counts_as_zero() -> None:
    assert measure_evidence(replace(ALIGNMENT, change_agreement=-0.2))[FIRST_LOOK.index("change_agreement")] == 0.0


def measure_segment(left: Segment, right: Segment) -> list[float]:
    """Return offset, speed and length of the best segment as evidence."""
    best, other = AlignedSegment(left, right), AlignedSegment(Segment(0.0, 90.0), Segment(50.0, 60.0))
    return list(measure_evidence(replace(ALIGNMENT, segments=(best, other)))[-3:])


def test_offset_speed_and_length_are_those_of_the_best_segment() -> None:
    assert measure_segment(Segment(1.0, 9.0), Segment(0.5, 8.5)) == [0.5, 0.0, 8.0]
    assert measure_segment(Segment(0.0, 10.0), Segment(0.0, 5.0)) == [0.0, pytest.approx(math.log(2)), 5.0]
    assert measure_segment(Segment(0.0, 60.0), Segment(30.0, 90.0)) == [2.0, 0.0, 20.0]
    assert measure_segment(Segment(3.0, 3.0), Segment(3.0, 3.0)) == [0.0, 0.0, 0.0]


def test_swapping_left_and_right_does_not_change_the_evidence() -> None:
    slow = AlignedSegment(Segment(5.0, 11.0), Segment(0.0, 4.0))
    alignment = replace(ALIGNMENT, segments=(slow,))
    swapped = replace(alignment, left_coverage=1.0, right_coverage=0.3, left_chamfer=0.8, right_chamfer=0.4)
    swapped = replace(swapped, segments=(AlignedSegment(*reversed(slow)),))
    assert measure_evidence(swapped) == pytest.approx(measure_evidence(alignment), abs=1e-12)
