from __future__ import annotations

from collections import Counter

from jobs.estimation.strata import (
    BY_PATH,
    IN_DUPLICATES,
    IN_PAIRS,
    REJECTED,
    Cell,
    CellFacts,
    Stratum,
    find_cluster_kind,
    list_bounds,
    plan_strata,
    share_pairs,
)

CELLS = {
    Cell(IN_DUPLICATES, 2, "copy", "small cluster"): CellFacts(500, 0.998),
    Cell(IN_DUPLICATES, 2, "copy", "large cluster"): CellFacts(300, 0.997),
    Cell(IN_DUPLICATES, 0, "copy", "small cluster"): CellFacts(40, 0.8),
    Cell(IN_PAIRS, 0, "partial", "no cluster"): CellFacts(60, 0.8),
    Cell(BY_PATH, 0, "copy", "large cluster"): CellFacts(5, 0.82),
    Cell(REJECTED, 2, "partial", "no cluster"): CellFacts(20, 0.7),
    Cell(REJECTED, 1, "partial", "no cluster"): CellFacts(90, 0.3),
    Cell(REJECTED, 0, "partial", "no cluster"): CellFacts(900, 0.01),
}


def count_drawn(strata: list[Stratum]) -> dict[str, int]:
    """Number of pairs drawn of each population."""
    drawn: Counter[str] = Counter()
    for stratum in strata:
        drawn[stratum.cells[0].population] += stratum.num_drawn
    return dict(drawn)


def test_two_fifths_are_rejected_and_most_of_the_others_are_duplicates_and_no_population_is_mixed() -> None:
    strata = plan_strata(CELLS, 100, 0.75)
    drawn = count_drawn(strata)
    assert (drawn[IN_DUPLICATES] + drawn[BY_PATH], drawn[IN_PAIRS], drawn[REJECTED]) == (36, 24, 40)
    assert all(len({cell.population for cell in stratum.cells}) == 1 for stratum in strata)
    assert all(2 <= stratum.num_drawn <= stratum.num_pairs for stratum in strata)


def test_a_stratum_is_named_by_its_population_probability_relation_and_cluster() -> None:
    names = {stratum.name for stratum in plan_strata(CELLS, 100, 0.75)}
    assert "in duplicates, 0.99 to 1, copy, large cluster" in names
    assert "rejected, 0.6 to 0.75, partial, no cluster" in names
    assert "in duplicates by a path, 0.75 to 0.875, copy, large cluster" in names


def test_a_small_sample_has_coarser_strata() -> None:
    strata = plan_strata(CELLS, 15, 0.75)
    assert [stratum.name for stratum in strata if len(stratum.cells) > 1] == [IN_DUPLICATES, REJECTED]
    assert sorted(stratum.cells[0].population for stratum in strata) == [IN_DUPLICATES, BY_PATH, IN_PAIRS, REJECTED]
    assert sum(stratum.num_drawn for stratum in strata) == 15


def test_without_rejected_candidates_all_pairs_are_published_ones() -> None:
    published = {cell: facts for cell, facts in CELLS.items() if cell.population != REJECTED}
    strata = plan_strata(published, 100, 0.75)
    assert sum(stratum.num_drawn for stratum in strata) == 100


def test_a_lake_with_fewer_pairs_than_the_sample_is_drawn_completely() -> None:
    few = {
        Cell(IN_PAIRS, 0, "copy", "no cluster"): CellFacts(3, 0.9),
        Cell(REJECTED, 0, "partial", "no cluster"): CellFacts(4, 0.1),
    }
    assert [(stratum.num_pairs, stratum.num_drawn) for stratum in plan_strata(few, 100, 0.75)] == [(3, 3), (4, 4)]


def test_what_a_group_cannot_use_goes_to_the_others() -> None:
    few = CELLS | {Cell(IN_PAIRS, 0, "partial", "no cluster"): CellFacts(10, 0.8)}
    drawn = count_drawn(plan_strata(few, 100, 0.75))
    assert (drawn[IN_DUPLICATES] + drawn[BY_PATH], drawn[IN_PAIRS], drawn[REJECTED]) == (50, 10, 40)
    published = {cell: facts for cell, facts in CELLS.items() if cell.population == IN_PAIRS}
    assert count_drawn(plan_strata(published, 40, 0.75)) == {IN_PAIRS: 40}


def test_half_is_shared_equally_and_half_by_size_and_spread() -> None:
    assert share_pairs([CellFacts(1000, 0.5), CellFacts(1000, 0.5)], 40) == [20, 20]
    assert share_pairs([CellFacts(9000, 0.999), CellFacts(1000, 0.999)], 40) == [28, 12]
    assert share_pairs([CellFacts(1000, 0.5), CellFacts(1000, 0.999)], 40) == [24, 16]
    assert share_pairs([], 40) == []


def test_bands_follow_the_threshold() -> None:
    bounds = list_bounds(0.75)
    assert bounds[IN_PAIRS] == [0.875, 0.99]
    assert [round(bound, 3) for bound in bounds[REJECTED]] == [0.1, 0.6]
    assert list_bounds(0.99)[IN_PAIRS] == [0.995]


def test_clusters_of_up_to_three_videos_are_small() -> None:
    kinds = [find_cluster_kind(size) for size in (None, 2, 3, 4)]
    assert kinds == ["no cluster", "small cluster", "small cluster", "large cluster"]
