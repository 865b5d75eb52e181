"""Makes thumbnails that are not stored: decodes only the frames that are needed, if the file can be read."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from udfs.describing.thumbnails import crop_padding, encode_thumbnails
from udfs.errors import RowError, RowErrorCode
from udfs.video import FrameChunk, VideoDone, VideoFailed, VideoRequest, VideoRestarted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import pandas as pd

    from udfs.decoding.pool import DecoderPool
    from udfs.describing.settings import DescribeSettings
    from udfs.video import DecodeEvent, VideoFacts

MADE_DDL = "video_id STRING, numbers ARRAY<INT>, thumbnails ARRAY<BINARY>, error_code STRING"
"""`thumbnails` are those of the frames `numbers`, in their order; null with an error_code."""


@dataclass(frozen=True)
class ThumbnailRequest:
    """The frames of a described video that thumbnails are needed of.

    Attributes:
        video_id: id of the video.
        uri: where it was described; None if that is unknown.
        seconds: times of the frames, as `descriptors` stores them; at least one, in any order.
        content_sha256: of the file that was described. Another file at the uri is refused; None accepts any.
    """

    video_id: str
    uri: str | None
    seconds: tuple[float, ...]
    content_sha256: str | None = None


class Thumbnails(NamedTuple):
    """Thumbnails of some frames of a video, in the order of their request.

    Attributes:
        seconds: their own times, which differ from the requested ones where the video has no frame.
        pictures: JPEG, as describing makes them.
    """

    seconds: list[float]
    pictures: list[bytes]


@dataclass
class _Progress:
    """A video that is being decoded."""

    request: ThumbnailRequest
    seconds: list[float] = field(default_factory=list)
    pictures: list[bytes] = field(default_factory=list)

    def add(self, chunk: FrameChunk) -> None:
        """Encode frames and keep them."""
        self.seconds += chunk.frame_seconds.tolist()
        self.pictures += encode_thumbnails(crop_padding(chunk))

    def clear(self) -> None:
        """Drop all frames: decoding starts again."""
        self.seconds.clear()
        self.pictures.clear()

    def finish(self, facts: VideoFacts) -> Thumbnails | RowError:
        """Return the thumbnails of the complete video."""
        import numpy as np

        from udfs.decoding.sampling import find_nearest_frames

        known = self.request.content_sha256
        if known is not None and facts.content_sha256 != known:
            detail = f"the file has SHA-256 {facts.content_sha256}, the described one had {known}"
            return RowError(RowErrorCode.REPLACED, detail)
        if not self.pictures:
            return RowError(RowErrorCode.NO_FRAMES, "the decoder returned no frames")
        found = np.array(self.seconds)
        numbers = find_nearest_frames(found, np.array(self.request.seconds)).tolist()
        return Thumbnails([self.seconds[n] for n in numbers], [self.pictures[n] for n in numbers])


def make_thumbnails(
    requests: Iterable[ThumbnailRequest], pool: DecoderPool
) -> Iterator[tuple[str, Thumbnails | RowError]]:
    """Decode frames of videos and make thumbnails of them, as describing does: (video_id, thumbnails or the fault).

    Each video is opened once. It is read from its folder or from the roots of the pool, under the pool's limits. The
    videos are in no order. Runs on: executor, and the machine that checks one video.

    Args:
        requests: one per video; read by the threads of the pool.
        pool: its `frame_px` is the longer side of the thumbnails.

    Raises:
        Exception: as `DecoderPool.decode`.
    """
    videos: dict[str, _Progress] = {}

    def list_requests() -> Iterator[VideoRequest]:
        for request in requests:
            videos[request.video_id] = _Progress(request)
            yield VideoRequest(request.video_id, request.uri, request.seconds, was_described=True)

    with closing(pool.decode(list_requests())) as events:
        for event in events:
            outcome = _handle_event(event, videos[event.video_id])
            if outcome is not None:
                del videos[event.video_id]
                yield event.video_id, outcome


def _handle_event(event: DecodeEvent, video: _Progress) -> Thumbnails | RowError | None:
    """Update a video by an event of its decoder; return its outcome after the last event."""
    match event:
        case FrameChunk():
            video.add(event)
        case VideoRestarted():
            video.clear()
        case VideoFailed():
            return event.error
        case VideoDone():
            return video.finish(event.facts)
    return None


def make_missing_batches(batches: Iterator[pd.DataFrame], settings: DescribeSettings) -> Iterator[pd.DataFrame]:
    """Make the thumbnails of videos: rows video_id, uri, content_sha256, numbers, seconds -> rows of MADE_DDL.

    `seconds` are the times of the frames `numbers`. A video that cannot be read has a row with an error_code; it never
    fails the task. Runs on: executor, by `mapInPandas`.
    """
    import pandas as pd

    from udfs.describing.describe import get_worker_pool

    for batch in batches:
        rows = {row["video_id"]: row for row in cast("list[dict[str, Any]]", batch.to_dict("records"))}
        if not rows:
            continue
        requests = (
            ThumbnailRequest(name, row["uri"], tuple(row["seconds"].tolist()), row["content_sha256"])
            for name, row in rows.items()
        )
        pool = get_worker_pool(settings.decoder, settings.roots, settings.num_decoders)
        for video_id, outcome in make_thumbnails(requests, pool):
            made = {"video_id": video_id, "numbers": rows[video_id]["numbers"], "thumbnails": None, "error_code": None}
            if isinstance(outcome, RowError):
                made["error_code"] = outcome.code.value
            else:
                made["thumbnails"] = outcome.pictures
            yield pd.DataFrame([made])
