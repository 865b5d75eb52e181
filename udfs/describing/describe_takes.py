"""Describes takes: cuts parts out of videos while they are decoded, edits copies, and describes them as nights do."""

from __future__ import annotations

import hashlib
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from udfs.describing.description import ATTEMPT_DDL, make_attempt_row
from udfs.describing.takes import COMPARED_FPS, COMPARED_PX, COPIES_PER_PART, MIN_PART_SECONDS, Part, split_video
from udfs.video import FrameChunk, SamplingRule, VideoDone, VideoFailed, VideoRequest, VideoRestarted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    import pandas as pd
    from numpy.typing import NDArray

    from udfs.decoding.settings import DecoderSettings
    from udfs.describing.settings import DescribeSettings
    from udfs.video import DecodeEvent

TAKES_DDL = (
    "parent_id STRING NOT NULL COMMENT 'video_id of the video that the part is cut from', "
    "part INT NOT NULL COMMENT 'number of the part, from 1', "
    "copy_index INT NOT NULL COMMENT 'index of the copy of the part; 0 is the unedited part', "
    "edits ARRAY<STRING> NOT NULL COMMENT 'names from models/frame_augmentations.py, in order', "
    "same_parts ARRAY<INT> NOT NULL COMMENT 'numbers of the parts of the video that look the same', "
) + ATTEMPT_DDL
_PICTURE_PX = 448  # twice the input of the CNN, so that crops stay sharp
_TOLERANCE_SECONDS = 1e-6


@dataclass(frozen=True)
class TakeSettings:
    """The settings of `describe_takes`, sent to the executors.

    Attributes:
        describe: how nights describe videos; its decoder's sampling is that of the takes.
        seed: seed of the edits.
    """

    describe: DescribeSettings
    seed: int

    @property
    def decoder(self) -> DecoderSettings:
        """How the videos are decoded: densely, so that parts can be compared and copies can start between samples."""
        sampling = self.describe.decoder.sampling
        sample_fps = max(COMPARED_FPS, sampling.sample_fps, sampling.min_frames / MIN_PART_SECONDS)
        return replace(self.describe.decoder, frame_px=_PICTURE_PX, sampling=SamplingRule(sample_fps))


@dataclass
class Copy:
    """A copy of a part of a video.

    Attributes:
        take_id: its id as a video.
        parent_id: video_id of the video.
        part: the part.
        copy_index: 0 is the unedited part.
        edits: names of the edits, the same for all frames.
        seed: seed of the strengths of the edits, the same for all frames.
        start_seconds: start in the video. Trimmed copies start up to one sampling step after their part.
        end_seconds: end in the video, exclusive.
        due_seconds: float64 (n,), ascending: when it is sampled, in seconds of the video.
        num_due_passed: number of these times that have passed.
        num_frames: number of its frames so far.
    """

    take_id: str
    parent_id: str
    part: Part
    copy_index: int
    edits: tuple[str, ...]
    seed: tuple[int, ...]
    start_seconds: float
    end_seconds: float
    due_seconds: NDArray[np.float64]
    num_due_passed: int = 0
    num_frames: int = 0

    def show(self, seconds: float, picture: NDArray[np.uint8], frame_px: int) -> FrameChunk | None:
        """Return the edited frame if the copy shows one at this time; frames come in time order."""
        from models.frame_augmentations import apply_edits, fit_to_square
        from models.square import fit_inside

        num_passed = int(np.searchsorted(self.due_seconds, seconds + _TOLERANCE_SECONDS, side="right"))
        if num_passed == self.num_due_passed:
            return None
        self.num_due_passed = num_passed
        self.num_frames += 1
        edited = apply_edits(picture, picture, self.edits, np.random.default_rng(self.seed))
        height, width = edited.shape[:2]
        relative = np.array([max(0.0, seconds - self.start_seconds)])
        square = fit_to_square(edited, frame_px)
        return FrameChunk(self.take_id, relative, square[None], fit_inside(width, height, frame_px))


