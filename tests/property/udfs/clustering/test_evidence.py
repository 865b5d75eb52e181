"""No row of `duplicates` claims more than the pairs that it rests on, for any cluster."""

from __future__ import annotations

import duckdb
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from udfs.clustering.containment import name_relation_to, write_relation_to
from udfs.clustering.evidence import (
    CLAIM_DDL,
    DECIDED,
    IDENTICAL,
    WANTED_DDL,
    Claim,
    claim_batches,
    find_claims,
    follow,
)
from udfs.verifying.relation import name_relation

RELATIONS = ("overlap", "contained", "contains", "copy")
IMPLIED = {"copy": {*RELATIONS}, "contained": {"contained", "overlap"}, "contains": {"contains", "overlap"}}
"""What a relation of a step allows its path to claim."""
CLAIMS = st.one_of(
    st.sampled_from([IDENTICAL, DECIDED]),
    st.builds(Claim, st.sampled_from(RELATIONS), st.floats(0, 1), st.floats(-1, 1)),
)
KEEPER = "v0"


@st.composite
def clusters(draw: st.DrawFn) -> tuple[dict[str, str], dict[tuple[str, str], Claim]]:
    """A cluster: the next video of each member, and what is known of pairs of videos."""
    size = draw(st.integers(2, 9))
    joined_by = {f"v{n}": f"v{draw(st.integers(0, n - 1))}" for n in range(1, size)}
    steps = {(video_id, other): draw(CLAIMS) for video_id, other in joined_by.items()}
    direct = {(video_id, KEEPER): claim for video_id in joined_by if (claim := draw(st.none() | CLAIMS)) is not None}
    return joined_by, steps | direct


@given(clusters())
def test_a_claim_is_at_most_each_of_those_that_it_rests_on(
    cluster: tuple[dict[str, str], dict[tuple[str, str], Claim]],
) -> None:
    joined_by, known = cluster
    claims = find_claims(joined_by, dict.fromkeys(joined_by, KEEPER), known)
    assert claims.keys() == joined_by.keys()
    for video_id, claim in claims.items():
        rests_on = []
        at = video_id
        while (at, KEEPER) not in known:
            rests_on.append(known[at, joined_by[at]])
            at = joined_by[at]
        rests_on.append(known[at, KEEPER])
        for pair in rests_on:
            assert claim.match_probability <= pair.match_probability
            assert claim.relation in IMPLIED.get(pair.relation, {"overlap"})
            assert pair.is_exact or not claim.is_exact
        if (video_id, KEEPER) in known:
            assert claim == known[video_id, KEEPER]
        elif not all(pair.is_exact for pair in rests_on[:-1]) and not rests_on[-1].is_exact:
            assert (claim.cosine_similarity, claim.is_direct) == (None, False)


@given(CLAIMS, CLAIMS, CLAIMS)
def test_the_claim_of_a_path_does_not_depend_on_where_it_is_divided(first: Claim, second: Claim, third: Claim) -> None:
    left, right = follow(follow(first, second), third), follow(first, follow(second, third))
    assert left.match_probability == pytest.approx(right.match_probability)
    assert (left.relation, left.is_direct, left.is_exact) == (right.relation, right.is_direct, right.is_exact)


@given(st.floats(0, 1), st.floats(0, 1))
def test_at_most_one_side_of_a_contained_pair_is_contained(own: float, other: float) -> None:
    sides = (name_relation_to("contained", own, other), name_relation_to("contained", other, own))
    assert set(sides) <= {"contained", "contains"}
    assert sides.count("contained") == (2 if own == other else 1)


@pytest.mark.parametrize("relation", ["copy", "contained", "overlap", "common"])
def test_the_relation_to_the_other_video_is_the_same_in_sql(relation: str) -> None:
    values = [f"('{relation}', {own / 10}, {other / 10})" for own in range(11) for other in range(11)]
    named = f"SELECT {write_relation_to('r', 'a', 'b')}, r, a, b FROM (VALUES {', '.join(values)}) t(r, a, b)"  # noqa: S608 -- of literals
    for in_sql, *side in duckdb.sql(named).fetchall():
        assert in_sql == name_relation_to(side[0], float(side[1]), float(side[2]))


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 100), st.floats(0, 100))
def test_the_coverages_of_a_contained_pair_are_not_equal(
    left: float, right: float, left_seconds: float, right_seconds: float
) -> None:
    assert name_relation(left, right, left_seconds, right_seconds) != "contained" or left != right


def test_a_member_without_evidence_is_not_claimed_to_be_a_duplicate() -> None:
    step = Claim("copy", 0.9, 0.8)
    joined_by = {"b": "a", "c": "b", "d": "x", "e": "c"}
    keepers = dict.fromkeys(joined_by, "a")
    known = {("b", "a"): step, ("d", "x"): step, ("e", "c"): step}
    assert find_claims(joined_by, keepers, known) == {"b": step}


def test_batches_of_rows_have_the_claims_of_their_members() -> None:
    """c is identical to b, which the keeper a contains; d is joined by c, and e by a decision."""
    columns = [column.split()[0] for column in WANTED_DDL.split(", ")]
    none = (None, None, None, None, None)
    rows = pd.DataFrame(
        [
            ("b", "a", "1", "a", "a", False, False, "contained", 0.9, 0.5, 1.0, 0.4),
            ("c", "a", "1", "b", "a", False, False, "contained", 0.9, 0.5, 1.0, 0.4),
            ("c", "a", "1", "b", "b", True, False, *none),
            ("d", "a", "1", "c", "a", False, False, *none),
            ("d", "a", "1", "c", "c", False, False, "copy", 0.5, 0.7, 1.0, 1.0),
            ("e", "a", "1", "a", "a", False, True, *none),
        ],
        columns=columns,
    )
    (found,) = claim_batches(iter([rows.iloc[:2], rows.iloc[2:]]))
    assert list(found.columns) == [column.split()[0] for column in CLAIM_DDL.split(", ")]
    found = found.astype(object).where(found.notna(), None)
    assert list(found.itertuples(index=False, name=None)) == [
        ("b", "a", "1", "contained", 0.9, 0.5, True, False),
        ("c", "a", "1", "contained", 0.9, 0.5, True, False),
        ("d", "a", "1", "contained", 0.45, None, False, False),
        ("e", "a", "1", "copy", 1.0, None, True, False),
    ]
