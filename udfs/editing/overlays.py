"""What re-uploaders put on top of a frame: a caption, a logo, another video in a corner."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]

CAPTION_TEXT = "WATCH TILL THE END"
CAPTION_HEIGHT_FRACTION = 0.16
LOGO_WIDTH_FRACTION = 0.16
LOGO_OPACITY = 0.8
LOGO_COLOUR = (220, 30, 40)
CORNER_MARGIN_FRACTION = 0.04


def draw_caption(pixels: Pixels) -> Pixels:
    """Return the frame with white text on a black strip along its lower edge.

    Args:
        pixels: uint8 (height, width, 3), RGB; left as it is.
    """
    height, width, _ = pixels.shape
    strip = _render_caption(width, max(8, round(height * CAPTION_HEIGHT_FRACTION)))
    captioned = pixels.copy()
    captioned[height - strip.shape[0] :] = strip
    return captioned


@cache
def _render_caption(width_px: int, height_px: int) -> Pixels:
    import numpy as np
    from PIL import (
        Image,
        ImageDraw,
        ImageFont,
    )  # torchvision's own dependency; FFmpeg's drawtext is not in PyAV

    strip = Image.new("RGB", (width_px, height_px))
    # The capitals of Pillow's own font are about 0.62 as wide as its size: the text stays inside the strip.
    size = min(height_px * 0.7, width_px / (0.7 * len(CAPTION_TEXT)))
    centre = (width_px / 2, height_px / 2)
    ImageDraw.Draw(strip).text(centre, CAPTION_TEXT, "white", ImageFont.load_default(size), anchor="mm")
    return np.asarray(strip)


def draw_logo(pixels: Pixels) -> Pixels:
    """Return the frame with a channel's mark in its upper right corner: a disc with a white ring.

    Args:
        pixels: uint8 (height, width, 3), RGB; left as it is.
    """
    import numpy as np

    height, width, _ = pixels.shape
    side = min(round(width * LOGO_WIDTH_FRACTION), height)
    across = np.linspace(-1, 1, side)
    radius = np.hypot(across[:, None], across[None, :])[..., None]
    mark = np.where((radius > 0.6) & (radius < 0.8), 255, np.array(LOGO_COLOUR))  # noqa: PLR2004  the ring
    opacity = LOGO_OPACITY * (radius < 1)
    margin = min(round(width * CORNER_MARGIN_FRACTION), height - side)
    corner = np.s_[margin : margin + side, width - margin - side : width - margin]
    marked = pixels.copy()
    marked[corner] = np.rint(opacity * mark + (1 - opacity) * pixels[corner])
    return marked


def paste_inset(pixels: Pixels, inset: Pixels) -> Pixels:
    """Return the frame with a smaller one in its lower right corner.

    Args:
        pixels: uint8 (height, width, 3), RGB; left as it is.
        inset: uint8 (inset_height, inset_width, 3), RGB; cut at the upper left margin if it is too high.
    """
    height, width, _ = pixels.shape
    margin = round(width * CORNER_MARGIN_FRACTION)
    shown = inset[: height - 2 * margin, : width - 2 * margin]
    bottom, right = height - margin, width - margin
    pasted = pixels.copy()
    pasted[bottom - shown.shape[0] : bottom, right - shown.shape[1] : right] = shown
    return pasted
