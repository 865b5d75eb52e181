"""Cuts for `jobs.demo.editing.edits.Edit.cut`: which pieces of source and companion follow one another.

Each function returns a cut, which maps the durations of source and companion, in seconds, to pieces.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.demo.editing.edits import Piece

if TYPE_CHECKING:
    from jobs.demo.editing.edits import Cut

MIN_PIECE_SECONDS = 0.2


def skip_every(kept_seconds: float, skipped_seconds: float) -> Cut:
    """Alternately keep and skip some seconds (jump cuts). A last piece shorter than 0.2 s is left out."""

    def cut(source_seconds: float, _companion_seconds: float) -> tuple[Piece, ...]:
        period = kept_seconds + skipped_seconds
        starts = [number * period for number in range(int(source_seconds / period) + 1)]
        pieces = [Piece(start, min(start + kept_seconds, source_seconds)) for start in starts]
        return (pieces[0], *(p for p in pieces[1:] if p.end_seconds - p.start_seconds >= MIN_PIECE_SECONDS))

    return cut


def repeat(times: float) -> Cut:
    """Repeat the source; a fraction plays it in part: 2.5 is twice, then the first half."""

    def cut(source_seconds: float, _companion_seconds: float) -> tuple[Piece, ...]:
        whole = (Piece(0.0, source_seconds),) * int(times)
        return (*whole, Piece(0.0, (times % 1) * source_seconds)) if times % 1 else whole

    return cut


def reorder(order: tuple[int, ...]) -> Cut:
    """Cut the source into equal parts and play them in the given order: (1, 0) swaps the halves."""

    def cut(source_seconds: float, _companion_seconds: float) -> tuple[Piece, ...]:
        return tuple(
            Piece(place * source_seconds / len(order), (place + 1) * source_seconds / len(order)) for place in order
        )

    return cut


def reverse_from(start_fraction: float) -> Cut:
    """Reverse the part of the source after a fraction of its duration."""

    def cut(source_seconds: float, _companion_seconds: float) -> tuple[Piece, ...]:
        start = start_fraction * source_seconds
        backwards = Piece(start, source_seconds, is_reversed=True)
        return (Piece(0.0, start), backwards) if start else (backwards,)

    return cut


def insert_companion(fraction: float) -> Cut:
    """Insert the middle of the companion, a fraction of its duration, into the middle of the source."""

    def cut(source_seconds: float, companion_seconds: float) -> tuple[Piece, ...]:
        middle = source_seconds / 2
        inserted = _take_middle(companion_seconds, fraction, from_companion=True)
        return Piece(0.0, middle), inserted, Piece(middle, source_seconds)

    return cut


def insert_into_companion(fraction: float) -> Cut:
    """Insert the middle of the source, a fraction of its duration, into the middle of the companion."""

    def cut(source_seconds: float, companion_seconds: float) -> tuple[Piece, ...]:
        middle = companion_seconds / 2
        inserted = _take_middle(source_seconds, fraction, from_companion=False)
        return Piece(0.0, middle, True), inserted, Piece(middle, companion_seconds, True)

    return cut


def _take_middle(seconds: float, fraction: float, *, from_companion: bool) -> Piece:
    return Piece(seconds * (1 - fraction) / 2, seconds * (1 + fraction) / 2, from_companion)


def begin_with_companion(seconds: float) -> Cut:
    """Play the first seconds of the companion, or all of it if shorter, before the source (an intro)."""

    def cut(source_seconds: float, companion_seconds: float) -> tuple[Piece, ...]:
        return Piece(0.0, min(seconds, companion_seconds), True), Piece(0.0, source_seconds)

    return cut


def end_with_companion(seconds: float) -> Cut:
    """Play the last seconds of the companion, or all of it if shorter, after the source (an outro)."""

    def cut(source_seconds: float, companion_seconds: float) -> tuple[Piece, ...]:
        return Piece(0.0, source_seconds), Piece(max(0.0, companion_seconds - seconds), companion_seconds, True)

    return cut
