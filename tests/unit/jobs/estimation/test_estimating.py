from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from jobs.estimation.estimating import choose_threshold, estimate_sample, group_answers, predict_widths, shares_footage
from jobs.estimation.findings import Findings

DRAWN_AT = datetime(2024, 5, 1, tzinfo=UTC)
_PARTS = (  # stratum, its size, is_published, relation of the row of duplicates, probabilities, verdicts
    ("duplicates", 100.0, True, "copy", (0.99, 0.98), ("duplicate", "duplicate")),
    ("pairs", 50.0, True, None, (0.9, 0.8), ("part", "not_duplicate")),
    ("paths", 10.0, False, "copy", (0.85, 0.8), ("duplicate", "part")),
    ("rejected", 200.0, False, None, (0.6, 0.5, 0.2, 0.1), ("duplicate", "not_duplicate", "not_duplicate", None)),
)


def make_answered() -> pd.DataFrame:
    rows = [
        {
            "sample_id": "s",
            "drawn_at": DRAWN_AT,
            "left_id": f"{stratum}-{number}",
            "right_id": f"{stratum}-{number}-b",
            "stratum": stratum,
            "stratum_size": size,
            "stratum_size_variance": 0.0,
            "is_published": is_published,
            "duplicate_relation": claim,
            "match_probability": probability,
            "min_probability": 0.75,
            "verdict": verdict,
        }
        for stratum, size, is_published, claim, probabilities, verdicts in _PARTS
        for number, (probability, verdict) in enumerate(zip(probabilities, verdicts, strict=True))
    ]
    return pd.DataFrame(rows)


def test_precision_and_recall_are_weighted_by_the_strata() -> None:
    estimate = estimate_sample(make_answered(), "s", DRAWN_AT)
    assert estimate.num_answers == 9
    assert estimate.pairs_precision is not None
    assert estimate.pairs_precision.value == pytest.approx(125 / 150)
    assert estimate.pairs_precision.num_answers == 4
    assert estimate.duplicates_precision is not None
    assert estimate.duplicates_precision.value == pytest.approx(105 / 110)  # a part is no copy
    assert estimate.recall is not None
    assert estimate.recall.value == pytest.approx(135 / (135 + 200 / 3))  # both paths share footage
    assert estimate.recall.num_answers == 9


def test_a_part_is_right_where_no_copy_is_claimed() -> None:
    answered = make_answered()
    answered.loc[answered["stratum"] == "paths", "duplicate_relation"] = "contained"
    estimate = estimate_sample(answered, "s", DRAWN_AT)
    assert estimate.duplicates_precision is not None
    assert estimate.duplicates_precision.value == 1.0


def test_a_stratum_without_answers_joins_the_nearest() -> None:
    answered = make_answered()
    answered.loc[answered["stratum"] == "pairs", "verdict"] = None
    published = answered[answered["is_published"]]
    part = group_answers(published, shares_footage(published))
    assert part is not None
    np.testing.assert_allclose(part.sizes, [150.0])
    assert group_answers(published[published["stratum"] == "pairs"], np.zeros(2, dtype=bool)) is None


def test_the_threshold_is_the_lowest_that_reaches_the_precision() -> None:
    high = choose_threshold(make_answered(), 0.99)
    assert high is not None
    assert high.min_probability == 0.9
    assert high.precision.value == 1.0
    assert high.precision.num_answers == 3
    assert high.found_share == 1.0
    low = choose_threshold(make_answered(), 0.7)
    assert low is not None
    assert low.min_probability == 0.6
    assert low.found_share == pytest.approx((125 + 200 / 3) / 125)


def test_the_threshold_in_use_is_kept_if_no_answer_is_between() -> None:
    answered = make_answered()
    answered["verdict"] = answered["verdict"].where(answered["match_probability"] >= 0.9)
    answered["min_probability"] = 0.743
    kept = choose_threshold(answered, 0.99)
    assert kept is not None
    assert kept.min_probability == 0.743
    shown = Findings.of(answered, 0.99).to_lines("/data/lake")[4]
    assert shown.startswith("the threshold in use is 0.743, which reaches a precision of .99: precision 1 (")


def test_no_threshold_reaches_a_precision_that_the_surest_pair_misses() -> None:
    answered = make_answered()
    answered.loc[answered["match_probability"] == 0.99, "verdict"] = "not_duplicate"
    assert choose_threshold(answered, 0.9) is None


def test_more_answers_narrow_the_intervals() -> None:
    answered = make_answered()
    widths = predict_widths(answered, estimate_sample(answered, "s", DRAWN_AT))
    assert set(widths) == {"pairs_precision", "duplicates_precision", "recall"}
    assert all(more < now for now, more in widths.values())


@pytest.mark.parametrize("stratum", ["rejected", "paths"])
def test_without_an_answer_about_a_published_pair_no_threshold_is_chosen(stratum: str) -> None:
    answered = make_answered()
    answered["verdict"] = answered["verdict"].where(answered["stratum"] == stratum)
    findings = Findings.of(answered, 0.99)
    assert findings.threshold is None
    assert "no pair of the table pairs has an answer, so no threshold can be chosen; the threshold in use is 0.750" in (
        findings.to_lines("/data/lake")
    )


def test_one_answer_is_counted_as_one() -> None:
    answered = make_answered()
    answered["verdict"] = answered["verdict"].where(answered.index == 0)
    assert Findings.of(answered, 0.99).to_lines("/data/lake")[1].endswith("to 1), 1 answer")


def test_nothing_is_said_about_more_answers_if_every_pair_of_the_lake_has_one() -> None:
    answered = make_answered().assign(verdict="duplicate")
    answered["stratum_size"] = answered.groupby("stratum")["stratum"].transform("size").astype(float)
    assert len(Findings.of(answered, 0.99).to_lines("/data/lake")) == 5


def test_findings_are_printed_for_people_and_programs() -> None:
    findings = Findings.of(make_answered(), 0.99)
    lines = findings.to_lines("/data/lake")
    assert lines[0] == "sample s: 9 of 10 pairs have an answer"
    assert lines[1].startswith("precision of pairs        .833 (")
    assert "needs pairs.min_match_probability 0.900: precision 1 (" in lines[4]
    assert lines[5].startswith("50 more answers change the width of the interval: precision of pairs from ")
    assert lines[6] == "to draw them: ndvr sample --lake /data/lake --pairs 60 --out FOLDER"
    printed = findings.to_json()
    assert printed["drawn_at"] == "2024-05-01T00:00:00Z"
    assert printed["threshold"]["min_probability"] == 0.9
    assert set(printed["widths_with_50_more"]) == {"pairs_precision", "duplicates_precision", "recall"}


def test_findings_say_what_was_not_measured() -> None:
    answered = make_answered()
    answered.loc[answered["stratum"] != "pairs", "verdict"] = None
    answered.loc[answered["stratum"] == "pairs", "verdict"] = "not_duplicate"
    lines = Findings.of(answered, 0.99).to_lines("/data/lake")
    assert lines[2] == "precision of duplicates   not measured"
    assert lines[4] == "no threshold reaches a precision of .99; the threshold in use is 0.750"
