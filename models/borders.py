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

# After compression the levels of a flat bar differ by a few grey levels. A gradient or a dark scene differs by more.
_MAX_LEVEL_DIFFERENCE = 12
# If less than this fraction of the frame's side would remain, the frame is flat with a speck and is not changed.
_MIN_SIDE_FRACTION = 0.2
_NUM_PASSES = 3  # for the letterbox of the decoder, a coloured bar inside it, and a bar inside that


def cut_borders(frames: Frame) -> Frame:
    """Remove the uniform borders of each frame and scale the remaining picture so that it fills its square.

    A border is a sequence of rows or columns that begins at an edge. All its pixels have the colour of the outermost
    row or column, within 12 grey levels. Each frame is processed independently, so that its descriptor does not depend
    on other frames.

    Args:
        frames: uint8 (n, px, px, 3), RGB, letterboxed or not.

    Returns:
        uint8 (n, px, px, 3): the pictures, centred, with a longer side of px, and zeros around. Frames without other
        borders, and frames with too small a picture, are unchanged.
    """
    return np.stack([_cut_frame(frame) for frame in frames]) if len(frames) else frames


def find_content(frame: Frame) -> Box:
    """Return (top, bottom, left, right), half-open, of the picture inside the borders, or of the whole frame."""
    px = len(frame)
    whole = box = (0, px, 0, px)
    channels = np.ascontiguousarray(frame.transpose(2, 0, 1))  # so that rows and columns are reduced fast
    for _ in range(_NUM_PASSES):
        smaller = _remove_borders(channels, box)
        if smaller == box:
            break
        box = smaller
    top, bottom, left, right = box
    return box if min(bottom - top, right - left) >= _MIN_SIDE_FRACTION * px else whole


def _remove_borders(channels: Frame, box: Box) -> Box:
    """Remove one border at each side of a box. A flat box is returned unchanged."""
    top, bottom, left, right = box
    inside = channels[:, top:bottom, left:right]
    above, below = _count_uniform(inside, lines=1)
    before, behind = _count_uniform(inside, lines=2)
    if above + below >= bottom - top or before + behind >= right - left:
        return box
    return top + above, bottom - below, left + before, right - behind


def _count_uniform(channels: Frame, lines: int) -> tuple[int, int]:
    """Count the lines of the first and of the last border. Lines are rows (`lines` is axis 1) or columns (axis 2)."""
    lowest = channels.min(axis=3 - lines).astype(np.int16)
    highest = channels.max(axis=3 - lines).astype(np.int16)
    is_uniform = (highest - lowest).max(axis=0) <= _MAX_LEVEL_DIFFERENCE
    middle = (lowest + highest) // 2
    return _count_border(is_uniform, middle), _count_border(is_uniform[::-1], middle[:, ::-1])


def _count_border(is_uniform: NDArray[np.bool_], middle: NDArray[np.int16]) -> int:
    """Count the lines of the border that begins with the first line.

    The lines of a border are uniform and have the colour of the first line. A border ends with a step. If the line
    after it is also uniform and has a similar colour, the picture fades and there is no border: the count is 0.

    Args:
        is_uniform: (n,), whether a line has one colour.
        middle: (3, n), the colour of each line.
    """
    is_border = is_uniform & (np.abs(middle - middle[:, :1]).max(axis=0) <= _MAX_LEVEL_DIFFERENCE)
    if is_border.all():
        return len(is_border)
    count = int(is_border.argmin())
    step = np.abs(middle[:, count] - middle[:, count - 1]).max() if count else 0
    return 0 if is_uniform[count] and step <= _MAX_LEVEL_DIFFERENCE else count


def _cut_frame(frame: Frame) -> Frame:
    """Remove the borders of one frame: see `cut_borders`."""
    px = len(frame)
    top, bottom, left, right = find_content(frame)
    picture = frame[top:bottom, left:right]
    width, height = fit_inside(right - left, bottom - top, px)
    if (height, width) != picture.shape[:2]:
        pixels = torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))[None]
        scaled = functional.interpolate(pixels, (height, width), mode="bicubic", antialias=True)
        picture = scaled[0].permute(1, 2, 0).numpy()
    return pad_to_square(picture, px)
