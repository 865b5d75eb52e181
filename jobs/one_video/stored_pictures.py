"""The pictures that the second look compares: those of the video in question, and of stored videos."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from udfs.describing.missing_thumbnails import ThumbnailRequest
from udfs.registering.look_batches import is_complete, list_frames

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pandas as pd

    from jobs.one_video.index.reader import Index, StoredVideo

ThumbnailMaker: TypeAlias = Callable[[Iterable[ThumbnailRequest]], dict[str, list[bytes]]]
"""Returns the thumbnails of the videos that can be read, by the id of their request."""


@dataclass(frozen=True)
class StoredPictures:
    """The thumbnails of stored videos: from the index or, where it has none, decoded from their files.

    Attributes:
        index: the stored videos.
        candidates: videos with an identical file, by the number of the first one as text.
        make_thumbnails: decodes frames of files.
        check_deadline: called before each file is decoded; it may raise.
    """

    index: Index
    candidates: Mapping[str, Sequence[StoredVideo]]
    make_thumbnails: ThumbnailMaker
    check_deadline: Callable[[], None]

    def add_to(self, rows: pd.DataFrame, of_question: Sequence[bytes]) -> pd.DataFrame:
        """Add the thumbnails of both sides that the second look needs; null where they cannot be had.

        Args:
            rows: aligned pairs. The id of the video in question is empty, that of a stored video is its number.
            of_question: the thumbnails of all frames of the video in question.
        """
        import pandas as pd

        complete = rows.copy()
        for side in ("left", "right"):
            wanted = [list_frames(moments, side) for moments in rows["moments"]]
            pictures = self._read(dict(zip(rows[f"{side}_id"], wanted, strict=True)))
            found = [
                pictures.get(number) if number else [of_question[frame] for frame in frames]
                for number, frames in zip(rows[f"{side}_id"], wanted, strict=True)
            ]
            complete[f"{side}_thumbnails"] = pd.Series(found, index=rows.index, dtype=object)
        return complete

    def _read(self, wanted: Mapping[str, list[int]]) -> dict[str, list[bytes]]:
        """Read the thumbnails of some frames of stored videos, and make the missing ones."""
        stored = {
            number: self.index.read_thumbnails(int(number), frames) for number, frames in wanted.items() if number
        }
        pictures = {number: list(found) for number, found in stored.items() if is_complete(found)}
        missing = {number: frames for number, frames in wanted.items() if number and frames and number not in pictures}
        return pictures | (self.make_thumbnails(self._request(missing)) if missing else {})

    def _request(self, missing: Mapping[str, list[int]]) -> Iterator[ThumbnailRequest]:
        for number, frames in missing.items():
            self.check_deadline()
            video = self.candidates[number][0]
            times = self.index.read_video(video.number)["frame_seconds"]
            seconds = tuple(float(times[frame]) for frame in frames)
            yield ThumbnailRequest(number, video.uri, seconds, video.content_sha256)
