"""Bags of words, from a lake's frames to its pairs, found by either search."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from pyspark.sql import functions as F

from jobs.clustering.components import connected_components
from jobs.commands.command_line import run_command
from jobs.commands.train_codebook import CodebookSettings, Variant, app, fit_on_lake, pack_codebook
from jobs.errors import UsageError
from jobs.lake.lake import Lake
from jobs.tables import embeddings, pairs
from models.artefact import read_artefact, unpack_artefact, write_artefact
from models.codebook import Codebook
from models.registry import get_backbone
from tests.support.lakes import make_run, make_search_inputs, read_rows, run_night

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import SparkSession

    from tests.spark.conftest import Described

LAYER_DIMS = tuple(layer.dim for layer in get_backbone("efficientnet_lite0_ndvr").layers)
FIVE_WORDS = CodebookSettings(num_words=5)  # there are five scenes
THRESHOLD = 0.4  # copies are at .6 and above, strangers at .1 and below, in both variants
COPIES = {
    ("a-checker-caption", "checker"),
    ("a-checker-caption", "checker-webm"),
    ("checker", "checker-webm"),
    ("a-discs-small", "discs"),
    ("stripes", "stripes-low"),
}


@pytest.fixture(scope="module")
def trained(spark: SparkSession, described: Described, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The folder of a codebook of each variant, trained on the described lake."""
    folders = {variant: tmp_path_factory.mktemp("codebooks") / variant for variant in Variant}
    for variant, folder in folders.items():
        settings = replace(FIVE_WORDS, variant=variant)
        codebook, facts = fit_on_lake(Lake(spark, str(described.lake)), settings)
        write_artefact(folder, pack_codebook(codebook, settings, facts, "ours"))
    return dict(folders)


def settings_of(folder: Path, search: str, threshold: float = THRESHOLD) -> dict[str, Any]:
    return {
        "embeddings": {"method": f"bow_{folder.name}", "artefact_dir": str(folder)},
        "pairs": {"min_cosine_similarity": threshold, "search": search},
    }


def load(folder: Path) -> Codebook:
    return Codebook.from_tensors(unpack_artefact(read_artefact(folder))[0])


def found_in(lake: Path, method: str) -> set[tuple[str, str, float]]:
    """The pairs of a lake that the models of a method have found."""
    return {
        (row["left_id"], row["right_id"], row["cosine_similarity"])
        for row in read_rows(lake, "pairs")
        if row["model_id"].startswith(f"{method}-")
    }


def joined(found: set[Any]) -> dict[str, str]:
    """What pairs join. Videos that share all words have equal vectors: one of them stands for all."""
    left, right = (np.array([pair[side] for pair in sorted(found)], dtype=object) for side in (0, 1))
    return connected_components(left, right)


def frames_of(lake: Path) -> list[np.ndarray]:
    rows = read_rows(lake, "descriptors")
    return [np.frombuffer(row["frame_descriptors"], "<f2").reshape(-1, sum(LAYER_DIMS)) for row in rows]


@pytest.mark.parametrize(("variant", "num_dims"), [("vector", 5), ("layer", 5 * 17)])
def test_the_card_has_the_facts_of_the_training(trained: dict[str, Path], variant: str, num_dims: int) -> None:
    _, card = unpack_artefact(read_artefact(trained[variant]))
    assert (card.method, card.kind, card.fusion) == (f"bow_{variant}", "codebook", "late")
    assert (card.backbone, card.num_dims, card.licence) == ("efficientnet_lite0_ndvr", num_dims, "ours")
    assert (card.training["num_videos"], card.training["num_frames"]) == (9, 72)
    assert card.training["descriptor_id"].startswith("efficientnet_lite0_ndvr-1fps-")
    assert card.calibration is None


@pytest.mark.parametrize("variant", ["vector", "layer"])
def test_words_are_weighted_by_the_number_of_videos_that_contain_them(
    described: Described, trained: dict[str, Path], variant: str
) -> None:
    codebook = load(trained[variant])
    seen = [np.unique(codebook.find_words(frames)) for frames in frames_of(described.lake)]
    counts = np.bincount(np.concatenate(seen), minlength=len(codebook.idf))
    np.testing.assert_allclose(codebook.idf, np.log(9 / np.maximum(counts, 1)), rtol=1e-3)


def test_each_layer_has_its_own_words(trained: dict[str, Path]) -> None:
    assert load(trained["vector"]).block_dims == (3088,)
    assert load(trained["layer"]).block_dims == LAYER_DIMS


def test_equal_lakes_give_equal_bytes(spark: SparkSession, described: Described, trained: dict[str, Path]) -> None:
    codebook, facts = fit_on_lake(Lake(spark, str(described.lake)), FIVE_WORDS)
    assert pack_codebook(codebook, FIVE_WORDS, facts, "ours") == read_artefact(trained["vector"])


@pytest.mark.parametrize(("max_frames", "num_frames"), [(4, 4), (20, 18)], ids=["fewer than videos", "two a video"])
def test_the_number_of_clustered_frames_is_limited(
    spark: SparkSession, described: Described, max_frames: int, num_frames: int
) -> None:
    settings = CodebookSettings(num_words=2, max_frames=max_frames)
    _, facts = fit_on_lake(Lake(spark, str(described.lake)), settings)
    assert (facts["num_frames"], facts["num_videos"]) == (num_frames, 9)


