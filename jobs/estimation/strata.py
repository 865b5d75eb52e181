"""Plans a stratified sample: which strata there are, and how many pairs are drawn from each. Pure Python."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from math import sqrt
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

IN_DUPLICATES, IN_PAIRS, BY_PATH, REJECTED = "in duplicates", "in pairs only", "in duplicates by a path", "rejected"
"""The populations: pairs of keepers and their copies, other pairs, duplicates without a pair, rejected candidates."""
PUBLISHED = (IN_DUPLICATES, IN_PAIRS, BY_PATH)
MIN_PAIRS = 10
"""Of a sample: two of each population, and some more."""
SMALL_CLUSTER = 3
"""Videos of the largest small cluster."""
_GROUPS = ((IN_DUPLICATES, BY_PATH), (IN_PAIRS,), (REJECTED,))
"""Each group has pairs of the sample of its own, so that each figure rests on enough answers."""
_PUBLISHED_SHARE = 0.6
_DUPLICATES_SHARE = 0.6  # of the published pairs
_PAIRS_PER_STRATUM = 4
_MIN_DRAWN = 2
_LEAST_VARIANCE = 0.05
"""Of the answers of a stratum: a verifier may be sure and wrong."""
_SURE = 0.99


class Cell(NamedTuple):
    """The finest part of a population.

    Attributes:
        population: one of the four above.
        band: range of probabilities, by its number from the lowest.
        kind: "copy", or "partial" for any other relation.
        cluster: "small cluster", "large cluster", or "no cluster" for pairs of videos that are not in one cluster.
    """

    population: str
    band: int
    kind: str
    cluster: str


class CellFacts(NamedTuple):
    """What is known of a cell.

    Attributes:
        num_pairs: pairs that can be drawn.
        mean_probability: of these pairs.
    """

    num_pairs: int
    mean_probability: float


@dataclass(frozen=True)
class Stratum:
    """A stratum of a sample.

    Attributes:
        name: for the table `samples`.
        cells: the cells that it has.
        num_pairs: pairs that can be drawn.
        num_drawn: pairs to draw.
    """

    name: str
    cells: tuple[Cell, ...]
    num_pairs: int
    num_drawn: int


def list_bounds(min_probability: float) -> dict[str, list[float]]:
    """Return for each population the lower bounds of its bands, from the lowest; the first band begins at 0.

    Published pairs: up to half of the way from the threshold to 1, up to .99, and above. Rejected candidates: up to .1,
    up to four fifths of the threshold, and just below it.
    """
    middle = min_probability + (1 - min_probability) / 2
    published = sorted({middle, max(_SURE, middle)})
    rejected = sorted({min(0.1, min_probability / 2), 0.8 * min_probability})
    return dict.fromkeys(PUBLISHED, published) | {REJECTED: rejected}


def find_cluster_kind(cluster_size: int | None) -> str:
    """Return the third part of a cell from the size of the cluster that has both videos; None if none has."""
    if cluster_size is None:
        return "no cluster"
    return "small cluster" if cluster_size <= SMALL_CLUSTER else "large cluster"


def plan_strata(cells: Mapping[Cell, CellFacts], num_pairs: int, min_probability: float) -> list[Stratum]:
    """Combine cells to strata, and share the pairs among them.

    Three fifths of the pairs are published ones, and three fifths of these are rows of `duplicates`, which people act
    on. The others are published pairs without such a row, and rejected candidates. What a group cannot use, the others
    get. Each group uses the finest strata that get four pairs on average: by probability, relation and size of the
    cluster; else without the cluster; else by probability alone; else one stratum for each population. Populations are
    never mixed.

    Half of the pairs of a group is shared equally. The other half follows Neyman's allocation (Cochran 1977, Sampling
    Techniques, section 5.5), with the variance that the probabilities predict, and .05 at least. A stratum gets two
    pairs at least, or all that it has.

    Args:
        cells: the cells with pairs.
        num_pairs: pairs of the sample, `MIN_PAIRS` or more.
        min_probability: the threshold.
    """
    groups = [{cell: facts for cell, facts in cells.items() if cell.population in names} for names in _GROUPS]
    of_duplicates, of_pairs, of_rejected = (sum(facts.num_pairs for facts in group.values()) for group in groups)
    published, rejected = _divide(num_pairs, _PUBLISHED_SHARE, of_duplicates + of_pairs, of_rejected)
    budgets = (*_divide(published, _DUPLICATES_SHARE, of_duplicates, of_pairs), rejected)
    return [
        stratum
        for group, budget in zip(groups, budgets, strict=True)
        for stratum in _plan_group(group, budget, min_probability)
    ]


def _divide(num_pairs: int, share: float, first: int, second: int) -> tuple[int, int]:
    """Divide pairs between two groups with `first` and `second` pairs; `share` is that of the first."""
    of_first = min(first, max(round(share * num_pairs), num_pairs - second))
    return of_first, min(second, num_pairs - of_first)


def _plan_group(cells: Mapping[Cell, CellFacts], budget: int, min_probability: float) -> list[Stratum]:
    """Plan the strata of one of the groups."""
    levels = (4, 3, 2, 1)
    level = next((n for n in levels if len(_group(cells, n)) * _PAIRS_PER_STRATUM <= budget), levels[-1])
    groups = _group(cells, level)
    facts = [_combine([cells[cell] for cell in group]) for group in groups]
    drawn = share_pairs(facts, budget)
    return [
        Stratum(_name(group[0], level, min_probability), tuple(group), fact.num_pairs, number)
        for group, fact, number in zip(groups, facts, drawn, strict=True)
    ]


def _group(cells: Iterable[Cell], level: int) -> list[list[Cell]]:
    """Group cells by their first `level` parts."""
    return [list(group) for _, group in groupby(sorted(cells), key=lambda cell: cell[:level])]


def _combine(facts: Sequence[CellFacts]) -> CellFacts:
    """Return the facts of several cells together."""
    total = sum(fact.num_pairs for fact in facts)
    return CellFacts(total, sum(fact.num_pairs * fact.mean_probability for fact in facts) / total)


def share_pairs(facts: Sequence[CellFacts], budget: int) -> list[int]:
    """Return how many pairs are drawn from each stratum. Their sum is the budget, unless there are fewer pairs.

    Each pair goes to the stratum that is furthest below its share, so the result depends on no rounding.
    """
    if not facts:
        return []
    spread = [sqrt(max(fact.mean_probability * (1 - fact.mean_probability), _LEAST_VARIANCE)) for fact in facts]
    weights = [fact.num_pairs * root for fact, root in zip(facts, spread, strict=True)]
    shares = [0.5 / len(facts) + 0.5 * weight / sum(weights) for weight in weights]
    drawn = [min(_MIN_DRAWN, fact.num_pairs) for fact in facts]
    while sum(drawn) < budget:
        open_strata = [i for i, fact in enumerate(facts) if drawn[i] < fact.num_pairs]
        if not open_strata:
            break
        drawn[min(open_strata, key=lambda i: (drawn[i] / shares[i], i))] += 1
    return drawn


def _name(cell: Cell, level: int, min_probability: float) -> str:
    """Return the name of a stratum by the first `level` parts of its cells, for example "in pairs only, 0.87 to 1"."""
    ends = (0.0, min_probability) if cell.population == REJECTED else (min_probability, 1.0)
    bounds = [ends[0], *list_bounds(min_probability)[cell.population], ends[1]]
    band = f"{bounds[cell.band]:.3g} to {bounds[cell.band + 1]:.3g}"
    return ", ".join((cell.population, band, cell.kind, cell.cluster)[:level])
