"""Applies an edit to a video file with PyAV and writes the edited file, without sound."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import count
from typing import TYPE_CHECKING, cast

from jobs.demo.editing.edits import trace_footage

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    import av
    import av.filter

    from jobs.demo.editing.edits import Drawing, Edit, Encoding, Footage, Layout
    from jobs.demo.editing.overlays import Pixels

# Matroska and WebM count time in milliseconds, so a frame's time is off by up to half of one.
TIME_TOLERANCE_SECONDS = 0.002
# 30000/1001, NTSC's frame rate, has the largest denominator in use.
MAX_FPS_DENOMINATOR = 1001


@dataclass(frozen=True)
class ClipFacts:
    """Facts from decoding a whole clip. Times come from its frames, not from its header."""

    duration_seconds: float
    fps: Fraction
    width_px: int
    height_px: int


def apply_edit(
    source_path: Path,
    target_path: Path,
    edit: Edit,
    companion_path: Path | None = None,
    seed: int = 0,
    max_width_px: int = 1920,
) -> tuple[Footage, ...]:
    """Write the edited video, without sound. The same inputs and seed give the same bytes on one machine.

    Rotation metadata is ignored: pixels are used as they are coded.

    Args:
        source_path: video to edit. The result keeps its size and frame rate unless the edit changes them.
        target_path: file to write, with the extension of `edit.encoding`. An existing file is replaced.
        edit: edit to apply.
        companion_path: second clip, if the edit needs one; it is fitted into the frame of the source.
        seed: seed of edits that draw random numbers.
        max_width_px: a wider source is scaled to this width before the edit.

    Returns:
        The stretches of the inputs that the result shows, as `trace_footage` returns them.

    Raises:
        ValueError: companion or extension do not match the edit, or an input has fewer than two frames.
        av.FFmpegError: an input cannot be read, or the result cannot be written.
    """
    if edit.needs_companion != (companion_path is not None):
        needs = "needs a companion clip" if edit.needs_companion else "takes no companion clip"
        raise ValueError(f"edit {edit.name!r} {needs}; got companion_path={companion_path}")
    if target_path.suffix != f".{edit.encoding.extension}":
        raise ValueError(f"edit {edit.name!r} writes .{edit.encoding.extension} files; got {target_path.name!r}")
    source = survey_clip(source_path)
    canvas_px = _choose_canvas(source, max_width_px)
    companion_seconds = survey_clip(companion_path).duration_seconds if companion_path else 0.0
    footage = trace_footage(edit, source.duration_seconds, companion_seconds)
    fps = edit.fps or source.fps

    frames: Iterator[av.VideoFrame] = (
        frame
        for stretch in (footage[:-1] if edit.layout else footage)
        for frame in _play(stretch, (source_path, companion_path), canvas_px, edit, fps, seed)
    )
    if edit.draw is not None:
        frames = _draw(frames, edit.draw)
    if edit.layout is not None and companion_path is not None:
        frames = _lay_out(frames, companion_path, footage[-1], edit.layout, fps)
    write_video(frames, target_path, edit.encoding, fps)
    return footage


def survey_clip(path: Path) -> ClipFacts:
    """Decode a whole clip and return its duration, mean frame rate and coded size.

    Raises:
        ValueError: the clip has fewer than two frames.
        av.FFmpegError: the clip cannot be read.
    """
    width_px = height_px = num_frames = 0
    last_seconds = 0.0
    for seconds, frame in read_timed_frames(path):
        width_px, height_px, num_frames, last_seconds = frame.width, frame.height, num_frames + 1, seconds
    if not last_seconds:
        raise ValueError(f"{path} has {num_frames} video frames at different times; an edit needs two or more")
    fps = Fraction((num_frames - 1) / last_seconds).limit_denominator(MAX_FPS_DENOMINATOR)
    return ClipFacts(last_seconds + float(1 / fps), fps, width_px, height_px)


def read_timed_frames(path: Path) -> Iterator[tuple[float, av.VideoFrame]]:
    """Yield (seconds since the first frame, frame) in the order of presentation."""
    import av

    with av.open(str(path)) as container:
        container.streams.video[0].thread_type = "AUTO"
        first_seconds = None
        for frame in container.decode(video=0):
            first_seconds = frame.time if first_seconds is None else first_seconds
            yield frame.time - first_seconds, frame


def _frames_shown(path: Path, moments: Iterable[float]) -> Iterator[av.VideoFrame]:
    """Yield the frame that a player shows at each of the given ascending times, in seconds."""
    frames = read_timed_frames(path)
    _, shown = next(frames)
    upcoming = next(frames, None)
    for moment in moments:
        while upcoming is not None and upcoming[0] <= moment + TIME_TOLERANCE_SECONDS:
            shown = upcoming[1]
            upcoming = next(frames, None)
        yield shown


def _play(
    stretch: Footage,
    paths: tuple[Path, Path | None],
    canvas_px: tuple[int, int],
    edit: Edit,
    fps: Fraction,
    seed: int,
) -> Iterator[av.VideoFrame]:
    """Yield the filtered frames of one stretch at the constant frame rate of the result."""
    path = paths[1] if stretch.from_companion else paths[0]
    numbers = range(round(stretch.target_start_seconds * fps), round(stretch.target_end_seconds * fps))
    moments = (
        stretch.source_start_seconds + max(0.0, number / float(fps) - stretch.target_start_seconds) * edit.speed
        for number in numbers
    )
    chain = _FilterChain((*_fit(canvas_px, keep_aspect=stretch.from_companion), *edit.filters), seed)
    frames = map(chain, _frames_shown(cast("Path", path), moments))
    yield from reversed(list(frames)) if stretch.is_reversed else frames


def _choose_canvas(source: ClipFacts, max_width_px: int) -> tuple[int, int]:
    """Return the even width and height to which frames are scaled; 4:2:0 subsampling needs even sizes."""
    shrink = min(1.0, max_width_px / source.width_px)
    return int(source.width_px * shrink) // 2 * 2, int(source.height_px * shrink) // 2 * 2


def _fit(canvas_px: tuple[int, int], *, keep_aspect: bool) -> tuple[tuple[str, str], ...]:
    """Return the filters that fit a frame of any size to the canvas."""
    size = f"{canvas_px[0]}:{canvas_px[1]}"
    # One colour matrix for all inputs, because the encoder does not write that of the input.
    colours = "out_color_matrix=bt601:out_range=tv"
    if not keep_aspect:
        return ("scale", f"{size}:{colours}"), ("format", "yuv420p"), ("setsar", "1")
    shrink = f"{size}:force_original_aspect_ratio=decrease:force_divisible_by=2:{colours}"
    return ("scale", shrink), ("format", "yuv420p"), ("pad", f"{size}:(ow-iw)/2:(oh-ih)/2"), ("setsar", "1")


class _FilterChain:
    """A chain of FFmpeg filters that maps one frame to one frame; built for the size of the first frame."""

    def __init__(self, filters: tuple[tuple[str, str], ...], seed: int) -> None:
        self._filters = [(name, arguments.format(seed=seed)) for name, arguments in filters]
        self._graph: av.filter.Graph | None = None

    def __call__(self, frame: av.VideoFrame) -> av.VideoFrame:
        if self._graph is None:
            self._graph = self._build(frame)
        self._graph.vpush(frame)
        return self._graph.vpull()

    def _build(self, frame: av.VideoFrame) -> av.filter.Graph:
        import av.filter

        graph = av.filter.Graph()
        graph.threads = 1
        source = graph.add_buffer(
            width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base
        )
        nodes = [graph.add(name, arguments or None) for name, arguments in self._filters]
        graph.link_nodes(source, *nodes, graph.add("buffersink")).configure()
        return graph


def _draw(frames: Iterable[av.VideoFrame], draw: Drawing) -> Iterator[av.VideoFrame]:
    import av

    for frame in frames:
        yield av.VideoFrame.from_ndarray(draw(_to_rgb(frame)), format="rgb24")


def _to_rgb(frame: av.VideoFrame) -> Pixels:
    """Return uint8 (height, width, 3), RGB."""
    return cast("Pixels", frame.reformat(format="rgb24").to_ndarray())


def _lay_out(
    frames: Iterable[av.VideoFrame], path: Path, stretch: Footage, layout: Layout, fps: Fraction
) -> Iterator[av.VideoFrame]:
    """Show another clip at the same time, until it ends or while its last frame is held."""
    import av

    num_shown = round(stretch.target_end_seconds * fps)
    companions = _frames_shown(path, (number / float(fps) for number in count()))
    for number, frame in enumerate(frames):
        if number >= num_shown and not layout.holds_last_frame:
            yield frame
            continue
        picture = layout.arrange(_to_rgb(frame), _to_rgb(next(companions)))
        yield av.VideoFrame.from_ndarray(picture, format="rgb24")


def write_video(frames: Iterable[av.VideoFrame], path: Path, encoding: Encoding, fps: Fraction) -> None:
    """Encode frames of one even size at a constant frame rate, without sound. The output is reproducible.

    Raises:
        av.FFmpegError: the file cannot be written.
    """
    import av
    from av.video.frame import PictureType

    # Without "bitexact", Matroska writes a random identifier into each file.
    settings = {"fflags": "+bitexact"}
    with av.open(str(path), "w", format=encoding.container, container_options=settings) as container:
        stream = cast("av.VideoStream", container.add_stream(encoding.codec, rate=fps, options=dict(encoding.options)))
        stream.pix_fmt = "yuv420p"
        stream.codec_context.thread_count = 1  # more threads may change the output
        for number, frame in enumerate(frames):
            if number == 0:
                stream.width, stream.height = frame.width, frame.height
            picture = frame.reformat(format="yuv420p")
            picture.pts, picture.time_base = number, 1 / fps
            picture.pict_type = PictureType.NONE  # otherwise the encoder copies the key frames of the input
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
