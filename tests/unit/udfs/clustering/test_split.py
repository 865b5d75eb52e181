"""Clusters of small graphs. Videos are numbers, published in that order."""

from __future__ import annotations

from udfs.clustering.graph import find_widest_shortest_paths
from udfs.clustering.rules import ClusterRules, KeeperFacts
from udfs.clustering.split import Links, split_into_clusters

RULES = ClusterRules(
    min_path_probability=0.5, max_hops=3, min_bridge_probability=0.9, same_time_seconds=0.0, same_size_ratio=1.0
)


def split(
    pairs: dict[tuple[int, int], float],
    must_link: tuple[tuple[int, int], ...] = (),
    cannot_link: tuple[tuple[int, int], ...] = (),
) -> list[list[int]]:
    """Split and return the clusters, sorted."""
    num_videos = 1 + max(end for ends in (*pairs, *must_link, *cannot_link) for end in ends)
    facts = [KeeperFacts(float(video)) for video in range(num_videos)]
    clusters = split_into_clusters(Links(pairs, list(must_link), list(cannot_link)), facts, RULES)
    return sorted(cluster.videos for cluster in clusters)


def test_two_dissimilar_copies_are_connected_by_their_original() -> None:
    crop, original, rotation = 0, 1, 2
    assert split({(crop, original): 0.99, (original, rotation): 0.99}) == [[0, 1, 2]]


def test_a_pair_with_the_keeper_suffices_at_any_probability() -> None:
    assert split({(0, 1): 0.3, (0, 2): 0.2}) == [[0, 1, 2]]


def test_a_member_with_an_improbable_path_leaves_the_cluster() -> None:
    assert split({(0, 1): 0.7, (1, 2): 0.7}) == [[0, 1], [2]]
    assert split({(0, 1): 0.71, (1, 2): 0.71}) == [[0, 1, 2]]


def test_members_with_too_long_a_path_leave_and_form_their_own_cluster() -> None:
    chain = {(0, 1): 1.0, (1, 2): 1.0, (2, 3): 1.0, (3, 4): 1.0, (4, 5): 1.0}
    assert split(chain) == [[0, 1, 2, 3], [4, 5]]


def test_a_longer_path_of_higher_probability_counts() -> None:
    assert split({(0, 1): 0.5, (0, 2): 1.0, (1, 2): 1.0, (1, 3): 0.9}) == [[0, 1, 2, 3]]


def test_a_weak_bridge_between_two_groups_is_cut() -> None:
    assert split({(0, 1): 1.0, (1, 2): 0.89, (2, 3): 1.0}) == [[0, 1], [2, 3]]
    assert split({(0, 1): 1.0, (1, 2): 0.9, (2, 3): 1.0}) == [[0, 1, 2, 3]]


def test_a_weak_pair_may_connect_a_single_video() -> None:
    assert split({(0, 1): 1.0, (1, 2): 0.8}) == [[0, 1, 2]]


def test_two_weak_pairs_between_two_groups_are_not_a_bridge() -> None:
    assert split({(0, 1): 1.0, (1, 2): 0.8, (0, 3): 0.8, (2, 3): 1.0}) == [[0, 1, 2, 3]]


def test_the_weakest_bridge_is_cut_first() -> None:
    assert split({(0, 1): 0.8, (1, 2): 0.8, (2, 3): 0.7, (3, 4): 0.8, (4, 5): 0.8}) == [[0, 1, 2], [3, 4, 5]]


def test_decided_duplicates_need_no_pair_and_count_as_no_hop() -> None:
    assert split({(0, 1): 1.0, (2, 3): 1.0, (3, 4): 1.0}, must_link=((1, 2),)) == [[0, 1, 2, 3, 4]]


def test_a_not_duplicate_decision_cuts_each_path_at_its_weakest_pair() -> None:
    assert split({(0, 1): 1.0}, cannot_link=((0, 1),)) == [[0], [1]]
    assert split({(0, 1): 0.9, (1, 2): 1.0, (2, 3): 0.95}, cannot_link=((0, 3),)) == [[0], [1, 2, 3]]


def test_not_duplicate_wins_over_contradicting_decisions() -> None:
    assert split({}, must_link=((0, 1), (1, 2)), cannot_link=((0, 2),)) == [[0, 1], [2]]


def test_the_keeper_of_the_members_collects_members_again() -> None:
    """Video 0 was published shortly after video 3 and has more pixels, so it is the keeper and adds a member."""
    rules = ClusterRules(0.5, 1, 0.9, same_time_seconds=60.0, same_size_ratio=0.9)
    facts = [KeeperFacts(30e6, 20.0), KeeperFacts(1e9, 1.0), KeeperFacts(1e9, 1.0), KeeperFacts(0.0, 10.0)]
    pairs = {(0, 1): 1.0, (0, 2): 1.0, (0, 3): 1.0, (2, 3): 1.0}
    (cluster,) = split_into_clusters(Links(pairs, [], []), facts, rules)
    assert (cluster.videos, cluster.keeper) == ([0, 1, 2, 3], 0)


def test_paths_are_shortest_then_widest_then_by_smallest_number() -> None:
    neighbours = [
        {1: 0.9, 2: 0.8, 4: 1.0},
        {0: 0.9, 3: 0.7},
        {0: 0.8, 3: 0.8},
        {1: 0.7, 2: 0.8, 4: 0.8},
        {0: 1.0, 3: 0.8},
    ]
    assert find_widest_shortest_paths(neighbours, 0, range(5)) == {1: 0, 2: 0, 4: 0, 3: 2}
    assert find_widest_shortest_paths(neighbours, 0, [0, 1, 3]) == {1: 0, 3: 1}
