from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jobs.demo.planted import Planted, measure_shared_footage, read_planted, write_planted
from udfs.verifying.relation import name_relation

if TYPE_CHECKING:
    from pathlib import Path

ORIGINAL = Planted("a", "", "original", "", 0.0, 10.0, 0.0, 10.0)
HEAD = Planted("a-head", "a", "contained", "trim-tail", 0.0, 7.0, 0.0, 7.0)
TAIL = Planted("a-tail", "a", "contained", "trim-head", 6.0, 10.0, 0.0, 4.0)
LAST = Planted("a-last", "a", "contained", "trim-head", 7.0, 10.0, 0.0, 3.0, 'a note, with "quotes"')
OTHER = Planted("b", "", "original", "", 0.0, 5.0, 0.0, 5.0)
BROKEN = Planted("c", "", "broken")


@pytest.mark.parametrize(
    ("source_coverage", "target_coverage", "expected"),
    [
        (1.0, 1.0, "copy"),
        (0.8, 0.8, "copy"),
        (0.79, 1.0, "contained"),
        (1.0, 0.79, "contained"),
        (0.5, 0.5, "overlap"),
    ],
)
def test_a_relation_is_named_by_what_either_side_shares(
    source_coverage: float, target_coverage: float, expected: str
) -> None:
    assert name_relation(source_coverage, target_coverage) == expected


def test_two_parts_of_one_original_share_where_they_overlap_in_its_time() -> None:
    assert measure_shared_footage([TAIL, ORIGINAL, LAST, OTHER, HEAD, BROKEN]) == {
        ("a", "a-head"): 7.0,
        ("a", "a-tail"): 4.0,
        ("a", "a-last"): 3.0,
        ("a-head", "a-tail"): 1.0,
        ("a-last", "a-tail"): 3.0,
    }


def test_the_stretches_of_a_splice_add_up_and_it_shares_nothing_with_itself() -> None:
    splice = [
        Planted("s", "a", "contained", "splice", 0.0, 5.0, 0.0, 5.0),
        Planted("s", "b", "overlap", "splice", 1.0, 3.0, 5.0, 7.0),
        Planted("s", "a", "contained", "splice", 5.0, 10.0, 7.0, 12.0),
    ]
    assert measure_shared_footage([ORIGINAL, OTHER, *splice]) == {("a", "s"): 10.0, ("b", "s"): 2.0}


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    lines = (ORIGINAL, LAST, BROKEN)
    write_planted(lines, tmp_path / "planted.csv")
    assert read_planted(tmp_path / "planted.csv") == lines
    assert (tmp_path / "planted.csv").read_text().splitlines()[1] == "a,,original,,0.0,10.0,0.0,10.0,"
