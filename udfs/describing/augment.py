"""Compute descriptors of augmented video frames, the training data of heads."""

from __future__ import annotations

import hashlib
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from udfs.video import FrameChunk, VideoDone, VideoFailed, VideoRequest, VideoRestarted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from models.describer import FrameDescriber
    from udfs.describing.settings import DescribeSettings
    from udfs.video import DecodeEvent

AUGMENTED_FRAMES_DDL = (
    "video_id STRING NOT NULL, "
    "other_uri STRING NOT NULL COMMENT 'video of other footage, which some augmented frames also show', "
    "frame_index INT NOT NULL COMMENT 'index among the chosen frames, from 0', "
    "view_index INT NOT NULL COMMENT 'index of the augmented copy; 0 is the unedited frame', "
    "edits ARRAY<STRING> NOT NULL COMMENT 'names from models/frame_augmentations.py, in order', "
    "descriptor BINARY NOT NULL COMMENT 'float16 little-endian (dim,)'"
)
_MAX_HELD_FRAMES = 128  # per video, 600 kB each; frames of a longer video are sampled more sparsely
_NEARBY_SECONDS = 0.5  # the largest distance between a frame of the original and of a copy sampled once a second


@dataclass(frozen=True)
class AugmentationSettings:
    """The settings of `describe_augmented_frames`, sent to the executors.

    Attributes:
        describe: how frames are decoded and described. Its decoder's sampling should be denser than the lake's, and
            its decoder's `frame_px` larger than the backbone's `input_px`, so that crops stay sharp.
        frames_per_video: maximum number of frames of a video, evenly spread.
        num_augmentations: number of edited copies of each frame, in addition to the unedited frame.
        seed: seed of the edits.
    """

    describe: DescribeSettings
    frames_per_video: int
    num_augmentations: int
    seed: int


@dataclass
class _Pictures:
    """Frames of one video. If there are too many, every second one is dropped, repeatedly."""

    seconds: list[float] = field(default_factory=list)
    frames: list[NDArray[np.uint8]] = field(default_factory=list)
    stride: int = 1
    num_seen: int = 0

    def add(self, chunk: FrameChunk) -> None:
        for seconds, frame in zip(chunk.frame_seconds.tolist(), chunk.frames, strict=True):
            if self.num_seen % self.stride == 0:
                self.seconds.append(seconds)
                self.frames.append(frame)
            self.num_seen += 1
            if len(self.frames) > _MAX_HELD_FRAMES:
                self.seconds, self.frames, self.stride = self.seconds[::2], self.frames[::2], self.stride * 2


def describe_augmented_frames(
    batches: Iterator[pd.DataFrame], settings: AugmentationSettings, count_done: Callable[[int], None]
) -> Iterator[pd.DataFrame]:
    """Describe augmented frames of a partition's videos: video_id, uri, other_uri -> AUGMENTED_FRAMES_DDL, unordered.

    `other_uri` is a video of other footage, for edits that combine two pictures. A video that cannot be read has no
    rows. The result depends only on the video, the other video and the seed. Runs on: executor, by `mapInPandas`.

    Args:
        batches: the rows of the partition.
        settings: how frames are decoded, edited and described.
        count_done: called with 1 after each video, to report progress.
    """
    import pandas as pd

    from udfs.describing.describe import get_worker_pool
    from udfs.describing.device import get_task_describer

    rows = pd.concat([*batches, pd.DataFrame({"video_id": [], "uri": [], "other_uri": []}, dtype=object)])
    if rows.empty:
        return
    describe = settings.describe
    describer = get_task_describer(describe)
    pool = get_worker_pool(describe.decoder, describe.roots, num_decoders=1)
    uris = [uri for pair in zip(rows["uri"], rows["other_uri"], strict=True) for uri in pair]
    requests = [VideoRequest(str(place), uri) for place, uri in enumerate(uris)]
    with closing(pool.decode(requests)) as events:
        decoded = _collect(events)
        for video_id, other_uri in zip(rows["video_id"], rows["other_uri"], strict=True):
            (_, pictures), (_, others) = next(decoded), next(decoded)
            if pictures.frames:
                described = _describe_video(video_id, pictures, others, describer, settings)
                yield described.assign(other_uri=other_uri)
            count_done(1)


def _collect(events: Iterable[DecodeEvent]) -> Iterator[tuple[str, _Pictures]]:
    """Yield the pictures of each request, in the order of the requests. A failed request has no pictures."""
    pictures = _Pictures()
    for event in events:
        match event:
            case FrameChunk():
                pictures.add(event)
            case VideoRestarted():
                pictures = _Pictures()
            case VideoDone():
                yield event.video_id, pictures
                pictures = _Pictures()
            case VideoFailed():
                yield event.video_id, _Pictures()
                pictures = _Pictures()


def _describe_video(
    video_id: str, pictures: _Pictures, others: _Pictures, describer: FrameDescriber, settings: AugmentationSettings
) -> pd.DataFrame:
    """Compute and describe the augmented frames of one video."""
    import numpy as np
    import pandas as pd

    from models.borders import cut_borders
    from models.frame_augmentations import fit_to_square

    px = describer.spec.input_px
    rows, squares = [], []
    for frame_index, view_index, edits, picture in _augment_frames(video_id, pictures, others, settings):
        rows.append((video_id, frame_index, view_index, list(edits)))
        squares.append(fit_to_square(picture, px))
    frames = np.stack(squares)
    vectors = describer.describe(cut_borders(frames) if settings.describe.cuts_borders else frames)
    frame = pd.DataFrame(rows, columns=["video_id", "frame_index", "view_index", "edits"])
    return frame.assign(descriptor=[vector.astype("<f2").tobytes() for vector in vectors])


def _augment_frames(
    video_id: str, pictures: _Pictures, others: _Pictures, settings: AugmentationSettings
) -> Iterator[tuple[int, int, tuple[str, ...], NDArray[np.uint8]]]:
    """Yield (frame_index, view_index, edits, picture). As in a real copy, all frames of a copy have the same edits."""
    import numpy as np

    from models.frame_augmentations import apply_edits, draw_edit_names

    digest = int.from_bytes(hashlib.sha256(video_id.encode()).digest()[:8], "big")
    times = np.array(pictures.seconds)
    num_anchors = min(settings.frames_per_video, len(times))
    anchors = np.unique(np.linspace(0, len(times) - 1, num_anchors).round().astype(int))
    edits = [
        draw_edit_names(np.random.default_rng([settings.seed, digest, v])) for v in range(settings.num_augmentations)
    ]
    for frame_index, anchor in enumerate(anchors):
        yield frame_index, 0, (), _cut_content(pictures.frames[anchor])
        nearby = np.flatnonzero(np.abs(times - times[anchor]) <= _NEARBY_SECONDS)
        for view_index, names in enumerate(edits):
            rng = np.random.default_rng([settings.seed, digest, view_index, frame_index])
            picture = _cut_content(pictures.frames[int(rng.choice(nearby))])
            other = _cut_content(others.frames[frame_index % len(others.frames)]) if others.frames else 255 - picture
            yield frame_index, view_index + 1, names, apply_edits(picture, other, names, rng)


def _cut_content(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the picture without the padding of its square, and without other uniform borders."""
    from models.borders import find_content

    top, bottom, left, right = find_content(frame)
    return frame[top:bottom, left:right]
