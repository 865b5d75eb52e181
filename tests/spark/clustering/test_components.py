"""Large-star and small-star label as scipy does, on graphs of every shape at once."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest

from jobs.clustering.components import connected_components
from jobs.clustering.distributed_components import label_components
from jobs.contracts.run import keep_on_executors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyspark.sql import SparkSession


def make_edges(chance: random.Random) -> Iterator[tuple[str, str]]:
    """Chains in order and shuffled, a ring, a star, a tree, random graphs; edges either way round and repeated."""
    names = [f"chain{number:03d}" for number in range(40)]
    yield from pairwise(names)
    shuffled = chance.sample([f"mixed{number:03d}" for number in range(40)], 40)
    yield from pairwise(shuffled)
    ring = chance.sample([f"ring{number:03d}" for number in range(15)], 15)
    yield from zip(ring, [*ring[1:], ring[0]], strict=True)
    yield from (("star500", f"star{number:03d}") for number in range(490, 510) if number != 500)
    yield from ((f"tree{number}", f"tree{number // 2}") for number in range(2, 40))
    for graph in range(20):
        ends = [f"random{graph}-{number}" for number in range(12)]
        yield from ((chance.choice(ends), chance.choice(ends)) for _ in range(chance.randrange(1, 15)))


@pytest.mark.parametrize("seed", [1, 2])
def test_spark_labels_components_as_scipy_does(spark: SparkSession, seed: int) -> None:
    chance = random.Random(seed)
    edges = list(make_edges(chance))
    edges += [(right, left) for left, right in chance.sample(edges, 20)]
    chance.shuffle(edges)
    pairs = spark.createDataFrame(edges, "left_id STRING, right_id STRING").repartition(seed)
    rows = label_components(pairs, keep_on_executors).collect()
    left, right = (np.array([edge[side] for edge in edges if edge[0] != edge[1]], dtype=object) for side in (0, 1))
    assert len(rows) == len({row["video_id"] for row in rows})
    assert {row["video_id"]: row["component"] for row in rows} == connected_components(left, right)


def test_no_pairs_have_no_components_and_too_few_rounds_are_told(spark: SparkSession) -> None:
    none = spark.createDataFrame([], "left_id STRING, right_id STRING")
    assert label_components(none, keep_on_executors).collect() == []
    pair = spark.createDataFrame([("a", "b")], "left_id STRING, right_id STRING")
    with pytest.raises(RuntimeError, match="components have not converged after 1 rounds"):
        label_components(pair, keep_on_executors, max_rounds=1)
