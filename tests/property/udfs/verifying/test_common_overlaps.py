"""Common overlaps are those of a count by hand, in any order of the overlaps."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from udfs.verifying.common_overlaps import find_common_overlaps
from udfs.verifying.relation import COMMON_SHARE

if TYPE_CHECKING:
    from random import Random

Overlap = tuple[str, float, float]
SECONDS = st.floats(0, 30, allow_subnormal=False)
OVERLAPS = st.lists(st.tuples(st.sampled_from("abcdef"), SECONDS, SECONDS), max_size=20)


def list_seconds(start: float, end: float) -> range:
    first = math.floor(start + 0.5)
    return range(first, max(first + 1, math.floor(end + 0.5)))


def count_by_hand(overlaps: list[Overlap], min_videos: int) -> list[bool]:
    shown: defaultdict[int, set[str]] = defaultdict(set)
    for original, start, end in overlaps:
        for second in list_seconds(start, end):
            shown[second].add(original)
    covered = [list_seconds(start, end) for _, start, end in overlaps]
    return [sum(len(shown[second]) >= min_videos for second in span) / len(span) >= COMMON_SHARE for span in covered]


def find(overlaps: list[Overlap], min_videos: int) -> list[bool]:
    originals, starts, ends = ([overlap[place] for overlap in overlaps] for place in range(3))
    return find_common_overlaps(starts, ends, originals, min_videos).tolist()  # type: ignore[arg-type, no-any-return] -- columns of tuples


@given(drawn=OVERLAPS, min_videos=st.integers(2, 4), order=st.randoms(use_true_random=False))
def test_overlaps_are_common_as_counted_by_hand(drawn: list[Overlap], min_videos: int, order: Random) -> None:
    overlaps = [(name, min(bounds), max(bounds)) for name, *bounds in drawn]
    found = find(overlaps, min_videos)
    assert found == count_by_hand(overlaps, min_videos)
    shuffled = list(range(len(overlaps)))
    order.shuffle(shuffled)
    assert find([overlaps[place] for place in shuffled], min_videos) == [found[place] for place in shuffled]