@dataclass
class _Video:
    """The copies of a video that is being decoded, and grey pictures of its parts."""

    copies: list[Copy]
    bounds: dict[int, tuple[float, float]]
    greys: dict[int, list[NDArray[np.uint8]]] = field(default_factory=dict)

    def find_same_parts(self) -> dict[int, list[int]]:
        """Return for each part the parts that look the same."""
        from udfs.describing.takes import are_inseparable

        same: dict[int, list[int]] = {number: [] for number in self.bounds}
        for one, other in combinations(sorted(self.greys), 2):
            if are_inseparable(np.stack(self.greys[one]), np.stack(self.greys[other])):
                same[one].append(other)
                same[other].append(one)
        return same


class TakeCutter:
    """Turns the events of decoded videos into those of their takes, for `udfs.describing.describe.describe_events`.

    Args:
        durations_seconds: of each video that is decoded.
        settings: sampling and size of the frames, seed.

    Attributes:
        copies: the copies of all videos so far, by take_id.
        same_parts: for each video that is done, the numbers of the parts that look the same.
    """

    def __init__(self, durations_seconds: Mapping[str, float], settings: TakeSettings) -> None:
        self._durations = durations_seconds
        self._settings = settings
        self._videos: dict[str, _Video] = {}
        self.copies: dict[str, Copy] = {}
        self.same_parts: dict[str, dict[int, list[int]]] = {}

    def cut(self, events: Iterable[DecodeEvent]) -> Iterator[DecodeEvent]:
        """Yield the events of the takes while those of their videos arrive. No picture is kept."""
        for event in events:
            video = self._videos.get(event.video_id) or self._start(event.video_id)
            match event:
                case FrameChunk():
                    yield from self._cut_frames(video, event)
                case VideoRestarted():
                    del self._videos[event.video_id]
                    yield from (VideoRestarted(copy.take_id) for copy in video.copies if copy.num_frames)
                case VideoFailed():
                    del self._videos[event.video_id]
                    yield from (VideoFailed(copy.take_id, event.error) for copy in video.copies if copy.num_frames)
                case VideoDone():
                    del self._videos[event.video_id]
                    self.same_parts[event.video_id] = video.find_same_parts()
                    yield from (_finish(copy, event) for copy in video.copies if copy.num_frames)

    def _start(self, video_id: str) -> _Video:
        seconds = self._durations[video_id]
        parts = split_video(seconds)
        copies = [copy for part in parts for copy in plan_copies(video_id, part, seconds, self._settings)]
        self.copies |= {copy.take_id: copy for copy in copies}
        video = self._videos[video_id] = _Video(copies, {part.number: part.bounds(seconds) for part in parts})
        return video

    def _cut_frames(self, video: _Video, chunk: FrameChunk) -> Iterator[FrameChunk]:
        import cv2

        from udfs.describing.thumbnails import crop_padding

        for seconds, picture in zip(chunk.frame_seconds.tolist(), crop_padding(chunk), strict=True):
            shown = [number for number, (start, end) in video.bounds.items() if start <= seconds < end]
            for number in shown:
                grey = cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2GRAY)
                small = cv2.resize(grey, (COMPARED_PX, COMPARED_PX), interpolation=cv2.INTER_AREA)
                video.greys.setdefault(number, []).append(small.astype(np.uint8, copy=False))
            for copy in video.copies:
                if copy.part.number in shown:
                    frame = copy.show(seconds, picture, self._settings.describe.decoder.frame_px)
                    if frame is not None:
                        yield frame


