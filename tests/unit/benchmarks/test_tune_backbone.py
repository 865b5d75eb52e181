"""The fine-tuning of the default backbone, on frames of a few generated clips."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from benchmarks.accuracy.clips import choose_split
from benchmarks.accuracy.tune_backbone import (
    AugmentedChunks,
    FixedAugmentations,
    Frame,
    main,
    make_teacher,
    take_frames,
)
from models.describer import FrameDescriber
from models.registry import WeightsFile, get_backbone
from tests.support.videos import make_video

if TYPE_CHECKING:
    from pathlib import Path

HEADER = "video_id,file,source_id,scene_group,duration_s\n"
SOURCES = [name for name in (f"source-{number}" for number in range(20)) if choose_split(name, set()) == "train"][:3]
HELD_OUT = next(name for name in (f"other-{number}" for number in range(20)) if choose_split(name, set()) != "train")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of three training clips, one held-out clip, and one broken clip."""
    made = tmp_path_factory.mktemp("clips")
    lines = [f"{name},{name}.mp4,{name},,2.0\n" for name in (*SOURCES, HELD_OUT)]
    for seed, name in enumerate((*SOURCES, HELD_OUT)):
        make_video(made / f"{name}.mp4", seconds=0.9, seed=seed)
    (made / "broken.mp4").write_bytes(b"no video")
    (made / "clips.csv").write_text(HEADER + "".join(lines) + f"broken,broken.mp4,{SOURCES[0]},,2.0\n")
    return made


@pytest.fixture(scope="module")
def frames(folder: Path) -> list[Frame]:
    return take_frames(folder, processes=1)


def test_frames_are_taken_from_the_train_split_and_a_broken_clip_is_skipped(frames: list[Frame]) -> None:
    assert {frame.source for frame in frames} == {0, 1, 2}
    assert len(frames) >= 6
    assert max(frames[0].open().shape) == 384


def test_a_chunk_has_two_different_copies_of_each_frame(frames: list[Frame]) -> None:
    copies, targets = next(iter(AugmentedChunks(frames)))
    assert (copies.dtype, copies.shape[1:]) == (torch.uint8, (224, 224, 3))
    assert targets.tolist() == [place for place in targets[::2].tolist() for _ in range(2)]
    assert len(set(targets.tolist())) == min(32, len(frames))
    assert not torch.equal(copies[0], copies[1])


@pytest.mark.slow
def test_the_teacher_has_a_distinct_unit_vector_for_each_frame(frames: list[Frame]) -> None:
    few = [next(frame for frame in frames if frame.source == source) for source in (0, 1, 2)]
    assert torch.equal(FixedAugmentations(few)[1], FixedAugmentations(few)[1])
    teacher = make_teacher(few, "cpu", processes=0)
    assert teacher.sources.tolist() == [0, 1, 2]
    np.testing.assert_allclose(np.linalg.norm(teacher.vectors, axis=1), 1, atol=1e-5)
    assert (teacher.vectors @ teacher.vectors.T)[~np.eye(3, dtype=bool)].max() < 0.9


@pytest.mark.slow
def test_the_written_weights_load_as_a_backbone(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    written = tmp_path / "tuned.safetensors"
    arguments = ["--clips", str(folder), "--out", str(written), "--processes", "1", "--steps", "1"]
    monkeypatch.setattr("sys.argv", ["tune_backbone.py", *arguments])
    main()
    sha256 = hashlib.sha256(written.read_bytes()).hexdigest()
    assert sha256 in capsys.readouterr().out
    spec = replace(get_backbone("efficientnet_lite0_ndvr"), weights=WeightsFile(written.name), weights_sha256=sha256)
    descriptors = FrameDescriber(spec, weights_dir=tmp_path).describe(np.zeros((1, 224, 224, 3), np.uint8))
    assert np.isfinite(descriptors).all()
