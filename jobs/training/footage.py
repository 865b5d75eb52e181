"""Which videos of a labelled catalogue show footage of one source. Runs on the driver."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from pyspark.sql import functions as F

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobs.config.settings import Config
    from jobs.lake.lake import Lake


def read_footage(lake: Lake, video_ids: Sequence[str], truth: pd.DataFrame, config: Config) -> pd.Series:
    """Return the source of each video: the value of `training.source`, else its number by `connect_footage`.

    Args:
        lake: whose manifest has the sources.
        video_ids: n ids.
        truth: columns left_id and right_id.
        config: `training.source`, an SQL expression on the manifest.

    Returns:
        n labels, indexed by video_id.
    """
    sources = lake.read("manifest").select("video_id", F.expr(config.training.source).cast("string").alias("source"))
    labels = dict(sources.where("source IS NOT NULL").toPandas().itertuples(index=False, name=None))
    connected = connect_footage(video_ids, truth)
    return pd.Series({name: labels.get(name, f"connected {connected[name]}") for name in video_ids})


def connect_footage(video_ids: Sequence[str], truth: pd.DataFrame) -> pd.Series:
    """Number the groups of videos that a chain of pairs of the truth connects.

    A video that shows two sources connects both, so the groups are larger than sources where videos are composed.

    Args:
        video_ids: n ids.
        truth: columns left_id and right_id: pairs that share footage, and pairs to ignore.

    Returns:
        n numbers, indexed by video_id.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    listed = truth[truth["left_id"].isin(video_ids) & truth["right_id"].isin(video_ids)]
    position = pd.Series(np.arange(len(video_ids)), index=pd.Index(video_ids))
    ends = (position[listed["left_id"]].to_numpy(), position[listed["right_id"]].to_numpy())
    links = coo_array((np.ones(len(listed)), ends), shape=(len(position), len(position)))
    return pd.Series(connected_components(links, directed=False)[1], index=position.index)
