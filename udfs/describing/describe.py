"""Computes descriptors of videos: child processes decode, and a CNN processes batches of frames of several videos."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Protocol

from udfs.describing.description import Description, Unchanged, make_attempt_row
from udfs.video import (
    DecodeEvent,
    FileContent,
    FrameChunk,
    VideoDone,
    VideoFacts,
    VideoFailed,
    VideoRequest,
    VideoRestarted,
    VideoUnchanged,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from udfs.decoding.pool import DecoderPool
    from udfs.decoding.settings import DecoderSettings
    from udfs.describing.description import Outcome
    from udfs.describing.settings import DescribeSettings
    from udfs.opening.roots import Roots


class Describer(Protocol):
    """Computes descriptors of frames. `models.describer.FrameDescriber` is an implementation."""

    batch_frames: int

    def describe(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Map uint8 (n, px, px, 3) RGB frames to float32 (n, dim) descriptors."""


@dataclass
class _Progress:
    """A video that is being decoded. Its vectors are kept as float16, as in the table."""

    frame_seconds: list[NDArray[np.float64]] = field(default_factory=list)
    vectors: list[NDArray[np.float16]] = field(default_factory=list)
    thumbnails: list[bytes] = field(default_factory=list)
    details: list[NDArray[np.float32]] = field(default_factory=list)
    num_waiting: int = 0
    facts: VideoFacts | None = None

    def finish(self) -> Description:
        """Return the description of the complete video."""
        import numpy as np

        from models.pooling import pool_video

        if self.facts is None:
            raise RuntimeError("finish() was called before the decoder of the video was done")
        frames = np.concatenate(self.vectors)
        seconds = np.concatenate(self.frame_seconds)
        details = np.concatenate(self.details)
        return Description(self.facts, seconds, pool_video(frames), frames, details, self.thumbnails or None)


class _FrameQueue:
    """Queue of the frames of several videos. They are described in batches of a fixed size."""

    def __init__(self, describer: Describer) -> None:
        self._describer = describer
        self._pieces: list[tuple[_Progress, NDArray[np.uint8]]] = []
        self.num_frames = 0

    def add(self, video: _Progress, frames: NDArray[np.uint8]) -> None:
        """Append frames of a video."""
        self._pieces.append((video, frames))
        video.num_waiting += len(frames)
        self.num_frames += len(frames)

    def describe_one_batch(self) -> None:
        """Describe the first frames, at most one batch, and append the vectors to their videos."""
        import numpy as np

        taken: list[tuple[_Progress, NDArray[np.uint8]]] = []
        room = self._describer.batch_frames
        while room and self._pieces:
            video, frames = self._pieces.pop(0)
            if len(frames) > room:
                self._pieces.insert(0, (video, frames[room:]))
                frames = frames[:room]
            taken.append((video, frames))
            room -= len(frames)
        vectors = self._describer.describe(np.concatenate([frames for _, frames in taken]))
        begin = 0
        for video, frames in taken:
            end = begin + len(frames)
            video.vectors.append(vectors[begin:end].astype(np.float16))
            video.num_waiting -= len(frames)
            self.num_frames -= len(frames)
            begin = end


def describe_events(
    events: Iterable[DecodeEvent], describer: Describer, *, cuts_borders: bool = False, stores_thumbnails: bool = False
) -> Iterator[tuple[str, Outcome]]:
    """Describe videos while their frames arrive. Yields (video_id, outcome) of each video.

    Frames of several videos share a batch. The vector of a frame does not depend on the other frames of its batch, so
    the result does not depend on how events of different videos are interleaved. At most one batch and the chunks in
    the queue are in memory as pixels. Runs on: executor.

    Args:
        events: events of a `DecoderPool`.
        describer: computes the vectors.
        cuts_borders: whether uniform borders are cut off the frames before they are described.
        stores_thumbnails: whether descriptions have the frames as JPEG pictures too.
    """
    from models.borders import cut_borders
    from udfs.describing.thumbnails import crop_padding, encode_thumbnails, measure_details

    videos: dict[str, _Progress] = {}
    queue = _FrameQueue(describer)
    for event in events:
        match event:
            case FrameChunk():
                video = videos.setdefault(event.video_id, _Progress())
                video.frame_seconds.append(event.frame_seconds)
                pictures = crop_padding(event)
                video.details.append(measure_details(pictures))
                if stores_thumbnails:
                    video.thumbnails += encode_thumbnails(pictures)
                queue.add(video, cut_borders(event.frames) if cuts_borders else event.frames)
            case VideoRestarted():
                videos.pop(event.video_id, None)
            case VideoFailed():
                videos.pop(event.video_id, None)
                yield event.video_id, event.error
            case VideoUnchanged():
                yield event.video_id, Unchanged()
            case VideoDone():
                videos[event.video_id].facts = event.facts
        while queue.num_frames >= describer.batch_frames:
            queue.describe_one_batch()
        yield from _take_finished(videos)
    while queue.num_frames:
        queue.describe_one_batch()
    yield from _take_finished(videos)


def _take_finished(videos: dict[str, _Progress]) -> Iterator[tuple[str, Description]]:
    """Remove and yield the videos whose frames have all been decoded and described."""
    finished = [v for v, progress in videos.items() if progress.facts is not None and not progress.num_waiting]
    for video_id in finished:
        yield video_id, videos.pop(video_id).finish()


def describe_batches(
    batches: Iterator[pd.DataFrame], settings: DescribeSettings, count_done: Callable[[int], None]
) -> Iterator[pd.DataFrame]:
    """Describe the videos of a partition: rows of REQUEST_DDL -> ATTEMPT_DDL, one row per video, unordered.

    A video that cannot be described has a row with an error_code; it never fails the task. A file with the content that
    is already described is read, but not decoded.
    Runs on: executor, by `mapInPandas`. The CNN is loaded once per Python worker.

    Args:
        batches: the rows of the partition.
        settings: how videos are opened, decoded and described.
        count_done: called with 1 after each video, to report progress.
    """
    import pandas as pd

    from udfs.describing.device import get_task_describer

    requests = {request.video_id: request for batch in batches for request in _read_requests(batch)}
    if not requests:
        return
    describer = get_task_describer(settings)
    pool = get_worker_pool(settings.decoder, settings.roots, settings.num_decoders)
    with closing(pool.decode(requests.values())) as events:
        described = describe_events(
            events, describer, cuts_borders=settings.cuts_borders, stores_thumbnails=settings.stores_thumbnails
        )
        for video_id, outcome in described:
            count_done(1)
            yield pd.DataFrame([make_attempt_row(video_id, requests[video_id].uri, outcome)])


def _read_requests(rows: pd.DataFrame) -> Iterator[VideoRequest]:
    """Read rows of REQUEST_DDL."""
    import pandas as pd

    columns = ("video_id", "uri", "described_bytes", "described_sha256")
    for video_id, uri, size_bytes, sha256 in zip(*(rows[name] for name in columns), strict=True):
        described = None if pd.isna(sha256) else FileContent(int(size_bytes), sha256)
        yield VideoRequest(video_id, uri, described=described)


@cache
def get_worker_pool(settings: DecoderSettings, roots: Roots, num_decoders: int) -> DecoderPool:
    """Return the decoder pool of this Python worker.

    Its children keep running between tasks, because starting one takes half a second. They end with the worker.
    """
    from udfs.decoding.pool import DecoderPool

    return DecoderPool(settings, roots, num_decoders)
