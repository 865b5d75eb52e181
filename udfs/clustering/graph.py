"""Graph algorithms on adjacency dicts, the fastest representation in plain Python."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

Neighbours: TypeAlias = "list[dict[int, float]]"
"""For each node: its neighbours, and the probability of each edge."""


class DisjointSets:
    """Union-find; the root of a set is its smallest node (Tarjan 1975, with path halving)."""

    def __init__(self, num_nodes: int) -> None:
        self._parents = list(range(num_nodes))

    def find(self, node: int) -> int:
        """Return the root of the set of a node: its smallest node."""
        parents = self._parents
        while parents[node] != node:
            parents[node] = parents[parents[node]]
            node = parents[node]
        return node

    def join(self, left: int, right: int) -> int:
        """Merge two sets, and return the root."""
        root, other = sorted((self.find(left), self.find(right)))
        self._parents[other] = root
        return root


class ConstrainedSets(DisjointSets):
    """Union-find with cannot-link constraints (Wagstaff et al. 2001, Constrained k-means clustering).

    Args:
        num_nodes: nodes are 0 to num_nodes - 1.
        cannot_link: pairs of nodes that never share a set.
    """

    def __init__(self, num_nodes: int, cannot_link: Iterable[tuple[int, int]]) -> None:
        super().__init__(num_nodes)
        self._conflicts: dict[int, set[int]] = {}
        for left, right in cannot_link:
            self._conflicts.setdefault(left, set()).add(right)
            self._conflicts.setdefault(right, set()).add(left)

    def try_to_join(self, left: int, right: int) -> bool:
        """Merge two sets unless a constraint forbids it. Return whether both nodes are now in one set."""
        left, right = self.find(left), self.find(right)
        if left == right:
            return True
        if right in self._conflicts.get(left, ()):
            return False
        root = self.join(left, right)
        conflicts = self._conflicts.pop(left, set()) | self._conflicts.pop(right, set())
        if conflicts:
            self._conflicts[root] = conflicts
            for other in conflicts:
                self._conflicts[other] = (self._conflicts[other] - {left, right}) | {root}
        return True


def find_bridges(neighbours: Sequence[Collection[int]]) -> Iterator[tuple[int, int]]:
    """Find the edges whose removal splits a component, each as (smaller, larger).

    An edge is a bridge if its subtree in a depth-first search reaches no node visited earlier (Tarjan 1974, A note on
    finding the bridges of a graph). The search is iterative. The graph has no parallel edges.
    """
    visit = [-1] * len(neighbours)
    lowest = [0] * len(neighbours)
    num_visited = 0
    for start in range(len(neighbours)):
        if visit[start] >= 0 or not neighbours[start]:
            continue
        visit[start] = lowest[start] = num_visited
        num_visited += 1
        path = [(start, -1, iter(neighbours[start]))]
        while path:
            node, parent, rest = path[-1]
            for other in rest:
                if visit[other] < 0:
                    visit[other] = lowest[other] = num_visited
                    num_visited += 1
                    path.append((other, node, iter(neighbours[other])))
                    break
                if other != parent:
                    lowest[node] = min(lowest[node], visit[other])
            else:
                path.pop()
                if parent >= 0:
                    lowest[parent] = min(lowest[parent], lowest[node])
                    if lowest[node] > visit[parent]:
                        yield min(parent, node), max(parent, node)


def find_widest_shortest_paths(
    neighbours: Sequence[dict[int, float]], source: int, allowed: Collection[int]
) -> dict[int, int]:
    """Find the widest shortest paths to one node: fewest edges first, then the highest minimum probability.

    Args:
        neighbours: neighbours of each node, with the probability of each edge.
        source: the node at the end of all paths.
        allowed: the nodes that paths may visit.

    Returns:
        Node -> next node on its path to the source, for every node with a path except the source. Of equally good next
        nodes it is the smallest.
    """
    next_nodes: dict[int, int] = {}
    width = {source: float("inf")}
    frontier = [source]
    while frontier:
        found: dict[int, tuple[float, int]] = {}
        for node in frontier:
            for other, probability in neighbours[node].items():
                if other in width or other not in allowed:
                    continue
                candidate = (-min(width[node], probability), node)
                if other not in found or candidate < found[other]:
                    found[other] = candidate
        for other, (negated, node) in found.items():
            width[other], next_nodes[other] = -negated, node
        frontier = sorted(found)
    return next_nodes
