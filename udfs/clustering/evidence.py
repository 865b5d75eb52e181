"""What the pairs of a cluster say about each of its videos and the keeper: the claims of the table `duplicates`.

Plain Python and pandas: executors and tests use the same rule.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, Any, cast

from udfs.clustering.containment import name_relation_to

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pandas as pd

WANTED_DDL = (
    "video_id STRING, duplicate_of STRING, cluster_id STRING, joined_by STRING, other_id STRING, is_exact BOOLEAN, "
    "is_decided BOOLEAN, relation STRING, match_probability DOUBLE, cosine_similarity DOUBLE, own_coverage DOUBLE, "
    "other_coverage DOUBLE"
)
"""What is known of a member and `other_id`, which is its keeper or `joined_by`. From `relation` on, the columns are
those of the pair of their contents, null without one; `own_coverage` is that of `video_id`."""
CLAIM_DDL = (
    "video_id STRING, duplicate_of STRING, cluster_id STRING, relation STRING, match_probability DOUBLE, "
    "cosine_similarity DOUBLE, is_direct BOOLEAN, is_exact BOOLEAN"
)


@dataclass(frozen=True)
class Claim:
    """What is known of a video and another one.

    Attributes:
        relation: `copy`; `contained` if the other one shows at least .8 of the content of this one; `contains` if this
            one shows as much of the other; or `overlap`.
        match_probability: that the relation holds, in [0, 1].
        cosine_similarity: of the whole videos, in [-1, 1]; None if they were not compared.
        is_direct: whether the two contents were compared, or a person decided about the two videos.
        is_exact: whether the two files are identical.
    """

    relation: str
    match_probability: float
    cosine_similarity: float | None
    is_direct: bool = True
    is_exact: bool = False


IDENTICAL = Claim("copy", 1.0, 1.0, is_exact=True)
DECIDED = Claim("copy", 1.0, None)
"""The claim of a person about two videos that form no pair."""


def follow(step: Claim, rest: Claim) -> Claim:
    """Return the claim about the ends of a path: of a video and the next one, and of that one and the last.

    A file that is identical to the next one has the claim of that one. Otherwise the path claims what both steps imply,
    with the probability that both are right if pairs err independently. A copy in one step leaves the relation of the
    other; two steps of one relation have that relation; the rest are overlaps. The ends were not compared.
    """
    if step.is_exact:
        return rest
    if rest.is_exact:
        return step
    named = {step.relation, rest.relation} - {"copy"} or {"copy"}
    relation = named.pop() if len(named) == 1 else "overlap"
    return Claim(relation, step.match_probability * rest.match_probability, None, is_direct=False)


def find_claims(
    joined_by: Mapping[str, str], keepers: Mapping[str, str], known: Mapping[tuple[str, str], Claim]
) -> dict[str, Claim]:
    """Find the claim of each member of clusters about its keeper.

    It is the direct claim if there is one, whatever its relation. Otherwise it is that of the path by `joined_by`, up
    to the first video with a direct claim. A member without either has no claim.

    Args:
        joined_by: member -> next video on its path to the keeper.
        keepers: member -> keeper of its cluster.
        known: (member, keeper or next video) -> direct claim.
    """
    claims: dict[str, Claim] = {}
    for member in joined_by:
        steps: dict[str, Claim] = {}
        at = member
        while at in joined_by and at not in claims:
            direct, step = known.get((at, keepers[at])), known.get((at, joined_by[at]))
            if direct is not None:
                claims[at] = direct
            elif step is not None and at not in steps:
                steps[at] = step
                at = joined_by[at]
            else:
                break
        for before, step in reversed(steps.items()):
            if (rest := claims.get(joined_by[before])) is not None:
                claims[before] = follow(step, rest)
    return claims


def claim_batches(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    """Find the claims of the members of complete clusters: rows of WANTED_DDL -> CLAIM_DDL, one per member.

    Runs on: executor, by `mapInPandas`; memory grows with the members in a partition.
    """
    import pandas as pd

    joined_by: dict[str, str] = {}
    places: dict[str, tuple[str, str]] = {}
    known: dict[tuple[str, str], Claim] = {}
    for batch in batches:
        for row in cast("list[dict[str, Any]]", batch.to_dict("records")):
            video_id = row["video_id"]
            joined_by[video_id] = row["joined_by"]
            places[video_id] = row["duplicate_of"], row["cluster_id"]
            if (claim := _read_claim(row)) is not None:
                known[video_id, row["other_id"]] = claim
    claims = find_claims(joined_by, {video_id: keeper for video_id, (keeper, _) in places.items()}, known)
    rows = [(video_id, *places[video_id], *astuple(claim)) for video_id, claim in claims.items()]
    if rows:
        yield pd.DataFrame(rows, columns=[column.split()[0] for column in CLAIM_DDL.split(", ")])


def _read_claim(row: Mapping[str, Any]) -> Claim | None:
    """Read the direct claim of a row of WANTED_DDL; None if there is neither a pair nor a decision."""
    if row["is_exact"]:
        return IDENTICAL
    if row["relation"] is not None:
        relation = name_relation_to(row["relation"], row["own_coverage"], row["other_coverage"])
        relation = "overlap" if relation == "common" else relation
        return Claim(relation, row["match_probability"], row["cosine_similarity"])
    return DECIDED if row["is_decided"] else None
