"""What clusters promise, whatever the pairs, the dates and the decisions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from udfs.clustering.graph import find_bridges
from udfs.clustering.rules import ClusterRules
from udfs.clustering.videos import cluster_videos

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
    together: set[tuple[str, str]]
    apart: set[tuple[str, str]]
    facts: dict[str, tuple[float | None, float | None, float | None, str | None]]

    def rows(self) -> pd.DataFrame:
        rows = [("pair", *ends, probability, None, None, None, None) for ends, probability in self.pairs.items()]
        rows += [("duplicate", *ends, None, None, None, None, None) for ends in self.together]
        rows += [("not_duplicate", *ends, None, None, None, None, None) for ends in self.apart]
        rows += [("video", video_id, None, None, *known) for video_id, known in self.facts.items()]
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


def connected(links: set[tuple[str, str]]) -> dict[str, str]:
    labels = {video_id: video_id for video_id in IDS}
    for _ in IDS:
        for left, right in links:
            labels[left] = labels[right] = min(labels[left], labels[right])
    return labels


@given(CASES, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(case: Case, chance: random.Random) -> None:
    rows = case.rows()
    order = list(range(len(rows)))
    chance.shuffle(order)
    pd.testing.assert_frame_equal(cluster_videos(rows.iloc[order], RULES), case.cluster())


@given(CASES)
def test_components_clustered_apart_are_clustered_as_together(case: Case) -> None:
    labels = connected(set(case.pairs) | case.together)
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
def test_every_cluster_has_two_members_and_one_keeper_that_is_one_of_them(case: Case) -> None:
    found = clusters_of(case.cluster())
    for keeper in set(found.values()):
        assert found[keeper] == keeper
        assert list(found.values()).count(keeper) > 1


@given(CASES)
def test_videos_decided_not_to_be_duplicates_are_apart(case: Case) -> None:
    found = clusters_of(case.cluster())
    for left, right in case.apart:
        assert left not in found or right not in found or found[left] != found[right]


@given(CASES)
def test_videos_decided_to_be_duplicates_are_together_unless_decisions_contradict(case: Case) -> None:
    found = clusters_of(case.cluster())
    labels = connected(case.together)
    contradicted = {labels[left] for left, right in case.apart if labels[left] == labels[right]}
    for left, right in case.together:
        if labels[left] not in contradicted:
            assert found[left] == found[right]


@given(CASES)
def test_clusters_lie_within_what_is_connected(case: Case) -> None:
    labels = connected(set(case.pairs) | case.together)
    for video_id, keeper in clusters_of(case.cluster()).items():
        assert labels[video_id] == labels[keeper]


@given(CASES)
def test_the_next_videos_lead_to_the_keeper_over_pairs_and_decisions(case: Case) -> None:
    members = case.cluster()
    found = clusters_of(members)
    joined_by = dict(zip(members["video_id"], members["joined_by"], strict=True))
    for video_id, keeper in found.items():
        seen = {video_id}
        at = video_id
        while at != keeper:
            nearer = joined_by[at]
            assert (min(at, nearer), max(at, nearer)) in set(case.pairs) | case.together
            assert found[nearer] == keeper
            assert nearer not in seen
            seen.add(nearer)
            at = nearer


@given(CASES)
def test_members_without_decisions_are_sure_of_their_keeper(case: Case) -> None:
    """By a pair with it, or by a path of at most three pairs whose probabilities multiply to .5: all are tried."""
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
def test_no_one_published_well_before_the_keeper_is_a_member_unless_it_was_decided(case: Case) -> None:
    for video_id, keeper in clusters_of(case.cluster()).items():
        time, kept_time = case.facts[video_id][0], case.facts[keeper][0]
        if case.facts[keeper][3] is None and time is not None:
            assert kept_time is not None
            assert kept_time <= time + 60e6
        if case.facts[video_id][3] is not None:
            assert case.facts[keeper][3] is not None


@given(CASES, st.dictionaries(ENDS, PROBABILITIES, max_size=5))
def test_unrelated_videos_change_nothing(case: Case, others: dict[tuple[str, str], float]) -> None:
    strangers = [
        ("pair", f"w{left}", f"w{right}", probability, None, None, None, None)
        for (left, right), probability in others.items()
    ]
    members = cluster_videos(pd.concat([case.rows(), as_frame(strangers)]), RULES)
    known = members[~members["video_id"].str.startswith("w")].reset_index(drop=True)
    pd.testing.assert_frame_equal(known, case.cluster())


@given(st.sets(ENDS, max_size=20))
def test_bridges_are_the_edges_without_which_fewer_are_connected(edges: set[tuple[str, str]]) -> None:
    neighbours: list[set[int]] = [set() for _ in IDS]
    for left, right in edges:
        neighbours[IDS.index(left)].add(IDS.index(right))
        neighbours[IDS.index(right)].add(IDS.index(left))
    expected = {edge for edge in edges if connected(edges - {edge}) != connected(edges)}
    assert {(IDS[left], IDS[right]) for left, right in find_bridges(neighbours)} == expected
