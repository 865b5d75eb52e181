"""Which videos stay together, on graphs that one can draw; videos are numbers, published in that order."""

from __future__ import annotations

from udfs.clustering.graph import find_surest_shortest_paths
from udfs.clustering.rules import ClusterRules, KeeperFacts
from udfs.clustering.split import Links, split_into_clusters

RULES = ClusterRules(
    min_path_probability=0.5, max_hops=3, min_bridge_probability=0.9, same_time_seconds=0.0, same_size_ratio=1.0
)


def split(
    pairs: dict[tuple[int, int], float],
    together: tuple[tuple[int, int], ...] = (),
    apart: tuple[tuple[int, int], ...] = (),
) -> list[list[int]]:
    """Split and return the clusters, sorted."""
    num_videos = 1 + max(end for ends in (*pairs, *together, *apart) for end in ends)
    facts = [KeeperFacts(float(video)) for video in range(num_videos)]
    clusters = split_into_clusters(Links(pairs, list(together), list(apart)), facts, RULES)
    return sorted(cluster.videos for cluster in clusters)


def test_two_copies_that_are_too_unlike_meet_through_their_original() -> None:
    crop, original, rotation = 0, 1, 2
    assert split({(crop, original): 0.99, (original, rotation): 0.99}) == [[0, 1, 2]]


def test_a_pair_with_the_keeper_is_enough_however_unsure() -> None:
    assert split({(0, 1): 0.3, (0, 2): 0.2}) == [[0, 1, 2]]


def test_a_member_whose_path_is_too_unsure_leaves() -> None:
    assert split({(0, 1): 0.7, (1, 2): 0.7}) == [[0, 1], [2]]
    assert split({(0, 1): 0.71, (1, 2): 0.71}) == [[0, 1, 2]]


def test_a_member_too_many_pairs_away_leaves_and_what_leaves_is_clustered_again() -> None:
    chain = {(0, 1): 1.0, (1, 2): 1.0, (2, 3): 1.0, (3, 4): 1.0, (4, 5): 1.0}
    assert split(chain) == [[0, 1, 2, 3], [4, 5]]


def test_a_longer_path_counts_where_it_is_surer() -> None:
    assert split({(0, 1): 0.5, (0, 2): 1.0, (1, 2): 1.0, (1, 3): 0.9}) == [[0, 1, 2, 3]]


def test_a_weak_bridge_between_two_groups_is_cut() -> None:
    assert split({(0, 1): 1.0, (1, 2): 0.89, (2, 3): 1.0}) == [[0, 1], [2, 3]]
    assert split({(0, 1): 1.0, (1, 2): 0.9, (2, 3): 1.0}) == [[0, 1, 2, 3]]


def test_a_single_video_may_hang_on_a_weak_pair() -> None:
    assert split({(0, 1): 1.0, (1, 2): 0.8}) == [[0, 1, 2]]


def test_two_weak_pairs_between_two_groups_are_no_bridge() -> None:
    assert split({(0, 1): 1.0, (1, 2): 0.8, (0, 3): 0.8, (2, 3): 1.0}) == [[0, 1, 2, 3]]


def test_of_several_weak_bridges_the_weakest_is_cut_first() -> None:
    assert split({(0, 1): 0.8, (1, 2): 0.8, (2, 3): 0.7, (3, 4): 0.8, (4, 5): 0.8}) == [[0, 1, 2], [3, 4, 5]]


def test_duplicates_by_decision_are_together_without_pairs_and_count_as_no_step() -> None:
    assert split({(0, 1): 1.0, (2, 3): 1.0, (3, 4): 1.0}, together=((1, 2),)) == [[0, 1, 2, 3, 4]]


def test_a_decision_parts_what_pairs_and_paths_join_at_the_weakest_pair() -> None:
    assert split({(0, 1): 1.0}, apart=((0, 1),)) == [[0], [1]]
    assert split({(0, 1): 0.9, (1, 2): 1.0, (2, 3): 0.95}, apart=((0, 3),)) == [[0], [1, 2, 3]]


def test_where_decisions_contradict_each_other_not_duplicate_wins() -> None:
    assert split({}, together=((0, 1), (1, 2)), apart=((0, 2),)) == [[0, 1], [2]]


def test_the_keeper_that_members_choose_gathers_anew() -> None:
    """0 was published just after 3 and has more pixels: it keeps, and reaches one that 3 does not."""
    rules = ClusterRules(0.5, 1, 0.9, same_time_seconds=60.0, same_size_ratio=0.9)
    facts = [KeeperFacts(30e6, 20.0), KeeperFacts(1e9, 1.0), KeeperFacts(1e9, 1.0), KeeperFacts(0.0, 10.0)]
    pairs = {(0, 1): 1.0, (0, 2): 1.0, (0, 3): 1.0, (2, 3): 1.0}
    (cluster,) = split_into_clusters(Links(pairs, [], []), facts, rules)
    assert (cluster.videos, cluster.keeper) == ([0, 1, 2, 3], 0)


def test_paths_are_shortest_then_surest_then_of_the_smallest_number() -> None:
    neighbours = [
        {1: 0.9, 2: 0.8, 4: 1.0},
        {0: 0.9, 3: 0.7},
        {0: 0.8, 3: 0.8},
        {1: 0.7, 2: 0.8, 4: 0.8},
        {0: 1.0, 3: 0.8},
    ]
    assert find_surest_shortest_paths(neighbours, 0, range(5)) == {1: 0, 2: 0, 4: 0, 3: 2}
    assert find_surest_shortest_paths(neighbours, 0, [0, 1, 3]) == {1: 0, 3: 1}
