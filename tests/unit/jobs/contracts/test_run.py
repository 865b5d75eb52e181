from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any
from unittest.mock import create_autospec

import numpy as np
import pytest

from jobs.config.loading import load_config
from jobs.config.settings import Config
from jobs.contracts.progress import Progress
from jobs.contracts.run import Run, add_windows_to_id
from jobs.errors import UsageError
from models.artefact import BACKGROUND, ModelCard, pack_artefact, read_artefact, unpack_artefact, write_artefact
from models.calibration import Calibration
from models.embedders import LinearHead
from models.embedding_models import EmbeddingModel, find_model
from tests.support.verifiers import leaf, make_verifier
from udfs.embedding.embed import Windows

if TYPE_CHECKING:
    from pathlib import Path

    from models.verifier import Verifier

VERIFIER = make_verifier(leaf(1.0), intercept=-1.0, min_probability=0.7)
EARLY = EmbeddingModel("whitened-tiny-0", "tiny", "whitened", "early", "x", None)
LATE = EmbeddingModel("contrastive-tiny-0", "tiny", "contrastive", "late", "x", None)
WORDS = EmbeddingModel("bow_vector-tiny-0", "tiny", "bow_vector", "late", "x", None)


@pytest.fixture(autouse=True)
def _remove_environment_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in [name for name in os.environ if name.startswith("NDVR_")]:
        monkeypatch.delenv(name)


def write_model(folder: Path, fusion: str = "late", verifier: Verifier | None = VERIFIER) -> Path:
    """Write the artefact of a model of tiny descriptors, and return its folder."""
    tensors = LinearHead(np.zeros(3, np.float32), np.eye(3, 2, dtype=np.float32)).to_tensors()
    tensors[BACKGROUND] = np.eye(2, dtype=np.float32)
    card = ModelCard(
        "contrastive", "linear", "tiny", fusion, 2, "none", {}, {}, Calibration(0.6, -9.0, 20.0, ""), verifier
    )
    write_artefact(folder, pack_artefact(tensors, card))
    return folder


def make(folder: Path, **settings: Any) -> Run:
    """Return a run with the model in a folder."""
    sections: dict[str, Any] = {"describe": {"backbone": "tiny"}, "embeddings": {"artefact_dir": folder}}
    for name, section in settings.items():
        sections[name] = sections.get(name, {}) | section
    progress = create_autospec(Progress)  # the real one starts Spark
    return Run("r", date(2024, 5, 1), datetime(2024, 5, 1, tzinfo=UTC), "/manifest.csv", Config(**sections), progress)


def test_the_windows_come_from_the_config(tmp_path: Path) -> None:
    assert make(write_model(tmp_path)).windows == Windows(4.0, 2.0)
    assert make(tmp_path, embeddings={"window_seconds": 6, "hop_seconds": 1.5}).windows == Windows(6.0, 1.5)


def test_a_model_that_embeds_segments_has_the_windows_in_its_id(tmp_path: Path) -> None:
    _, card = unpack_artefact(read_artefact(write_model(tmp_path)))
    run = make(tmp_path)
    named = f"contrastive-{run.config.describe.descriptor_id}-{card.version}"
    assert run.model.model_id == f"{named}-w4h2"
    assert make(tmp_path, embeddings={"hop_seconds": 0.5}).model.model_id == f"{named}-w4h0.5"


def test_a_model_without_frame_vectors_has_no_windows_in_its_id() -> None:
    windows = Windows(4.0, 2.0)
    assert add_windows_to_id(EARLY, windows) is EARLY
    assert add_windows_to_id(WORDS, windows) is WORDS
    assert add_windows_to_id(LATE, windows).model_id == "contrastive-tiny-0-w4h2"
    assert (EARLY.keeps_frames, WORDS.keeps_frames, LATE.keeps_frames) == (False, False, True)


def test_a_model_with_windows_in_its_id_is_loaded_from_its_artefact(tmp_path: Path) -> None:
    model = make(write_model(tmp_path)).model
    assert model.load().embed_video(np.float32([[1, 0, -1]])).tolist() == pytest.approx([1.0, 0.0])
    assert model.load_background().vectors.tolist() == [[1.0, 0.0], [0.0, 1.0]]


def test_a_background_of_another_version_is_rejected(tmp_path: Path) -> None:
    stale = find_model("auto", "tiny", "tiny-1fps-0", write_model(tmp_path))
    tensors, card = unpack_artefact(read_artefact(tmp_path))
    write_artefact(tmp_path, pack_artefact(tensors | {BACKGROUND: np.eye(2)[::-1]}, card))
    with pytest.raises(ValueError, match=r"has version \w{8}, not that of contrastive-tiny-1fps-0-\w{8}: copy the"):
        stale.load_background()


def test_the_verifier_is_that_of_the_model(tmp_path: Path) -> None:
    assert make(write_model(tmp_path)).verifier == VERIFIER


def test_a_run_has_no_verifier_if_the_model_has_none(tmp_path: Path) -> None:
    assert make(write_model(tmp_path, verifier=None)).verifier is None
    assert make(tmp_path, pairs={"min_match_probability": 0.9}).verifier is None


def test_a_cosine_threshold_disables_the_verifier(tmp_path: Path) -> None:
    run = make(write_model(tmp_path), pairs={"min_cosine_similarity": 0.8})
    assert run.verifier is None
    assert run.calibration.min_cosine_similarity == 0.8


@pytest.mark.parametrize("threshold", [0.0, 0.35, 1.0])
def test_the_configured_probability_threshold_overrides_that_of_the_model(threshold: float, tmp_path: Path) -> None:
    run = make(write_model(tmp_path), pairs={"min_match_probability": threshold})
    assert run.verifier == replace(VERIFIER, min_probability=threshold)


def test_windows_with_gaps_are_rejected(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("embeddings: {window_seconds: 3, hop_seconds: 5}\n", encoding="utf-8")
    with pytest.raises(
        UsageError,
        match=r"embeddings: Value error, hop_seconds must be at most window_seconds \(3\), got 5: footage between "
        "two windows would not be searched",
    ):
        load_config(file)


def test_windows_without_overlap_are_accepted() -> None:
    assert Config(embeddings={"window_seconds": 3, "hop_seconds": 3}).embeddings.hop_seconds == 3.0


def test_the_fingerprint_changes_with_settings_and_with_the_calibration_of_the_model(tmp_path: Path) -> None:
    first = make(write_model(tmp_path))
    same = {first.fingerprint, make(tmp_path).fingerprint}
    assert len(same) == 1
    assert make(tmp_path, pairs={"min_match_probability": 0.9}).fingerprint not in same
    fitted_again = make(write_model(tmp_path, verifier=replace(VERIFIER, min_probability=0.8)))
    assert fitted_again.model.model_id == first.model.model_id
    assert fitted_again.fingerprint not in same
