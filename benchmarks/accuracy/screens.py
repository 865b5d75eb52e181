"""Draws generated screens: credits, timers, lyrics, slides, messages, cards and titles."""

from __future__ import annotations

from functools import cache
from random import Random
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from benchmarks.accuracy.designs import MOVING, Words, choose_style

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.accuracy.designs import Colour, Screen, Style
    from jobs.demo.editing.overlays import Pixels

    Draw = Callable[[ImageDraw.ImageDraw, float], None]

FADE_SECONDS = 0.4
_ROLES = "Director Producer Writer Camera Editor Music Sound Costumes Lighting Casting Make-up Stunts Colour Catering"


def make_drawing(screen: Screen) -> tuple[Callable[[float], Pixels], float]:
    """Return a function from seconds to a frame, uint8 (height, width, 3) RGB, and the duration in seconds."""
    style = choose_style(screen)
    paint, draw = KINDS[screen.kind]
    background, draw_text = paint(style), draw(style, Words(screen))
    paint_at = _make_moving(style) if style.number == MOVING else lambda _: background.copy()

    def draw_frame(seconds: float) -> Pixels:
        picture = paint_at(seconds)
        draw_text(ImageDraw.Draw(picture), seconds)
        return np.array(picture)

    return draw_frame, style.seconds


def _paint_flat(style: Style) -> Image.Image:
    return Image.new("RGB", style.size_px, style.background)


def _make_moving(style: Style) -> Callable[[float], Image.Image]:
    """Return what paints a soft band of colour that turns about the centre, as in templates of motion graphics."""
    random, (width, height) = Random(style.seed), style.size_px
    first, speed = random.uniform(0, np.pi), random.choice((-1, 1)) * random.uniform(0.3, 0.9)
    y, x = np.mgrid[:height, :width] - np.reshape((height / 2, width / 2), (2, 1, 1))
    band = _mix(style.background, style.accent, 0.5)

    def paint_at(seconds: float) -> Image.Image:
        angle = first + speed * seconds
        distance = (x * np.cos(angle) + y * np.sin(angle)) / height
        share = np.clip(1.5 - 3 * np.abs(distance), 0, 1)[..., None]
        return Image.fromarray(np.round(share * band + (1 - share) * style.background).astype(np.uint8))

    return paint_at


def _paint_texture(style: Style) -> Image.Image:
    """Paint soft spots of colour with grain, instead of a photograph."""
    random = np.random.default_rng(style.seed)
    spots = Image.fromarray(random.integers(30, 190, (5, 8, 3), dtype=np.uint8))
    smooth = np.asarray(spots.resize(style.size_px, Image.Resampling.BICUBIC), dtype=np.float64)
    smooth = 0.35 * smooth + 0.65 * smooth.mean(axis=2, keepdims=True)  # muted, as in most photographs
    return Image.fromarray(np.clip(smooth + random.normal(0, 12, smooth.shape), 0, 255).astype(np.uint8))


def _paint_bars(style: Style) -> Image.Image:
    """Paint a bar at the top or on the left, and a line above the lower edge."""
    picture = _paint_flat(style)
    draw, (width, height) = ImageDraw.Draw(picture), style.size_px
    bar = (0, 0, width, height * 0.09) if style.number == 1 else (0, 0, width * 0.07, height)
    draw.rectangle(bar, style.accent)
    draw.line((width * style.left, height * 0.9, width, height * 0.9), style.accent, 2)
    return picture


@cache
def _load_font(size_px: float) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size_px)


def _write(
    draw: ImageDraw.ImageDraw,
    position: tuple[float, float],
    text: str,
    size_px: float,
    colour: Colour,
    anchor: str = "mm",
) -> None:
    """Write a line at a position given in fractions of width and height, smaller if it is too wide."""
    width, height = draw.im.size
    room = 0.87 - position[0] if anchor[0] == "l" else position[0] - 0.06 if anchor[0] == "r" else 0.8
    needed = draw.textlength(text, _load_font(size_px)) / width
    font = _load_font(size_px * min(1.0, room / needed))
    draw.text((position[0] * width, position[1] * height), text, colour, font, anchor)


