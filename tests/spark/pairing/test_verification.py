"""A night with a model that verifies: candidates by segments, evidence by aligned frames."""

from __future__ import annotations

import math
import re
import shutil
from dataclasses import dataclass, replace
from io import BytesIO
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image, ImageDraw
from pyspark.sql import functions as F

import ndvr
from jobs.config.settings import Config
from jobs.contracts.run import find_configured_model
from jobs.contracts.stage import Built
from jobs.demo.editing.edits import EDITS
from jobs.demo.editing.transcode import apply_edit
from jobs.errors import UsageError
from jobs.lake.lake import Lake
from jobs.review.verdict import verify_two
from jobs.tables import pairs
from jobs.training.calibrate_model import fit_model_verifier
from models.artefact import (
    BACKGROUND,
    BACKGROUND_SOURCES,
    find_folder,
    pack_artefact,
    read_artefact,
    unpack_artefact,
    write_artefact,
)
from tests.support.catalogue import SCENES, Video, write_manifest
from tests.support.clock_clips import HEIGHT_PX, WIDTH_PX, write_frames
from tests.support.lakes import (
    make_run,
    make_search_inputs,
    none_in_quarantine,
    present_in,
    read_rows,
    read_versions,
    run_night,
)
from tests.support.verifiers import make_verifier, split
from tests.support.videos import draw_picture
from udfs.embedding.embed import FRAME_DIMS
from udfs.registering.look_batches import LOOK_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pyspark.sql import DataFrame, SparkSession

    from jobs.engine.outcome import Outcome
    from tests.spark.conftest import Described

SHIPPED = "discriminative-efficientnet_lite0_ndvr"
FILM = (*[(scene, False) for scene in SCENES], *[(scene, True) for scene in ("discs", "tiles", "glow")])
VERIFIER = make_verifier(
    split("alignment_similarity", 0.39, low=-10.0, high=1.0),
    split("smaller_coverage", 0.8, low=0.0, high=2.0),
    split("place_agreement", 0.6, low=0.0, high=3.0),
)
"""The more of both is covered, and the more places agree, the higher the probability."""
EDITED = {"clip": "middle-clip", "head": "trim-tail", "tail": "trim-head", "small": "resize-50"}
"""Of the film: 6 to 14 s, 0 to 14 s, 6 to 20 s, and all of it."""
SECONDS = {"film": 20, "clip": 8, "head": 14, "tail": 14, "small": 20, "black": 14}
"""Of content. `black` is the film from 0 to 14 s, behind 4 s of black."""
SHARED = {
    ("black", "clip"): ("contained", (10, 18, 0, 8)),
    ("black", "film"): ("contained", (4, 18, 0, 14)),
    ("black", "head"): ("copy", (4, 18, 0, 14)),
    ("black", "small"): ("contained", (4, 18, 0, 14)),
    ("black", "tail"): ("overlap", (10, 18, 0, 8)),
    ("clip", "film"): ("contained", (0, 8, 6, 14)),
    ("clip", "head"): ("contained", (0, 8, 6, 14)),
    ("clip", "small"): ("contained", (0, 8, 6, 14)),
    ("clip", "tail"): ("contained", (0, 8, 0, 8)),
    ("film", "head"): ("contained", (0, 14, 0, 14)),
    ("film", "small"): ("copy", (0, 20, 0, 20)),
    ("film", "tail"): ("contained", (6, 20, 0, 14)),
    ("head", "small"): ("contained", (0, 14, 0, 14)),
    ("head", "tail"): ("overlap", (6, 14, 0, 8)),
    ("small", "tail"): ("contained", (6, 20, 0, 14)),
}
"""The pairs there are, and where on the left and on the right they share footage, in seconds."""
BOUNDS = ("left_start_seconds", "left_end_seconds", "right_start_seconds", "right_end_seconds")


