"""The labels of takes, and the folds that test a verifier, whatever the takes."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from jobs.errors import UsageError
from jobs.training.takes import Takes
from jobs.training.verifier import split_footage

COLUMNS = ["video_id", "parent_id", "source", "part", "copy_index", "same_parts"]
PARENTS = st.lists(st.tuples(st.integers(1, 4), st.integers(1, 3), st.booleans()), min_size=1, max_size=6)
"""For each video: parts, copies of each, and whether its first two parts look the same."""


def make_takes(parents: list[tuple[int, int, bool]]) -> Takes:
    rows = [
        (f"p{number}-{part}-{copy}", f"p{number}", f"s{number}", part, copy, [3 - part] if same and part < 3 else [])
        for number, (num_parts, num_copies, same) in enumerate(parents)
        for part in range(1, num_parts + 1)
        for copy in range(num_copies)
    ]
    source_of = {f"p{number}": f"s{number}" for number in range(len(parents))}
    return Takes(pd.DataFrame(rows, columns=COLUMNS), source_of=source_of)


@given(PARENTS)
def test_each_pair_of_copies_of_one_video_has_one_label_and_no_label_mixes_videos(
    parents: list[tuple[int, int, bool]],
) -> None:
    pairs = make_takes(parents).list_pairs()
    expected = {}
    for number, (num_parts, num_copies, same) in enumerate(parents):
        names = [(part, f"p{number}-{part}-{copy}") for part in range(1, num_parts + 1) for copy in range(num_copies)]
        for part, left in names:
            for other, right in names:
                if left < right:
                    looks_the_same = same and {part, other} == {1, 2}
                    expected[left, right] = "copy" if part == other else "ignore" if looks_the_same else "take"
    assert dict(zip(zip(pairs["left_id"], pairs["right_id"], strict=True), pairs["relation"], strict=True)) == expected


@given(PARENTS)
def test_no_source_is_in_a_fold_and_in_what_its_trees_are_fitted_on(parents: list[tuple[int, int, bool]]) -> None:
    takes = make_takes(parents)
    source_of = dict(zip(takes.copies["video_id"], takes.copies["source"], strict=True))
    ids = takes.copies["video_id"].to_list()
    left_ids, right_ids = zip(*((left, right) for left in ids for right in ids), strict=True)
    numbers = {name: number for number, name in enumerate(sorted(set(source_of.values())))}
    left, right = (np.array([numbers[source_of[name]] for name in side]) for side in (left_ids, right_ids))
    num_held_out = np.zeros(len(left), dtype=int)
    try:
        for is_held_out, is_seen in split_footage(left, right):
            held_out = set(left[is_held_out])
            assert not held_out & (set(left[is_seen]) | set(right[is_seen]))
            num_held_out += is_held_out
    except UsageError:
        assert len(numbers) == 1
        return
    assert (num_held_out == 1).all()
