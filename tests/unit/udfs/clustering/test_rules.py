from __future__ import annotations

import pytest

from udfs.clustering.rules import ClusterRules, KeeperFacts, choose_keeper

RULES = ClusterRules(
    min_path_probability=0.5, max_hops=3, min_bridge_probability=0.9, same_time_seconds=3600.0, same_size_ratio=0.9
)
FIRST = "published first"
LARGEST = "highest resolution of those published first"
LONGEST = "longest of those published first in the highest resolution"
SMALLEST = "smallest video_id of those published first in the highest resolution"


def choose(*videos: tuple[float | None, float | None, float | None]) -> tuple[int, str]:
    """Choose the keeper of videos with these hours of publication, pixels and seconds."""
    facts = [KeeperFacts(None if hour is None else hour * 3600e6, *sizes) for hour, *sizes in videos]
    return choose_keeper(range(len(facts)), facts, RULES)


@pytest.mark.parametrize(
    ("videos", "expected"),
    [
        ([(2, 900, 5), (0, 10, 5)], (1, FIRST)),
        ([(None, 900, 5), (9, 10, 5)], (1, FIRST)),
        ([(1, 10, 5), (1, 20, 5)], (1, LARGEST)),
        ([(1, None, 5), (1, 20, 5)], (1, LARGEST)),
        ([(1, 20, 4), (1, 20, 5)], (1, LONGEST)),
        ([(None, 10, 5), (None, 10, 5)], (0, SMALLEST)),
        ([(None, None, None), (None, None, None)], (0, SMALLEST)),
    ],
)
def test_the_first_rule_that_leaves_one_video_decides(
    videos: list[tuple[float | None, float | None, float | None]], expected: tuple[int, str]
) -> None:
    assert choose(*videos) == expected


def test_near_ties_count_as_equal() -> None:
    assert choose((0, 10, 5), (1, 20, 5)) == (1, LARGEST)
    assert choose((0, 19, 5), (0, 20, 4)) == (0, LONGEST)
    assert choose((0, 19, 5), (0, 20, 5.2)) == (0, SMALLEST)


def test_near_ties_are_compared_with_the_best_and_do_not_chain() -> None:
    assert choose((0, 10, 5), (0.8, 10, 5), (1.6, 99, 5)) == (0, SMALLEST)


def test_the_reason_names_the_rule_that_eliminated_the_runner_up() -> None:
    assert choose((1, 10, 5), (1, 20, 5), (5, 99, 5)) == (1, LARGEST)


def test_a_decision_precedes_all_rules_and_rules_choose_between_two_decisions() -> None:
    facts = [KeeperFacts(0.0), KeeperFacts(9e9, kept_by="ann"), KeeperFacts(99e9, kept_by="bob")]
    assert choose_keeper([0, 1], facts, RULES) == (1, "keep_this, decided by ann")
    assert choose_keeper([0, 1, 2], facts, RULES) == (1, FIRST)
