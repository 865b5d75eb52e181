from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from models.verifier import EVIDENCE, PRODUCTS, Verifier
from udfs.verifying.align import TimeAlignment, align
from udfs.verifying.features import Segment, VideoFeatures
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
)


def video(*numbers: int) -> VideoFeatures:
    """A video that shows these rows of the identity, one per second."""
    vectors, count = np.eye(32, dtype=np.float32)[list(numbers)], len(numbers)
    return VideoFeatures(vectors, np.arange(float(count)), np.zeros(count, np.float32), float(count))


def test_a_pair_has_its_alignment_its_evidence_and_no_probability_without_a_verifier() -> None:
    left, right = video(*range(20)), video(*range(5, 11))
    match = verify_pair(left, right)
    assert match is not None
    assert match.alignment == align(left, right)
    assert match.evidence == measure_evidence(match.alignment)
    assert (match.relation, match.match_probability) == ("contained", None)


def test_a_verifier_adds_the_probability() -> None:
    weights = tuple(10.0 * (names == ("larger_coverage", "smaller_coverage")) for names in PRODUCTS)
    verifier = Verifier(0.5, math.log(3) - 3, weights, "by hand")
    # The clip covers .3 of the left video and all of itself: log-odds of 10 x .3 x 1 - 3 + log(3).
    match = verify_pair(video(*range(20)), video(*range(5, 11)), verifier)
    assert match is not None
    assert match.match_probability == 0.75


def test_unrelated_videos_do_not_match() -> None:
    assert verify_pair(video(1, 2, 3), video(4, 5, 6)) is None


def test_the_kernel_imports_neither_pandas_nor_spark_nor_torch() -> None:
    code = "import sys, udfs.verifying.verify_pair; print({'pandas', 'pyspark', 'torch', 'faiss'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_evidence_is_in_the_order_of_the_verifier() -> None:
    weak = replace(ALIGNMENT, similarity=0.3, change=0.004, change_agreement=0.04, attainable_agreement=0.17)
    assert dict(zip(EVIDENCE, measure_evidence(weak), strict=True)) == {
        "larger_chamfer": 0.8,
        "alignment_similarity": 0.3,
        "log_independent_frames": pytest.approx(math.log(7)),
        "larger_coverage": 1.0,
        "smaller_coverage": 0.3,
        "change": 0.004,
        "change_agreement": pytest.approx(0.2),  # .04 / (.17 + .03 for noise)
    }


@pytest.mark.parametrize(
    ("name", "value", "cap"),
    [("alignment_similarity", 0.9, 0.4), ("change", 0.5, 0.005), ("change_agreement", 0.5, 0.3)],
)
def test_pieces_of_evidence_are_capped(name: str, value: float, cap: float) -> None:
    field = {"alignment_similarity": "similarity"}.get(name, name)
    evidence = dict(zip(EVIDENCE, measure_evidence(replace(ALIGNMENT, **{field: value})), strict=True))
    assert evidence[name] == cap


def test_negative_change_agreement_counts_as_zero() -> None:
    assert measure_evidence(replace(ALIGNMENT, change_agreement=-0.2))[EVIDENCE.index("change_agreement")] == 0.0


def test_swapping_left_and_right_does_not_change_the_evidence() -> None:
    swapped = replace(ALIGNMENT, left_coverage=1.0, right_coverage=0.3, left_chamfer=0.8, right_chamfer=0.4)
    assert measure_evidence(swapped) == measure_evidence(ALIGNMENT)