@dataclass(frozen=True)
class Nights:
    """Two nights over the same videos.

    Attributes:
        lake: its folder.
        manifest: the manifest, beside its videos.
        versions: of its tables after the first night.
        second: what the second night did.
    """

    lake: Path
    manifest: Path
    versions: dict[str, int]
    second: Outcome

    @property
    def pairs(self) -> dict[tuple[str, str], dict[str, Any]]:
        """The rows of `pairs`, by their ids."""
        return {(row["left_id"], row["right_id"]): row for row in read_rows(self.lake, "pairs")}


def draw_film(scenes: Iterable[tuple[str, bool]]) -> Iterator[np.ndarray]:
    """Draw 2.5 s of each scene, at 10 frames a second; of some the negative."""
    y, x = np.mgrid[0:HEIGHT_PX, 0:WIDTH_PX] / WIDTH_PX
    for scene, is_negative in scenes:
        for number in range(25):
            picture = SCENES[scene](number, x, y).clip(0, 255).astype(np.uint8)
            yield 255 - picture if is_negative else picture


def write_behind(path: Path, picture: Image.Image) -> Path:
    """Write the film from 0 to 14 s behind 4 s of a picture."""
    return write_frames(path, chain([np.asarray(picture)] * 40, islice(draw_film(FILM), 140)))


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film of 20 s, edited copies of it, and a stranger."""
    folder = tmp_path_factory.mktemp("films")
    film = write_frames(folder / "film.mp4", draw_film(FILM))
    write_frames(folder / "stranger.mp4", (draw_picture(number, (WIDTH_PX, HEIGHT_PX)) for number in range(80)))
    for name, edit in EDITED.items():
        apply_edit(film, folder / f"{name}.mp4", EDITS[edit])
    write_behind(folder / "black.mp4", Image.new("RGB", (WIDTH_PX, HEIGHT_PX)))
    ids = ("film", "stranger", "black", *EDITED)
    return write_manifest(folder / "manifest.csv", [Video(name, f"{name}.mp4") for name in ids])


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Settings of the shipped head with a background of nothing in particular and a verifier set by hand."""
    folder = tmp_path_factory.mktemp("model")
    tensors, card = unpack_artefact(read_artefact(find_folder(SHIPPED)))
    tensors[BACKGROUND] = np.eye(8, card.num_dims, dtype=np.float32)
    tensors[BACKGROUND_SOURCES] = np.arange(8, dtype=np.int32)
    write_artefact(folder, pack_artefact(tensors, replace(card, fusion="late", verifier=VERIFIER)))
    return {"embeddings": {"artefact_dir": str(folder)}}


