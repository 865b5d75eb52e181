"""Rows of links and videos to rows of clusters: whole components of them, on an executor or on the driver."""

from __future__ import annotations

from typing import TYPE_CHECKING

from udfs.clustering.graph import find_surest_shortest_paths
from udfs.clustering.rules import NOTHING_KNOWN, KeeperFacts
from udfs.clustering.split import Links, split_into_clusters

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pandas as pd

    from udfs.clustering.graph import Neighbours
    from udfs.clustering.rules import ClusterRules

LINK_DDL = (
    "kind STRING, left_id STRING, right_id STRING, match_probability DOUBLE, published_micros DOUBLE, "
    "num_pixels DOUBLE, duration_seconds DOUBLE, kept_by STRING"
)
"""kind is pair, duplicate, not_duplicate (two videos each), or video (left_id alone, with what is known of it)."""
MEMBER_DDL = "video_id STRING, keeper_id STRING, keeper_reason STRING, joined_by STRING"


def cluster_videos(rows: pd.DataFrame, rules: ClusterRules) -> pd.DataFrame:
    """Cluster the videos of whole components: LINK_DDL -> MEMBER_DDL, one row per video of a cluster of two or more.

    The order of rows does not matter; those of the result are sorted by video_id. Runs on: driver, or executor by
    `applyInPandas`; memory grows with the number of rows.
    """
    import pandas as pd

    videos = rows[rows["kind"] == "video"]
    names: list[str] = sorted({*rows["left_id"], *rows["right_id"].dropna()})
    numbers = {name: number for number, name in enumerate(names)}
    links = _read_links(rows, numbers)
    facts = [NOTHING_KNOWN] * len(names)
    columns = ("left_id", "published_micros", "num_pixels", "duration_seconds", "kept_by")
    for name, *known in zip(*(videos[column].to_list() for column in columns), strict=True):
        facts[numbers[name]] = KeeperFacts(*(None if pd.isna(value) else value for value in known))
    neighbours = _connect(len(names), links)
    members = []
    for cluster in split_into_clusters(links, facts, rules):
        if len(cluster.videos) > 1:
            towards = find_surest_shortest_paths(neighbours, cluster.keeper, set(cluster.videos))
            for video in cluster.videos:
                nearer = towards.get(video)
                joined_by = None if nearer is None else names[nearer]
                members.append((names[video], names[cluster.keeper], cluster.reason, joined_by))
    return pd.DataFrame(sorted(members), columns=["video_id", "keeper_id", "keeper_reason", "joined_by"], dtype=object)


def video_clusterer(rules: ClusterRules) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """Return `cluster_videos` under some rules, for `applyInPandas`."""

    def cluster(rows: pd.DataFrame) -> pd.DataFrame:  # Spark looks at its annotations: a partial has none to show
        return cluster_videos(rows, rules)

    return cluster


def _read_links(rows: pd.DataFrame, numbers: Mapping[str, int]) -> Links:
    """Read the links of two videos each."""

    def ends(kind: str) -> list[tuple[int, int]]:
        chosen = rows[rows["kind"] == kind]
        left = (numbers[name] for name in chosen["left_id"])
        return list(zip(left, (numbers[name] for name in chosen["right_id"]), strict=True))

    probabilities = rows.loc[rows["kind"] == "pair", "match_probability"].to_list()
    return Links(dict(zip(ends("pair"), probabilities, strict=True)), ends("duplicate"), ends("not_duplicate"))


def _connect(num_videos: int, links: Links) -> Neighbours:
    """List the neighbours of each video; a decision is as sure as can be."""
    neighbours: Neighbours = [{} for _ in range(num_videos)]
    for (left, right), probability in (links.pairs | dict.fromkeys(links.together, 1.0)).items():
        neighbours[left][right] = neighbours[right][left] = probability
    for left, right in links.apart:
        neighbours[left].pop(right, None)
        neighbours[right].pop(left, None)
    return neighbours
