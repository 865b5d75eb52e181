from __future__ import annotations

import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from jobs.demo.editing.edits import EDITS, Edit, Footage
from jobs.demo.editing.transcode import ClipFacts, apply_edit, survey_clip
from tests.support.clock_clips import (
    HEIGHT_PX,
    WIDTH_PX,
    frame_at,
    seconds_shown,
    write_clock_clip,
    write_frames,
)

RED = (200, 0, 0)
SOURCE_SECONDS = 4.0
SIZES_PX = {
    "resize-50": (50, 30),
    "crop-5": (94, 56),
    "crop-15": (84, 50),
    "crop-30": (70, 42),
    "letterbox": (100, 78),
    "pillarbox": (130, 60),
}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clock_clip(tmp_path_factory.mktemp("clips") / "source.mp4")


@pytest.fixture(scope="module")
def companion(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clock_clip(tmp_path_factory.mktemp("clips") / "companion.avi", num_frames=20, right=RED)


def run(name: str, source: Path, companion: Path, folder: Path, seed: int = 0) -> tuple[Path, tuple[Footage, ...]]:
    edit = EDITS[name]
    target = folder / f"{name}.{edit.encoding.extension}"
    return target, apply_edit(source, target, edit, companion if edit.needs_companion else None, seed)


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_writes_a_video_that_is_what_it_says(name: str, source: Path, companion: Path, tmp_path: Path) -> None:
    target, footage = run(name, source, companion, tmp_path)
    facts = survey_clip(target)
    edit = EDITS[name]
    assert facts.fps == (edit.fps or 10)
    assert facts.duration_seconds == pytest.approx(
        max(stretch.target_end_seconds for stretch in footage), abs=float(1 / facts.fps)
    )
    assert (facts.width_px, facts.height_px) == SIZES_PX.get(name, (WIDTH_PX, HEIGHT_PX))
    with av.open(str(target)) as container:
        assert edit.encoding.container in container.format.name.split(",") or target.suffix == ".webm"
        decoder = container.streams.video[0].codec_context.name
    assert decoder == {".mp4": "h264", ".webm": "vp9", ".avi": "mpeg4", ".mkv": "hevc"}[target.suffix]


@pytest.mark.parametrize("name", EDITS)
def test_the_same_input_and_seed_give_the_same_bytes(name: str, source: Path, companion: Path, tmp_path: Path) -> None:
    first = run(name, source, companion, tmp_path)[0].read_bytes()
    assert run(name, source, companion, tmp_path)[0].read_bytes() == first


def test_what_lies_in_fresh_memory_does_not_reach_the_encoded_bytes(tmp_path: Path) -> None:
    texture = np.random.default_rng(0).integers(0, 255, (30, 60, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
    moving = write_frames(tmp_path / "moving.avi", (texture[k : k + 60, 2 * k : 2 * k + 100] for k in range(60)))
    code = (
        "import sys; from pathlib import Path; "
        "from jobs.demo.editing.edits import EDITS; from jobs.demo.editing.transcode import apply_edit; "
        "apply_edit(Path(sys.argv[1]), Path(sys.argv[2]), EDITS['mirror'])"
    )
    encoded = []
    for fill in ("1", "170"):  # glibc fills what it allocates with a byte made from this
        target = tmp_path / f"{fill}.mp4"
        subprocess.run(
            [sys.executable, "-c", code, str(moving), str(target)],
            check=True,
            cwd=Path(__file__).parents[5],
            env={**os.environ, "MALLOC_PERTURB_": fill},
        )
        encoded.append(target.read_bytes())
    assert encoded[0] == encoded[1]


def test_another_seed_gives_other_noise(source: Path, companion: Path, tmp_path: Path) -> None:
    first = run("noise", source, companion, tmp_path, seed=1)[0].read_bytes()
    assert run("noise", source, companion, tmp_path, seed=2)[0].read_bytes() != first


@pytest.mark.parametrize(
    "name",
    [
        "reencode-low-bitrate",
        "reencode-webm",
        "reencode-avi",
        "reencode-mkv",
        "fps-10",
        "caption",
        "logo",
        "speed-80",
        "speed-125",
        "trim-head",
        "trim-tail",
        "middle-clip",
    ],
)
def test_the_frame_at_a_target_time_shows_the_source_time_that_the_footage_maps_it_to(
    name: str, source: Path, companion: Path, tmp_path: Path
) -> None:
    target, (stretch,) = run(name, source, companion, tmp_path)
    for fraction in (0.0, 0.25, 0.5, 0.75, 0.95):
        target_seconds = stretch.target_start_seconds + fraction * (
            stretch.target_end_seconds - stretch.target_start_seconds
        )
        source_seconds = stretch.source_start_seconds + fraction * (
            stretch.source_end_seconds - stretch.source_start_seconds
        )
        assert seconds_shown(frame_at(target, target_seconds)) == pytest.approx(source_seconds, abs=0.2)


@pytest.mark.parametrize("name", ["splice", "concat"])
def test_each_stretch_shows_the_input_and_the_time_that_it_names(
    name: str, source: Path, companion: Path, tmp_path: Path
) -> None:
    target, footage = run(name, source, companion, tmp_path)
    assert {stretch.from_companion for stretch in footage} == {False, True}
    for stretch in footage:
        middle = (stretch.target_start_seconds + stretch.target_end_seconds) / 2
        frame = frame_at(target, middle)
        assert bool(frame[30, 75, 0] > frame[30, 75, 1]) == stretch.from_companion, "red is the companion's"
        expected = (stretch.source_start_seconds + stretch.source_end_seconds) / 2
        assert seconds_shown(frame) == pytest.approx(expected, abs=0.2)


def test_an_inset_shows_the_companion_in_a_corner_and_goes_when_it_ends(
    source: Path, companion: Path, tmp_path: Path
) -> None:
    target, _ = run("picture-in-picture", source, companion, tmp_path)
    during, after = frame_at(target, 1.0), frame_at(target, 3.0)
    assert during[50, 92, 0] > during[50, 92, 1], "the corner is the companion's red"
    assert during[10, 92, 1] > during[10, 92, 0], "the rest is the source's green"
    assert after[50, 92, 1] > after[50, 92, 0]


def test_a_companion_of_another_shape_keeps_its_shape_between_bars(source: Path, tmp_path: Path) -> None:
    narrow = tmp_path / "narrow.mp4"
    pillar = Edit("narrow", filters=(("crop", "30:60"),))
    apply_edit(source, narrow, pillar)
    joined = tmp_path / "joined.mp4"
    apply_edit(source, joined, EDITS["concat"], narrow)
    last = frame_at(joined, 7.0)
    assert last.shape == (HEIGHT_PX, WIDTH_PX, 3)
    assert last[:, :30].max() < 30
    assert last[:, 70:].max() < 30
    assert last[:, 40:60].max() > 100


def changes_of(name: str, source: Path, folder: Path) -> tuple[np.ndarray, np.ndarray]:
    target, _ = run(name, source, source, folder)
    return frame_at(source, 2.0).astype(float), frame_at(target, 2.0).astype(float)


def test_mirror_swaps_left_and_right(source: Path, tmp_path: Path) -> None:
    before, after = changes_of("mirror", source, tmp_path)
    assert np.abs(after - before[:, ::-1]).mean() < 6
    assert np.abs(after - before).mean() > 20


def test_brightness_raises_the_mean(source: Path, tmp_path: Path) -> None:
    before, after = changes_of("brightness", source, tmp_path)
    assert 25 < after[:, :45].mean() - before[:, :45].mean() < 55


def test_contrast_drives_dark_greys_down(source: Path, tmp_path: Path) -> None:
    target, _ = run("contrast", source, source, tmp_path)
    assert frame_at(target, 0.0)[:, :45].mean() < frame_at(source, 0.0)[:, :45].mean() - 15
    assert frame_at(target, 3.9)[:, :45].mean() > frame_at(source, 3.9)[:, :45].mean() + 15


def test_grayscale_leaves_no_colour(source: Path, tmp_path: Path) -> None:
    before, after = changes_of("grayscale", source, tmp_path)
    assert np.ptp(before, axis=2).max() > 100
    assert np.ptp(after, axis=2).max() < 8


def test_blur_softens_the_edge_in_the_middle(source: Path, tmp_path: Path) -> None:
    before, after = changes_of("blur", source, tmp_path)
    assert np.abs(np.diff(after[30, :, 0])).max() < 0.5 * np.abs(np.diff(before[30, :, 0])).max()


def test_noise_roughens_a_flat_area(source: Path, tmp_path: Path) -> None:
    before, after = changes_of("noise", source, tmp_path)
    assert after[5:55, 5:40].std() > before[5:55, 5:40].std() + 2


@pytest.mark.parametrize(("name", "bars"), [("letterbox", np.s_[:6]), ("pillarbox", np.s_[:, :10])])
def test_boxes_add_black_bars(name: str, bars: tuple[slice, ...], source: Path, tmp_path: Path) -> None:
    target, _ = run(name, source, source, tmp_path)
    frame = frame_at(target, 2.0)
    assert frame[bars].max() < 30
    assert frame[frame.shape[0] // 2, frame.shape[1] // 4].min() > 90


def test_rotation_brings_black_corners_into_the_frame(source: Path, tmp_path: Path) -> None:
    target, _ = run("rotate-5", source, source, tmp_path)
    frame = frame_at(target, 3.0)
    assert frame[0, 0].max() < 60
    assert frame[30, 20].min() > 100


def test_sound_is_dropped(tmp_path: Path) -> None:
    talkie = tmp_path / "talkie.mp4"
    with av.open(str(talkie), "w") as container:
        video = container.add_stream("mpeg4", rate=10)
        video.width, video.height, video.pix_fmt = 32, 32, "yuv420p"
        sound = container.add_stream("aac", rate=44100)
        for _ in range(10):
            picture = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
            container.mux(video.encode(picture.reformat(format="yuv420p")))
            noise = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            noise.rate = 44100
            container.mux(sound.encode(noise))
        for stream in (video, sound):
            container.mux(stream.encode(None))
    target = tmp_path / "silent.mp4"
    apply_edit(talkie, target, EDITS["mirror"])
    with av.open(str(talkie)) as before, av.open(str(target)) as after:
        assert [len(before.streams.audio), len(after.streams.audio)] == [1, 0]


def test_a_wide_source_is_shrunk_to_the_greatest_width(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "small.mp4"
    apply_edit(source, target, EDITS["mirror"], max_width_px=51)
    assert survey_clip(target) == ClipFacts(SOURCE_SECONDS, Fraction(10), 50, 30)


def test_an_edit_that_needs_a_companion_refuses_to_go_without(source: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'splice' needs a companion clip"):
        apply_edit(source, tmp_path / "a.mp4", EDITS["splice"])


def test_an_edit_that_takes_no_companion_refuses_one(source: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'mirror' takes no companion clip"):
        apply_edit(source, tmp_path / "a.mp4", EDITS["mirror"], source)


def test_a_target_with_another_extension_is_refused(source: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"'reencode-webm' writes \.webm files; got 'a\.mp4'"):
        apply_edit(source, tmp_path / "a.mp4", EDITS["reencode-webm"])


def test_a_clip_of_one_frame_is_refused(tmp_path: Path) -> None:
    still = write_clock_clip(tmp_path / "still.mp4", num_frames=1)
    with pytest.raises(ValueError, match="has 1 video frames at different times"):
        survey_clip(still)


def test_a_file_that_is_no_video_is_an_error_of_ffmpeg(tmp_path: Path) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("not a video")
    with pytest.raises(av.FFmpegError):
        survey_clip(text)
