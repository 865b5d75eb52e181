"""The recall that the accuracy benchmark prints, for pairs that can be counted by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from benchmarks.accuracy.methods import Ranked
from benchmarks.accuracy.run import only_copies, print_families
from jobs.evaluation.measure import Rules, measure
from jobs.evaluation.truth import SEGMENT_COLUMNS, Truth

if TYPE_CHECKING:
    import pytest

MANIFEST = pd.DataFrame(
    {
        "video_id": ["film", "turned", "wide", "half"],
        "transform": ["original", "quarter-turn", "stretch", "trim-head"],
        "family": ["", "geometry", "geometry", "temporal"],
    }
)
TRUTH = Truth(
    pd.DataFrame(
        {
            "left_id": "film",
            "right_id": ["turned", "wide", "half"],
            "relation": ["copy", "copy", "partial"],
            "transform": ["quarter-turn", "stretch", "trim-head"],
        }
    ).assign(**dict.fromkeys(SEGMENT_COLUMNS, np.nan))
)
FOUND = pd.DataFrame({"left_id": "film", "right_id": ["wide", "half", "turned"], "score": [0.9, 0.8, 0.1]})


def test_recall_by_family_is_printed_for_whole_copies_and_for_all_copies(capsys: pytest.CaptureFixture[str]) -> None:
    method, rules = Ranked("ours", FOUND, 0.5), Rules(score_columns=("score",), min_score=0.5)
    videos = list(MANIFEST["video_id"])
    whole, everything = (measure(FOUND, truth, videos, rules=rules) for truth in (only_copies(TRUTH), TRUTH))
    print_families(method, whole, everything, MANIFEST)
    cells = [
        [cell.strip() for cell in line.strip("│\n").split("│")]
        for line in capsys.readouterr().out.splitlines()
        if line.startswith("│")
    ]
    assert cells == [["geometry", "0.500", "2", "0.500", "2"], ["temporal", "", "0", "1.000", "1"]]
