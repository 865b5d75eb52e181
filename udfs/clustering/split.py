"""Splits connected components into clusters: by decisions, weak bridges, and paths to the keeper."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from udfs.clustering.graph import ConstrainedSets, find_bridges
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
        keeper: the video to keep.
        reason: the rule that chose it.
    """

    videos: list[int]
    keeper: int
    reason: str


@dataclass(frozen=True)
class Links:
    """The links between videos. Videos are numbered in the order of their ids.

    Attributes:
        pairs: (left, right) -> match_probability, left < right.
        must_link: pairs decided to be duplicates.
        cannot_link: pairs decided not to be duplicates.
    """

    pairs: dict[tuple[int, int], float]
    must_link: list[tuple[int, int]]
    cannot_link: list[tuple[int, int]]


class _ContractedGraph:
    """A graph in which videos joined by must-links are one node. The number of a node is that of its smallest video."""

    def __init__(self, num_videos: int, links: Links) -> None:
        sets = ConstrainedSets(num_videos, links.cannot_link)
        for left, right in sorted(links.must_link):  # if decisions contradict each other, not_duplicate wins
            sets.try_to_join(left, right)
        self.node_of = [sets.find(video) for video in range(num_videos)]
        self.videos: dict[int, list[int]] = {}
        for video, node in enumerate(self.node_of):
            self.videos.setdefault(node, []).append(video)
        self.cannot_link = {(self.node_of[left], self.node_of[right]) for left, right in links.cannot_link}
        self.neighbours: Neighbours = [{} for _ in range(num_videos)]
        self.multi_edges: set[tuple[int, int]] = set()  # edges of more than one pair
        for (left, right), probability in links.pairs.items():
            self._connect(self.node_of[left], self.node_of[right], probability)

    def _connect(self, left: int, right: int, probability: float) -> None:
        if left == right:
            return
        existing = self.neighbours[left].get(right)
        if existing is not None:
            self.multi_edges.add((min(left, right), max(left, right)))
            probability = max(existing, probability)
        self.neighbours[left][right] = self.neighbours[right][left] = probability

    def disconnect(self, left: int, right: int) -> None:
        """Remove the edge between two nodes."""
        del self.neighbours[left][right], self.neighbours[right][left]

    def edges(self) -> list[tuple[float, int, int]]:
        """List the edges as (probability, smaller, larger)."""
        return [
            (probability, left, right)
            for left, others in enumerate(self.neighbours)
            for right, probability in others.items()
            if left < right
        ]


def split_into_clusters(links: Links, facts: Sequence[KeeperFacts], rules: ClusterRules) -> list[Cluster]:
    """Split connected components into clusters, including clusters of one video.

    1. Contract videos decided to be duplicates into one node.
    2. Separate videos decided not to be duplicates. Edges are added in descending order of probability, and an edge
       that would connect two such videos is left out. So each path between them breaks at its weakest edge.
    3. Cut weak bridges, the weakest first. A weak bridge is a single pair below `min_bridge_probability` between two
       sides of two or more videos each. If both sides showed the same footage, the search would have found more pairs
       between them.
    4. Choose a keeper. Its cluster is the videos that have a pair with it or a short path of high probability to it.
       Split the remaining videos in the same way.

    Each step only separates videos, so the guarantees of earlier steps remain valid. Ties are resolved by id, so the
    result does not depend on the order of pairs. Components do not influence each other, so the input may be any set of
    complete components.

    Args:
        links: pairs and decisions.
        facts: facts about each video, by number.
        rules: see `ClusterRules`.

    Returns:
        Clusters in which every video occurs once. Runs on: driver or executor, in plain Python.
    """
    graph = _ContractedGraph(len(facts), links)
    if graph.cannot_link:
        _separate_cannot_links(graph)
    _cut_weak_bridges(graph, rules.min_bridge_probability)
    return list(_form_clusters(graph, facts, rules))


