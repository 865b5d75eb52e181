"""Hard negatives of one layout with other content: generated videos of one design in which only the text differs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from benchmarks.accuracy.clips import Clip
from benchmarks.accuracy.designs import CONTENTS, SPLITS, STYLES, Screen, choose_style
from benchmarks.accuracy.grid import GRID
from benchmarks.accuracy.negatives import write_drawn
from benchmarks.accuracy.screens import KINDS, make_drawing
from benchmarks.accuracy.videos import LAYOUT, Video, choose_rank, edit_clip, keep_clip

if TYPE_CHECKING:
    from pathlib import Path

COPIES_PER_CONTENT = 2
# Edits of other families cut, combine or reverse footage.
FAMILIES = ("encoding", "photometric", "geometry", "overlay")
# After these edits some of the text cannot be read in some designs, so a copy could belong to any content.
UNREADABLE = frozenset(
    {
        # Letters are smeared, or replaced by blocks of half their height.
        *("low-bitrate-strong", "vp9-strong", "mpeg4-strong", "hevc-strong", "noise-strong"),
        *("low-resolution-medium", "low-resolution-strong", "blur-medium", "blur-strong"),
        *("pixelate-light", "pixelate-medium", "pixelate-strong"),
        # Text and background get nearly the same colour.
        *("brightness-strong", "darkness-strong", "contrast-strong", "gamma-strong"),
        # Text is cut off or covered.
        *("crop-medium", "crop-strong", "corner-crop-medium", "corner-crop-strong"),
        *("mirror-medium", "mirror-strong", "shake-medium", "shake-strong", "rotate-strong"),
        *("perspective-strong", "logo-strong", "caption-medium", "caption-strong"),
        *("sticker-light", "sticker-medium", "sticker-strong"),
    }
)
LAYOUTS: dict[str, Screen] = {
    screen.name: screen
    for split in SPLITS
    for kind in KINDS
    for style in STYLES
    for content in CONTENTS
    for screen in (Screen(split, kind, style, content),)
}
"""The screens of all splits by name, which is the video_id of the unedited video."""
_COPY_EDITS = tuple(
    edit
    for transformation in GRID
    if transformation.family in FAMILIES
    for edit in transformation.strengths
    if edit.name not in UNREADABLE
)


def plan_layouts(split: str, folder: Path) -> list[Video]:
    """Plan the screens of a split, and two edited copies of each.

    Only copies of one screen show the same footage: the truth does not list two screens of one design, so they are
    negatives. All videos of a design have one footage_id.

    Args:
        split: train, calibrate or test; each has its own designs and words.
        folder: the folder of the videos.
    """
    return [video for screen in LAYOUTS.values() if screen.split == split for video in _plan_screen(screen, folder)]


def _plan_screen(screen: Screen, folder: Path) -> list[Video]:
    """Plan a screen and its copies."""
    seconds = choose_style(screen).seconds
    clip = Clip(screen.name, folder / f"{screen.name}.mp4", screen.name, screen.design, seconds, screen.split)
    able = sorted(_COPY_EDITS, key=lambda edit: choose_rank(edit.name, screen.name))
    copies = [edit_clip(clip, edit, folder) for edit in able[:COPIES_PER_CONTENT]]
    videos = (replace(keep_clip(clip), clip_id=""), *copies)
    return [replace(video, transform=LAYOUT, family=LAYOUT) for video in videos]


def write_layout(name: str, path: Path) -> None:
    """Write the unedited video of a screen, given by its name."""
    write_drawn(*make_drawing(LAYOUTS[name]), path)
