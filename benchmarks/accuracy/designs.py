"""The designs of generated screens, and the words that each shows.

A design follows from split, kind and style. The words follow from the number of the content as well: each split has its
own words, and each content of a design its own part of them, so no two contents share a word that is drawn at random.
Labels such as "CHAPTER 1" belong to the design.
"""

from __future__ import annotations

import colorsys
from dataclasses import dataclass
from itertools import product
from random import Random
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from benchmarks.accuracy.videos import choose_rank

if TYPE_CHECKING:
    from collections.abc import Sequence

T = TypeVar("T")
Colour: TypeAlias = tuple[int, int, int]

SPLITS = ("train", "calibrate", "test")
STYLES = (1, 2, 3)
MOVING = 3  # the style with a background that moves, the same in all contents of a design
CONTENTS = (1, 2, 3)
SIZES_PX = ((320, 180), (480, 270))
DURATIONS_SECONDS = (6.0, 7.0, 8.0, 9.0, 10.0)
DARK_SHARE = 0.6  # of the designs with a dark background
_FIRST_NAMES = (
    "Ada Ben Clara David Elena Felix Greta Hugo Ines Jonas Karla Leo Maya Nils Olga Paul Rosa Simon Tina Ulrich Vera "
    "Walter Yara Zeno Amir Bianca Carlos Dalia Emil Fatima Goran Hanna Ivan Julia Kemal Lena Marco Nadia Oscar Petra "
    "Quentin Ruth Samuel Teresa Uma Viktor Wanda Xavier Yusuf Zoe Anton Birgit Cyril Doris"
)
_LAST_NAMES = (
    "Abbott Becker Castillo Dupont Eriksen Fischer Garcia Horvath Ivanov Jansen Kowalski Larsen Moretti Novak Okafor "
    "Petrov Quinn Rossi Schneider Tanaka Urban Vogel Weber Yilmaz Zimmer Andrade Bianchi Cohen Delgado Evans Fontaine "
    "Gruber Hansen Ibrahim Jovanovic Klein Lindgren Murphy Nakamura Olsen Papadakis Ramirez Sandoval Takahashi Ullman "
    "Virtanen Whitaker Yamamoto Zapata Brandt Costa Dimitrov Egger Farkas"
)
_ADJECTIVES = (
    "silver quiet golden broken distant early frozen gentle hidden heavy lonely narrow polite pale quick secret "
    "restless simple tall velvet warm wild young ancient bitter crimson deep"
)
_NOUNS = (
    "harbour garden window river lantern bridge winter forest engine island mirror market planet station violin desert "
    "candle mountain letter orchard painter railway shadow summer temple thunder tower valley village whisper anchor "
    "balcony castle dancer feather glacier horizon kitchen library meadow needle ocean pepper ribbon saddle"
)
_VERBS = (
    "follow carry open paint remember measure borrow cross gather hide answer build choose deliver explain forget "
    "guard invite join keep leave fold notice offer plant repair share"
)


@dataclass(frozen=True)
class Screen:
    """A generated video. Screens of one design differ in `content` only, which counts from 1 as `style` does."""

    split: str
    kind: str
    style: int
    content: int

    @property
    def design(self) -> str:
        """For example `layout-test-credits-1`."""
        return f"layout-{self.split}-{self.kind}-{self.style}"

    @property
    def name(self) -> str:
        """For example `layout-test-credits-1-3`."""
        return f"{self.design}-{self.content}"


@dataclass(frozen=True)
class Style:
    """What all screens of one design have in common.

    Attributes:
        number: of STYLES; some kinds have variants, and the background of `MOVING` moves.
        size_px: width and height.
        seconds: duration.
        font_px: size of the main text.
        background: RGB.
        text: RGB, far lighter or far darker than the background.
        accent: RGB of bars and labels.
        left: left margin, as a fraction of the width.
        seed: of what else the kind chooses for the design.
    """

    number: int
    size_px: tuple[int, int]
    seconds: float
    font_px: float
    background: Colour
    text: Colour
    accent: Colour
    left: float
    seed: int


def choose_style(screen: Screen) -> Style:
    """Choose size, duration, colours and font of a design."""
    seed = choose_rank(screen.design)
    random = Random(seed)
    size_px, hue, is_dark = random.choice(SIZES_PX), random.random(), random.random() < DARK_SHARE
    levels = (random.uniform(0.03, 0.2), random.uniform(0.88, 0.98))
    background, text = levels if is_dark else levels[::-1]
    return Style(
        screen.style,
        size_px,
        random.choice(DURATIONS_SECONDS),
        size_px[1] * random.uniform(0.09, 0.115),
        _make_colour(hue, background, random.uniform(0.1, 0.7)),
        _make_colour(hue, text, 0.3),
        _make_colour(hue + random.uniform(0.25, 0.75), 0.62 if is_dark else 0.38, 0.7),
        random.uniform(0.13, 0.2),
        seed,
    )


def _make_colour(hue: float, lightness: float, saturation: float) -> Colour:
    red, green, blue = (round(255 * level) for level in colorsys.hls_to_rgb(hue % 1, lightness, saturation))
    return red, green, blue


class Words:
    """Draws the words of one content; no two persons, things or clauses of it are the same."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self.random = Random(choose_rank("text", screen.name))
        firsts, self._lasts, adjectives, nouns, verbs = (
            self._deal(words.split()) for words in (_FIRST_NAMES, _LAST_NAMES, _ADJECTIVES, _NOUNS, _VERBS)
        )
        self._persons = self._combine(firsts, self._lasts)
        self._things = self._combine(adjectives, nouns)
        self._clauses = self._combine(verbs, ["the"], adjectives, nouns)
        self.minute = self.random.choice(self._deal(range(1, 60)))

    def _deal(self, words: Sequence[T]) -> list[T]:
        """Return the words of this content: a third of those of its split, shuffled for its design."""
        of_split = list(words[SPLITS.index(self._screen.split) :: len(SPLITS)])
        Random(choose_rank("deal", self._screen.design)).shuffle(of_split)
        return of_split[self._screen.content - 1 :: len(CONTENTS)]

    def _combine(self, *parts: Sequence[str]) -> list[str]:
        """Return all combinations of one word of each part, shuffled."""
        combined = [" ".join(words) for words in product(*parts)]
        self.random.shuffle(combined)
        return combined

    def draw_person(self) -> str:
        """Draw a first and a last name."""
        return self._persons.pop()

    def draw_thing(self) -> str:
        """Draw an adjective and a noun."""
        return self._things.pop()

    def draw_clause(self) -> str:
        """Draw a verb, "the", an adjective and a noun."""
        return self._clauses.pop()

    def draw_team(self) -> str:
        """Draw a last name and a number."""
        return f"{self.random.choice(self._lasts)} {self.random.randint(2, 99)}"
