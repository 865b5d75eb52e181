"""Places a picture in another: a meme frame, a vertical canvas, a filmed screen, side by side with another video.

All functions map uint8 (height, width, 3) RGB to the same type, do not modify their input, and keep sizes even.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from jobs.demo.editing.overlays import paste_inset, render_text, resize

if TYPE_CHECKING:
    from jobs.demo.editing.overlays import Pixels

MEME_TEXT = "WHEN IT IS FINALLY FRIDAY"
BACKDROP_SHRINK = 24  # a backdrop is blurred by shrinking it by this factor and enlarging it again
BACKDROP_BRIGHTNESS = 0.6


def frame_as_meme(pixels: Pixels, height_fraction: float) -> Pixels:
    """Add a white bar with black text above the picture.

    Args:
        pixels: the picture.
        height_fraction: height of the bar as a fraction of the picture's height.
    """
    import numpy as np

    height, width, _ = pixels.shape
    bar_height = max(8, round(height * height_fraction / 2) * 2)
    return np.concatenate([render_text(width, bar_height, MEME_TEXT, "black", "white"), pixels])


def show_on_backdrop(pixels: Pixels, aspect: float) -> Pixels:
    """Place the picture in the middle of a taller canvas with a dark, blurred copy behind it (a vertical video).

    Args:
        pixels: the picture.
        aspect: width over height of the result, whose width stays. A picture that is already taller is unchanged.
    """
    import numpy as np

    height, width, _ = pixels.shape
    full_height = max(height, round(width / aspect / 2) * 2)
    kept = min(width, max(1, round(height * width / full_height)))  # the middle that fills the result
    middle = pixels[:, (width - kept) // 2 : (width - kept) // 2 + kept]
    small = resize(middle, max(2, width // BACKDROP_SHRINK), max(2, full_height // BACKDROP_SHRINK))
    backdrop = (resize(small, width, full_height) * BACKDROP_BRIGHTNESS).astype(np.uint8)
    top = (full_height - height) // 2
    backdrop[top : top + height] = pixels
    return backdrop


def film_at_angle(pixels: Pixels, fraction: float) -> Pixels:
    """Show the picture as a camera beside it would film it: the left edge keeps its height, the right one shrinks.

    Args:
        pixels: the picture.
        fraction: how far each right corner moves towards the middle, over the height; the rest of it is black.
    """
    import numpy as np
    from PIL import Image

    height, width, _ = pixels.shape
    image = Image.fromarray(pixels)
    coefficients = _solve_perspective(width, height, fraction)
    transform = Image.Transform.PERSPECTIVE
    return np.asarray(image.transform(image.size, transform, coefficients, Image.Resampling.BILINEAR))


@cache
def _solve_perspective(width_px: int, height_px: int, fraction: float) -> tuple[float, ...]:
    """Return Pillow's eight coefficients, which map a pixel of the result to one of the picture.

    With (x, y) in the result, the picture's pixel is ((ax + by + c) / (gx + hy + 1), (dx + ey + f) / (gx + hy + 1)).
    """
    import numpy as np

    right, shift = width_px * (1 - fraction / 2), height_px * fraction
    filmed = ((0, 0), (right, shift), (right, height_px - shift), (0, height_px))
    flat = ((0, 0), (width_px, 0), (width_px, height_px), (0, height_px))
    rows, values = [], []
    for (x, y), (u, v) in zip(filmed, flat, strict=True):
        rows += [(x, y, 1, 0, 0, 0, -u * x, -u * y), (0, 0, 0, x, y, 1, -v * x, -v * y)]
        values += [u, v]
    return tuple(np.linalg.solve(np.array(rows, dtype=float), np.array(values, dtype=float)).tolist())


def show_beside(pixels: Pixels, companion: Pixels, width_fraction: float) -> Pixels:
    """Share the picture between two videos, side by side, each with its shape kept between black bars.

    Args:
        pixels: shown on the left.
        companion: shown on the right.
        width_fraction: the left part's width over the whole.
    """
    import numpy as np

    height, width, _ = pixels.shape
    left = round(width * width_fraction)
    return np.concatenate([_fit(pixels, left, height), _fit(companion, width - left, height)], axis=1)


def show_within(pixels: Pixels, companion: Pixels, width_fraction: float) -> Pixels:
    """Fill the picture with the companion, and show the source in its lower right corner.

    Args:
        pixels: the source's, whose size the result has.
        companion: its shape is kept between black bars.
        width_fraction: the shown source's width over the whole.
    """
    height, width, _ = pixels.shape
    inset = resize(pixels, max(1, round(width * width_fraction)), max(1, round(height * width_fraction)))
    return paste_inset(_fit(companion, width, height), inset)


def blend(pixels: Pixels, companion: Pixels, opacity: float) -> Pixels:
    """Let the companion shine through the source.

    Args:
        pixels: the source's, whose size the result has.
        companion: its shape is kept between black bars.
        opacity: the companion's, in [0, 1]; the source keeps the rest.
    """
    import numpy as np

    height, width, _ = pixels.shape
    return np.rint((1 - opacity) * pixels + opacity * _fit(companion, width, height)).astype(np.uint8)


def _fit(pixels: Pixels, width_px: int, height_px: int) -> Pixels:
    """Return the picture as large as it fits, in the middle of a black one of a given size."""
    import numpy as np

    height, width, _ = pixels.shape
    factor = min(width_px / width, height_px / height)
    small = resize(pixels, max(1, round(width * factor)), max(1, round(height * factor)))
    fitted = np.zeros((height_px, width_px, 3), np.uint8)
    top, left = (height_px - small.shape[0]) // 2, (width_px - small.shape[1]) // 2
    fitted[top : top + small.shape[0], left : left + small.shape[1]] = small
    return fitted