@pytest.fixture(scope="module")
def nights(
    spark: SparkSession,  # noqa: ARG001 -- the nights find the session that is running
    manifest: Path,
    settings: dict[str, Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> Nights:
    lake = tmp_path_factory.mktemp("verified") / "lake"
    run_night(manifest, lake, settings)
    versions = read_versions(lake)
    return Nights(lake, manifest, versions, run_night(manifest, lake, settings))


def build(
    spark: SparkSession, nights: Nights, settings: dict[str, Any], *, told: dict[str, Any], **inputs: DataFrame
) -> Built:
    """Build `pairs` alone from the tables of the lake, some of which may be replaced."""
    run = make_run(spark, Path("/manifest.csv"), settings | {"pairs": told})
    lake = Lake(spark, str(nights.lake))
    known = {name: lake.read(name) for name in ("embeddings", "thumbnails", "descriptors")} | inputs
    known |= {"manifest": present_in(known["embeddings"]), "quarantine": none_in_quarantine(spark)}
    known |= make_search_inputs(known["embeddings"], run.model.model_id)
    return Built.of(pairs.build(known, run))


def by_ids(built: Built) -> dict[Any, Any]:
    """Return the rows of `pairs` by their ids."""
    return {(row["left_id"], row["right_id"]): row for row in built.rows.collect()}


def build_pairs(
    spark: SparkSession,
    nights: Nights,
    settings: dict[str, Any],
    *,
    rows: DataFrame | None = None,
    pictures: DataFrame | None = None,
    **told: float,
) -> dict[Any, Any]:
    """Build `pairs` alone, perhaps from other rows of `embeddings` and `thumbnails`; return its rows by their ids."""
    inputs = {name: given for name, given in (("embeddings", rows), ("thumbnails", pictures)) if given is not None}
    return by_ids(build(spark, nights, settings, told=told, **inputs))


def read_thumbnails(spark: SparkSession, nights: Nights) -> DataFrame:
    return Lake(spark, str(nights.lake)).read("thumbnails")


def read_embeddings(spark: SparkSession, nights: Nights) -> DataFrame:
    return Lake(spark, str(nights.lake)).read("embeddings")


def test_all_that_share_footage_are_pairs_and_the_stranger_is_in_none(nights: Nights) -> None:
    assert nights.pairs.keys() == SHARED.keys()


@pytest.mark.parametrize("ids", SHARED)
def test_a_pair_says_how_and_where_its_videos_share_footage(ids: tuple[str, str], nights: Nights) -> None:
    relation, bounds = SHARED[ids]
    row = nights.pairs[ids]
    assert row["relation"] == relation
    assert [row[name] for name in BOUNDS] == pytest.approx(bounds, abs=1.0)
    assert row["left_coverage"] == pytest.approx((bounds[1] - bounds[0]) / SECONDS[ids[0]], abs=0.1)
    assert row["right_coverage"] == pytest.approx((bounds[3] - bounds[2]) / SECONDS[ids[1]], abs=0.1)


def compute_probability(row: dict[str, Any]) -> float:
    """Compute what the three trees of VERIFIER make of an aligned pair."""
    coverage, places = min(row["left_coverage"], row["right_coverage"]), row["place_agreement"]
    logit = 1.0 + 2.0 * (coverage > 0.8) + 3.0 * (places is not None and places > 0.6)
    return 1 / (1 + math.exp(-logit))


def test_the_probability_is_the_verifiers(nights: Nights) -> None:
    for row in nights.pairs.values():
        assert row["match_probability"] == pytest.approx(compute_probability(row), abs=1e-5)
        assert row["alignment_similarity"] > 0.39
        assert -1 <= row["cosine_similarity"] <= 1


def test_the_second_look_sees_that_copies_show_the_whole_picture(nights: Nights) -> None:
    row = nights.pairs["film", "small"]
    assert row["place_agreement"] > 0.9
    assert row["change_agreement"] > 0.9
    assert row["left_region"] == pytest.approx([0, 0, 1, 1], abs=0.05)
    assert row["right_region"] == pytest.approx([0, 0, 1, 1], abs=0.05)


def choose_thumbnails(spark: SparkSession, nights: Nights, kept: str) -> DataFrame:
    """Return the thumbnails of the lake as they are in a lake where some are missing."""
    stored = read_thumbnails(spark, nights)
    if kept == "of the file that was replaced":
        return stored.withColumn("content_sha256", F.lit("of the older file"))
    return stored.where(kept)


@pytest.mark.parametrize("kept", ["false", "of the file that was replaced", "video_id IN ('film', 'clip', 'tail')"])
def test_videos_without_thumbnails_are_decoded_and_get_the_same_second_look(
    kept: str, spark: SparkSession, nights: Nights, settings: dict[str, Any]
) -> None:
    """The evidence is the same to the last digit: the same frames become the same JPEG pictures."""
    built = build(spark, nights, settings, told={}, thumbnails=choose_thumbnails(spark, nights, kept))
    assert built.unseen_pairs == {}
    rows = by_ids(built)
    assert rows.keys() == SHARED.keys()
    for ids, row in rows.items():
        stored = nights.pairs[ids]
        assert [row[name] for name in LOOK_COLUMNS] == [stored[name] for name in LOOK_COLUMNS]
        if "black" not in ids:  # without details, black is content
            assert row.asDict() | {"run_id": ""} == stored | {"run_id": ""}


@pytest.fixture(scope="module")
def bare_night(
    nights: Nights, settings: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Outcome]:
    """The lake and the outcome of a night that stores no thumbnails."""
    lake = tmp_path_factory.mktemp("bare") / "lake"
    return lake, run_night(nights.manifest, lake, settings | {"describe": {"store_thumbnails": False}})


@pytest.mark.slow
def test_a_night_that_stores_no_thumbnails_finds_the_same_pairs(
    nights: Nights, bare_night: tuple[Path, Outcome]
) -> None:
    lake, outcome = bare_night
    for row in read_rows(lake, "thumbnails"):
        assert (row["has_pictures"], set(row["thumbnails"])) == (False, {None})
    (record,) = [record for record in outcome.records if record.stage == "pairs"]
    assert (record.num_rows, record.unseen_pairs) == (len(SHARED), {})
    found = {(row["left_id"], row["right_id"]): row for row in read_rows(lake, "pairs")}
    assert {ids: row | {"run_id": ""} for ids, row in found.items()} == {
        ids: row | {"run_id": ""} for ids, row in nights.pairs.items()
    }


@pytest.mark.slow
def test_the_check_of_one_video_and_why_decode_what_is_not_stored(
    nights: Nights, bare_night: tuple[Path, Outcome], spark: SparkSession, settings: dict[str, Any]
) -> None:
    copy, config = nights.manifest.parent / "small.mp4", Config(**settings)
    answers = []
    for folder in (nights.lake, bare_night[0]):
        with ndvr.open(folder) as lake:
            answers.append(lake.query(copy, "small"))
    assert len(answers[0].matches) >= len(SECONDS) - 1
    assert answers[0].matches == answers[1].matches
    model_id = find_configured_model(config).model_id
    verdicts = [
        verify_two(Lake(spark, str(folder)), "film", "small", model_id, VERIFIER, config)
        for folder in (nights.lake, bare_night[0])
    ]
    assert verdicts[0] == verdicts[1]
    assert verdicts[0] is not None
    assert verdicts[0].place_agreement == nights.pairs["film", "small"]["place_agreement"]


def test_where_the_file_is_gone_the_first_look_decides_and_the_pairs_are_counted(
    spark: SparkSession, nights: Nights, settings: dict[str, Any]
) -> None:
    lake = Lake(spark, str(nights.lake))
    gone = F.when(F.col("video_id") != "film", F.concat("uri", F.lit(".gone"))).otherwise(F.col("uri"))
    replaced = F.when(F.col("video_id") == "small", nights.manifest.parent.as_posix() + "/film.mp4").otherwise(gone)
    descriptors = lake.read("descriptors").withColumn("uri", replaced)
    built = build(
        spark, nights, settings, told={}, thumbnails=read_thumbnails(spark, nights).limit(0), descriptors=descriptors
    )
    # All 21 pairs of the seven videos align. Three are counted for `small`: with `film`, `stranger` and `tail`.
    assert built.unseen_pairs == {"NOT_FOUND": 18, "REPLACED": 3}
    rows = by_ids(built)
    assert rows.keys() == SHARED.keys()
    for row in rows.values():
        assert row["match_probability"] == pytest.approx(compute_probability(row.asDict()), abs=1e-5)
        assert [row[name] for name in LOOK_COLUMNS] == [None] * 4


def test_the_thumbnails_are_the_sampled_frames(nights: Nights) -> None:
    rows = {row["video_id"]: row for row in read_rows(nights.lake, "thumbnails")}
    assert rows.keys() == {"stranger", *SECONDS}
    assert rows["clip"]["frame_seconds"] == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]
    assert len(rows["clip"]["thumbnails"]) == 8
    with Image.open(BytesIO(rows["clip"]["thumbnails"][0])) as picture:
        assert (picture.format, picture.mode) == ("JPEG", "RGB")


def test_black_thumbnails_have_no_detail(nights: Nights) -> None:
    rows = {row["video_id"]: row["frame_details"] for row in read_rows(nights.lake, "thumbnails")}
    assert rows["black"][:4] == [0.0] * 4
    assert min(rows["film"]) > 0.3
    assert rows["black"][4:] == pytest.approx(rows["film"][:14], abs=0.05)


def test_without_details_black_before_footage_is_content(
    spark: SparkSession, nights: Nights, settings: dict[str, Any]
) -> None:
    pictures = read_thumbnails(spark, nights).where("video_id <> 'black'")
    row = build_pairs(spark, nights, settings, pictures=pictures)["black", "head"]
    assert (row["relation"], row["right_coverage"]) == ("contained", pytest.approx(1.0, abs=0.05))
    assert row["left_coverage"] == pytest.approx(14 / 18, abs=0.02)


def test_the_check_of_one_video_finds_a_copy_behind_a_title_card(nights: Nights, tmp_path: Path) -> None:
    card = Image.new("RGB", (WIDTH_PX, HEIGHT_PX))
    ImageDraw.Draw(card).text((50, 30), "A FILM", fill="white", anchor="mm", font_size=10)
    with ndvr.open(nights.lake) as lake:
        answer = lake.query(write_behind(tmp_path / "card.mp4", card))
    matches = {match.video_id: match for match in answer.matches}
    for other in ("black", "head"):
        match = matches[other]
        assert (match.relation, match.is_duplicate) == ("copy", True)
        assert (match.coverage, match.match_coverage) == pytest.approx((1.0, 1.0), abs=0.1)
    assert (matches["head"].start_seconds, matches["head"].match_start_seconds) == pytest.approx((4, 0), abs=1.0)
    # The keeper of `black` and `head`: of those that are as old and as large, the longest.
    assert answer.original == "black"
    assert (matches["film"].relation, matches["film"].match_coverage) == ("contained", pytest.approx(0.7, abs=0.1))


def test_only_copies_are_a_cluster(nights: Nights) -> None:
    clusters: dict[str, set[str]] = {}
    for row in read_rows(nights.lake, "clusters"):
        clusters.setdefault(row["cluster_id"], set()).add(row["video_id"])
    assert sorted(map(sorted, clusters.values())) == [["black", "head"], ["film", "small"]]


def test_a_copy_with_or_without_black_before_it_is_a_duplicate(nights: Nights) -> None:
    copies = [row for row in read_rows(nights.lake, "duplicates") if row["relation"] == "copy"]
    assert {frozenset({row["video_id"], row["duplicate_of"]}) for row in copies} == {
        frozenset({"black", "head"}),
        frozenset({"film", "small"}),
    }


def test_the_embeddings_hold_the_whole_with_its_frames_and_then_the_windows(nights: Nights) -> None:
    rows = [row for row in read_rows(nights.lake, "embeddings") if row["video_id"] == "clip"]
    rows.sort(key=lambda row: row["segment_index"])
    assert [(row["segment_index"], row["start_seconds"], row["end_seconds"]) for row in rows] == [
        (0, 0.0, 8.0),
        (1, 0.0, 4.0),
        (2, 2.0, 6.0),
        (3, 4.0, 8.0),
    ]
    whole = rows.pop(0)
    assert whole["frame_seconds"] == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]
    assert len(whole["frame_vectors"]) == 8 * FRAME_DIMS
    assert all(-1 <= value <= 1 for value in whole["frame_backgrounds"])
    for row in rows:
        assert (row["frame_seconds"], row["frame_vectors"], row["frame_backgrounds"]) == (None, None, None)


