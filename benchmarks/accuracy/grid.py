"""The transformations of the accuracy benchmark, each in three strengths, grouped in families.

The kinds follow CC_WEB_VIDEO (Wu et al. 2007), SVD (Jiang et al. 2019), the MPEG-7 video signature set, the generator
of VSC2022's copies, and S2VS. A light edit is hardly visible; a strong one is stronger than most uploads.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING

from jobs.demo.editing import cuts, layouts, overlays
from jobs.demo.editing.edits import (
    H264_MP4,
    HEVC_MKV,
    MPEG4_AVI,
    VP9_WEBM,
    Edit,
    Layout,
    change_speed,
    crop,
    keep_stretch,
    lay_out,
    resize,
    rotate,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from jobs.demo.editing.edits import Cut, Encoding

STRENGTHS = ("light", "medium", "strong")


@dataclass(frozen=True)
class Transformation:
    """A kind of edit; `strengths` are the edits `<name>-light`, `<name>-medium` and `<name>-strong`."""

    name: str
    family: str
    strengths: tuple[Edit, Edit, Edit]


def _vary(name: str, family: str, light: Edit, medium: Edit, strong: Edit) -> Transformation:
    """Make a transformation from three edits, and name them."""
    named = (replace(light, name=f"{name}-light"), replace(medium, name=f"{name}-medium"))
    return Transformation(name, family, (*named, replace(strong, name=f"{name}-strong")))


def _encode(name: str, encoding: Encoding, option: str, *values: int) -> Transformation:
    """Encode with three values of one option."""
    others = tuple(pair for pair in encoding.options if pair[0] != option)
    edits = [Edit(name, encoding=replace(encoding, options=(*others, (option, str(value))))) for value in values]
    return _vary(name, "encoding", *edits)


def _filter(name: str, family: str, *filters: str) -> Transformation:
    """Apply three chains of FFmpeg filters, in FFmpeg's notation without quotes."""
    chains = [tuple((f.partition("=")[0], f.partition("=")[2]) for f in chain.split(",")) for chain in filters]
    return _vary(name, family, *(Edit(name, chain) for chain in chains))


def _draw(
    name: str, family: str, draw: Callable[..., overlays.Pixels], parameter: str, *values: float
) -> Transformation:
    """Draw on each frame with three values of one parameter."""
    return _vary(name, family, *(Edit(name, draw=partial(draw, **{parameter: value})) for value in values))


def _cut(name: str, family: str, *chosen: Cut, needs_companion: bool = False) -> Transformation:
    """Join pieces in three ways."""
    return _vary(name, family, *(Edit(name, cut=cut, needs_companion=needs_companion) for cut in chosen))


def _compose(name: str, *chosen: Layout) -> Transformation:
    """Show the companion at the same time in three ways."""
    return _vary(name, "composition", *(lay_out(name, layout) for layout in chosen))


def _play(name: str, *percents: int) -> Transformation:
    """Play at three percentages of the speed."""
    return _vary(name, "temporal", *(change_speed(percent) for percent in percents))


def _keep(name: str, *kept: tuple[float, float]) -> Transformation:
    """Keep three different stretches, given in fractions of the duration."""
    return _vary(name, "temporal", *(keep_stretch(name, start, end) for start, end in kept))


_ENCODINGS = (
    _encode("low-bitrate", H264_MP4, "crf", 32, 40, 47),
    _encode("vp9", VP9_WEBM, "crf", 42, 52, 62),
    _encode("mpeg4", MPEG4_AVI, "b", 600_000, 250_000, 80_000),
    _encode("hevc", HEVC_MKV, "crf", 32, 40, 47),
    _vary("low-resolution", "encoding", resize(60), resize(40), resize(25)),
    _vary("frame-rate", "encoding", *(Edit("", fps=Fraction(fps)) for fps in (12, 6, 3))),
)

_DIM = "lutyuv=y=(val-16)*{0}+16:u=(val-128)*{0}+128:v=(val-128)*{0}+128"

_PHOTOMETRIC = (
    _filter("brightness", "photometric", *(f"lutyuv=y=val+{shift}" for shift in (25, 50, 80))),
    _filter("darkness", "photometric", *(_DIM.format(factor) for factor in (0.75, 0.5, 0.3))),
    _filter("contrast", "photometric", *(f"lutyuv=y=(val-128)*{factor}+128" for factor in (1.3, 1.7, 2.3))),
    _filter("gamma", "photometric", *(f"lutyuv=y=gammaval({gamma})" for gamma in (0.7, 0.5, 0.35))),
    _filter("grayscale", "photometric", "hue=s=0.4", "hue=s=0.15", "hue=s=0"),
    _filter("hue", "photometric", "hue=h=20", "hue=h=60", "hue=h=150"),
    _filter(
        "colour-cast",
        "photometric",
        "colorchannelmixer=rr=1.12:gg=1:bb=0.85",
        "colorchannelmixer=rr=0.75:gg=1:bb=1.3",
        # Sepia, with the usual matrix.
        "colorchannelmixer=0.393:0.769:0.189:0:0.349:0.686:0.168:0:0.272:0.534:0.131",
    ),
    _filter("blur", "photometric", *(f"gblur=sigma={sigma}" for sigma in (1.5, 3, 6))),
    _filter("noise", "photometric", *(f"noise=alls={most}:allf=t:all_seed={{seed}}" for most in (12, 30, 60))),
    _filter("sharpen", "photometric", *(f"unsharp=5:5:{amount}" for amount in (1, 2.5, 5))),
    _filter("pixelate", "photometric", *(f"pixelize={side}:{side}" for side in (4, 8, 14))),
)

