from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from tests.support.videos import CATALOGUE, Recipe, flip_bits, make_video
from udfs.decoding.pool import DecoderPool
from udfs.decoding.settings import DecoderSettings
from udfs.describing.describe import get_worker_pool
from udfs.describing.missing_thumbnails import ThumbnailRequest, Thumbnails, make_missing_batches, make_thumbnails
from udfs.describing.settings import DescribeSettings
from udfs.describing.thumbnails import crop_padding, encode_thumbnails
from udfs.errors import RowError
from udfs.opening.roots import Roots
from udfs.video import DecodeLimits, FrameChunk, VideoRequest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FRAME_PX = 96
BY_NAME = {recipe.name: recipe for recipe in CATALOGUE}
LONG: dict[str, Any] = {"seconds": 30.0, "fps": 5, "size": (64, 48)}


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DecoderPool]:
    """A pool that may read another folder than that of any video."""
    limits = DecodeLimits(stall_timeout_seconds=30.0)
    with DecoderPool(
        DecoderSettings(FRAME_PX, limits=limits), Roots.of(str(tmp_path_factory.mktemp("root")))
    ) as opened:
        yield opened


def describe(path: Path, pool: DecoderPool) -> tuple[list[float], list[bytes]]:
    """Return the times and the thumbnails of the sampled frames, as describing stores them."""
    seconds: list[float] = []
    pictures: list[bytes] = []
    for event in pool.decode([VideoRequest("a", str(path), was_described=True)]):
        if isinstance(event, FrameChunk):
            seconds += event.frame_seconds.tolist()
            pictures += encode_thumbnails(crop_padding(event))
    return seconds, pictures


def make_one(pool: DecoderPool, path: Path, *seconds: float, content_sha256: str | None = None) -> Thumbnails:
    """Return the thumbnails of a video; raise its fault."""
    ((video_id, outcome),) = make_thumbnails([ThumbnailRequest("a", str(path), seconds, content_sha256)], pool)
    assert video_id == "a"
    if isinstance(outcome, RowError):
        raise outcome
    return outcome


@pytest.mark.parametrize("name", ["libx264.mp4", "libx264.ts", "libx265.mkv", "libvpx.webm"])
def test_the_thumbnails_are_those_that_describing_stores(name: str, pool: DecoderPool, tmp_path: Path) -> None:
    recipe: Recipe = BY_NAME[name]
    path = make_video(tmp_path / f"a{recipe.suffix}", recipe=recipe, seconds=10.3, fps=6, keyframe_every=20)
    seconds, pictures = describe(path, pool)
    numbers = [7, 2, 3, 9, 0]
    made = make_one(pool, path, *[seconds[n] for n in numbers])
    assert made.seconds == [seconds[n] for n in numbers]
    assert made.pictures == [pictures[n] for n in numbers]


def test_only_the_frames_that_are_needed_are_decoded(pool: DecoderPool, tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", **LONG)
    events = list(pool.decode([VideoRequest("a", str(path), (21.0, 3.0, 21.0), was_described=True)]))
    (chunk,) = [event for event in events if isinstance(event, FrameChunk)]
    assert chunk.frame_seconds.tolist() == [3.0, 21.0]


def test_the_nearest_frame_stands_for_a_time_without_one(pool: DecoderPool, tmp_path: Path) -> None:
    made = make_one(pool, make_video(tmp_path / "a.mp4"), 0.44, 0.46, 99.0)
    assert made.seconds == pytest.approx([0.4, 0.5, 1.9])


def test_more_frames_are_asked_for_than_fit_in_a_header(pool: DecoderPool, tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", seconds=2.0)
    made = make_one(pool, path, *np.linspace(0.0, 1.9, 20_001))
    assert len(made.pictures) == 20_001
    assert len(set(made.seconds)) == 20


def test_a_file_that_was_replaced_is_refused(pool: DecoderPool, tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert make_one(pool, path, 0.5, content_sha256=digest).seconds == [0.5]
    make_video(path, seed=1)
    with pytest.raises(
        RowError, match=f"REPLACED: the file has SHA-256 [0-9a-f]{{64}}, the described one had {digest}"
    ):
        make_one(pool, path, 0.5, content_sha256=digest)


def test_a_video_that_cannot_be_read_has_its_fault_and_the_others_their_thumbnails(
    pool: DecoderPool, tmp_path: Path
) -> None:
    outside, linked = make_video(tmp_path / "outside.mp4"), tmp_path / "folder" / "link.mp4"
    linked.parent.mkdir()
    linked.symlink_to(outside)
    damaged = flip_bits(make_video(tmp_path / "whole.mp4"), tmp_path / "damaged.mp4", 0.02)
    uris = {
        "good": str(outside),
        "gone": str(tmp_path / "gone.mp4"),
        "link": str(linked),
        "damaged": str(damaged),
        "unknown": None,
    }
    requests = [ThumbnailRequest(video_id, uri, (0.5, 1.0)) for video_id, uri in uris.items()]
    outcomes = dict(make_thumbnails(requests, pool))
    assert outcomes.keys() == uris.keys()
    codes = {name: str(outcome.code) for name, outcome in outcomes.items() if isinstance(outcome, RowError)}
    assert codes.pop("damaged") in {"OPEN_FAILED", "CORRUPT", "DECODE_FAILED", "TRUNCATED"}
    assert codes == {"gone": "NOT_FOUND", "link": "OUTSIDE_ROOTS", "unknown": "MISSING_URI"}
    assert isinstance(outcomes["good"], Thumbnails)


def test_a_video_that_takes_too_long_has_its_fault(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mkv", recipe=BY_NAME["libx265.mkv"], **LONG)
    limits = DecodeLimits(total_timeout_seconds=0.001)
    slow = DecoderPool(DecoderSettings(FRAME_PX, limits=limits), Roots.of(str(tmp_path)))
    with slow, pytest.raises(RowError, match="DECODE_TIMEOUT"):
        make_one(slow, path, 29.0)


def test_rows_have_thumbnails_in_the_order_of_their_numbers_or_an_error_code(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", seconds=9.0)
    settings = DescribeSettings(Roots.of(), DecoderSettings(FRAME_PX))
    row: dict[str, Any] = {"content_sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "numbers": [5, 1]}
    row["seconds"] = np.array([5.0, 1.0])
    rows = [row | {"video_id": "a", "uri": str(path)}, row | {"video_id": "b", "uri": None}]
    try:
        batches = list(make_missing_batches(iter([pd.DataFrame(rows), pd.DataFrame(rows).iloc[:0]]), settings))
        (described,) = [describe(path, get_worker_pool(settings.decoder, settings.roots, settings.num_decoders))]
    finally:
        get_worker_pool(settings.decoder, settings.roots, settings.num_decoders).close()
        get_worker_pool.cache_clear()
    made = {
        video_id: found for batch in batches for video_id, found in batch.set_index("video_id").to_dict("index").items()
    }
    assert made["a"] == {"numbers": [5, 1], "thumbnails": [described[1][5], described[1][1]], "error_code": None}
    assert made["b"] == {"numbers": [5, 1], "thumbnails": None, "error_code": "MISSING_URI"}
