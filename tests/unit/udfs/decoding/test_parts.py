"""A decoder child reads all parts of a file on one timeline, or refuses the file with a code that says so."""

from __future__ import annotations

import random
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

import av
import pytest

from tests.support.videos import CATALOGUE, Recipe, draw_picture, make_video
from tests.unit.udfs.decoding.test_decode import BY_NAME, FRAME_PX, RULE, decode, find_fault
from udfs.decoding.process import DecoderProcess
from udfs.decoding.settings import DecoderSettings
from udfs.errors import RowErrorCode
from udfs.video import DecodeLimits

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

TS = BY_NAME["libx264.ts"]
MPEG2 = Recipe("mpeg2video", ".ts", options={"b": "4M"})


@pytest.fixture(scope="module")
def child() -> Iterator[DecoderProcess]:
    process = DecoderProcess(DecoderSettings(FRAME_PX, RULE, DecodeLimits()))
    yield process
    process.close()


def make_part(
    path: Path,
    recipe: Recipe,
    *,
    first: int = 0,
    starts_at: float = 0.0,
    size: tuple[int, int] = (96, 64),
    options: dict[str, str] | None = None,
) -> bytes:
    """Make five seconds, whose frames show the numbers from `first` on, at 10 fps (MPEG-2: at 25). Return the file."""
    fps = 25 if recipe.codec == "mpeg2video" else 10
    with av.open(str(path), "w", options=options or {}) as container:
        stream = container.add_stream(recipe.codec, rate=fps, options=dict(recipe.options))
        stream.width, stream.height, stream.pix_fmt = *size, recipe.pixel_format
        stream.codec_context.time_base = Fraction(1, fps)
        stream.codec_context.gop_size = 12
        stream.codec_context.thread_count = 1
        for number in range(5 * fps):
            picture = av.VideoFrame.from_ndarray(draw_picture(first + number, size), format="rgb24")
            frame = picture.reformat(format=recipe.pixel_format)
            frame.pts, frame.time_base = number + round(starts_at * fps), Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path.read_bytes()


def join(path: Path, parts: Sequence[bytes]) -> Path:
    path.write_bytes(b"".join(parts))
    return path


FIRST_TEN = [0, 10, 20, 30, 40, 100, 110, 120, 130, 140]


@pytest.mark.parametrize("starts", [(0, 0), (0, 3600), (3600, 0), (0, 40_000), (95_440, 0)])
def test_transport_streams_are_joined_whatever_their_clocks_show(
    starts: tuple[float, float], child: DecoderProcess, tmp_path: Path
) -> None:
    """The clock restarts, jumps forward by an hour or eleven, back by an hour, or over the end of its 33 bits."""
    first = make_part(tmp_path / "a.ts", TS, starts_at=starts[0])
    second = make_part(tmp_path / "b.ts", TS, first=100, starts_at=starts[1])
    decoded = decode(child, join(tmp_path / "joined.ts", [first, second]))
    assert decoded.decoder == "pyav"
    assert decoded.numbers() == FIRST_TEN
    assert decoded.seconds == pytest.approx(list(range(10)), abs=0.001)
    assert decoded.facts["duration_seconds"] == pytest.approx(10.0, abs=0.01)
    assert decoded.facts["num_frames"] == 100


@pytest.mark.parametrize("name", ["libx264.mkv", "libvpx-vp9.webm", "mpeg4.avi", "gif.gif", "libx264.m2ts"])
def test_other_containers_whose_parts_are_read_are_joined(name: str, child: DecoderProcess, tmp_path: Path) -> None:
    recipe = BY_NAME.get(name) or replace(TS, suffix=".m2ts")
    parts = [make_part(tmp_path / f"{first}{recipe.suffix}", recipe, first=first) for first in (0, 100)]
    decoded = decode(child, join(tmp_path / name, parts))
    assert decoded.numbers() == FIRST_TEN
    assert decoded.facts["duration_seconds"] == pytest.approx(10.0, abs=0.01)


@pytest.mark.parametrize("suffix", [".mpg", ".vob"])
def test_program_streams_are_joined(suffix: str, child: DecoderProcess, tmp_path: Path) -> None:
    recipe = replace(MPEG2, suffix=suffix)
    parts = [make_part(tmp_path / f"{first}{suffix}", recipe, first=first) for first in (0, 200)]
    decoded = decode(child, join(tmp_path / f"joined{suffix}", parts))
    assert decoded.numbers() == [0, 25, 50, 75, 100, 200, 225, 250, 275, 300]
    assert decoded.facts["duration_seconds"] == pytest.approx(10.0, abs=0.05)