def _draw_credits(style: Style, words: Words) -> Draw:
    """Scroll roles and names upwards: side by side in the first style, one below the other in the second."""
    roles = Random(style.seed).sample(_ROLES.split(), 11)
    entries = [(role, words.draw_person()) for role in roles]
    pitch = 0.17 if style.number == 1 else 0.27
    middle = 0.35 + style.left / 2

    def draw_text(draw: ImageDraw.ImageDraw, seconds: float) -> None:
        scrolled = seconds / style.seconds * (len(entries) - 1) * pitch
        for number, (role, name) in enumerate(entries):
            y = 0.5 + number * pitch - scrolled
            if style.number == 1:
                _write(draw, (middle - 0.02, y), role, 0.75 * style.font_px, style.accent, "rm")
                _write(draw, (middle + 0.02, y), name, style.font_px, style.text, "lm")
            else:
                _write(draw, (0.5, y - 0.055), role.upper(), 0.65 * style.font_px, style.accent)
                _write(draw, (0.5, y + 0.055), name, 1.15 * style.font_px, style.text)

    return draw_text


def _draw_timer(style: Style, words: Words) -> Draw:
    """Count minutes and seconds, up or down, below a label or in a ring. The minute does not change.

    On a moving background there are digits only, without a colon.
    """
    random = Random(style.seed)
    label, direction = random.choice(("BREAK", "WE START SOON", "ROUND 2", "TIME")), random.choice((-1, 1))
    start = words.random.randint(12, 47)
    y = 0.55 if style.number == 1 else 0.5

    def draw_text(draw: ImageDraw.ImageDraw, seconds: float) -> None:
        shown = start + direction * int(seconds)
        if style.number == 1:
            _write(draw, (0.5, 0.24), label, 1.2 * style.font_px, style.accent)
        elif style.number != MOVING:
            (width, height), radius = style.size_px, 0.36 * style.size_px[1]
            box = (width / 2 - radius, height / 2 - radius, width / 2 + radius, height / 2 + radius)
            draw.arc(box, -90, -90 + shown * 6, style.accent, max(4, round(0.04 * height)))
        size_px = style.font_px * (3.2 if style.number == 1 else 2)
        text = f"{words.minute}{shown:02}" if style.number == MOVING else f"{words.minute:02}:{shown:02}"
        _write(draw, (0.5, y), text, size_px, style.text)

    return draw_text


def _draw_lyrics(style: Style, words: Words) -> Draw:
    """Show one line at a time in the lower part of the picture."""
    changes, lines = [0.0], []
    while changes[-1] < style.seconds:
        changes.append(changes[-1] + words.random.uniform(1.4, 2.4))
        lines.append(f"{words.random.choice(('I', 'we', 'you', 'they'))} {words.draw_clause()}")

    def draw_text(draw: ImageDraw.ImageDraw, seconds: float) -> None:
        line = lines[max(number for number, change in enumerate(changes) if change <= seconds)]
        shade = 0.008 * style.size_px[1] / style.size_px[0]
        for dx, dy, colour in ((shade, 0.01, (0, 0, 0)), (0.0, 0.0, (255, 255, 255))):
            _write(draw, (0.5 + dx, 0.77 + dy), line, 1.2 * style.font_px, colour)

    return draw_text


def _draw_slides(style: Style, words: Words) -> Draw:
    """Show three slides with a title and three bullets."""
    slides = [(words.draw_thing().title(), [words.draw_clause() for _ in range(3)]) for _ in range(3)]

    def draw_text(draw: ImageDraw.ImageDraw, seconds: float) -> None:
        title, bullets = slides[min(2, int(seconds * 3 / style.seconds))]
        _write(draw, (style.left, 0.24), title, 1.4 * style.font_px, style.text, "lm")
        for number, bullet in enumerate(bullets):
            y = 0.44 + 0.16 * number
            _write(draw, (style.left, y), "-", style.font_px, style.accent, "lm")
            _write(draw, (style.left + 0.04, y), bullet, style.font_px, style.text, "lm")

    return draw_text