def test_the_windows_are_part_of_the_models_name(nights: Nights) -> None:
    for table in ("embeddings", "pairs", "clusters", "duplicates"):
        (model_id,) = {row["model_id"] for row in read_rows(nights.lake, table)}
        assert re.fullmatch(r"discriminative-efficientnet_lite0_ndvr-1fps-.*-w4h2", model_id)


def test_the_same_night_again_changes_nothing(nights: Nights) -> None:
    assert read_versions(nights.lake) == nights.versions | {"runs": nights.versions["runs"] + 1}
    assert {record.stage: record.status for record in nights.second.records} == {
        "manifest": "done",
        "attempts": "done",
        "embeddings": "skipped",
        "fingerprints": "skipped",
        "search_cells": "skipped",
        "segment_codes": "skipped",
        "pairs": "skipped",
        "clusters": "skipped",
        "cluster_events": "skipped",
        "duplicates": "skipped",
        "index": "skipped",
    }


def test_pairs_built_again_are_the_same(spark: SparkSession, nights: Nights, settings: dict[str, Any]) -> None:
    built = build_pairs(spark, nights, settings, block_rows=10)
    assert {ids: row.asDict() | {"run_id": ""} for ids, row in built.items()} == {
        ids: row | {"run_id": ""} for ids, row in nights.pairs.items()
    }


