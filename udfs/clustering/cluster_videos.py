"""The adapter of `split_into_clusters` for data frames: links and videos of complete components -> cluster members."""

from __future__ import annotations

from typing import TYPE_CHECKING

from udfs.clustering.graph import find_widest_shortest_paths
from udfs.clustering.rules import NO_FACTS, KeeperFacts
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
"""`kind` is pair, duplicate or not_duplicate (two videos each), or video (left_id only, with its facts)."""
MEMBER_DDL = "video_id STRING, keeper_id STRING, keeper_reason STRING, joined_by STRING"


def cluster_videos(rows: pd.DataFrame, rules: ClusterRules) -> pd.DataFrame:
    """Cluster the videos of complete components: LINK_DDL -> MEMBER_DDL, one row per video of a cluster of two or more.

    The result does not depend on the order of rows and is sorted by video_id. Runs on: driver, or executor by
    `applyInPandas`; memory grows with the number of rows.
    """
    import pandas as pd

    videos = rows[rows["kind"] == "video"]
    names: list[str] = sorted({*rows["left_id"], *rows["right_id"].dropna()})
    numbers = {name: number for number, name in enumerate(names)}
    links = _read_links(rows, numbers)
    facts = [NO_FACTS] * len(names)
    columns = ("left_id", "published_micros", "num_pixels", "duration_seconds", "kept_by")
    for name, *values in zip(*(videos[column].to_list() for column in columns), strict=True):
        facts[numbers[name]] = KeeperFacts(*(None if pd.isna(value) else value for value in values))
    neighbours = _connect(len(names), links)
    members = []
    for cluster in split_into_clusters(links, facts, rules):
        if len(cluster.videos) > 1:
            next_videos = find_widest_shortest_paths(neighbours, cluster.keeper, set(cluster.videos))
            for video in cluster.videos:
                next_video = next_videos.get(video)
                joined_by = None if next_video is None else names[next_video]
                members.append((names[video], names[cluster.keeper], cluster.reason, joined_by))
    return pd.DataFrame(sorted(members), columns=["video_id", "keeper_id", "keeper_reason", "joined_by"], dtype=object)


def make_video_clusterer(rules: ClusterRules) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """Make the function that applies `cluster_videos` with the rules, for `applyInPandas`."""

    def cluster(rows: pd.DataFrame) -> pd.DataFrame:  # Spark reads the annotations, which a partial lacks
        return cluster_videos(rows, rules)

    return cluster


def _read_links(rows: pd.DataFrame, numbers: Mapping[str, int]) -> Links:
    """Read pairs and decisions."""

    def ends(kind: str) -> list[tuple[int, int]]:
        chosen = rows[rows["kind"] == kind]
        left = (numbers[name] for name in chosen["left_id"])
        return list(zip(left, (numbers[name] for name in chosen["right_id"]), strict=True))

    probabilities = rows.loc[rows["kind"] == "pair", "match_probability"].to_list()
    return Links(dict(zip(ends("pair"), probabilities, strict=True)), ends("duplicate"), ends("not_duplicate"))


def _connect(num_videos: int, links: Links) -> Neighbours:
    """List the neighbours of each video. A decision has probability 1."""
    neighbours: Neighbours = [{} for _ in range(num_videos)]
    for (left, right), probability in (links.pairs | dict.fromkeys(links.must_link, 1.0)).items():
        neighbours[left][right] = neighbours[right][left] = probability
    for left, right in links.cannot_link:
        neighbours[left].pop(right, None)
        neighbours[right].pop(left, None)
    return neighbours