def _draw_messages(style: Style, words: Words) -> Draw:
    """Append lines, first two and then one about every second: a terminal, or a chat with bubbles."""
    appended, lines = [0.0, 0.0], []
    while appended[-1] < style.seconds:
        appended.append(appended[-1] + words.random.uniform(0.6, 1.2))
    for _ in appended:
        port = words.random.randint(1000, 9999)
        lines.append(words.draw_clause() if style.number == 1 else f"$ {words.draw_clause()} {port}")

    def draw_text(draw: ImageDraw.ImageDraw, seconds: float) -> None:
        num_lines = sum(moment <= seconds for moment in appended)
        first = max(0, num_lines - 5)
        for row, number in enumerate(range(first, num_lines)):
            y = 0.18 + 0.16 * row
            is_right = style.number == 1 and number % 2 == 1
            x, anchor = (0.87, "rm") if is_right else (style.left, "lm")
            if style.number == 1:
                _draw_bubble(draw, (x, y), lines[number], style, anchor)
            _write(draw, (x, y), lines[number], 0.9 * style.font_px, style.text, anchor)

    return draw_text


def _draw_bubble(
    draw: ImageDraw.ImageDraw, position: tuple[float, float], text: str, style: Style, anchor: str
) -> None:
    """Draw the outline of a bubble around a line of text."""
    width, height = style.size_px
    length = min(draw.textlength(text, _load_font(0.9 * style.font_px)), 0.72 * width)
    left = position[0] * width - (length if anchor == "rm" else 0)
    top, half = position[1] * height, 0.07 * height
    draw.rounded_rectangle((left - half, top - half, left + length + half, top + half), half, outline=style.accent)


def _draw_card(style: Style, words: Words) -> Draw:
    """Show a scoreboard, or a question with four answers. Nothing moves."""
    teams = [words.draw_team() for _ in range(2)]
    scores = [words.random.randint(0, 129) for _ in range(2)]
    question, answers = f"Who can {words.draw_clause()}?", [words.draw_person() for _ in range(4)]

    def draw_scores(draw: ImageDraw.ImageDraw, _seconds: float) -> None:
        _write(draw, (0.5, 0.2), "FINAL SCORE", style.font_px, style.accent)
        for x, team, score in zip((0.3, 0.7), teams, scores, strict=True):
            _write(draw, (x, 0.42), team, 0.9 * style.font_px, style.text)
            _write(draw, (x, 0.66), str(score), 2.4 * style.font_px, style.text)

    def draw_quiz(draw: ImageDraw.ImageDraw, _seconds: float) -> None:
        _write(draw, (0.5, 0.24), question, 1.1 * style.font_px, style.text)
        for number, answer in enumerate(answers):
            y = 0.44 + 0.13 * number
            _write(draw, (style.left, y), "ABCD"[number], style.font_px, style.accent, "lm")
            _write(draw, (style.left + 0.08, y), answer, style.font_px, style.text, "lm")

    return draw_scores if style.number == 1 else draw_quiz


def _draw_titles(style: Style, words: Words) -> Draw:
    """Fade three titles in and out, one after the other."""
    titles = [words.draw_thing().upper() for _ in range(3)]
    label = Random(style.seed).choice(("CHAPTER", "PART", "DAY", "LESSON"))
    shown_seconds = style.seconds / 3

    def draw_text(draw: ImageDraw.ImageDraw, seconds: float) -> None:
        number = min(2, int(seconds / shown_seconds))
        since = seconds - number * shown_seconds
        opacity = min(1.0, max(0.0, min(since, shown_seconds - since) / FADE_SECONDS))
        colours = [_mix(style.background, colour, opacity) for colour in (style.accent, style.text)]
        _write(draw, (0.5, 0.32 + style.left / 3), f"{label} {number + 1}", 0.9 * style.font_px, colours[0])
        _write(draw, (0.5, 0.5 + style.left / 3), titles[number], 1.6 * style.font_px, colours[1])

    return draw_text


def _mix(under: Colour, over: Colour, opacity: float) -> Colour:
    red, green, blue = (round(low + (high - low) * opacity) for low, high in zip(under, over, strict=True))
    return red, green, blue


KINDS: dict[str, tuple[Callable[[Style], Image.Image], Callable[[Style, Words], Draw]]] = {
    "credits": (_paint_flat, _draw_credits),
    "timer": (_paint_flat, _draw_timer),
    "lyrics": (_paint_texture, _draw_lyrics),
    "slides": (_paint_bars, _draw_slides),
    "messages": (_paint_flat, _draw_messages),
    "card": (_paint_flat, _draw_card),
    "titles": (_paint_flat, _draw_titles),
}
