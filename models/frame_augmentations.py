"""Random edits of pictures like those of re-uploads, for the training of heads that are robust to them.

Each edit draws its strength at random. This module edits single pictures in memory, fast enough for training;
`jobs.demo.editing` edits video files.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from torchvision.transforms.v2 import functional

from models.square import fit_inside, pad_to_square

if TYPE_CHECKING:
    from collections.abc import Callable

    Edit = Callable[["Picture", "Picture", np.random.Generator], "Picture"]

Picture: TypeAlias = NDArray[np.uint8]
"""uint8 (height, width, 3), RGB, of any size."""

_PROBABILITIES = (0.5, 0.3, 0.2)  # of one, two and three edits
_COMBINING_EDITS = frozenset({"inset_other", "show_in_other", "beside_other", "blend_other"})
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ abcdefghijklmnopqrstuvwxyz !?.,"


def draw_edit_names(rng: np.random.Generator, *, shows_other: bool = True) -> tuple[str, ...]:
    """Draw one to three different edits of `EDITS`, in the order in which they are applied.

    Args:
        rng: generator of the draw.
        shows_other: whether to draw edits that combine two pictures too.
    """
    names = [name for name in EDITS if shows_other or name not in _COMBINING_EDITS]
    number = 1 + int(rng.choice(len(_PROBABILITIES), p=_PROBABILITIES))
    return tuple(rng.choice(names, size=number, replace=False).tolist())


def apply_edits(picture: Picture, other: Picture, names: tuple[str, ...], rng: np.random.Generator) -> Picture:
    """Apply edits to a picture.

    Args:
        picture: the picture to edit.
        other: a picture of other footage, for edits that combine two pictures.
        names: names of `EDITS`, in the order in which they are applied.
        rng: generator for the strengths of the edits.

    Returns:
        The edited picture, of any size.
    """
    for name in names:
        picture = EDITS[name](picture, other, rng)
    return picture


def fit_to_square(picture: Picture, px: int) -> Picture:
    """Scale a picture so that its longer side is `px`, and centre it in a square of zeros: uint8 (px, px, 3)."""
    height, width = picture.shape[:2]
    width, height = fit_inside(width, height, px)
    return pad_to_square(picture if (height, width) == picture.shape[:2] else resize(picture, height, width), px)


def resize(picture: Picture, height: int, width: int) -> Picture:
    """Resize a picture with bicubic interpolation."""
    scaled = Image.fromarray(picture).resize((max(1, width), max(1, height)), Image.Resampling.BICUBIC)
    return np.asarray(scaled)


def _crop(picture: Picture, _other: Picture, rng: np.random.Generator) -> Picture:
    height, width = picture.shape[:2]
    kept_height, kept_width = (max(8, round(side * rng.uniform(0.5, 0.95))) for side in (height, width))
    top, left = (int(rng.integers(0, max(1, a - b + 1))) for a, b in ((height, kept_height), (width, kept_width)))
    return picture[top : top + kept_height, left : left + kept_width]


def _rotate(picture: Picture, _other: Picture, rng: np.random.Generator) -> Picture:
    fill = [float(rng.integers(0, 256))] * 3 if rng.random() < 1 / 3 else [0.0] * 3
    degrees, zoom = float(rng.uniform(-20, 20)), float(rng.uniform(1.0, 1.3))
    return _by_torch(picture, lambda t: functional.affine(t, degrees, [0, 0], zoom, [0.0, 0.0], fill=fill))


def _turn(picture: Picture, _other: Picture, rng: np.random.Generator) -> Picture:
    return np.rot90(picture, int(rng.integers(1, 4)))


def _flip(picture: Picture, _other: Picture, rng: np.random.Generator) -> Picture:
    return picture[:, ::-1] if rng.random() < 0.85 else picture[::-1]  # noqa: PLR2004  vertical flips are rare


def _perspective(picture: Picture, _other: Picture, rng: np.random.Generator) -> Picture:
    height, width = picture.shape[:2]
    corners = [[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]]
    moved = [[int(x + rng.uniform(-0.2, 0.2) * width), int(y + rng.uniform(-0.2, 0.2) * height)] for x, y in corners]
    return _by_torch(picture, lambda t: functional.perspective(t, corners, moved))


def _colour(picture: Picture, _other: Picture, rng: np.random.Generator) -> Picture:
    def change(pixels: torch.Tensor) -> torch.Tensor:
        pixels = functional.adjust_brightness(pixels, float(rng.uniform(0.55, 1.5)))
        pixels = functional.adjust_contrast(pixels, float(rng.uniform(0.55, 1.6)))
        pixels = functional.adjust_saturation(pixels, float(rng.uniform(0.0, 2.0)))
        most = 0.12 if rng.random() < 3 / 4 else 0.5
        hue: torch.Tensor = functional.adjust_hue(pixels, float(rng.uniform(-most, most)))
        return hue

    return _by_torch(picture, change)


def _tint(picture: Picture, _other: Picture, rng: np.random.Generator) -> Picture:
    grey = picture.mean(axis=2, keepdims=True)
    tinted = grey * rng.uniform(0.7, 1.2, size=3) if rng.random() < 1 / 2 else np.repeat(grey, 3, axis=2)
    return _to_bytes(255 * (tinted.clip(0, 255) / 255) ** rng.uniform(0.7, 1.4))


def _blur(picture: Picture, _other: Picture, rng: np.random.Generator) -> Picture:
    return _soften(picture, rng.uniform(0.8, 3.5) * max(picture.shape[:2]) / 448)


def _pixelate(picture: Picture, _other: Picture, rng: np.random.Generator) -> Picture:
    height, width = picture.shape[:2]
    block_px = max(2.0, float(np.exp(rng.uniform(np.log(0.006), np.log(0.045)))) * max(height, width))
    small = resize(picture, round(height / block_px), round(width / block_px))
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.NEAREST))


def _noise(picture: Picture, _other: Picture, rng: np.random.Generator) -> Picture:
    return _to_bytes(picture + rng.normal(0, rng.uniform(5, 35), size=picture.shape))


def _compress(picture: Picture, _other: Picture, rng: np.random.Generator) -> Picture:
    scale = rng.uniform(80, 240) / max(picture.shape[:2])
    small = resize(picture, round(picture.shape[0] * scale), round(picture.shape[1] * scale))
    buffer = io.BytesIO()
    Image.fromarray(small).save(buffer, "JPEG", quality=int(rng.integers(10, 50)))
    return np.asarray(Image.open(buffer).convert("RGB"))


def _stretch(picture: Picture, _other: Picture, rng: np.random.Generator) -> Picture:
    height, width = picture.shape[:2]
    factor = float(np.exp(rng.uniform(np.log(0.5), np.log(2.0))))
    return resize(picture, height, round(width * factor))


def _pad(picture: Picture, _other: Picture, rng: np.random.Generator) -> Picture:
    colour = rng.integers(0, 256, size=3) if rng.random() < 1 / 2 else np.zeros(3)
    return _paste_on_band(picture, rng.uniform(0.0, 0.25, size=4), colour)


def _text(picture: Picture, _other: Picture, rng: np.random.Generator) -> Picture:
    return _write(picture, rng, (float(rng.uniform(0, 0.6)), float(rng.uniform(0, 0.85))), rng.uniform(0.06, 0.16))


def _sticker(picture: Picture, _other: Picture, rng: np.random.Generator) -> Picture:
    height, width = picture.shape[:2]
    image = Image.fromarray(picture)
    draw = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(1, 4))):
        w, h = rng.uniform(0.08, 0.45) * width, rng.uniform(0.08, 0.45) * height
        x, y = rng.uniform(0, 0.9) * width, rng.uniform(0, 0.9) * height
        shape = draw.ellipse if rng.random() < 1 / 2 else draw.rectangle
        shape([x, y, x + w, y + h], fill=tuple(rng.integers(0, 256, size=3).tolist()))
    return np.asarray(image)


def _meme(picture: Picture, _other: Picture, rng: np.random.Generator) -> Picture:
    top, bottom = rng.uniform(0.15, 0.45), rng.uniform(0.0, 0.3)
    band = _paste_on_band(picture, (top, bottom, 0.02, 0.02), np.full(3, 255 if rng.random() < 3 / 4 else 0))
    return _write(band, rng, (0.05, 0.02), 0.3 * top)


def _blurred_sides(picture: Picture, _other: Picture, rng: np.random.Generator) -> Picture:
    height, width = picture.shape[:2]
    tall = round(width * rng.uniform(1.2, 1.8)), width
    wide = height, round(height * rng.uniform(1.5, 2.2))
    canvas_height, canvas_width = tall if width >= height else wide
    zoom = max(canvas_height / height, canvas_width / width)
    filled = resize(picture, round(height * zoom), round(width * zoom))
    top, left = (filled.shape[0] - canvas_height) // 2, (filled.shape[1] - canvas_width) // 2
    back = filled[top : top + canvas_height, left : left + canvas_width]
    back = _soften(back, 14.0).copy()
    top, left = max(0, (back.shape[0] - height) // 2), max(0, (back.shape[1] - width) // 2)
    back[top : top + height, left : left + width] = picture[: back.shape[0] - top, : back.shape[1] - left]
    return back


def _inset_other(picture: Picture, other: Picture, rng: np.random.Generator) -> Picture:
    return _paste_inset(picture, other, rng.uniform(0.2, 0.4), rng)


def _show_in_other(picture: Picture, other: Picture, rng: np.random.Generator) -> Picture:
    return _paste_inset(other, picture, rng.uniform(0.45, 0.8), rng)


def _blend_other(picture: Picture, other: Picture, rng: np.random.Generator) -> Picture:
    height, width = picture.shape[:2]
    return _to_bytes(picture + rng.uniform(0.1, 0.5) * (resize(other, height, width).astype(np.float64) - picture))


def _beside_other(picture: Picture, other: Picture, rng: np.random.Generator) -> Picture:
    height = picture.shape[0]
    mate = resize(other, height, round(other.shape[1] * height / other.shape[0]))
    return np.concatenate([picture, mate] if rng.random() < 1 / 2 else [mate, picture], axis=1)


def _paste_inset(host: Picture, inset: Picture, fraction: float, rng: np.random.Generator) -> Picture:
    height, width = host.shape[:2]
    scale = fraction * min(height / inset.shape[0], width / inset.shape[1])
    small = resize(inset, round(inset.shape[0] * scale), round(inset.shape[1] * scale))
    top, left = (
        int(rng.integers(0, max(1, a - b + 1))) for a, b in ((height, small.shape[0]), (width, small.shape[1]))
    )
    pasted = host.copy()
    pasted[top : top + small.shape[0], left : left + small.shape[1]] = small
    return pasted


def _paste_on_band(
    picture: Picture, fractions: NDArray[np.float64] | tuple[float, ...], colour: NDArray[Any]
) -> Picture:
    """Add bands above, below, left and right of a picture, as fractions of its height and width."""
    height, width = picture.shape[:2]
    above, below = (round(f * height) for f in fractions[:2])
    before, behind = (round(f * width) for f in fractions[2:])
    band = np.empty((height + above + below, width + before + behind, 3), dtype=np.uint8)
    band[:] = colour
    band[above : above + height, before : before + width] = picture
    return band


def _write(picture: Picture, rng: np.random.Generator, place: tuple[float, float], size_fraction: float) -> Picture:
    """Draw random text with a black outline. The text is white or of a random colour."""
    height, width = picture.shape[:2]
    text = "".join(rng.choice(list(_LETTERS), size=int(rng.integers(6, 24))))
    colour = (255, 255, 255) if rng.random() < 1 / 2 else tuple(rng.integers(0, 256, size=3).tolist())
    size = max(6.0, size_fraction * height)
    image = Image.fromarray(picture)
    position = (place[0] * width, place[1] * height)
    font = ImageFont.load_default(size)
    ImageDraw.Draw(image).text(position, text, colour, font, stroke_width=max(1, round(size / 12)), stroke_fill="black")
    return np.asarray(image)


def _soften(picture: Picture, sigma_px: float) -> Picture:
    return np.asarray(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(sigma_px)))


def _by_torch(picture: Picture, change: Callable[[torch.Tensor], torch.Tensor]) -> Picture:
    pixels = torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))
    return np.ascontiguousarray(change(pixels).permute(1, 2, 0).numpy())


def _to_bytes(levels: NDArray[np.floating]) -> Picture:
    pixels: Picture = np.rint(levels).clip(0, 255).astype(np.uint8)
    return pixels


EDITS: dict[str, Edit] = {
    "crop": _crop,
    "rotate": _rotate,
    "turn": _turn,
    "flip": _flip,
    "perspective": _perspective,
    "colour": _colour,
    "tint": _tint,
    "blur": _blur,
    "pixelate": _pixelate,
    "noise": _noise,
    "compress": _compress,
    "stretch": _stretch,
    "pad": _pad,
    "text": _text,
    "sticker": _sticker,
    "meme": _meme,
    "blurred_sides": _blurred_sides,
    "inset_other": _inset_other,
    "show_in_other": _show_in_other,
    "beside_other": _beside_other,
    "blend_other": _blend_other,
}