def test_frame_sizes_may_change(child: DecoderProcess, tmp_path: Path) -> None:
    parts = [
        make_part(tmp_path / f"{first}.ts", TS, first=first, size=size)
        for first, size in ((0, (96, 64)), (100, (192, 128)))
    ]
    assert decode(child, join(tmp_path / "joined.ts", parts)).numbers() == FIRST_TEN


@pytest.mark.parametrize("recipe", [TS, replace(BY_NAME["libx265.mp4"], suffix=".ts")], ids=lambda recipe: recipe.codec)
def test_a_stream_that_continues_another_is_read_after_it(
    recipe: Recipe, child: DecoderProcess, tmp_path: Path
) -> None:
    first = make_part(tmp_path / "a.ts", TS)
    second = make_part(tmp_path / "b.ts", recipe, first=100, options={"mpegts_start_pid": "0x200"})
    decoded = decode(child, join(tmp_path / "joined.ts", [first, second]))
    assert decoded.numbers() == FIRST_TEN
    assert decoded.facts["duration_seconds"] == pytest.approx(10.0, abs=0.01)


def test_a_program_that_ffmpeg_does_not_detect_is_refused(tmp_path: Path) -> None:
    options = {"mpegts_start_pid": "0x200", "mpegts_pmt_start_pid": "0x1100", "mpegts_service_id": "7"}
    parts = [make_part(tmp_path / "a.ts", TS), make_part(tmp_path / "b.ts", TS, first=100, options=options)]
    assert find_fault(join(tmp_path / "joined.ts", parts)) == RowErrorCode.UNREAD_PARTS


def test_a_stream_that_interrupts_another_is_refused(tmp_path: Path) -> None:
    first, last = make_part(tmp_path / "a.ts", TS), make_part(tmp_path / "c.ts", TS, first=200)
    between = make_part(tmp_path / "b.ts", TS, first=100, options={"mpegts_start_pid": "0x200"})
    assert find_fault(join(tmp_path / "joined.ts", [first, between, last])) == RowErrorCode.UNREAD_PARTS


@pytest.mark.parametrize("name", ["libx264.mp4", "libx264.flv", "mjpeg.mov"])
def test_a_second_file_that_is_not_read_is_refused(name: str, tmp_path: Path) -> None:
    recipe = BY_NAME[name]
    parts = [make_part(tmp_path / f"{first}{recipe.suffix}", recipe, first=first) for first in (0, 100)]
    assert find_fault(join(tmp_path / name, parts)) == RowErrorCode.UNREAD_PARTS


@pytest.mark.parametrize("names", [("a.ts", "b.mp4"), ("a.mkv", "b.mp4"), ("a.ts", "b.mpg"), ("a.mpg", "b.ts")])
def test_another_kind_of_file_behind_the_first_is_refused(names: tuple[str, str], tmp_path: Path) -> None:
    recipes = {".ts": TS, ".mp4": BY_NAME["libx264.mp4"], ".mkv": BY_NAME["libx264.mkv"], ".mpg": MPEG2}
    parts = [make_part(tmp_path / name, recipes[name[1:]]) for name in names]
    joined = join(tmp_path / f"joined{names[0][1:]}", parts)
    assert find_fault(joined) == RowErrorCode.UNREAD_PARTS


def test_fragments_whose_timestamps_restart_are_refused(tmp_path: Path) -> None:
    options = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
    content = bytearray(make_part(tmp_path / "a.mp4", BY_NAME["libx264.mp4"], options=options))
    at = content.find(b"tfdt")
    while at >= 0:
        num_bytes = 8 if content[at + 4] else 4  # version 1 has 64 bits
        content[at + 8 : at + 8 + num_bytes] = bytes(num_bytes)
        at = content.find(b"tfdt", at + 1)
    assert find_fault(join(tmp_path / "restarts.mp4", [bytes(content)])) == RowErrorCode.UNREAD_PARTS


def make_tracks(path: Path, tracks: Sequence[tuple[int, int, int]]) -> Path:
    """Make a video stream for each (number of the first frame, number of frames, start in frames), at 10 fps."""
    with av.open(str(path), "w") as container:
        streams, packets = [], []
        for _ in tracks:
            stream = container.add_stream("libx264", rate=10, options={"preset": "veryfast", "crf": "18"})
            stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
            stream.codec_context.time_base = Fraction(1, 10)
            stream.codec_context.thread_count = 1
            streams.append(stream)
        for stream, (first, num_frames, start) in zip(streams, tracks, strict=True):
            for number in range(num_frames):
                picture = av.VideoFrame.from_ndarray(draw_picture(first + number), format="rgb24")
                frame = picture.reformat(format="yuv420p")
                frame.pts, frame.time_base = number + start, Fraction(1, 10)
                packets += stream.encode(frame)
            packets += stream.encode()
        container.mux(sorted(packets, key=lambda packet: packet.dts * packet.time_base))
    return path


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_of_tracks_beside_each_other_one_is_read(suffix: str, child: DecoderProcess, tmp_path: Path) -> None:
    decoded = decode(child, make_tracks(tmp_path / f"a{suffix}", [(0, 50, 0), (200, 50, 0)]))
    assert decoded.facts["num_frames"] == 50
    assert max(decoded.numbers()) < 200


