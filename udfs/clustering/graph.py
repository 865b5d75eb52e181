"""Graphs of videos as Python holds them fastest: a dict of neighbours for each node."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

Neighbours: TypeAlias = "list[dict[int, float]]"
"""Of each node: its neighbours, and how sure the pair is."""


class DisjointSets:
    """Union-find; the root of a set is its smallest node (Tarjan 1975, with path halving)."""

    def __init__(self, num_nodes: int) -> None:
        self._parents = list(range(num_nodes))

    def find(self, node: int) -> int:
        """Return the smallest node of the set that a node is in."""
        parents = self._parents
        while parents[node] != node:
            parents[node] = parents[parents[node]]
            node = parents[node]
        return node

    def join(self, left: int, right: int) -> int:
        """Make one set of two and return its root."""
        root, other = sorted((self.find(left), self.find(right)))
        self._parents[other] = root
        return root


class SeparatedSets(DisjointSets):
    """Union-find that refuses to bring two nodes together that must stay apart.

    Args:
        num_nodes: nodes are 0 to num_nodes - 1.
        apart: pairs of nodes that never share a set.
    """

    def __init__(self, num_nodes: int, apart: Iterable[tuple[int, int]]) -> None:
        super().__init__(num_nodes)
        self._apart: dict[int, set[int]] = {}
        for left, right in apart:
            self._apart.setdefault(left, set()).add(right)
            self._apart.setdefault(right, set()).add(left)

    def try_to_join(self, left: int, right: int) -> bool:
        """Make one set of two unless some of their nodes must stay apart; tell whether they are one now."""
        left, right = self.find(left), self.find(right)
        if left == right:
            return True
        if right in self._apart.get(left, ()):
            return False
        root = self.join(left, right)
        enemies = self._apart.pop(left, set()) | self._apart.pop(right, set())
        if enemies:
            self._apart[root] = enemies
            for enemy in enemies:
                self._apart[enemy] = (self._apart[enemy] - {left, right}) | {root}
        return True


def find_bridges(neighbours: Sequence[Collection[int]]) -> Iterator[tuple[int, int]]:
    """Find the edges whose removal cuts a component in two, each as (smaller, larger).

    By the lowest visit number that each subtree of a depth-first search reaches (Tarjan 1974, A note on finding the
    bridges of a graph), without recursion. There are no parallel edges here.
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


def find_surest_shortest_paths(
    neighbours: Sequence[dict[int, float]], source: int, allowed: Collection[int]
) -> dict[int, int]:
    """Find, from one node, the paths of fewest edges and among those the ones whose least sure edge is surest.

    Args:
        neighbours: of each node, with how sure each edge is.
        source: where paths end.
        allowed: the nodes that paths may touch.

    Returns:
        Node -> the next one on its path to the source, for every node that has a path, the source left out; of several
        equally good ones the smallest.
    """
    towards: dict[int, int] = {}
    surest = {source: float("inf")}
    frontier = [source]
    while frontier:
        found: dict[int, tuple[float, int]] = {}
        for node in frontier:
            for other, probability in neighbours[node].items():
                if other in surest or other not in allowed:
                    continue
                offer = (-min(surest[node], probability), node)
                if other not in found or offer < found[other]:
                    found[other] = offer
        for other, (negated, node) in found.items():
            surest[other], towards[other] = -negated, node
        frontier = sorted(found)
    return towards
