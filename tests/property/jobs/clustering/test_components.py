from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from jobs.clustering.components import connected_components

IDS = st.sampled_from([f"v{number}" for number in range(12)])
PAIRS = st.lists(st.tuples(IDS, IDS).filter(lambda pair: pair[0] != pair[1]), max_size=20)


def label(pairs: list[tuple[str, str]]) -> dict[str, str]:
    left, right = (np.array([pair[side] for pair in pairs], dtype=object) for side in (0, 1))
    return connected_components(left, right)


def label_by_propagation(pairs: list[tuple[str, str]]) -> dict[str, str]:
    """Assign the smaller label of each pair to both ends until nothing changes."""
    labels = {video_id: video_id for pair in pairs for video_id in pair}
    for _ in labels:
        for left, right in pairs:
            labels[left] = labels[right] = min(labels[left], labels[right])
    return labels


@given(PAIRS)
def test_components_equal_those_of_label_propagation(pairs: list[tuple[str, str]]) -> None:
    assert label(pairs) == label_by_propagation(pairs)


@given(PAIRS, st.randoms(use_true_random=False))
def test_the_order_of_pairs_and_of_their_ends_does_not_matter(pairs: list[tuple[str, str]], chance: object) -> None:
    shuffled = [(right, left) for left, right in pairs]
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    assert list(label(shuffled).items()) == list(label(pairs).items())
