"""Splits what pairs connect into clusters that hold: decisions, weak bridges, and a check against the keeper."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from udfs.clustering.graph import SeparatedSets, find_bridges
from udfs.clustering.rules import choose_keeper, order_strictly

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from udfs.clustering.graph import Neighbours
    from udfs.clustering.rules import ClusterRules, KeeperFacts


@dataclass(frozen=True)
class Cluster:
    """Videos with the same footage.

    Attributes:
        videos: numbers, ascending, one or more.
        keeper: the one that is kept.
        reason: by which rule.
    """

    videos: list[int]
    keeper: int
    reason: str


@dataclass(frozen=True)
class Links:
    """What speaks for and against two videos being in one cluster; videos are numbered in the order of their ids.

    Attributes:
        pairs: (left, right) -> match_probability, left < right.
        together: decided to be duplicates.
        apart: decided not to be.
    """

    pairs: dict[tuple[int, int], float]
    together: list[tuple[int, int]]
    apart: list[tuple[int, int]]


class _Groups:
    """Videos that decisions hold together count as one node from here on; a node's number is its smallest video's."""

    def __init__(self, num_videos: int, links: Links) -> None:
        sets = SeparatedSets(num_videos, links.apart)
        for left, right in sorted(links.together):  # where decisions contradict each other, not_duplicate wins
            sets.try_to_join(left, right)
        self.of = [sets.find(video) for video in range(num_videos)]
        self.videos: dict[int, list[int]] = {}
        for video, group in enumerate(self.of):
            self.videos.setdefault(group, []).append(video)
        self.apart = {(self.of[left], self.of[right]) for left, right in links.apart}
        self.neighbours: Neighbours = [{} for _ in range(num_videos)]
        self.is_manifold: set[tuple[int, int]] = set()  # joined by more than one pair
        for (left, right), probability in links.pairs.items():
            self._connect(self.of[left], self.of[right], probability)

    def _connect(self, left: int, right: int, probability: float) -> None:
        if left == right:
            return
        known = self.neighbours[left].get(right)
        if known is not None:
            self.is_manifold.add((min(left, right), max(left, right)))
            probability = max(known, probability)
        self.neighbours[left][right] = self.neighbours[right][left] = probability

    def disconnect(self, left: int, right: int) -> None:
        """Take the edge between two nodes away."""
        del self.neighbours[left][right], self.neighbours[right][left]

    def edges(self) -> list[tuple[float, int, int]]:
        """List (probability, smaller, larger)."""
        return [
            (probability, left, right)
            for left, others in enumerate(self.neighbours)
            for right, probability in others.items()
            if left < right
        ]


def split_into_clusters(links: Links, facts: Sequence[KeeperFacts], rules: ClusterRules) -> list[Cluster]:
    """Split all that is connected into clusters, single videos among them.

    1. Videos decided to be duplicates are one node.
    2. Where videos decided not to be duplicates are connected, edges are taken up surest first, and one that would
       bring such two together is left out: every path between them breaks at its weakest edge.
    3. Weak bridges are cut, weakest first: a lone pair below `min_bridge_probability` between two sides of two or more
       videos each. Were both sides one footage, more of the pairs between them would have been found.
    4. The keeper takes those that have a pair with it, and those that a short and sure path joins to it; what is left
       is split in the same way.

    Each step only separates, so what an earlier one promised stays true. Ties go by ids: the order of pairs does not
    matter. Components do not influence each other, so any set of whole components may be given.

    Args:
        links: pairs and decisions.
        facts: of each video, as many as there are videos.
        rules: see `ClusterRules`.

    Returns:
        Clusters in which every video occurs once. Runs on: driver or executor, in plain Python.
    """
    groups = _Groups(len(facts), links)
    if groups.apart:
        _separate(groups)
    _cut_weak_bridges(groups, rules.min_bridge_probability)
    return list(_gather_around_keepers(groups, facts, rules))


def _separate(groups: _Groups) -> None:
    """Leave out the edges that bring nodes together which must stay apart (Kruskal's algorithm, with a veto)."""
    sets = SeparatedSets(len(groups.neighbours), groups.apart)
    edges = groups.edges()
    for _, left, right in sorted(edges, key=lambda edge: (-edge[0], edge[1], edge[2])):
        sets.try_to_join(left, right)
    for _, left, right in edges:
        if sets.find(left) != sets.find(right):
            groups.disconnect(left, right)


def _cut_weak_bridges(groups: _Groups, min_bridge_probability: float) -> None:
    """Cut the bridges that are too weak for what they hold together, weakest first.

    Pieces only shrink, so a bridge that is kept once need not be looked at again.
    """
    if not any(probability < min_bridge_probability for others in groups.neighbours for probability in others.values()):
        return
    weak = sorted(
        (groups.neighbours[left][right], left, right)
        for left, right in find_bridges(groups.neighbours)
        if groups.neighbours[left][right] < min_bridge_probability and (left, right) not in groups.is_manifold
    )
    for _, left, right in weak:
        if _has_two_videos(groups, left, beyond=right) and _has_two_videos(groups, right, beyond=left):
            groups.disconnect(left, right)


def _has_two_videos(groups: _Groups, side: int, beyond: int) -> bool:
    """Tell whether one side of a bridge has at least two videos."""
    return len(groups.videos[side]) > 1 or any(other != beyond for other in groups.neighbours[side])


def _gather_around_keepers(groups: _Groups, facts: Sequence[KeeperFacts], rules: ClusterRules) -> Iterator[Cluster]:
    """Gather clusters around keepers, beginning with the first video of all in the order of the keeper rules.

    That first video and all that reach it choose the keeper, which gathers anew. Should those it gathered choose
    another one among themselves, that one gathers among them, until keeper and members agree: members can only become
    fewer, so it ends.
    """
    free = set(groups.videos)
    for video in order_strictly(range(len(facts)), facts):
        seed = groups.of[video]
        while seed in free:
            centre, members = seed, _grow(groups.neighbours, seed, free, rules)
            keeper, reason = _choose(groups, members, facts, rules)
            if groups.of[keeper] != centre:
                centre = groups.of[keeper]
                members = _grow(groups.neighbours, centre, free, rules)
                keeper, reason = _choose(groups, members, facts, rules)
            while groups.of[keeper] != centre:
                centre = groups.of[keeper]
                members = _grow(groups.neighbours, centre, members, rules)
                keeper, reason = _choose(groups, members, facts, rules)
            free -= members
            yield Cluster(sorted(_videos(groups, members)), keeper, reason)


def _choose(
    groups: _Groups, members: Iterable[int], facts: Sequence[KeeperFacts], rules: ClusterRules
) -> tuple[int, str]:
    """Choose the keeper among the videos of some nodes."""
    return choose_keeper(_videos(groups, members), facts, rules)


def _videos(groups: _Groups, members: Iterable[int]) -> list[int]:
    """List the videos of some nodes."""
    return [video for group in members for video in groups.videos[group]]


def _grow(neighbours: Neighbours, source: int, allowed: Collection[int], rules: ClusterRules) -> set[int]:
    """Collect the nodes that belong to a keeper: its neighbours, and those that a sure and short path joins to it.

    The best product over paths of at most h edges comes from that over paths of at most h - 1 (Bellman 1958).
    """
    best = {source: 1.0}
    frontier = {source: 1.0}
    for hop in range(rules.max_hops):
        floor = 0.0 if hop == 0 else rules.min_path_probability
        better: dict[int, float] = {}
        for node, so_far in frontier.items():
            for other, probability in neighbours[node].items():
                product = so_far * probability
                if (
                    product >= floor
                    and other in allowed
                    and product > max(best.get(other, -1.0), better.get(other, -1.0))
                ):
                    better[other] = product
        best |= better
        frontier = {node: product for node, product in better.items() if product >= rules.min_path_probability}
    return set(best)