def plan_copies(video_id: str, part: Part, video_seconds: float, settings: TakeSettings) -> list[Copy]:
    """Plan the copies of a part: the unedited part, then `COPIES_PER_PART` edited ones; the last one is also trimmed.

    Edits that show a second video are left out: copies of two parts would share its footage. The result depends only
    on the video_id, the part and the seed.
    """
    from models.frame_augmentations import draw_edit_names
    from udfs.decoding.sampling import choose_sample_seconds

    start, end = part.bounds(video_seconds)
    samples = choose_sample_seconds(end - start, settings.describe.decoder.sampling)
    digest = int.from_bytes(hashlib.sha256(video_id.encode()).digest()[:8], "big")
    copies = []
    for copy_index in range(COPIES_PER_PART + 1):
        seed = (settings.seed, digest, part.number, copy_index)
        rng = np.random.default_rng(seed)
        edits = draw_edit_names(rng, shows_other=False) if copy_index else ()
        step = float(samples[1]) if len(samples) > 1 else 0.0
        begin = start + (rng.uniform(0, step) if copy_index == COPIES_PER_PART else 0.0)
        due = begin + choose_sample_seconds(end - begin, settings.describe.decoder.sampling)
        take_id = f"{video_id}#{part.name}-copy-{copy_index}"
        copies.append(Copy(take_id, video_id, part, copy_index, edits, seed, begin, end, due))
    return copies


def _finish(copy: Copy, event: VideoDone) -> VideoDone:
    """Return the last event of a copy. Its facts are those of the video, except what the copy changes."""
    content = hashlib.sha256(f"{event.facts.content_sha256} {copy.take_id}".encode()).hexdigest()
    seconds = copy.end_seconds - copy.start_seconds
    num_frames = round(seconds * event.facts.average_fps)
    facts = replace(event.facts, content_sha256=content, duration_seconds=seconds, num_frames=num_frames)
    return VideoDone(copy.take_id, facts)


def describe_takes(
    batches: Iterator[pd.DataFrame], settings: TakeSettings, count_done: Callable[[int], None]
) -> Iterator[pd.DataFrame]:
    """Describe the takes of a partition's videos: video_id, uri, duration_seconds -> TAKES_DDL, unordered.

    A take is described like a video of a night, always with thumbnails: it has no file to decode them from later. A
    video that cannot be read, or is shorter than 9 s, has no rows. Runs on: executor, by `mapInPandas`.

    Args:
        batches: the rows of the partition.
        settings: how videos are decoded, edited and described.
        count_done: called with 1 after each video, to report progress.
    """
    import pandas as pd

    from udfs.describing.describe import describe_events, get_worker_pool
    from udfs.describing.device import get_task_describer

    given = [batch for batch in batches if not batch.empty]
    if not given:
        return
    rows = pd.concat(given)
    uris: dict[str, str] = dict(zip(rows["video_id"], rows["uri"], strict=True))
    durations: dict[str, float] = dict(zip(rows["video_id"], rows["duration_seconds"], strict=True))
    cutter = TakeCutter(durations, settings)
    describe = settings.describe
    pool = get_worker_pool(settings.decoder, describe.roots, num_decoders=1)
    requests = [VideoRequest(video_id, uri) for video_id, uri in uris.items()]
    with closing(pool.decode(requests)) as events:
        described = describe_events(
            cutter.cut(_count_videos(events, count_done)),
            get_task_describer(describe),
            cuts_borders=describe.cuts_borders,
            stores_thumbnails=True,
        )
        for take_id, outcome in described:
            if not isinstance(outcome, Exception):
                copy = cutter.copies[take_id]
                row = make_attempt_row(take_id, uris[copy.parent_id], outcome)
                yield pd.DataFrame([_name_take(copy, cutter.same_parts[copy.parent_id]) | row])


def _count_videos(events: Iterable[DecodeEvent], count_done: Callable[[int], None]) -> Iterator[DecodeEvent]:
    for event in events:
        yield event
        if isinstance(event, VideoDone | VideoFailed):
            count_done(1)


def _name_take(copy: Copy, same_parts: Mapping[int, list[int]]) -> dict[str, Any]:
    """Return the columns of TAKES_DDL that are not in ATTEMPT_DDL."""
    return {
        "parent_id": copy.parent_id,
        "part": copy.part.number,
        "copy_index": copy.copy_index,
        "edits": list(copy.edits),
        "same_parts": same_parts[copy.part.number],
    }
