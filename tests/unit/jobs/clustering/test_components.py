from __future__ import annotations

import numpy as np

from jobs.clustering.components import connected_components


def label(*pairs: tuple[str, str]) -> dict[str, str]:
    left, right = (np.array([pair[side] for pair in pairs], dtype=object) for side in (0, 1))
    return connected_components(left, right)


def test_without_pairs_no_component_exists() -> None:
    assert label() == {}


def test_a_pair_is_a_component_with_its_smallest_id_as_label() -> None:
    assert label(("b", "a")) == {"a": "a", "b": "a"}


def test_pairs_with_a_shared_video_are_one_component() -> None:
    assert label(("c", "d"), ("a", "b"), ("d", "e")) == {"a": "a", "b": "a", "c": "c", "d": "c", "e": "c"}


def test_a_chain_and_a_ring_are_one_component_each() -> None:
    assert set(label(("9", "8"), ("8", "7"), ("7", "6")).values()) == {"6"}
    assert set(label(("1", "2"), ("2", "3"), ("3", "1")).values()) == {"1"}


def test_ids_are_compared_as_text() -> None:
    assert label(("9", "10")) == {"10": "10", "9": "10"}


def test_the_result_is_sorted_by_id() -> None:
    assert list(label(("z", "y"), ("b", "a"))) == ["a", "b", "y", "z"]


def test_ids_of_any_length_and_script_are_returned_unchanged() -> None:
    long_id, other = "x" * 300, "日本語"
    assert label((long_id, other)) == {long_id: long_id, other: long_id}