def test_tracks_behind_each_other_are_all_read(child: DecoderProcess, tmp_path: Path) -> None:
    decoded = decode(child, make_tracks(tmp_path / "a.mp4", [(0, 50, 0), (100, 50, 50)]))
    assert decoded.numbers() == FIRST_TEN


def test_a_track_that_lasts_longer_than_the_best_one_is_refused(tmp_path: Path) -> None:
    path = make_tracks(tmp_path / "a.mp4", [(0, 50, 0), (200, 150, 0)])
    assert find_fault(path) == RowErrorCode.UNREAD_PARTS


def test_a_pause_of_an_hour_is_content_of_an_mp4_but_not_of_a_transport_stream(
    child: DecoderProcess, tmp_path: Path
) -> None:
    shown_at = [*(0.1 * n for n in range(50)), *(3600 + 0.1 * n for n in range(50))]
    paused = decode(child, make_video(tmp_path / "a.mp4", frame_seconds=shown_at))
    assert paused.facts["duration_seconds"] == pytest.approx(3605.0, abs=0.01)
    assert len(paused.seconds) == 11
    lost = decode(child, make_video(tmp_path / "a.ts", recipe=TS, frame_seconds=shown_at))
    assert 9.0 < lost.facts["duration_seconds"] < 10.01


@pytest.mark.parametrize("name", ["libx264.ts", "libx265.ts", "libx264.m2ts", "mpeg2video.mpg", "mpeg2video.vob"])
def test_a_stream_cut_at_any_byte_is_read_from_its_first_key_frame(
    name: str, child: DecoderProcess, tmp_path: Path
) -> None:
    codec, _, suffix = name.partition(".")
    options = next(recipe.options for recipe in CATALOGUE if recipe.codec == codec)
    content = make_part(tmp_path / name, Recipe(codec, f".{suffix}", options=options))
    whole = decode(child, tmp_path / name)
    rng = random.Random(name)
    for cut in (1, *rng.sample(range(2, len(content) * 2 // 3), 4)):
        decoded = decode(child, join(tmp_path / f"cut.{suffix}", [content[cut:]]))
        last = whole.facts["num_frames"]
        # FFmpeg may give the first two frames of a program stream the same time.
        assert abs(decoded.numbers()[0] - (last - decoded.facts["num_frames"])) <= (suffix in {"mpg", "vob"}), cut
        assert decoded.seconds[0] == 0.0
        assert decoded.numbers()[-1] < last


def test_damage_is_counted_from_the_first_key_frame_of_an_open_group(child: DecoderProcess, tmp_path: Path) -> None:
    options = {"preset": "medium", "crf": "18", "x264-params": "open-gop=1:bframes=3:scenecut=0"}
    content = make_part(tmp_path / "a.ts", replace(TS, options=options))
    for share in (0.3, 0.5):
        decoded = decode(child, join(tmp_path / "cut.ts", [content[int(len(content) * share) + 7 :]]))
        assert decoded.seconds[0] == 0.0
        assert decoded.numbers()[0] % 12 == 0


def test_parts_that_are_cut_are_joined_from_their_first_key_frames(child: DecoderProcess, tmp_path: Path) -> None:
    first = make_part(tmp_path / "a.ts", TS, starts_at=3600)
    second = make_part(tmp_path / "b.ts", TS, first=100)
    decoded = decode(child, join(tmp_path / "joined.ts", [first[9_001:], second[9_001:]]))
    assert decoded.facts["num_frames"] == 76
    assert decoded.facts["duration_seconds"] == pytest.approx(7.6, abs=0.01)
    assert decoded.numbers()[0] == 12


def test_bytes_without_packets_are_skipped(child: DecoderProcess, tmp_path: Path) -> None:
    content = make_part(tmp_path / "a.ts", TS)
    for hole in (70_000, 500_000):
        joined = join(tmp_path / "hole.ts", [bytes(hole), content, bytes(hole), content, bytes(hole)])
        decoded = decode(child, joined)
        assert decoded.facts["num_frames"] == 100
