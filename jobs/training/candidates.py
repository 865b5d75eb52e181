"""Labelled candidate pairs of a lake's videos and of takes, with the evidence that a verifier judges."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from pyspark.sql import functions as F

from jobs.errors import UsageError
from jobs.evaluation.truth import load_truth
from jobs.tables import pairs, thumbnails
from jobs.training.footage import read_footage
from jobs.training.labelling import embed, select_described
from jobs.training.takes import INSEPARABLE, TAKE
from jobs.training.verifier import label_evidence

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from pyspark.sql import DataFrame

    from jobs.config.settings import Config
    from jobs.lake.lake import Lake
    from jobs.pairing.pictures import PictureSources
    from jobs.training.takes import Takes
    from models.embedding_models import EmbeddingModel

_PAIR = ["left_id", "right_id"]
_DESCRIBED = (
    "video_id",
    "content_sha256",
    "run_id",
    "duration_seconds",
    "frame_seconds",
    "video_descriptor",
    "frame_descriptors",
)
_SEEN = ("video_id", "content_sha256", "has_pictures", "thumbnails", "frame_details")


@dataclass(frozen=True)
class Candidates:
    """Labelled candidate pairs.

    Attributes:
        labelled: as `jobs.training.verifier.label_evidence` returns it.
        footage: the source of each video and of each copy of a take, indexed by video_id.
        num_videos: number of videos of the lake.
        num_positives: number of pairs that share footage, candidates or not.
        num_negatives: number of pairs that share no footage, candidates or not.
        take_pairs: left_id and right_id of the pairs of copies of different takes of one video.
    """

    labelled: pd.DataFrame
    footage: pd.Series
    num_videos: int
    num_positives: int
    num_negatives: int
    take_pairs: pd.DataFrame

    @property
    def evidence(self) -> NDArray[np.float64]:
        """The evidence of the pairs: (n, evidence)."""
        return np.array(self.labelled["evidence"].to_list(), dtype=np.float64)

    def describe(self) -> str:
        """Return how many candidates share footage, for a summary."""
        shares_footage = self.labelled["shares_footage"]
        return f"{int(shares_footage.sum())} pairs that share footage and {int((~shares_footage).sum())} that do not"

    def count_separated(self, is_found: NDArray[np.bool_]) -> int:
        """Return how many of the pairs of takes are not found, given whether each candidate is found: bool (n,)."""
        found = self.labelled.loc[is_found, _PAIR]
        return len(self.take_pairs) - len(self.take_pairs.merge(found, on=_PAIR))


def find_labelled_candidates(
    lake: Lake, model: EmbeddingModel, truth: Path | None, where: str, takes: Takes, config: Config
) -> Candidates:
    """Find the candidates among a lake's videos and the copies of takes, align them and look again, as nights do.

    Two videos of the lake are labelled by the truth. Without one, only the videos that takes are cut from are used, and
    their pairs are ignored. Pairs with a copy of a take are labelled by `Takes.list_relations`.

    Runs on: driver; search and alignment on executors.

    Raises:
        UsageError: the truth has no pairs of these videos.
    """
    described = select_described(lake, model, where)
    if truth is None:
        parents = lake.spark.createDataFrame(takes.copies[["parent_id"]].drop_duplicates(), "video_id STRING")
        described = described.join(parents, "video_id", "left_semi")
    video_ids = [row["video_id"] for row in described.select("video_id").collect()]
    known = _ignore_all(video_ids) if truth is None else _read_known(truth, video_ids)
    rows, sources = _embed_all(lake, model, described, takes, config)
    evidence = pairs.find_evidence(rows, sources, config.pairs).select(*_PAIR, "evidence").toPandas()
    rows.unpersist()
    listed = pd.concat([known, takes.list_relations(video_ids)], ignore_index=True).drop_duplicates(_PAIR)
    num_all = len(video_ids) + len(takes.copies)
    own = takes.list_pairs()
    return Candidates(
        label_evidence(evidence, listed),
        _find_footage(lake, video_ids, None if truth is None else known, takes, config),
        len(video_ids),
        int((listed["relation"] != INSEPARABLE).sum()),
        num_all * (num_all - 1) // 2 - len(listed),
        own.loc[own["relation"] == TAKE, _PAIR],
    )


def _ignore_all(video_ids: Sequence[str]) -> pd.DataFrame:
    """Return all pairs of videos, as pairs without a label."""
    return pd.DataFrame(list(combinations(sorted(video_ids), 2)), columns=_PAIR).assign(relation=INSEPARABLE)


def _read_known(truth: Path, video_ids: Sequence[str]) -> pd.DataFrame:
    """Read the pairs of a truth file between the videos."""
    known = load_truth(truth).restrict_to(video_ids).pairs
    if known is None or known.empty:
        raise UsageError(
            f"--truth {str(truth)!r} has no pair of the {len(video_ids)} selected videos: give the truth of these "
            "videos, by their video_id"
        )
    return known[[*_PAIR, "relation"]]


def _embed_all(
    lake: Lake, model: EmbeddingModel, described: DataFrame, takes: Takes, config: Config
) -> tuple[DataFrame, PictureSources]:
    """Embed the described videos and the takes. Return rows of `embeddings`, cached, and where pictures come from."""
    rows, sources = described.select(*_DESCRIBED), thumbnails.read_sources(lake, model.descriptor_id, config)
    if takes.rows is not None:
        rows = rows.unionByName(takes.rows.withColumn("run_id", F.lit("")).select(*_DESCRIBED))
        seen = takes.rows.withColumn("has_pictures", F.lit(True)).select(*_SEEN)
        sources = replace(sources, thumbnails=sources.thumbnails.select(*_SEEN).unionByName(seen))
    return embed(rows, model, config).cache(), sources


def _find_footage(
    lake: Lake, video_ids: Sequence[str], known: pd.DataFrame | None, takes: Takes, config: Config
) -> pd.Series:
    """Return the source of each video and of each copy of a take, which has the source of its video."""
    if known is None:
        footage = pd.Series({name: takes.source_of[name] for name in video_ids})
    else:
        footage = read_footage(lake, video_ids, known, config)
    parents = takes.copies["parent_id"]
    of_copies = pd.Series(parents.map(footage).fillna(takes.copies["source"]).to_list(), takes.copies["video_id"])
    return pd.concat([footage, of_copies]) if len(of_copies) else footage
