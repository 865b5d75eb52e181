"""Takes of a lake's videos for training and calibration: chosen, described, stored and labelled."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from jobs.contracts.describing import describe_settings
from jobs.lake.readers import literal_reader
from jobs.lake.session import gpu_profile
from jobs.training.augmentations import find_roots
from jobs.training.stored_batches import StoredBatches
from udfs.describing.describe_takes import TAKES_DDL, TakeSettings, describe_takes
from udfs.describing.takes import choose_longest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from pyspark.sql import DataFrame, SparkSession

    from jobs.config.settings import Config
    from jobs.training.augmentations import TrainingVideo

COPY, TAKE, INSEPARABLE, PARTIAL = "copy", "take", "ignore", "partial"


@dataclass(frozen=True)
class Takes:
    """Described copies of parts of videos.

    Attributes:
        copies: a row per copy: video_id, parent_id, source, part (from 1), copy_index, and same_parts (the numbers of
            the parts that look the same). Sorted by video_id.
        rows: the descriptions, `udfs.describing.describe_takes.TAKES_DDL`; None if there are no takes.
        source_of: source of each video that takes could be cut from.
    """

    copies: pd.DataFrame
    rows: DataFrame | None = None
    source_of: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def none(cls) -> Takes:
        """Return no takes."""
        columns = ["video_id", "parent_id", "source", "part", "copy_index", "same_parts"]
        return cls(pd.DataFrame(columns=columns))

    @property
    def is_empty(self) -> bool:
        """Whether there are no takes."""
        return self.rows is None

    @property
    def num_parts(self) -> int:
        """Number of the parts."""
        return len(self.copies[["parent_id", "part"]].drop_duplicates())

    @property
    def num_sources(self) -> int:
        """Number of the sources."""
        return int(self.copies["source"].nunique())

    def describe(self) -> str:
        """Return their numbers, for a summary."""
        return f"{self.num_parts} takes of {self.num_sources} sources, {len(self.copies)} copies"

    def list_pairs(self) -> pd.DataFrame:
        """Return the pairs of one video's copies: left_id < right_id, and relation.

        The relation is `copy` for two copies of one part, `ignore` for copies of parts that look the same,
        and `take` for copies of other parts. Pairs of different videos are not listed.
        """
        rows = []
        for _, of_parent in self.copies.groupby("parent_id"):
            records = of_parent[["video_id", "part", "same_parts"]].itertuples(index=False, name=None)
            for (left_id, part, same_parts), (right_id, other, _) in combinations(records, 2):
                relation = COPY if part == other else INSEPARABLE if other in same_parts else TAKE
                rows.append((left_id, right_id, relation))
        return pd.DataFrame(rows, columns=["left_id", "right_id", "relation"])

    def list_relations(self, video_ids: Iterable[str]) -> pd.DataFrame:
        """Return the pairs of copies, and of copies with videos, that share footage or must be ignored.

        Takes are not listed: they share no footage. A copy is a part of its own video. Whether it shares footage with
        other videos of its source is unknown.

        Args:
            video_ids: the videos that are compared with the copies.

        Returns:
            Columns left_id < right_id, and relation: copy, partial or ignore.
        """
        videos_of: dict[str, list[str]] = {}
        for video_id in video_ids:
            videos_of.setdefault(self.source_of.get(video_id, video_id), []).append(video_id)
        mixed = [
            (*sorted((take_id, video_id)), PARTIAL if video_id == parent_id else INSEPARABLE)
            for take_id, parent_id, source in self.copies[["video_id", "parent_id", "source"]].itertuples(index=False)
            for video_id in videos_of.get(source, ())
        ]
        own = self.list_pairs()
        columns = ["left_id", "right_id", "relation"]
        return pd.concat([own[own["relation"] != TAKE], pd.DataFrame(mixed, columns=columns)], ignore_index=True)

    def read_vectors(self) -> NDArray[np.float32]:
        """Return the averaged descriptor of each copy: float32 (n, dim), in the order of `copies`. Runs on: driver."""
        if self.rows is None:
            return np.zeros((0, 0), np.float32)
        table = self.rows.select("video_id", "video_descriptor").toPandas().set_index("video_id")
        return np.stack(table["video_descriptor"].reindex(self.copies["video_id"]).to_list()).astype(np.float32)


def choose_parents(videos: Sequence[TrainingVideo], max_sources: int) -> list[TrainingVideo]:
    """Choose the videos that takes are cut from: the longest of each source, if it lasts 9 s or more.

    If there are too many, those whose hashed ids come first are used.
    """
    chosen = choose_longest((video.video_id, video.source, video.duration_seconds) for video in videos)
    ranked = sorted(chosen.values(), key=lambda video_id: hashlib.sha256(video_id.encode()).digest())
    kept = set(ranked[:max_sources])
    return [video for video in videos if video.video_id in kept]


def make_takes(
    spark: SparkSession,
    videos: Sequence[TrainingVideo],
    config: Config,
    folder: Path,
    on_progress: Callable[[int, int], None],
) -> Takes:
    """Describe the takes that are not in the folder yet, and return all. Runs on: driver, executors.

    Args:
        spark: session.
        videos: videos of a lake; takes are cut from those of `choose_parents`.
        config: sections `describe` and `training`.
        folder: folder for the descriptions, as Parquet under a name with a hash of the settings, so that a later run
            with the same settings resumes.
        on_progress: called with (videos done, number of all videos).
    """
    parents = choose_parents(videos, config.training.max_take_sources)
    source_of = {video.video_id: video.source for video in videos}
    if not parents:
        return replace(Takes.none(), source_of=source_of)
    settings = TakeSettings(describe_settings(config.describe, find_roots(parents)), config.training.seed)
    name = hashlib.sha256(f"{config.describe.descriptor_id} {settings.seed}".encode()).hexdigest()[:8]
    batches = StoredBatches(
        str(folder / f"takes-{name}"),
        "video_id STRING, uri STRING, duration_seconds DOUBLE",
        partial(describe_takes, settings=settings),
        TAKES_DDL,
        gpu_profile(config.describe.gpus_per_task),
    )
    requests = [(video.video_id, video.uri, video.duration_seconds) for video in parents]
    batches.add_missing(spark, requests, on_progress)
    stored = literal_reader(spark).schema(TAKES_DDL).parquet(batches.path)
    columns = ("video_id", "parent_id", "part", "copy_index", "same_parts")
    copies = stored.select(*columns).toPandas()
    copies = copies[copies["parent_id"].isin([video.video_id for video in parents])]
    copies = copies.sort_values("video_id", ignore_index=True)
    copies.insert(2, "source", copies["parent_id"].map(source_of))
    if copies.empty:
        return replace(Takes.none(), source_of=source_of)
    rows = stored.join(spark.createDataFrame(copies[["video_id"]]), "video_id", "left_semi")
    return Takes(copies, rows, source_of)
