"""Verifiers of a few trees, written by hand."""

from __future__ import annotations

from models.verifier import EVIDENCE, Node, Verifier

Tree = tuple[Node, ...]


def leaf(value: float) -> Tree:
    """Return a tree that adds a value to the logit of every pair."""
    return (Node(evidence=-1, threshold=0.0, missing_goes_left=0, left=0, right=0, value=value),)


def split(name: str, threshold: float, low: float, high: float, missing: float | None = None) -> Tree:
    """Return a tree with one split.

    Args:
        name: the piece of evidence.
        threshold: what is at or below it is low.
        low: added to the logit of a pair whose evidence is low.
        high: added to the logit of a pair whose evidence is higher.
        missing: added to the logit of a pair without this evidence: one of both values, by default `low`.
    """
    goes_left = int(missing is None or missing == low)
    root = Node(EVIDENCE.index(name), threshold, goes_left, left=1, right=2, value=0.0)
    return (root, *leaf(low), *leaf(high))


def make_verifier(
    *trees: Tree,
    intercept: float = 0.0,
    min_probability: float = 0.5,
    min_open_probability: float = 0.0,
    slope: float = 1.0,
) -> Verifier:
    """Return a verifier of some trees. By default, every pair gets a second look."""
    return Verifier(min_probability, min_open_probability, intercept, slope, trees, "written by hand")
