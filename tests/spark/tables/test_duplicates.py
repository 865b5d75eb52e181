from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from jobs.one_video.answer import Match, choose_original, get_original_id, rank_matches
from jobs.tables import decisions, duplicates
from tests.support.lakes import TINY, make_run

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import DataFrame, SparkSession

PAIRS = (
    "left_id STRING, right_id STRING, match_probability DOUBLE, cosine_similarity DOUBLE, relation STRING, "
    "left_coverage DOUBLE, right_coverage DOUBLE"
)


CLUSTERS = "video_id STRING, cluster_id STRING, is_keeper BOOLEAN, joined_by STRING"
AT = datetime(2024, 1, 1, tzinfo=UTC)


def name_contents(spark: SparkSession, model_id: str, contents: dict[str, str]) -> DataFrame:
    """Rows of `embeddings` of whole videos with these contents."""
    rows = [(video_id, model_id, 0, content) for video_id, content in contents.items()]
    return spark.createDataFrame(rows, "video_id STRING, model_id STRING, segment_index INT, content_sha256 STRING")


def test_the_evidence_of_a_member_is_its_own_pair_with_the_keeper_or_that_of_its_path(
    spark: SparkSession, tmp_path: Path
) -> None:
    """a is kept. b-a and b-c are pairs, a contains c, d was decided to be a duplicate of c, and e is identical to c."""
    run = make_run(spark, tmp_path / "m.csv", TINY)
    model_id = run.model.model_id
    inputs = {
        "clusters": spark.createDataFrame(
            [
                ("a", "1", True, None, model_id),
                ("b", "1", False, "a", model_id),
                ("c", "1", False, "b", model_id),
                ("d", "1", False, "c", model_id),
                ("e", "1", False, "c", model_id),
                ("f", "1", False, "b", model_id),
                ("g", "1", False, "a", model_id),
                ("a", "1", False, "x", "other model"),
                ("x", "1", True, None, "other model"),
            ],
            f"{CLUSTERS}, model_id STRING",
        ),
        "embeddings": name_contents(
            spark, model_id, {name: name.replace("e", "c").replace("g", "a") for name in "abcefg"}
        ),
        "decisions": spark.createDataFrame([("c", "d", "duplicate", False, "ann", AT, None)], decisions.TABLE.ddl),
        "pairs": spark.createDataFrame(
            [
                ("a", "b", 0.5, 0.91, "copy", 1.0, 1.0),
                ("b", "c", 0.8, 0.92, "copy", 1.0, 1.0),
                ("a", "c", 0.6, 0.5, "contained", 0.3, 1.0),
                ("c", "e", 1.0, 1.0, "copy", 1.0, 1.0),
                ("b", "f", 0.5, 0.93, "copy", 1.0, 1.0),
                ("a", "g", 1.0, 1.0, "copy", 1.0, 1.0),
            ],
            PAIRS,
        ).withColumn("model_id", F.lit(model_id)),
    }
    rows = {row["video_id"]: row for row in duplicates.build(inputs, run).collect()}
    names = ("relation", "match_probability", "cosine_similarity", "is_direct", "is_exact")
    assert {video_id: tuple(row[name] for name in names) for video_id, row in rows.items()} == {
        "b": ("copy", 0.5, 0.91, True, False),
        "c": ("contained", 0.6, 0.5, True, False),
        "d": ("contained", 0.6, None, False, False),
        "e": ("contained", 0.6, 0.5, True, False),
        "f": ("copy", 0.25, None, False, False),
        "g": ("copy", 1.0, 1.0, True, True),
    }
    assert {row["duplicate_of"] for row in rows.values()} == {"a"}
    assert {row["model_id"] for row in rows.values()} == {model_id}


def test_containment_is_reported_only_for_keepers(spark: SparkSession, tmp_path: Path) -> None:
    run = make_run(spark, tmp_path / "m.csv", TINY)
    inputs = {
        "clusters": spark.createDataFrame([("a", "1", True, None), ("b", "1", False, "a")], CLUSTERS).withColumn(
            "model_id", F.lit(run.model.model_id)
        ),
        "embeddings": name_contents(spark, run.model.model_id, {}),
        "decisions": spark.createDataFrame(
            [
                ("clip", "long", "part", False, "ann", AT, None),  # confirms that clip is contained in long
                ("clip", "refused", "not_duplicate", False, "ann", AT, None),
            ],
            decisions.TABLE.ddl,
        ),
        "pairs": spark.createDataFrame(
            [
                ("a", "b", 0.7, 0.91, "copy", 1.0, 1.0),
                ("a", "clip", 0.7, 0.4, "contained", 0.2, 1.0),
                ("b", "clip", 0.8, 0.4, "contained", 0.2, 1.0),
                ("b", "long", 0.8, 0.4, "contained", 1.0, 0.5),
                ("clip", "long", 0.9, 0.3, "contained", 0.9, 0.1),
                ("clip", "other", 0.9, 0.3, "overlap", 0.5, 0.5),
                ("clip", "refused", 0.9, 0.3, "contained", 0.9, 0.1),
            ],
            PAIRS,
        ).withColumn("model_id", F.lit(run.model.model_id)),
    }
    rows = duplicates.build(inputs, run).where("relation = 'contained'").collect()
    assert {(row["video_id"], row["duplicate_of"], row["cluster_id"], row["match_probability"]) for row in rows} == {
        ("clip", "a", "1", 0.7),
        ("clip", "long", "long", 0.9),
    }


