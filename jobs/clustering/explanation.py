"""Explains why two videos are in one cluster or not, with the path of pairs and decisions between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F

from jobs.clustering.decisions import decisions_in_force, is_apart
from jobs.errors import UsageError
from udfs.clustering.graph import find_widest_shortest_paths
from udfs.verifying.verify_batches import BOUND_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from pyspark.sql import DataFrame

    from jobs.lake.lake import Lake

    Ends = tuple[str, str]

_MAX_ROUNDS = 8  # the longest path that is searched between videos that share no cluster, in pairs
_APART_WORDS = {"not_duplicate": "are not duplicates", "part": "share only a part"}
_PAIR_COLUMNS = (
    "left_id",
    "right_id",
    "relation",
    "match_probability",
    "cosine_similarity",
    "alignment_similarity",
    "place_agreement",
    "change_agreement",
    *BOUND_COLUMNS,
)


@dataclass(frozen=True)
class Membership:
    """The cluster of a video and its keeper; None if the video is in no cluster."""

    cluster_id: str | None = None
    keeper_id: str | None = None
    keeper_reason: str | None = None


@dataclass(frozen=True)
class Explanation:
    """Why two videos are in one cluster or are not.

    Attributes:
        left_id: the first video of the question.
        right_id: the second video.
        model_id: the model whose pairs made the clusters.
        is_together: whether both are in one cluster.
        left: cluster of the first video.
        right: cluster of the second video.
        because: the reason as a sentence.
        path: steps from the first video to the second: rows of `pairs`, and decisions that replace or support them.
        parted_at: indices of the steps whose two videos are not in the same cluster.
        decided_apart: decisions `not_duplicate` and `part` between the two videos or between their clusters.
    """

    left_id: str
    right_id: str
    model_id: str
    is_together: bool
    left: Membership
    right: Membership
    because: str
    path: list[dict[str, Any]]
    parted_at: list[int]
    decided_apart: list[dict[str, Any]]


class ClusterExplainer:
    """Explains the clusters of one lake and model from its pairs, decisions and clusters. Runs on: driver.

    Args:
        lake: the tables.
        model_id: the model whose pairs made the clusters.
        relations: relations of the pairs that join clusters.
    """

    def __init__(self, lake: Lake, model_id: str, relations: Sequence[str]) -> None:
        of_model = F.col("model_id") == model_id
        self._lake = lake
        self._model_id = model_id
        self._pairs = lake.read("pairs").where(of_model)
        self._joining = self._pairs.where(F.col("relation").isin(*relations))
        self._clusters = lake.read("clusters").where(of_model)
        self._decisions = decisions_in_force(lake.read("decisions"))
        together = self._decisions.where("verdict = 'duplicate'")
        self._links = self._joining.select("left_id", "right_id", "match_probability").unionByName(
            together.select("left_id", "right_id", F.lit(1.0).alias("match_probability"))
        )

    def explain(self, left_id: str, right_id: str) -> Explanation:
        """Explain why two videos are in one cluster or not.

        Raises:
            UsageError: both ids are equal, or one is not in the manifest.
        """
        self._check(left_id, right_id)
        left, right = self._find_membership(left_id), self._find_membership(right_id)
        is_together = left.cluster_id is not None and left.cluster_id == right.cluster_id
        links = self._links_within(left.cluster_id) if is_together else self._links_between(left_id, right_id)
        path = self._read_steps(find_path(links, left_id, right_id))
        videos = {end for step in path for end in (step["left_id"], step["right_id"])}
        clusters = self._clusters_of(videos)
        parted_at = [
            number
            for number, step in enumerate(path)
            if (at := clusters.get(step["left_id"])) is None or at != clusters.get(step["right_id"])
        ]
        apart = [] if is_together else self._read_refusals({left_id, right_id}, {left.cluster_id, right.cluster_id})
        because = (
            self._describe_separation(left_id, right_id, path, apart) if not is_together else _describe_connection(path)
        )
        return Explanation(left_id, right_id, self._model_id, is_together, left, right, because, path, parted_at, apart)

    def _check(self, left_id: str, right_id: str) -> None:
        if left_id == right_id:
            raise UsageError(f"why needs two different videos, got {left_id!r} twice")
        rows = self._lake.read("manifest").where(F.col("video_id").isin(left_id, right_id)).select("video_id").collect()
        unknown = sorted({left_id, right_id} - {row["video_id"] for row in rows})
        if unknown:
            raise UsageError(f"not in the manifest: {', '.join(unknown)}; check the video_id")

    def _find_membership(self, video_id: str) -> Membership:
        row = self._clusters.where(F.col("video_id") == video_id).first()
        if row is None:
            return Membership()
        keeper = self._clusters.where((F.col("cluster_id") == row["cluster_id"]) & F.col("is_keeper")).first()
        return Membership(row["cluster_id"], keeper["video_id"] if keeper else None, row["keeper_reason"])

    def _links_within(self, cluster_id: str | None) -> dict[Ends, float]:
        """Collect the links between members of one cluster."""
        members = self._clusters.where(F.col("cluster_id") == F.lit(cluster_id))
        left = members.select(F.col("video_id").alias("left_id"))
        right = members.select(F.col("video_id").alias("right_id"))
        return _collect(self._links.join(left, "left_id").join(right, "right_id"))

    def _links_between(self, left_id: str, right_id: str) -> dict[Ends, float]:
        """Collect links outwards from one video until the other is reached or no new video is found."""
        links: dict[Ends, float] = {}
        seen = {left_id}
        frontier = {left_id}
        for _ in range(_MAX_ROUNDS):
            ids = self._lake.spark.createDataFrame([(video_id,) for video_id in frontier], "id STRING")
            for end in ("left_id", "right_id"):
                links |= _collect(self._links.join(ids.withColumnRenamed("id", end), end, "left_semi"))
            frontier = {end for ends in links for end in ends} - seen
            seen |= frontier
            if not frontier or right_id in seen:
                break
        return links

    def _read_steps(self, path: Sequence[Ends]) -> list[dict[str, Any]]:
        """Read the pair and the decision of each step of a path, in its order."""
        steps = []
        for ends in path:
            is_this = (F.col("left_id") == min(ends)) & (F.col("right_id") == max(ends))
            decided = self._decisions.where(is_this & (F.col("verdict") == "duplicate"))
            pair = self._joining.where(is_this).select(*_PAIR_COLUMNS).first()
            step = dict.fromkeys(_PAIR_COLUMNS) | {"left_id": min(ends), "right_id": max(ends)}
            row = decided.select("verdict", "decided_by", "note").first()
            steps.append(step | (pair.asDict() if pair else {}) | {"decision": row.asDict() if row else None})
        return steps

    def _clusters_of(self, video_ids: Collection[str]) -> dict[str, str]:
        rows = self._clusters.where(F.col("video_id").isin(*video_ids)).select("video_id", "cluster_id").collect()
        return {row["video_id"]: row["cluster_id"] for row in rows}

    def _read_refusals(self, video_ids: set[str], cluster_ids: set[str | None]) -> list[dict[str, Any]]:
        """Read the decisions that keep two videos apart, or members of their clusters."""
        named = F.col("video_id").isin(*video_ids)
        is_in_one = F.col("cluster_id").isin(*[cluster_id for cluster_id in cluster_ids if cluster_id is not None])
        ids = self._lake.read("manifest").where(named).select("video_id")
        ids = ids.union(self._clusters.where(is_in_one).select("video_id")).distinct()
        refused = self._decisions.where(is_apart())
        for end in ("left_id", "right_id"):
            refused = refused.join(ids.withColumnRenamed("video_id", end), end, "left_semi")
        rows = (
            refused.select("left_id", "right_id", "verdict", "decided_by", "note").sort("left_id", "right_id").collect()
        )
        return [row.asDict() for row in rows]

    def _describe_separation(
        self, left_id: str, right_id: str, path: Sequence[object], apart: Iterable[Mapping[str, Any]]
    ) -> str:
        """Return a sentence that says why two videos are not in one cluster."""
        ends = (min(left_id, right_id), max(left_id, right_id))
        if absent := self._describe_absence(ends):
            return absent
        for row in apart:
            if (row["left_id"], row["right_id"]) == ends:
                return f"not together: a decision says that they {_APART_WORDS[row['verdict']]}"
        if path and apart:
            return "not together: the path between them is split by a decision that members are not duplicates"
        if path:
            return "not together: the path between them is too long, its probability too low, or its bridge too weak"
        pair = self._pairs.where((F.col("left_id") == ends[0]) & (F.col("right_id") == ends[1])).first()
        if pair is not None:
            return f"not together: they share footage, but pairs of relation {pair['relation']} do not join clusters"
        return f"not together: no path of at most {_MAX_ROUNDS} pairs connects them"

    def _describe_absence(self, ends: Ends) -> str | None:
        """Return a sentence if one of two videos is removed or in quarantine, and so in no cluster; else None."""
        is_end = F.col("video_id").isin(*ends)
        held = self._lake.read("quarantine").where(is_end).sort("video_id").first()
        if held is not None:
            return f"not together: {held['video_id']} is in quarantine ({held['error_code']}: {held['error_detail']})"
        removed = self._lake.read("manifest").where(is_end & F.col("removed_at").isNotNull()).sort("video_id").first()
        return None if removed is None else f"not together: {removed['video_id']} is removed"


def find_path(links: Mapping[Ends, float], left_id: str, right_id: str) -> list[Ends]:
    """Find the shortest path between two videos; of equal ones that with the highest minimum probability.

    Returns:
        Its steps from the first video; empty if no path exists.
    """
    names = sorted({left_id, right_id, *(end for ends in links for end in ends)})
    numbers = {name: number for number, name in enumerate(names)}
    neighbours: list[dict[int, float]] = [{} for _ in names]
    for (left, right), probability in links.items():
        neighbours[numbers[left]][numbers[right]] = neighbours[numbers[right]][numbers[left]] = probability
    towards = find_widest_shortest_paths(neighbours, numbers[right_id], range(len(names)))
    steps: list[Ends] = []
    at = numbers[left_id]
    while at in towards:
        steps.append((names[at], names[towards[at]]))
        at = towards[at]
    return steps


def _collect(links: DataFrame) -> dict[Ends, float]:
    """Collect links; for a pair with a decision the higher probability counts."""
    found: dict[Ends, float] = {}
    for row in links.select("left_id", "right_id", "match_probability").collect():
        ends = (row["left_id"], row["right_id"])
        found[ends] = max(found.get(ends, 0.0), row["match_probability"])
    return found


def _describe_connection(path: Sequence[Mapping[str, Any]]) -> str:
    """Return a sentence that says how two videos are connected."""
    num_decided = sum(step["decision"] is not None for step in path)
    if len(path) == 1:
        return "together: a decision says that they are duplicates" if num_decided else "together: they form a pair"
    return f"together: connected by a path of {len(path)} steps" + (
        f", {num_decided} of them decisions" if num_decided else ""
    )
