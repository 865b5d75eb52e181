from __future__ import annotations

from jobs.demo.planted import Planted
from jobs.demo.truth import make_truth

PLANTED = (
    Planted("film", "", "original", "", 0, 60, 0, 60),
    Planted("other", "", "original", "", 0, 20, 0, 20),
    Planted("film-mirror", "film", "copy", "mirror", 0, 60, 0, 60),
    Planted("a-film-found", "film", "copy", "found", 0, 60, 0, 60),
    Planted("film-part", "film", "contained", "middle-clip", 20, 40, 0, 20),
    Planted("splice", "film", "contained", "splice", 0, 20, 0, 20),
    Planted("splice", "other", "contained", "splice", 0, 10, 20, 30),
    Planted("film-end", "film", "contained", "trim-head", 39.5, 60, 0, 20.5),
    Planted("gone", "", "missing"),
)


def read_truth() -> dict[tuple[str, str], tuple[str, str]]:
    pairs = make_truth(PLANTED).pairs
    assert pairs is not None
    return {(row.left_id, row.right_id): (row.relation, row.transform) for row in pairs.itertuples()}


def test_a_copy_and_its_original_have_the_edit_between_them() -> None:
    assert read_truth()["film", "film-mirror"] == ("copy", "mirror")
    assert read_truth()["a-film-found", "film"] == ("copy", "found")


def test_two_copies_of_one_original_are_copies_without_an_edit_of_their_own() -> None:
    assert read_truth()["a-film-found", "film-mirror"] == ("copy", "")


def test_what_shows_a_part_of_an_original_shares_it_in_part() -> None:
    assert read_truth()["film", "film-part"] == ("partial", "middle-clip")
    assert read_truth()["other", "splice"] == ("partial", "splice")
    assert read_truth()["film-mirror", "splice"] == ("partial", "")


def test_less_than_a_second_counts_neither_way_and_nothing_shared_is_not_listed() -> None:
    truth = read_truth()
    assert truth["film-end", "film-part"] == ("ignore", "")
    assert ("film-part", "splice") not in truth
    assert not any("gone" in pair for pair in truth)
