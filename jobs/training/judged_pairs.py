"""Pairs that people judged, by decisions and by answers about samples, with the evidence of a night."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from pyspark.sql import functions as F

from jobs.clustering.decisions import decisions_in_force
from jobs.errors import UsageError
from jobs.lake.file_skipping import covers
from jobs.tables import answers, decisions, pairs, thumbnails
from jobs.tables.answers import SHARES_FOOTAGE, answers_in_force
from jobs.training.footage import connect_footage

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray
    from pyspark.sql import DataFrame

    from jobs.config.settings import Config
    from jobs.lake.lake import Lake

_PAIR = ["left_id", "right_id"]


@dataclass(frozen=True)
class JudgedPairs:
    """Judged pairs with evidence.

    Attributes:
        evidence: (n, evidence).
        is_positive: whether the two share footage: bool (n,).
        groups: number of the cluster, or of the judged pairs that share videos: (n,).
        num_judged: judged pairs in all.
        num_unclear: of these, pairs that a decision separates although they share some footage.
    """

    evidence: NDArray[np.float64]
    is_positive: NDArray[np.bool_]
    groups: NDArray[np.int64]
    num_judged: int
    num_unclear: int

    def describe(self) -> str:
        """Return the numbers of pairs, for the model card."""
        num_positive = int(self.is_positive.sum())
        num_left_out = self.num_judged - len(self.is_positive)
        used = f"{num_positive} judged pairs that share footage and {len(self.is_positive) - num_positive} that do not"
        if not num_left_out:
            return used
        return f"{used} ({self.num_unclear} unclear and {num_left_out - self.num_unclear} without evidence left out)"


def read_judged_pairs(lake: Lake, model_id: str, config: Config) -> JudgedPairs:
    """Read the judged pairs of a lake, and verify them again for their evidence. Runs on: driver and executors.

    A decision applies before an answer about the same pair. A decision `not_duplicate` says that two videos must not be
    in one cluster, not that they share nothing. So it counts only if the pair is aligned as a copy. Pairs that do not
    align have no evidence.

    Raises:
        UsageError: no pair is judged, or the lake has no embeddings of the model.
    """
    judged = _read_judged(lake)
    num_judged = judged.count()
    if not num_judged:
        raise UsageError(f"no pair is judged in {lake.root!r}: use ndvr decide, or ndvr sample and estimate")
    named = sorted({video_id for row in judged.select(*_PAIR).collect() for video_id in row})
    segments = lake.read("embeddings").where((F.col("model_id") == model_id) & covers("video_id", named))
    if segments.isEmpty():
        raise UsageError(f"no embeddings of model {model_id} in {lake.root!r}: run ndvr nightly with this model first")
    sources = thumbnails.read_sources(lake, config.describe.descriptor_id, config)
    looked = pairs.verify_named(judged.select(*_PAIR), segments, sources).select(*_PAIR, "evidence", "relation")
    found = looked.join(judged, _PAIR).orderBy(*_PAIR).toPandas()
    is_unclear = (found["is_decided"] & ~found["is_positive"] & (found["relation"] != "copy")).to_numpy(dtype=bool)
    kept = found[~is_unclear]
    evidence = np.array(kept["evidence"].to_list(), dtype=np.float64)
    is_positive = kept["is_positive"].to_numpy(dtype=bool)
    return JudgedPairs(evidence, is_positive, _group(lake, kept, model_id), num_judged, int(is_unclear.sum()))


def _read_judged(lake: Lake) -> DataFrame:
    """Read the judged pairs: left_id, right_id, is_positive, is_decided."""
    columns = (*_PAIR, "is_positive", "is_decided")
    shares = F.col("verdict").isin(*SHARES_FOOTAGE)
    lake.create(decisions.TABLE)
    of_pairs = decisions_in_force(lake.read("decisions")).where("left_id < right_id")
    decided = of_pairs.withColumns({"is_positive": shares, "is_decided": F.lit(True)}).select(*columns)
    if not lake.exists(answers.TABLE):
        return decided
    answered = answers_in_force(lake.read("answers")).withColumns({"is_positive": shares, "is_decided": F.lit(False)})
    return decided.unionByName(answered.select(*columns).join(decided, _PAIR, "left_anti"))


def _group(lake: Lake, kept: pd.DataFrame, model_id: str) -> NDArray[np.int64]:
    """Number the groups: pairs with a video or a cluster in common are in one group."""
    named = sorted({*kept["left_id"], *kept["right_id"]})
    stored = lake.read("clusters").where((F.col("model_id") == model_id) & covers("video_id", named))
    clusters = {row["video_id"]: row["cluster_id"] for row in stored.select("video_id", "cluster_id").collect()}
    labels = {name: f"cluster {clusters[name]}" if name in clusters else f"video {name}" for name in named}
    linked = kept.assign(left_id=kept["left_id"].map(labels), right_id=kept["right_id"].map(labels))
    numbers = connect_footage(sorted(set(labels.values())), linked)
    return linked["left_id"].map(numbers).to_numpy(np.int64)