def test_a_higher_threshold_of_probability_leaves_the_surer_pairs(
    spark: SparkSession, nights: Nights, settings: dict[str, Any]
) -> None:
    sure = {ids for ids, row in nights.pairs.items() if row["match_probability"] >= 0.99}
    assert 0 < len(sure) < len(SHARED)
    assert build_pairs(spark, nights, settings, min_match_probability=0.99).keys() == sure


def test_a_threshold_of_cosine_compares_whole_videos_and_verifies_nothing(
    spark: SparkSession, nights: Nights, settings: dict[str, Any]
) -> None:
    built = build_pairs(spark, nights, settings, min_cosine_similarity=0.85)
    assert built.keys() == {ids for ids, row in nights.pairs.items() if row["cosine_similarity"] >= 0.85}
    for row in built.values():
        assert (row["relation"], row["alignment_similarity"], row["left_coverage"]) == ("copy", None, 1.0)


def test_windows_that_a_replaced_video_left_behind_are_not_searched(
    spark: SparkSession, nights: Nights, settings: dict[str, Any]
) -> None:
    rows = read_embeddings(spark, nights)
    left_behind = (
        rows.where("video_id = 'film' AND segment_index = 9")
        .withColumn("video_id", F.lit("stranger"))
        .withColumn("content_sha256", F.lit("of what it was before"))
    )
    both = rows.where("video_id IN ('film', 'stranger')").unionByName(left_behind)
    # nothing that is aligned is refused, so that being no candidate is all that keeps the two from being a pair
    told = {"min_candidate_similarity": 0.9, "min_match_probability": 0.0}
    assert build_pairs(spark, nights, settings, rows=both, **told) == {}


