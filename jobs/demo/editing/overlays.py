"""What re-uploaders put on top of a frame: a caption, a logo, a sticker, another video in a corner."""

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
STICKER_COLOUR = (250, 205, 50)
CORNER_MARGIN_FRACTION = 0.04


def draw_caption(pixels: Pixels, height_fraction: float = CAPTION_HEIGHT_FRACTION) -> Pixels:
    """Return the frame with white text on a black strip along its lower edge.

    Args:
        pixels: uint8 (height, width, 3), RGB; left as it is.
        height_fraction: the strip's height over the frame's.
    """
    height, width, _ = pixels.shape
    strip = render_text(width, max(8, round(height * height_fraction)), CAPTION_TEXT)
    captioned = pixels.copy()
    captioned[height - strip.shape[0] :] = strip
    return captioned


@cache
def render_text(width_px: int, height_px: int, text: str, colour: str = "white", background: str = "black") -> Pixels:
    """Return one line of text in the middle of a strip, uint8 (height, width, 3) RGB, read-only; colours by name."""
    import numpy as np
    from PIL import (
        Image,
        ImageDraw,
        ImageFont,
    )  # torchvision's own dependency; FFmpeg's drawtext is not in PyAV

    strip = Image.new("RGB", (width_px, height_px), background)
    # The capitals of Pillow's own font are about 0.62 as wide as its size: the text stays inside the strip.
    size = min(height_px * 0.7, width_px / (0.7 * len(text)))
    centre = (width_px / 2, height_px / 2)
    ImageDraw.Draw(strip).text(centre, text, colour, ImageFont.load_default(size), anchor="mm")
    return np.asarray(strip)


def draw_logo(pixels: Pixels, width_fraction: float = LOGO_WIDTH_FRACTION) -> Pixels:
    """Return the frame with a channel's mark in its upper right corner: a disc with a white ring.

    Args:
        pixels: uint8 (height, width, 3), RGB; left as it is.
        width_fraction: the mark's width over the frame's.
    """
    import numpy as np

    height, width, _ = pixels.shape
    side = min(round(width * width_fraction), height)
    across = np.linspace(-1, 1, side)
    radius = np.hypot(across[:, None], across[None, :])[..., None]
    mark = np.where((radius > 0.6) & (radius < 0.8), 255, np.array(LOGO_COLOUR))  # noqa: PLR2004  the ring
    opacity = LOGO_OPACITY * (radius < 1)
    margin = min(round(width * CORNER_MARGIN_FRACTION), height - side)
    corner = np.s_[margin : margin + side, width - margin - side : width - margin]
    marked = pixels.copy()
    marked[corner] = np.rint(opacity * mark + (1 - opacity) * pixels[corner])
    return marked


def draw_sticker(pixels: Pixels, height_fraction: float) -> Pixels:
    """Return the frame with a round yellow face a little to the left of its middle.

    Args:
        pixels: uint8 (height, width, 3), RGB; left as it is.
        height_fraction: the face's height over the frame's smaller side.
    """
    import numpy as np

    height, width, _ = pixels.shape
    side = round(min(height, width) * height_fraction)
    face, is_face = _render_face(side)
    top, left = round((height - side) * 0.55), round((width - side) * 0.4)
    stuck = pixels.copy()
    place = stuck[top : top + side, left : left + side]
    place[:] = np.where(is_face, face, place)
    return stuck


@cache
def _render_face(side_px: int) -> tuple[Pixels, NDArray[np.bool_]]:
    """Return the face, uint8 (side, side, 3) RGB, and bool (side, side, 1), where it covers what is below."""
    import numpy as np
    from PIL import Image, ImageDraw

    face = Image.new("RGB", (side_px, side_px))
    draw, end = ImageDraw.Draw(face), side_px - 1
    draw.ellipse((0, 0, end, end), STICKER_COLOUR, "black", max(1, side_px // 20))
    for across in (0.32, 0.58):
        draw.ellipse((across * end, 0.3 * end, (across + 0.1) * end, 0.45 * end), "black")
    draw.arc((0.25 * end, 0.3 * end, 0.75 * end, 0.8 * end), 20, 160, "black", max(1, side_px // 15))
    offsets = np.linspace(-1, 1, side_px)
    return np.asarray(face), (np.hypot(offsets[:, None], offsets[None, :]) <= 1)[..., None]


def show_inset(pixels: Pixels, companion: Pixels, width_fraction: float) -> Pixels:
    """Return the frame with another video's, shrunk to a part of its width, in its lower right corner."""
    width = max(1, round(pixels.shape[1] * width_fraction))
    return paste_inset(pixels, resize(companion, width, max(1, round(width * companion.shape[0] / companion.shape[1]))))


def resize(pixels: Pixels, width_px: int, height_px: int) -> Pixels:
    """Return the picture at another size, uint8 (height_px, width_px, 3), RGB."""
    import numpy as np
    from PIL import Image

    return np.asarray(Image.fromarray(pixels).resize((width_px, height_px), Image.Resampling.BILINEAR))


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
