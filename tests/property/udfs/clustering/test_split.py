"""Guarantees of clusters for any pairs, dates and decisions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from udfs.clustering.cluster_videos import cluster_videos
from udfs.clustering.graph import find_bridges
from udfs.clustering.rules import ClusterRules

if TYPE_CHECKING:
    import random

RULES = ClusterRules(
    min_path_probability=0.5, max_hops=3, min_bridge_probability=0.9, same_time_seconds=60.0, same_size_ratio=0.9
)
IDS = [f"v{number:02d}" for number in range(10)]
ENDS = st.tuples(st.sampled_from(IDS), st.sampled_from(IDS)).filter(lambda ends: ends[0] < ends[1])
PROBABILITIES = st.sampled_from([0.5, 0.7, 0.8, 0.9, 0.95, 1.0])
TIMES = st.sampled_from([None, 0.0, 30e6, 50e6, 100e6, 1e9])
SIZES = st.sampled_from([None, 100.0, 95.0, 50.0])


@dataclass(frozen=True)
class Case:
    pairs: dict[tuple[str, str], float]
    must_link: set[tuple[str, str]]
    cannot_link: set[tuple[str, str]]
    facts: dict[str, tuple[float | None, float | None, float | None, str | None]]

    def rows(self) -> pd.DataFrame:
        rows = [("pair", *ends, probability, None, None, None, None) for ends, probability in self.pairs.items()]
        rows += [("duplicate", *ends, None, None, None, None, None) for ends in self.must_link]
        rows += [("not_duplicate", *ends, None, None, None, None, None) for ends in self.cannot_link]
        rows += [("video", video_id, None, None, *values) for video_id, values in self.facts.items()]
        return as_frame(rows)

    def cluster(self) -> pd.DataFrame:
        return cluster_videos(self.rows(), RULES)


def as_frame(rows: list[tuple[object, ...]]) -> pd.DataFrame:
    columns = ("kind", "left_id", "right_id", "match_probability")
    return pd.DataFrame(
        rows, columns=[*columns, "published_micros", "num_pixels", "duration_seconds", "kept_by"], dtype=object
    )


DECIDED = st.sets(ENDS, max_size=4)
CASES = st.builds(
    Case,
    st.dictionaries(ENDS, PROBABILITIES, max_size=25),
    DECIDED,
    DECIDED,
    st.fixed_dictionaries({i: st.tuples(TIMES, SIZES, SIZES, st.sampled_from([None, None, "ann"])) for i in IDS}),
)


def clusters_of(members: pd.DataFrame) -> dict[str, str]:
    return dict(zip(members["video_id"], members["keeper_id"], strict=True))


def label_components(links: set[tuple[str, str]]) -> dict[str, str]:
    labels = {video_id: video_id for video_id in IDS}
    for _ in IDS:
        for left, right in links:
            labels[left] = labels[right] = min(labels[left], labels[right])
    return labels


@given(CASES, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(case: Case, rng: random.Random) -> None:
    rows = case.rows()
    order = list(range(len(rows)))
    rng.shuffle(order)
    pd.testing.assert_frame_equal(cluster_videos(rows.iloc[order], RULES), case.cluster())


@given(CASES)
def test_clustering_components_separately_or_together_gives_the_same_result(case: Case) -> None:
    labels = label_components(set(case.pairs) | case.must_link)
    rows = case.rows()
    parts = []
    for label in sorted(set(labels.values())):
        inside = [
            labels[left] == label and (right is None or labels[right] == label)
            for left, right in zip(rows["left_id"], rows["right_id"], strict=True)
        ]
        parts.append(cluster_videos(rows[inside], RULES))
    whole = pd.concat(parts).sort_values("video_id").reset_index(drop=True)
    pd.testing.assert_frame_equal(whole, case.cluster())


@given(CASES)
def test_every_cluster_has_at_least_two_members_and_its_keeper_is_one_of_them(case: Case) -> None:
    found = clusters_of(case.cluster())
    for keeper in set(found.values()):
        assert found[keeper] == keeper
        assert list(found.values()).count(keeper) > 1


@given(CASES)
def test_videos_decided_not_to_be_duplicates_are_in_different_clusters(case: Case) -> None:
    found = clusters_of(case.cluster())
    for left, right in case.cannot_link:
        assert left not in found or right not in found or found[left] != found[right]


@given(CASES)
def test_videos_decided_to_be_duplicates_share_a_cluster_unless_decisions_contradict(case: Case) -> None:
    found = clusters_of(case.cluster())
    labels = label_components(case.must_link)
    contradicted = {labels[left] for left, right in case.cannot_link if labels[left] == labels[right]}
    for left, right in case.must_link:
        if labels[left] not in contradicted:
            assert found[left] == found[right]


@given(CASES)
def test_clusters_do_not_cross_components(case: Case) -> None:
    labels = label_components(set(case.pairs) | case.must_link)
    for video_id, keeper in clusters_of(case.cluster()).items():
        assert labels[video_id] == labels[keeper]


@given(CASES)
def test_joined_by_leads_to_the_keeper_along_pairs_and_decisions(case: Case) -> None:
    members = case.cluster()
    found = clusters_of(members)
    joined_by = dict(zip(members["video_id"], members["joined_by"], strict=True))
    for video_id, keeper in found.items():
        seen = {video_id}
        current = video_id
        while current != keeper:
            next_video = joined_by[current]
            assert (min(current, next_video), max(current, next_video)) in set(case.pairs) | case.must_link
            assert found[next_video] == keeper
            assert next_video not in seen
            seen.add(next_video)
            current = next_video


@given(CASES)
def test_members_have_a_pair_or_a_probable_path_to_their_keeper(case: Case) -> None:
    """The path has at most three pairs, whose probabilities multiply to at least .5. There are no decisions."""
    case = Case(case.pairs, set(), set(), case.facts)
    found = clusters_of(case.cluster())
    for video_id, keeper in found.items():
        best = {keeper: 1.0}
        for _ in range(RULES.max_hops):
            extended = dict(best)
            for (left, right), probability in case.pairs.items():
                for start, end in ((left, right), (right, left)):
                    if start in best and found.get(end) == keeper:
                        extended[end] = max(extended.get(end, 0.0), best[start] * probability)
            best = extended
        is_direct = (min(video_id, keeper), max(video_id, keeper)) in case.pairs
        assert video_id == keeper or is_direct or best.get(video_id, 0.0) >= 0.5


@given(CASES)
def test_no_member_was_published_well_before_the_keeper_unless_a_decision_says_so(case: Case) -> None:
    for video_id, keeper in clusters_of(case.cluster()).items():
        time, kept_time = case.facts[video_id][0], case.facts[keeper][0]
        if case.facts[keeper][3] is None and time is not None:
            assert kept_time is not None
            assert kept_time <= time + 60e6
        if case.facts[video_id][3] is not None:
            assert case.facts[keeper][3] is not None


@given(CASES, st.dictionaries(ENDS, PROBABILITIES, max_size=5))
def test_unrelated_videos_do_not_change_clusters(case: Case, others: dict[tuple[str, str], float]) -> None:
    unrelated = [
        ("pair", f"w{left}", f"w{right}", probability, None, None, None, None)
        for (left, right), probability in others.items()
    ]
    members = cluster_videos(pd.concat([case.rows(), as_frame(unrelated)]), RULES)
    known = members[~members["video_id"].str.startswith("w")].reset_index(drop=True)
    pd.testing.assert_frame_equal(known, case.cluster())


@given(st.sets(ENDS, max_size=20))
def test_bridges_are_the_edges_whose_removal_disconnects_videos(edges: set[tuple[str, str]]) -> None:
    neighbours: list[set[int]] = [set() for _ in IDS]
    for left, right in edges:
        neighbours[IDS.index(left)].add(IDS.index(right))
        neighbours[IDS.index(right)].add(IDS.index(left))
    expected = {edge for edge in edges if label_components(edges - {edge}) != label_components(edges)}
    assert {(IDS[left], IDS[right]) for left, right in find_bridges(neighbours)} == expected