def test_a_verifier_is_fitted_on_a_truth_and_written_on_the_card(
    spark: SparkSession, described: Described, settings: dict[str, Any], tmp_path: Path
) -> None:
    """The catalogue has five sources. A verifier is tested on each with a fit on the others."""
    model = Path(shutil.copytree(settings["embeddings"]["artefact_dir"], tmp_path / "model"))
    truth = tmp_path / "truth.csv"
    truth.write_text(
        "left_id,right_id,relation\n"
        "a-checker-caption,checker,copy\n"
        "a-checker-caption,checker-webm,copy\n"
        "checker,checker-webm,copy\n"
        "a-discs-small,discs,copy\n"
        "stripes,stripes-low,copy\n",
        encoding="utf-8",
    )
    config = Config(pairs={"min_candidate_similarity": -1.0})
    message = fit_model_verifier(Lake(spark, str(described.lake)), model, truth, 0.99, config)
    _, card = unpack_artefact(read_artefact(model))
    assert card.verifier is not None
    assert card.verifier != VERIFIER
    assert card.verifier.fitted_on == "5 pairs that share footage and 9 that do not, candidates of 9 videos"
    assert message == (
        "verifier: fitted on 5 pairs that share footage and 9 that do not; threshold "
        f"{card.verifier.min_probability:.3f} finds 5 pairs, 5 of which share footage; the truth has 5 such pairs"
    )


def test_a_truth_of_other_videos_fits_nothing(
    spark: SparkSession, nights: Nights, settings: dict[str, Any], tmp_path: Path
) -> None:
    truth = tmp_path / "truth.csv"
    truth.write_text("left_id,right_id,relation\nfilm,unknown,copy\n", encoding="utf-8")
    model = Path(settings["embeddings"]["artefact_dir"])
    with pytest.raises(UsageError, match=r"--truth '.*/truth\.csv' has no pair of the 7 selected videos: give"):
        fit_model_verifier(Lake(spark, str(nights.lake)), model, truth, 0.99, Config())
