"""A decoder child returns the right frames of a file from the right decoder, or the right fault."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING

import av
import numpy as np
import pytest
from av.stream import Disposition

from tests.support.videos import (
    CATALOGUE,
    Recipe,
    cut_padding,
    draw_picture,
    flip_bits,
    make_video,
    read_number,
)
from udfs.decoding.process import DecoderProcess, TimeBudget
from udfs.decoding.settings import DecoderSettings
from udfs.errors import RowError, RowErrorCode
from udfs.opening.probe import recognise_container
from udfs.video import DecodeLimits, SamplingRule

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any

    from numpy.typing import NDArray

FRAME_PX = 80
RULE = SamplingRule(sample_fps=1.0, min_frames=8)
BY_NAME = {recipe.name: recipe for recipe in CATALOGUE}
H264 = BY_NAME["libx264.mp4"]


@dataclass
class Decoded:
    decoder: str
    seconds: list[float]
    frames: NDArray[np.uint8]
    facts: dict[str, Any]

    def numbers(self, size: tuple[int, int] = (96, 64)) -> list[int]:
        return [read_number(cut_padding(frame, size)) for frame in self.frames]


@pytest.fixture(scope="module")
def child() -> Iterator[DecoderProcess]:
    process = DecoderProcess(DecoderSettings(FRAME_PX, RULE, DecodeLimits()))
    yield process
    process.close()


def decode(child: DecoderProcess, path: Path, *, allows_decord: bool = True) -> Decoded:
    """Let the child decode a file. A fault is raised."""
    fd = os.open(path, os.O_RDONLY)
    try:
        child.request(fd, recognise_container(fd, path.stat().st_size), allows_decord=allows_decord)
        budget = TimeBudget(60.0)
        seconds: list[float] = []
        chunks = [np.zeros((0, FRAME_PX, FRAME_PX, 3), dtype=np.uint8)]
        while (message := child.receive(budget)).header["kind"] == "frames":
            seconds += message.header["seconds"]
            chunks.append(np.frombuffer(message.payload, dtype=np.uint8).reshape(-1, *chunks[0].shape[1:]))
    finally:
        os.close(fd)
    if message.header["kind"] == "failed":
        raise RowError(RowErrorCode(message.header["code"]), message.header["detail"])
    return Decoded(child.decoder, seconds, np.concatenate(chunks), message.header["facts"])


def find_fault(path: Path, **limits: float) -> RowErrorCode:
    """The fault that a child with these limits reports with PyAV. With decord it must also report a fault."""
    child = DecoderProcess(DecoderSettings(FRAME_PX, RULE, replace(DecodeLimits(), **limits)))
    try:
        for allows_decord in (True, False):
            with pytest.raises(RowError) as caught:
                decode(child, path, allows_decord=allows_decord)
    finally:
        child.close()
    return caught.value.code


@pytest.mark.parametrize("recipe", CATALOGUE, ids=lambda recipe: recipe.name)
def test_the_right_frames_of_every_kind_of_file_are_decoded(
    recipe: Recipe, child: DecoderProcess, tmp_path: Path
) -> None:
    path = make_video(tmp_path / f"a{recipe.suffix}", recipe=recipe, seconds=2.4, fps=10)
    decoded = decode(child, path)
    assert decoded.numbers() == [0, 3, 6, 9, 12, 15, 18, 21]
    assert decoded.seconds == pytest.approx([0, 0.3, 0.6, 0.9, 1.2, 1.5, 1.8, 2.1], abs=0.001)
    assert decoded.facts["duration_seconds"] == pytest.approx(2.4, abs=0.01)
    assert decoded.facts["num_frames"] == 24
    assert decoded.facts["average_fps"] == pytest.approx(10, abs=0.05)
    assert (decoded.facts["width_px"], decoded.facts["height_px"]) == (96, 64)


@pytest.mark.parametrize("recipe", CATALOGUE, ids=lambda recipe: recipe.name)
def test_both_decoders_return_the_same_bytes(recipe: Recipe, child: DecoderProcess, tmp_path: Path) -> None:
    path = make_video(tmp_path / f"a{recipe.suffix}", recipe=recipe, seconds=9.5, fps=12, keyframe_every=20)
    first, second = decode(child, path), decode(child, path, allows_decord=False)
    assert second.decoder == "pyav"
    assert first.seconds == second.seconds
    assert len(first.seconds) == 10
    np.testing.assert_array_equal(first.frames, second.frames)


def test_decord_decodes_the_most_common_kinds(child: DecoderProcess, tmp_path: Path) -> None:
    for name in ("libx264.mp4", "libx264.mkv", "libvpx-vp9.webm", "libsvtav1.mp4", "mpeg4.avi", "gif.gif"):
        recipe = BY_NAME[name]
        assert decode(child, make_video(tmp_path / f"{name}", recipe=recipe)).decoder == "decord"


def test_decoded_colours_and_brightness_equal_the_drawn_ones(child: DecoderProcess, tmp_path: Path) -> None:
    for name in ("libx264.mp4", "mjpeg.mov"):  # limited and full range
        decoded = decode(child, make_video(tmp_path / name, recipe=BY_NAME[name]))
        drawn = av.VideoFrame.from_ndarray(draw_picture(0), format="rgb24")
        expected = drawn.reformat(80, 53, interpolation="BICUBIC").to_ndarray().astype(float)
        picture = cut_padding(decoded.frames[0], (96, 64)).astype(float)
        assert np.abs(picture - expected).mean() < 8
        assert np.abs(picture.mean(axis=(0, 1)) - expected.mean(axis=(0, 1))).max() < 2


def test_with_a_variable_frame_rate_the_displayed_frames_are_sampled(child: DecoderProcess, tmp_path: Path) -> None:
    shown_at = [0, 0.1, 0.2, 2.5, 2.6, 4.0, 7.04, 8.5, 8.7, 9.0]
    for suffix in (".mp4", ".mkv"):
        path = make_video(tmp_path / f"a{suffix}", recipe=replace(H264, suffix=suffix), frame_seconds=shown_at)
        for allows_decord in (True, False):
            decoded = decode(child, path, allows_decord=allows_decord)
            # At 0, 1, 2, ... 9 s fewer than 8 of the 10 frames are displayed, so frames at equal steps are chosen.
            assert decoded.numbers() == [0, 1, 2, 3, 5, 6, 7, 9]
            assert decoded.seconds == pytest.approx([shown_at[n] for n in decoded.numbers()], abs=0.001)


def test_times_are_relative_to_the_first_frame(child: DecoderProcess, tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", frame_seconds=[0.7 + 0.1 * n for n in range(20)])
    decoded = decode(child, path)
    assert decoded.seconds[0] == 0.0
    assert decoded.facts["duration_seconds"] == pytest.approx(2.0, abs=0.01)


@pytest.mark.parametrize("name", ["libx264.mp4", "mpeg4.mp4"])
def test_frames_hidden_by_an_edit_list_are_not_sampled(name: str, child: DecoderProcess, tmp_path: Path) -> None:
    starts_before_zero = [-0.35 + 0.1 * n for n in range(20)]
    path = make_video(tmp_path / "a.mp4", recipe=BY_NAME[name], frame_seconds=starts_before_zero)
    decoded = decode(child, path)
    assert decoded.decoder == "pyav"
    assert decoded.facts["num_frames"] == 16
    assert decoded.numbers()[0] == 4
    assert decoded.seconds[0] == 0.0


def test_open_groups_of_pictures_are_decoded_with_pyav(child: DecoderProcess, tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mkv", recipe=BY_NAME["libx265.mkv"], seconds=9, keyframe_every=15)
    decoded = decode(child, path)
    assert decoded.decoder == "pyav"
    assert decoded.numbers() == [0, 10, 20, 30, 40, 50, 60, 70, 80]


@pytest.mark.slow
def test_the_right_frames_of_nut_are_decoded(child: DecoderProcess, tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.nut", recipe=Recipe("rawvideo", ".nut"), seconds=9, fps=10)
    assert decode(child, path).numbers() == [0, 10, 20, 30, 40, 50, 60, 70, 80]


def test_long_videos_are_decoded_with_pyav(child: DecoderProcess, tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", recipe=BY_NAME["mpeg4.mp4"], seconds=1010, size=(32, 32))
    decoded = decode(child, path)
    assert decoded.decoder == "pyav"
    assert decoded.seconds == pytest.approx(list(range(1010)), abs=0.001)


@pytest.mark.parametrize("is_mirrored", [False, True])
@pytest.mark.parametrize("clockwise_degrees", [0, 90, 180, 270])
def test_the_display_matrix_is_applied(
    clockwise_degrees: int, is_mirrored: bool, child: DecoderProcess, tmp_path: Path
) -> None:
    upright = decode(child, make_video(tmp_path / "a.mp4")).frames[0]
    path = make_video(tmp_path / "b.mp4", clockwise_degrees=clockwise_degrees, is_mirrored=is_mirrored)
    turned = np.rot90(upright, -clockwise_degrees // 90).astype(float)
    expected = turned[:, ::-1] if is_mirrored else turned
    for allows_decord in (True, False):
        decoded = decode(child, path, allows_decord=allows_decord)
        # An odd pixel of padding is on the other side after a rotation. So a shift of one pixel is allowed.
        shifts = [np.roll(decoded.frames[0], shift, axis=(0, 1)) for shift in ((0, 0), (0, 1), (1, 0))]
        assert min(np.abs(shifted - expected).mean() for shifted in shifts) < 5
        sideways = clockwise_degrees in {90, 270}
        assert (decoded.facts["width_px"], decoded.facts["height_px"]) == ((64, 96) if sideways else (96, 64))


def test_the_pixel_aspect_is_applied(child: DecoderProcess, tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", size=(64, 64), pixel_aspect=Fraction(2, 1))
    for allows_decord in (True, False):
        frame = decode(child, path, allows_decord=allows_decord).frames[0]
        assert frame[:20].max() == 0
        assert frame[60:].max() == 0
        assert frame[20:60].mean(axis=(0, 2)).min() > 0


def test_a_width_that_decord_misreads_is_an_error(tmp_path: Path) -> None:
    child = DecoderProcess(DecoderSettings(48, RULE, DecodeLimits()))
    path = make_video(tmp_path / "a.mp4")
    try:
        with pytest.raises(RowError, match="decord returned an array"):
            decode(child, path)
    finally:
        child.close()


def test_a_wrong_duration_in_the_header_is_ignored(child: DecoderProcess, tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", seconds=2.0)
    content = bytearray(path.read_bytes())
    movie_header = content.index(b"mvhd") + 4
    content[movie_header + 16 : movie_header + 20] = struct.pack(">I", 2**31)
    path.write_bytes(content)
    assert decode(child, path).facts["duration_seconds"] == pytest.approx(2.0, abs=0.01)


def test_another_child_returns_the_same_bytes(child: DecoderProcess, tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4")
    other = DecoderProcess(DecoderSettings(FRAME_PX, RULE, DecodeLimits()))
    try:
        np.testing.assert_array_equal(decode(child, path).frames, decode(other, path).frames)
    finally:
        other.close()


def test_limits_are_enforced(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", seconds=3.0)
    assert find_fault(path, max_frame_pixels=96 * 64 - 1) == RowErrorCode.TOO_MANY_PIXELS
    assert find_fault(path, max_duration_seconds=2.9) == RowErrorCode.TOO_LONG
    assert find_fault(path, max_streams=0) == RowErrorCode.TOO_MANY_STREAMS


def write_sound(path: Path, *, with_cover: bool) -> Path:
    with av.open(str(path), "w") as container:
        sound = container.add_stream("aac", rate=16000)
        if with_cover:
            cover = container.add_stream("mjpeg", rate=1)
            cover.width, cover.height, cover.pix_fmt = 64, 64, "yuvj420p"
            cover.disposition = Disposition.attached_pic
            picture = av.VideoFrame.from_ndarray(draw_picture(0, (64, 64)), format="rgb24")
            container.mux(cover.encode(picture.reformat(format="yuvj420p")))
            container.mux(cover.encode())
        samples = av.AudioFrame.from_ndarray(np.zeros((1, 16000), np.float32), format="fltp", layout="mono")
        samples.sample_rate = 16000
        container.mux(sound.encode(samples))
        container.mux(sound.encode())
    return path


@pytest.mark.parametrize("with_cover", [False, True])
def test_an_audio_file_is_refused_even_with_a_cover_picture(with_cover: bool, tmp_path: Path) -> None:
    path = write_sound(tmp_path / "a.mp4", with_cover=with_cover)
    assert find_fault(path) == RowErrorCode.NO_VIDEO_STREAM


def test_a_video_without_packets_has_no_frames(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4")
    content = bytearray(path.read_bytes())
    for table in (b"stts", b"stsc", b"stsz", b"stco", b"ctts", b"stss"):
        at = content.find(table)
        if at >= 0:  # version and flags, then for stsz a size, then the number of entries
            count_at = at + (12 if table == b"stsz" else 8)
            content[count_at : count_at + 4] = bytes(4)
    path.write_bytes(content)
    assert find_fault(path) == RowErrorCode.NO_FRAMES


@pytest.mark.slow
@pytest.mark.parametrize("name", ["libx264.mp4", "libx264.mkv", "libsvtav1.mp4", "mpeg4.avi", "gif.gif"])
def test_a_video_with_flipped_bits_is_corrupt(name: str, tmp_path: Path) -> None:
    good = make_video(tmp_path / f"good-{name}", recipe=BY_NAME[name], seconds=9, size=(160, 120))
    content = good.read_bytes()
    body = tmp_path / "body"
    body.write_bytes(content[2000:-6000])  # headers and indexes stay undamaged
    for seed in range(4):
        flipped = flip_bits(body, tmp_path / "flipped", 0.002, seed).read_bytes()
        bad = tmp_path / f"bad-{seed}-{name}"
        bad.write_bytes(content[:2000] + flipped + content[-6000:])
        assert find_fault(bad) == RowErrorCode.CORRUPT


def damage_group_of_pictures(path: Path, number: int) -> None:
    """Overwrite all packets from one key frame up to the next.

    Whole packets are overwritten, not a fixed range of bytes: the output of an encoder depends on the instruction set
    of the processor, and damage within one slice may decode to garbage without an error.
    """
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    starts = [packet.pos for packet in packets if packet.is_keyframe]
    content = bytearray(path.read_bytes())
    begin, end = starts[number : number + 2]
    content[begin:end] = b"\xff" * (end - begin)
    path.write_bytes(content)


def test_one_damaged_group_of_pictures_in_a_long_video_is_tolerated(child: DecoderProcess, tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", seconds=40, keyframe_every=7)
    damage_group_of_pictures(path, number=20)  # frames 140 to 146
    with pytest.raises(RowError, match=r"FFmpeg logged an error|DECORD"):
        decode(child, path)
    decoded = decode(child, path, allows_decord=False)
    assert len(decoded.seconds) == 40
    assert sum(number == 10 * n for n, number in enumerate(decoded.numbers())) >= 38