def _separate_cannot_links(graph: _ContractedGraph) -> None:
    """Remove the edges that would connect cannot-linked nodes (Kruskal's algorithm with constraints)."""
    sets = ConstrainedSets(len(graph.neighbours), graph.cannot_link)
    edges = graph.edges()
    for _, left, right in sorted(edges, key=lambda edge: (-edge[0], edge[1], edge[2])):
        sets.try_to_join(left, right)
    for _, left, right in edges:
        if sets.find(left) != sets.find(right):
            graph.disconnect(left, right)


def _cut_weak_bridges(graph: _ContractedGraph, min_bridge_probability: float) -> None:
    """Cut weak bridges between two sides of two or more videos, the weakest first.

    Cutting only makes sides smaller, so one pass suffices.
    """
    if not any(probability < min_bridge_probability for others in graph.neighbours for probability in others.values()):
        return
    weak = sorted(
        (graph.neighbours[left][right], left, right)
        for left, right in find_bridges(graph.neighbours)
        if graph.neighbours[left][right] < min_bridge_probability and (left, right) not in graph.multi_edges
    )
    for _, left, right in weak:
        if _has_two_videos(graph, left, beyond=right) and _has_two_videos(graph, right, beyond=left):
            graph.disconnect(left, right)


def _has_two_videos(graph: _ContractedGraph, side: int, beyond: int) -> bool:
    """Return whether one side of a bridge has at least two videos."""
    return len(graph.videos[side]) > 1 or any(other != beyond for other in graph.neighbours[side])


def _form_clusters(graph: _ContractedGraph, facts: Sequence[KeeperFacts], rules: ClusterRules) -> Iterator[Cluster]:
    """Form clusters around keepers, starting with the first video in the order of the keeper rules.

    The first video collects its members, and the keeper of these members collects members again. If the new members
    have another keeper, it collects among them, and so on until keeper and members agree. This ends because the number
    of members decreases.
    """
    free = set(graph.videos)
    for video in order_strictly(range(len(facts)), facts):
        seed = graph.node_of[video]
        while seed in free:
            centre, members = seed, _collect_members(graph.neighbours, seed, free, rules)
            keeper, reason = _choose(graph, members, facts, rules)
            if graph.node_of[keeper] != centre:
                centre = graph.node_of[keeper]
                members = _collect_members(graph.neighbours, centre, free, rules)
                keeper, reason = _choose(graph, members, facts, rules)
            while graph.node_of[keeper] != centre:
                centre = graph.node_of[keeper]
                members = _collect_members(graph.neighbours, centre, members, rules)
                keeper, reason = _choose(graph, members, facts, rules)
            free -= members
            yield Cluster(sorted(_videos(graph, members)), keeper, reason)


def _choose(
    graph: _ContractedGraph, members: Iterable[int], facts: Sequence[KeeperFacts], rules: ClusterRules
) -> tuple[int, str]:
    """Choose the keeper among the videos of nodes."""
    return choose_keeper(_videos(graph, members), facts, rules)


def _videos(graph: _ContractedGraph, members: Iterable[int]) -> list[int]:
    """List the videos of nodes."""
    return [video for node in members for video in graph.videos[node]]


def _collect_members(neighbours: Neighbours, source: int, allowed: Collection[int], rules: ClusterRules) -> set[int]:
    """Collect the members of a keeper: its neighbours, and nodes with a short path of high probability to it.

    The best product over paths of at most h edges follows from that over at most h - 1 edges (Bellman 1958).
    """
    best = {source: 1.0}
    frontier = {source: 1.0}
    for hop in range(rules.max_hops):
        min_product = 0.0 if hop == 0 else rules.min_path_probability
        better: dict[int, float] = {}
        for node, path_probability in frontier.items():
            for other, probability in neighbours[node].items():
                product = path_probability * probability
                if (
                    product >= min_product
                    and other in allowed
                    and product > max(best.get(other, -1.0), better.get(other, -1.0))
                ):
                    better[other] = product
        best |= better
        frontier = {node: product for node, product in better.items() if product >= rules.min_path_probability}
    return set(best)
