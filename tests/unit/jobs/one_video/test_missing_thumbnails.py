"""The check of one video decodes the frames of stored videos whose thumbnails the index does not have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

import ndvr
from jobs.errors import TimeLimitError
from jobs.one_video.index.reader import IndexFolder
from jobs.one_video.stored_pictures import StoredPictures
from tests.support.clock_clips import write_frames
from tests.support.indexes import embed_videos, write_index
from tests.support.pictures import HEIGHT_PX, WIDTH_PX, edit, film
from udfs.verifying.moments import Moment

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from udfs.describing.missing_thumbnails import ThumbnailRequest

NUM_SECONDS = 12
TAKES = ("take", "other")


def write_take(path: Path, frames: Sequence[NDArray[np.uint8]]) -> Path:
    """Write a video that shows each grey frame for a second."""
    coloured = (np.repeat(frame[:, :, None], 3, axis=2) for frame in frames for _ in range(10))
    return write_frames(path, coloured, (WIDTH_PX, HEIGHT_PX))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two takes of one scene, and a cropped copy of the first one."""
    made = tmp_path_factory.mktemp("takes")
    first = film(scene=1, motion=1, num_frames=NUM_SECONDS)
    write_take(made / "take.mp4", first)
    write_take(made / "other.mp4", film(scene=1, motion=2, num_frames=NUM_SECONDS))
    size = (WIDTH_PX, HEIGHT_PX)
    write_take(made / "copy.mp4", edit(first, lambda image: image.crop((12, 6, 212, 120)).resize(size)))
    return made


@pytest.fixture(scope="module")
def rows(folder: Path) -> list[dict[str, Any]]:
    return embed_videos({name: folder / f"{name}.mp4" for name in TAKES})


def write_bare(lake: Path, rows: list[dict[str, Any]], folder: Path, **uris: str) -> None:
    """Write an index without thumbnails that names the files."""
    bare = [row | {"thumbnails": row["thumbnails"] and [None] * len(row["thumbnails"])} for row in map(complete, rows)]
    write_index(lake, [bare], uris={name: str(folder / f"{name}.mp4") for name in TAKES} | uris)


def complete(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row with the columns that rows of windows do not have."""
    return {"thumbnails": None} | row


def check(lake: Path, folder: Path) -> dict[str, ndvr.Match]:
    with ndvr.open(lake) as opened:
        return {match.video_id: match for match in opened.query(folder / "copy.mp4").matches}


def test_a_copy_and_a_take_get_the_answer_that_they_get_with_stored_thumbnails(
    folder: Path, rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    write_index(tmp_path / "stored", [rows])
    write_bare(tmp_path / "bare", rows, folder)
    stored, bare = check(tmp_path / "stored", folder), check(tmp_path / "bare", folder)
    assert stored.keys() == bare.keys() == set(TAKES)
    for name, match in stored.items():
        assert bare[name].is_duplicate == match.is_duplicate
        assert bare[name].match_probability == pytest.approx(match.match_probability, abs=1e-3)
        assert bare[name].evidence["place_agreement"] == pytest.approx(match.evidence["place_agreement"], abs=1e-3)
    assert stored["take"].is_duplicate
    changes = [stored[name].evidence["pixel_change_agreement"] or 0.0 for name in TAKES]
    assert changes == [pytest.approx(1.0, abs=0.1), pytest.approx(0.0, abs=0.2)]


def test_without_a_file_or_its_uri_the_first_look_decides(
    folder: Path, rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    write_bare(tmp_path / "gone", rows, folder, take=str(folder / "gone.mp4"), other=str(folder / "copy.mp4"))
    write_index(tmp_path / "older", [[complete(row) | {"thumbnails": None} for row in rows]])
    gone, older = check(tmp_path / "gone", folder), check(tmp_path / "older", folder)
    assert gone == older
    assert [match.evidence["place_agreement"] for match in gone.values()] == [None, None]


def test_no_file_is_decoded_after_the_deadline(folder: Path, rows: list[dict[str, Any]], tmp_path: Path) -> None:
    write_bare(tmp_path, rows, folder)
    index = IndexFolder(str(tmp_path)).open()
    candidates = {str(video.number): [video] for video in index.list_videos([0, 1])}
    asked: list[str] = []

    def make(requests: Iterable[ThumbnailRequest]) -> dict[str, list[bytes]]:
        asked.extend(request.video_id for request in requests)
        return {}

    def check_deadline() -> None:
        if len(asked) == len(candidates) + 1:
            raise TimeLimitError("late")

    pairs = pd.DataFrame(
        [{"left_id": name, "right_id": "", "moments": [dict.fromkeys(Moment._fields, 0)]} for name in candidates]
    )
    pictures = StoredPictures(index, candidates, make, check_deadline)
    assert pictures.add_to(pairs, [b"a picture"])["left_thumbnails"].tolist() == [None, None]
    assert asked == ["0", "1"]
    with pytest.raises(TimeLimitError, match="late"):
        pictures.add_to(pairs, [b"a picture"])
    assert asked == ["0", "1", "0"]