_CROP = "crop=trunc(iw*{0}/2)*2:trunc(ih*{0}/2)*2"
_SWAY = _CROP + ":(iw-ow)*(0.5+0.5*sin(n*0.37)):(ih-oh)*(0.5+0.5*sin(n*0.53+1))"

_GEOMETRY = (
    _vary("crop", "geometry", crop(10), crop(25), crop(40)),
    _filter("corner-crop", "geometry", *(_CROP.format(kept) + ":0:0" for kept in (0.88, 0.75, 0.6))),
    _filter("letterbox", "geometry", *(f"pad=iw:trunc(ih*{f}/2)*2:0:(oh-ih)/2" for f in (1.15, 1.4, 2))),
    _filter("pillarbox", "geometry", *(f"pad=trunc(iw*{f}/2)*2:ih:(ow-iw)/2:0" for f in (1.15, 1.4, 2))),
    _filter(
        "padding",
        "geometry",
        *(
            f"pad=trunc(iw*{factor}/2)*2:trunc(ih*{factor}/2)*2:(ow-iw)/2:(oh-ih)/2:{colour}"
            for factor, colour in ((1.1, "white"), (1.3, "steelblue"), (1.6, "gold"))
        ),
    ),
    _filter("mirror", "geometry", "hflip", f"hflip,{_CROP.format(0.85)}", f"hflip,{_CROP.format(0.7)}"),
    _vary("rotate", "geometry", rotate(3), rotate(8), rotate(15)),
    _filter("quarter-turn", "geometry", "transpose=clock", "transpose=cclock", "hflip,vflip"),
    _filter("stretch", "geometry", *(f"scale=trunc(iw*{f}/2)*2:ih,setsar=1" for f in (0.8, 0.65, 0.5))),
    _draw("perspective", "geometry", layouts.film_at_angle, "fraction", 0.06, 0.12, 0.2),
    _filter("shake", "geometry", *(_SWAY.format(kept) for kept in (0.94, 0.87, 0.78))),
)

_OVERLAYS = (
    _draw("logo", "overlay", overlays.draw_logo, "width_fraction", 0.1, 0.18, 0.3),
    _draw("caption", "overlay", overlays.draw_caption, "height_fraction", 0.1, 0.18, 0.3),
    _draw("sticker", "overlay", overlays.draw_sticker, "height_fraction", 0.2, 0.35, 0.55),
    _draw("meme-frame", "overlay", layouts.frame_as_meme, "height_fraction", 0.15, 0.3, 0.5),
    _draw("vertical", "overlay", layouts.show_on_backdrop, "aspect", 1.0, 4 / 5, 9 / 16),
)

_TEMPORAL = (
    _play("speed-up", 115, 150, 200),
    _play("slow-down", 87, 67, 50),
    _keep("trim-head", (0.1, 1.0), (0.3, 1.0), (0.6, 1.0)),
    _keep("trim-tail", (0.0, 0.9), (0.0, 0.7), (0.0, 0.4)),
    _keep("middle-clip", (0.1, 0.9), (0.25, 0.75), (0.35, 0.65)),
    _cut("jump-cuts", "temporal", cuts.skip_every(1.8, 0.2), cuts.skip_every(1.5, 0.5), cuts.skip_every(1.0, 1.0)),
    _cut("loop", "temporal", cuts.repeat(1.5), cuts.repeat(2), cuts.repeat(3)),
    _cut("reorder", "temporal", cuts.reorder((1, 0)), cuts.reorder((2, 0, 1)), cuts.reorder((3, 1, 4, 0, 2))),
)

_COMPOSITION = (
    _compose(
        "picture-in-picture",
        *(
            Layout(partial(overlays.show_inset, width_fraction=width), 1.0, width, holds_last_frame=False)
            for width in (0.2, 0.3, 0.45)
        ),
    ),
    _compose(
        "inset",
        *(
            Layout(partial(layouts.show_within, width_fraction=width), width, 1 - width**2)
            for width in (0.7, 0.55, 0.4)
        ),
    ),
    _compose(
        "side-by-side",
        *(Layout(partial(layouts.show_beside, width_fraction=width), width, 1 - width) for width in (0.65, 0.5, 0.4)),
    ),
    _compose(
        "blend",
        *(Layout(partial(layouts.blend, opacity=share), 1 - share, share) for share in (0.15, 0.3, 0.45)),
    ),
    _cut("splice", "composition", *(cuts.insert_companion(f) for f in (0.25, 0.5, 1.0)), needs_companion=True),
    _cut(
        "spliced-into", "composition", *(cuts.insert_into_companion(f) for f in (1.0, 0.6, 0.4)), needs_companion=True
    ),
    _cut("intro", "composition", *(cuts.begin_with_companion(s) for s in (1.5, 3, 8)), needs_companion=True),
    _cut("outro", "composition", *(cuts.end_with_companion(s) for s in (1.5, 3, 8)), needs_companion=True),
)

_REVERSAL = (_cut("reverse", "reversal", cuts.reverse_from(0.7), cuts.reverse_from(0.4), cuts.reverse_from(0.0)),)

GRID: tuple[Transformation, ...] = (
    *_ENCODINGS,
    *_PHOTOMETRIC,
    *_GEOMETRY,
    *_OVERLAYS,
    *_TEMPORAL,
    *_COMPOSITION,
    *_REVERSAL,
)
