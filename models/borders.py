"""Detection of uniform borders: bars of black or of another colour, which re-uploads have and originals have not.

The size of a picture in its square, and the padding that the decoder adds, are computed in `models.square`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

from models.square import fit_inside, pad_to_square

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Frame = NDArray[np.uint8]
    Box = tuple[int, int, int, int]

# Compression leaves a flat bar within a few grey levels; a gradient or a dark scene goes beyond.
_MAX_LEVELS_APART = 12
# A picture that would shrink below this share of the frame's side is a flat frame with a speck: it is left alone.
_MIN_SIDE_FRACTION = 0.2
_NUM_PASSES = 3  # the letterbox of the decoder, a coloured bar in it, and a bar in that


def cut_borders(frames: Frame) -> Frame:
    """Cut the uniform borders of each frame and scale what is left to fill its square again.

    A border is a run of rows or columns from an edge on, each of one colour (within 12 grey levels) and all of the
    outermost one's colour. Frames are judged one by one, so that a frame's descriptor does not depend on others.

    Args:
        frames: uint8 (n, px, px, 3), RGB, letterboxed or not.

    Returns:
        uint8 (n, px, px, 3): pictures that fill the square in one direction, centred, zeros around. Frames without
        borders beyond those, and frames with too little in them, come back as they are.
    """
    return np.stack([_cut_frame(frame) for frame in frames]) if len(frames) else frames


def find_content(frame: Frame) -> Box:
    """Return (top, bottom, left, right) of what the borders enclose, half-open; the whole frame where it is flat."""
    px = len(frame)
    whole = box = (0, px, 0, px)
    channels = np.ascontiguousarray(frame.transpose(2, 0, 1))  # so that a row or column is reduced at full speed
    for _ in range(_NUM_PASSES):
        smaller = _strip(channels, box)
        if smaller == box:
            break
        box = smaller
    top, bottom, left, right = box
    return box if min(bottom - top, right - left) >= _MIN_SIDE_FRACTION * px else whole


def _strip(channels: Frame, box: Box) -> Box:
    """Take the borders of one colour each off a box; off a flat one nothing."""
    top, bottom, left, right = box
    inside = channels[:, top:bottom, left:right]
    above, below = _count_uniform(inside, lines=1)
    before, behind = _count_uniform(inside, lines=2)
    if above + below >= bottom - top or before + behind >= right - left:
        return box
    return top + above, bottom - below, left + before, right - behind


def _count_uniform(channels: Frame, lines: int) -> tuple[int, int]:
    """Count the lines of one colour at the begin and at the end: rows (`lines` is axis 1) or columns (axis 2)."""
    lowest = channels.min(axis=3 - lines).astype(np.int16)
    highest = channels.max(axis=3 - lines).astype(np.int16)
    is_uniform = (highest - lowest).max(axis=0) <= _MAX_LEVELS_APART
    middle = (lowest + highest) // 2
    return _count_border(is_uniform, middle), _count_border(is_uniform[::-1], middle[:, ::-1])


def _count_border(is_uniform: NDArray[np.bool_], middle: NDArray[np.int16]) -> int:
    """Count the lines, from the first on, that are of one colour: that of the first.

    A border ends with a jump. Where the next line is of one colour too, and near the last, it fades: no border.

    Args:
        is_uniform: (n,), of each line.
        middle: (3, n), its colour.
    """
    is_border = is_uniform & (np.abs(middle - middle[:, :1]).max(axis=0) <= _MAX_LEVELS_APART)
    if is_border.all():
        return len(is_border)
    count = int(is_border.argmin())
    step = np.abs(middle[:, count] - middle[:, count - 1]).max() if count else 0
    return 0 if is_uniform[count] and step <= _MAX_LEVELS_APART else count


def _cut_frame(frame: Frame) -> Frame:
    """Cut one frame: see `cut_borders`."""
    px = len(frame)
    top, bottom, left, right = find_content(frame)
    picture = frame[top:bottom, left:right]
    width, height = fit_inside(right - left, bottom - top, px)
    if (height, width) != picture.shape[:2]:
        pixels = torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))[None]
        scaled = functional.interpolate(pixels, (height, width), mode="bicubic", antialias=True)
        picture = scaled[0].permute(1, 2, 0).numpy()
    return pad_to_square(picture, px)
