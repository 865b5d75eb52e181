"""Augmented frames of real videos, described by the smallest network."""

from __future__ import annotations

import re
from contextlib import ExitStack
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from models.borders import cut_borders, find_content
from models.describer import load_describer
from models.frame_augmentations import EDITS, fit_to_square
from tests.support.videos import make_video
from udfs.decoding.pool import DecoderPool
from udfs.decoding.settings import DecoderSettings
from udfs.describing.augment import AUGMENTED_FRAMES_DDL, AugmentationSettings, _Pictures, describe_augmented_frames
from udfs.describing.settings import DescribeSettings
from udfs.opening.roots import Roots
from udfs.video import DecodeLimits, FrameChunk, SamplingRule, VideoRequest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

PICTURE_PX = 96
SAMPLING = SamplingRule(sample_fps=2.0, min_frames=6)
KEY = ["video_id", "frame_index", "view_index"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four different videos, a video of few frames, and a text file."""
    folder = tmp_path_factory.mktemp("videos")
    for seed, name in enumerate("abcd"):
        make_video(folder / f"{name}.mp4", seconds=3.0, seed=seed)
    make_video(folder / "short.mp4", seconds=0.2, seed=9)
    (folder / "text.mp4").write_text("no video\n" * 99, encoding="utf-8")
    return folder


@pytest.fixture(autouse=True, scope="module")
def _close_decoders_after_the_tests() -> Iterator[None]:
    with ExitStack() as pools, pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "udfs.describing.describe.get_worker_pool",
            cache(
                lambda settings, roots, num_decoders: pools.enter_context(DecoderPool(settings, roots, num_decoders))
            ),
        )
        yield


@pytest.fixture(scope="module")
def settings(folder: Path) -> AugmentationSettings:
    describe = DescribeSettings(
        Roots.of(str(folder)),
        DecoderSettings(PICTURE_PX, SAMPLING, DecodeLimits(stall_timeout_seconds=30.0)),
        backbone="tiny",
        weights_dir=None,
        allow_download=False,
        precision="fp32",
        batch_frames=8,
        cuts_borders=True,
        num_decoders=1,
    )
    return AugmentationSettings(describe, frames_per_video=3, num_augmentations=4, seed=0)


def requests(folder: Path, *names: str) -> pd.DataFrame:
    """Rows of videos with their other videos: "ab" is the video a with the other video b."""
    pairs = [name.split("-") if "-" in name else list(name) for name in names]
    rows = [(video, str(folder / f"{video}.mp4"), str(folder / f"{other}.mp4")) for video, other in pairs]
    return pd.DataFrame(rows, columns=["video_id", "uri", "other_uri"])


def describe(settings: AugmentationSettings, *batches: pd.DataFrame) -> pd.DataFrame:
    """Return all rows, sorted by video, frame and copy."""
    rows = pd.concat(describe_augmented_frames(iter(batches), settings, lambda _: None))
    return rows.sort_values(KEY, ignore_index=True)


@pytest.fixture(scope="module")
def augmented(folder: Path, settings: AugmentationSettings) -> pd.DataFrame:
    return describe(settings, requests(folder, "ab", "bc", "ca"))


def vectors(rows: pd.DataFrame) -> NDArray[np.float16]:
    return np.stack([np.frombuffer(stored, dtype="<f2") for stored in rows["descriptor"]])


def test_there_is_a_row_for_each_copy_of_each_frame(augmented: pd.DataFrame) -> None:
    assert {f"{name} " for name in augmented.columns} == set(
        re.findall(r"(?:^|, )(\w+ )(?=[A-Z])", AUGMENTED_FRAMES_DDL)
    )
    keys = [(video, frame, copy) for video in "abc" for frame in range(3) for copy in range(5)]
    assert list(augmented[KEY].itertuples(index=False, name=None)) == keys
    assert {len(stored) for stored in augmented["descriptor"]} == {112 * 2}
    assert np.isfinite(vectors(augmented)).all()


def test_a_row_names_the_other_footage(augmented: pd.DataFrame, folder: Path) -> None:
    others = augmented.groupby("video_id")["other_uri"].unique()
    assert {video: found.tolist() for video, found in others.items()} == {
        "a": [str(folder / "b.mp4")],
        "b": [str(folder / "c.mp4")],
        "c": [str(folder / "a.mp4")],
    }


def test_copy_0_has_no_edits_and_each_other_copy_has_one_to_three_which_are_the_same_in_all_frames(
    augmented: pd.DataFrame,
) -> None:
    named = augmented.assign(edits=augmented["edits"].map(tuple))
    assert set(named[named["view_index"] == 0]["edits"]) == {()}
    of_copy = named[named["view_index"] > 0].groupby(["video_id", "view_index"])["edits"].agg(set)
    assert {len(edits) for edits in of_copy} == {1}
    names = [edits for (edits,) in of_copy]
    assert {len(edits) for edits in names} <= {1, 2, 3}
    assert {name for edits in names for name in edits} <= set(EDITS)
    assert len(set(names)) > 6


def test_copy_0_is_the_decoded_frame_without_its_padding(augmented: pd.DataFrame, folder: Path) -> None:
    with DecoderPool(DecoderSettings(PICTURE_PX, SAMPLING), Roots.of(str(folder))) as pool:
        events = list(pool.decode([VideoRequest("a", str(folder / "a.mp4"))]))
    frames = np.concatenate([event.frames for event in events if isinstance(event, FrameChunk)])
    assert len(frames) == 6
    pictures = []
    for frame in frames[[0, 2, 5]]:  # the first, the last, and 2.5 rounded to even
        top, bottom, left, right = find_content(frame)
        pictures.append(fit_to_square(frame[top:bottom, left:right], 64))
    describer = load_describer("tiny", precision="fp32", batch_frames=8)
    expected = describer.describe(cut_borders(np.stack(pictures))).astype(np.float16)
    of_a = augmented[(augmented["video_id"] == "a") & (augmented["view_index"] == 0)]
    np.testing.assert_array_equal(vectors(of_a), expected)


def test_an_edited_copy_differs_from_the_unedited_frame(augmented: pd.DataFrame) -> None:
    for _, rows in augmented.groupby(["video_id", "frame_index"]):
        assert len(set(rows["descriptor"])) == 5


@pytest.mark.parametrize(
    "partitions", [[["ca"], ["ab"], ["bc"]], [["bc", "ca", "ab"]]], ids=["each alone", "another order"]
)
def test_the_result_does_not_depend_on_the_partitions_of_the_videos(
    partitions: list[list[str]], augmented: pd.DataFrame, folder: Path, settings: AugmentationSettings
) -> None:
    parts = [describe(settings, requests(folder, *names)) for names in partitions]
    again = pd.concat(parts).sort_values(KEY, ignore_index=True)
    pd.testing.assert_frame_equal(again, augmented)


def test_a_partition_may_consist_of_several_batches(
    augmented: pd.DataFrame, folder: Path, settings: AugmentationSettings
) -> None:
    batches = [requests(folder, "ab"), requests(folder), requests(folder, "bc", "ca")]
    pd.testing.assert_frame_equal(describe(settings, *batches), augmented)


def test_another_seed_changes_all_copies_except_copy_0(
    augmented: pd.DataFrame, folder: Path, settings: AugmentationSettings
) -> None:
    again = describe(replace(settings, seed=1), requests(folder, "ab", "bc", "ca"))
    is_same = again["descriptor"] == augmented["descriptor"]
    assert is_same[augmented["view_index"] == 0].all()
    assert not is_same[augmented["view_index"] > 0].any()


def test_a_larger_number_of_copies_begins_with_the_same_copies(
    augmented: pd.DataFrame, folder: Path, settings: AugmentationSettings
) -> None:
    more = describe(replace(settings, num_augmentations=5), requests(folder, "ab", "bc", "ca"))
    pd.testing.assert_frame_equal(more[more["view_index"] < 5].reset_index(drop=True), augmented)


def test_a_video_that_cannot_be_read_has_no_rows_and_does_not_affect_the_next(
    augmented: pd.DataFrame, folder: Path, settings: AugmentationSettings
) -> None:
    counted: list[int] = []
    asked = requests(folder, "ab", "text-a", "missing-b", "bc", "ca")
    found = pd.concat(describe_augmented_frames(iter([asked]), settings, counted.append))
    pd.testing.assert_frame_equal(found.sort_values(KEY, ignore_index=True), augmented)
    assert sum(counted) == 5


@pytest.mark.parametrize("other", ["text", "missing"])
def test_if_the_other_video_cannot_be_read_the_inverted_picture_replaces_it(
    other: str, augmented: pd.DataFrame, folder: Path, settings: AugmentationSettings
) -> None:
    found = describe(settings, requests(folder, f"a-{other}", "bc", "ca"))
    assert found[KEY].equals(augmented[KEY])
    assert set(found[found["video_id"] == "a"]["other_uri"]) == {str(folder / f"{other}.mp4")}
    shows_other = augmented["edits"].map(lambda edits: any("other" in name for name in edits))
    is_same = found["descriptor"] == augmented["descriptor"]
    assert is_same[~shows_other].all()
    assert not is_same[shows_other & (augmented["video_id"] == "a")].any()


def test_a_video_with_fewer_frames_than_requested_yields_all_its_frames(
    folder: Path, settings: AugmentationSettings
) -> None:
    found = describe(settings, requests(folder, "short-a"))
    assert sorted(set(found["frame_index"])) == [0, 1]
    assert len(found) == 2 * 5


def test_borders_that_an_edit_adds_are_cut_only_if_cuts_borders_is_set(
    augmented: pd.DataFrame, folder: Path, settings: AugmentationSettings
) -> None:
    uncut = replace(settings, describe=replace(settings.describe, cuts_borders=False))
    found = describe(uncut, requests(folder, "ab", "bc", "ca"))
    is_same = found["descriptor"] == augmented["descriptor"]
    assert is_same[augmented["view_index"] == 0].all()  # a picture that fills its square in one direction has no border
    is_padded = augmented["edits"].map(lambda edits: edits == ["pad"])
    assert is_padded.any()
    assert not is_same[is_padded].any()


def test_no_videos_yield_no_rows(settings: AugmentationSettings, folder: Path) -> None:
    assert list(describe_augmented_frames(iter([]), settings, lambda _: None)) == []
    assert list(describe_augmented_frames(iter([requests(folder)]), settings, lambda _: None)) == []


def chunks(num_frames: int, size: int) -> Iterator[FrameChunk]:
    """Frames whose grey value is their number."""
    numbers = np.arange(num_frames)
    for part in np.split(numbers, range(size, num_frames, size)):
        yield FrameChunk("v", part / 2, np.broadcast_to(part[:, None, None, None], (len(part), 2, 2, 3)))


@pytest.mark.parametrize(
    ("num_frames", "expected"),
    [
        (128, list(range(128))),
        (129, list(range(0, 129, 2))),
        (256, list(range(0, 256, 2))),
        (257, list(range(0, 257, 4))),
        (1000, list(range(0, 1000, 8))),
    ],
)
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_frames_of_a_long_video_are_thinned_evenly(num_frames: int, expected: list[int], size: int) -> None:
    pictures = _Pictures()
    for chunk in chunks(num_frames, size):
        pictures.add(chunk)
    assert [int(frame[0, 0, 0]) for frame in pictures.frames] == expected
    assert pictures.seconds == [number / 2 for number in expected]