def test_the_newest_descriptors_of_the_backbone_are_used(spark: SparkSession, described: Described) -> None:
    lake = Lake(spark, str(described.lake))
    stored = lake.read("descriptors")
    older = stored.where("video_id != 'glow'").withColumns(
        {
            "descriptor_id": F.lit("efficientnet_lite0_ndvr-2fps-0"),
            "described_at": F.lit("2001-01-01").cast("timestamp"),
        }
    )
    lake.provide("descriptors", older.unionByName(stored))
    _, facts = fit_on_lake(lake, FIVE_WORDS)
    assert facts["descriptor_id"].startswith("efficientnet_lite0_ndvr-1fps-")
    assert (facts["num_videos"], facts["num_frames"]) == (9, 72)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_words": 73}, "73 words need at least as many frames, got 72; .* or a smaller --num-words"),
        ({"where": "video_id = 'none'"}, "5 words need at least as many frames, got 0; use a lake with more videos"),
        ({"where": "colour = 'red'"}, "--where \"colour = 'red'\" is not a valid condition on the manifest: .*colour"),
        ({"backbone": "resnet9"}, "--backbone: unknown backbone 'resnet9': choose one of alexnet"),
        ({"backbone": "vgg16"}, "no videos in .* are described with backbone 'vgg16': run the nightly job first"),
    ],
)
def test_invalid_training_settings_are_rejected(
    spark: SparkSession, described: Described, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        fit_on_lake(Lake(spark, str(described.lake)), replace(FIVE_WORDS, **settings))


@pytest.mark.slow
def test_a_nightly_run_finds_the_copies_and_equal_pairs_with_either_search(
    spark: SparkSession, described: Described, trained: dict[str, Path], lake_copy: Path
) -> None:
    outcome = run_night(described.manifest, lake_copy, settings_of(trained["vector"], "inverted_index"))
    by_words = found_in(lake_copy, "bow_vector")
    assert joined(by_words) == joined(COPIES)
    assert {record.stage: record.num_rows for record in outcome.records}["pairs"] == len(by_words)
    lake = Lake(spark, str(lake_copy))
    run = make_run(spark, described.manifest, settings_of(trained["vector"], "faiss"))
    inputs = {name: lake.read(name) for name in ("manifest", "quarantine", "embeddings")}
    inputs |= make_search_inputs(inputs["embeddings"], run.model.model_id)
    rows = pairs.build(inputs, run).rows.collect()
    assert {(row["left_id"], row["right_id"], row["cosine_similarity"]) for row in rows} == by_words


def test_words_of_layers_find_the_copies_with_either_search(
    spark: SparkSession, described: Described, trained: dict[str, Path]
) -> None:
    lake, found = Lake(spark, str(described.lake)), {}
    for search in ("faiss", "inverted_index"):
        run = make_run(spark, described.manifest, settings_of(trained["layer"], search))
        inputs = {name: lake.read(name) for name in ("manifest", "quarantine", "descriptors", "embeddings")}
        inputs["embeddings"] = embeddings.build(inputs, run)
        rows = pairs.build(inputs | make_search_inputs(inputs["embeddings"], run.model.model_id), run).rows.collect()
        found[search] = {(row["left_id"], row["right_id"], row["cosine_similarity"]) for row in rows}
    assert joined(found["faiss"]) == joined(COPIES)
    assert found["inverted_index"] == found["faiss"]


def test_an_inverted_index_of_dense_vectors_is_rejected_before_the_run(
    spark: SparkSession, described: Described, tmp_path: Path
) -> None:
    del spark  # the night finds the session that is running
    settings = {
        "embeddings": {"method": "averaged"},
        "pairs": {"min_cosine_similarity": 0.9, "search": "inverted_index"},
    }
    with pytest.raises(
        UsageError,
        match=r"pairs\.search: inverted_index needs a method .*, bow_layer or bow_vector; .* averaged",
    ):
        run_night(described.manifest, tmp_path / "lake", settings)
    assert not (tmp_path / "lake" / "manifest").exists()


def test_an_inverted_index_cannot_find_videos_that_share_no_word(
    spark: SparkSession, described: Described, trained: dict[str, Path]
) -> None:
    run = make_run(spark, described.manifest, settings_of(trained["vector"], "inverted_index", 0.0))
    with pytest.raises(UsageError, match=r"set pairs\.min_cosine_similarity above 0, got 0\.0"):
        _ = run.search


def test_the_command_writes_a_model_that_a_nightly_run_can_use(
    spark: SparkSession, described: Described, tmp_path: Path
) -> None:
    del spark  # the command finds the session that is running
    options = ["--num-words", "3", "--where", "video_id LIKE '%checker%'", "--variant", "layer", "--seed", "7"]
    assert run_command(app, ["--lake", str(described.lake), "--out", str(tmp_path / "model"), *options]) == 0
    _, card = unpack_artefact(read_artefact(tmp_path / "model"))
    assert card.num_dims == 3 * 17
    assert card.training["num_videos"] == 3
    assert (card.training["where"], card.training["seed"]) == ("video_id LIKE '%checker%'", 7)
