"""Hard negatives: different clips after the same intro, and videos with almost no content."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.accuracy.clips import Clip
from benchmarks.accuracy.videos import GENERATED, SHARED_INTRO, Video, choose_rank, edit_clip
from jobs.demo.editing.cuts import begin_with_companion
from jobs.demo.editing.edits import H264_MP4, Edit
from jobs.demo.editing.overlays import render_text
from jobs.demo.editing.transcode import write_video

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from jobs.demo.editing.overlays import Pixels

INTRO_SECONDS = 3.0
INTRO_EDIT = Edit(SHARED_INTRO, cut=begin_with_companion(INTRO_SECONDS), needs_companion=True)
INTRO_NAME = "shared-intro-itself"
NUM_AFTER_INTRO = 8
MIN_AFTER_INTRO_SECONDS = 4.0

FLAT_SECONDS = 6.0
_FPS = 10
_WIDTH_PX, _HEIGHT_PX = 320, 180
_SLIDES = ("QUARTERLY RESULTS", "HOW TO APPLY", "QUESTIONS AND ANSWERS", "THANK YOU", "PART ONE", "PART TWO")
_GREYS = {"flat-black": 0, "flat-grey": 128, "flat-white": 255}


def plan_after_intro(clips: Sequence[Clip], folder: Path) -> list[Video]:
    """Plan clips of different sources after the same intro. Sources with a scene group are left out.

    Args:
        clips: one clip of each source.
        folder: the folder of the videos.
    """
    intro = Clip("", folder / f"{INTRO_NAME}.mp4", "", "", INTRO_SECONDS, "test")
    able = [clip for clip in clips if not clip.scene_group and clip.duration_seconds >= MIN_AFTER_INTRO_SECONDS]
    chosen = sorted(able, key=lambda clip: choose_rank(SHARED_INTRO, clip.video_id))[:NUM_AFTER_INTRO]
    return [edit_clip(clip, INTRO_EDIT, folder, intro) for clip in chosen]


def plan_flat(folder: Path) -> list[Video]:
    """Plan the videos that show one grey, a slow gradient, or a slide with a title."""
    return [
        Video(name, folder / f"{name}.mp4", name, "test", "", FLAT_SECONDS, shown=(), transform=GENERATED)
        for name in DRAWINGS
    ]


def write_generated(name: str, path: Path) -> None:
    """Write a generated video: a flat video or the intro, by its name."""
    draw, seconds = (_draw_intro, INTRO_SECONDS) if name == INTRO_NAME else (DRAWINGS[name], FLAT_SECONDS)
    write_drawn(draw, seconds, path)


def write_drawn(draw: Callable[[float], Pixels], seconds: float, path: Path) -> None:
    """Write a video of drawn frames, 10 per second.

    Args:
        draw: returns the frame at a time in seconds, uint8 (height, width, 3) RGB of an even size.
        seconds: duration.
        path: an MP4 file.
    """
    import av

    frames = (
        av.VideoFrame.from_ndarray(np.ascontiguousarray(draw(number / _FPS)), format="rgb24")
        for number in range(round(seconds * _FPS))
    )
    write_video(frames, path, H264_MP4, Fraction(_FPS))


def _draw_grey(level: int) -> Callable[[float], Pixels]:
    return lambda _seconds: np.full((_HEIGHT_PX, _WIDTH_PX, 3), level, np.uint8)


def _draw_gradient(colour: tuple[int, int, int]) -> Callable[[float], Pixels]:
    """Draw a colour that fades to black from left to right, and becomes lighter with time."""

    def draw(seconds: float) -> Pixels:
        across = np.linspace(1, 0, _WIDTH_PX)[None, :, None] * (0.6 + 0.4 * seconds / FLAT_SECONDS)
        return np.broadcast_to(across * np.array(colour), (_HEIGHT_PX, _WIDTH_PX, 3)).astype(np.uint8)

    return draw


def _draw_slide(title: str) -> Callable[[float], Pixels]:
    """Draw a title on white, below a bar that is the same on all slides."""

    def draw(_seconds: float) -> Pixels:
        slide = np.full((_HEIGHT_PX, _WIDTH_PX, 3), 255, np.uint8)
        slide[:24] = (20, 60, 120)
        slide[70:106] = render_text(_WIDTH_PX, 36, title, "black", "white")
        return slide

    return draw


def _draw_intro(seconds: float) -> Pixels:
    """Draw the name of a channel, with a stripe that moves behind it."""
    across, down = np.arange(_WIDTH_PX)[None, :], np.arange(_HEIGHT_PX)[:, None]
    is_stripe = np.abs(across - down - (seconds / INTRO_SECONDS * 2 - 0.5) * _WIDTH_PX) < 40  # noqa: PLR2004  px
    intro = np.where(is_stripe[..., None], (240, 180, 40), (70, 20, 90)).astype(np.uint8)
    intro[66:114] = render_text(_WIDTH_PX, 48, "DAILY CLIPS", "white", "black")
    return intro


DRAWINGS: dict[str, Callable[[float], Pixels]] = {
    **{name: _draw_grey(level) for name, level in _GREYS.items()},
    "gradient-blue": _draw_gradient((60, 90, 220)),
    "gradient-red": _draw_gradient((220, 70, 60)),
    **{f"slide-{number}": _draw_slide(title) for number, title in enumerate(_SLIDES, start=1)},
}