def test_a_keeper_has_the_containment_of_the_files_that_are_identical_to_it(
    spark: SparkSession, tmp_path: Path
) -> None:
    """a and b are identical, and so are l and m; only a and l were searched, but b and m are kept."""
    run = make_run(spark, tmp_path / "m.csv", TINY)
    clusters = [("a", "1", False, "b"), ("b", "1", True, None), ("l", "2", False, "m"), ("m", "2", True, None)]
    pairs = [
        ("a", "b", 1.0, 1.0, "copy", 1.0, 1.0),
        ("l", "m", 1.0, 1.0, "copy", 1.0, 1.0),
        ("a", "l", 0.9, 0.4, "contained", 1.0, 0.2),
    ]
    inputs = {
        "clusters": spark.createDataFrame(clusters, CLUSTERS).withColumn("model_id", F.lit(run.model.model_id)),
        "embeddings": name_contents(spark, run.model.model_id, {"a": "A", "b": "A", "l": "L", "m": "L"}),
        "decisions": spark.createDataFrame([], decisions.TABLE.ddl),
        "pairs": spark.createDataFrame(pairs, PAIRS).withColumn("model_id", F.lit(run.model.model_id)),
    }
    rows = duplicates.build(inputs, run).where("relation = 'contained'").collect()
    names = ("video_id", "duplicate_of", "cluster_id", "match_probability", "is_exact")
    assert [tuple(row[name] for name in names) for row in rows] == [("b", "m", "2", 0.9, False)]


def test_the_check_of_one_video_reports_the_container_of_the_table(spark: SparkSession, tmp_path: Path) -> None:
    """Containers are ranked by keeper, probability, cosine and id, including ties."""
    run = make_run(spark, tmp_path / "m.csv", TINY)
    clusters: list[tuple[str, str, bool, str | None]] = []
    pairs: list[tuple[str, str, float, float, str, float, float]] = []
    asked: dict[str, list[Match]] = {}
    chance = random.Random(7)
    for number in range(60):
        query, matches = f"q{number:02d}", []
        for cluster in range(chance.randint(1, 3)):
            names = [f"{query}-{cluster}{letter}" for letter in "abcd"]
            is_clustered = chance.random() < 0.7
            containing = chance.sample(names, chance.randint(1, 4)) if is_clustered else names[:1]
            if is_clustered:
                clusters += [(name, names[0], name == names[0], names[0]) for name in names]
            for name in containing:
                probability, cosine = chance.choice((0.8, 0.9)), chance.choice((0.3, 0.4))
                pairs.append((query, name, probability, cosine, "contained", 1.0, 0.2))
                matches.append(_contained_in(name, names[0] if is_clustered else None, probability, cosine))
        asked[query] = matches
    inputs = {
        "clusters": spark.createDataFrame(clusters, CLUSTERS).withColumn("model_id", F.lit(run.model.model_id)),
        "embeddings": name_contents(spark, run.model.model_id, {}),
        "decisions": spark.createDataFrame([], decisions.TABLE.ddl),
        "pairs": spark.createDataFrame(pairs, PAIRS).withColumn("model_id", F.lit(run.model.model_id)),
    }
    rows = {
        (row["video_id"], row["cluster_id"]): (row["duplicate_of"], row["match_probability"])
        for row in duplicates.build(inputs, run).where("relation = 'contained'").collect()
    }
    for query, matches in asked.items():
        chosen = choose_original(rank_matches(matches))
        assert chosen is not None
        named = rows[query, chosen.cluster_id or chosen.video_id]
        assert (get_original_id(chosen), chosen.match_probability) == named


def _contained_in(video_id: str, keeper_id: str | None, probability: float, cosine: float) -> Match:
    return Match(
        video_id=video_id,
        is_exact=False,
        is_duplicate=True,
        keeper_id=keeper_id,
        cluster_id=keeper_id,
        relation="contained",
        match_probability=probability,
        cosine_similarity=cosine,
        alignment_similarity=1.0 - cosine,
        start_seconds=0.0,
        end_seconds=5.0,
        coverage=1.0,
        match_start_seconds=0.0,
        match_end_seconds=5.0,
        match_coverage=0.2,
        evidence={},
    )
