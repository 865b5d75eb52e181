"""Counts of labelled candidates. tests/spark has the tests that need Spark."""

from __future__ import annotations

import numpy as np
import pandas as pd

from jobs.training.candidates import Candidates

PAIR = ["left_id", "right_id"]


def make_candidates() -> Candidates:
    """Three candidates: a copy, a pair of takes, and strangers. Another pair of takes is no candidate."""
    labelled = pd.DataFrame([("a", "b"), ("a", "c"), ("a", "d")], columns=PAIR)
    labelled = labelled.assign(shares_footage=[True, False, False], evidence=[[1.0, 2.0]] * 3)
    takes = pd.DataFrame([("a", "c"), ("b", "c")], columns=PAIR)
    return Candidates(labelled, pd.Series(dtype=object), 2, 1, 5, takes)


def test_takes_are_separated_if_they_are_no_candidate_or_are_not_found() -> None:
    candidates = make_candidates()
    assert candidates.count_separated(np.array([True, False, True])) == 2
    assert candidates.count_separated(np.array([False, True, False])) == 1


def test_a_summary_counts_candidates() -> None:
    assert make_candidates().describe() == "1 pairs that share footage and 2 that do not"
    assert make_candidates().evidence.shape == (3, 2)
