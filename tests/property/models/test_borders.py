"""What holds of the cutting of borders wherever the picture lies in its frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.borders import cut_borders, find_content

if TYPE_CHECKING:
    from numpy.typing import NDArray

PX = 48
COLOURS = st.tuples(*[st.integers(0, 255)] * 3)


@st.composite
def boxes(draw: st.DrawFn) -> tuple[int, int, int, int]:
    """Places of a picture in a frame: top, bottom, left, right; from below a fifth of the frame's side up to all."""
    height, width = draw(st.integers(8, PX)), draw(st.integers(8, PX))
    top, left = draw(st.integers(0, PX - height)), draw(st.integers(0, PX - width))
    return top, top + height, left, left + width


def frame_with(box: tuple[int, int, int, int], colour: tuple[int, ...], seed: int) -> NDArray[np.uint8]:
    """A frame of one colour, with noise in the box."""
    top, bottom, left, right = box
    frame = np.full((PX, PX, 3), colour, np.uint8)
    noise = np.random.default_rng(seed).integers(0, 256, (bottom - top, right - left, 3), dtype=np.uint8)
    frame[top:bottom, left:right] = noise
    return frame


@given(boxes(), COLOURS, st.integers(0, 99))
def test_cutting_again_changes_nothing(box: tuple[int, int, int, int], colour: tuple[int, ...], seed: int) -> None:
    once = cut_borders(frame_with(box, colour, seed)[np.newaxis])
    assert once.shape == (1, PX, PX, 3)
    assert cut_borders(once).tobytes() == once.tobytes()


@given(boxes(), COLOURS, COLOURS, st.integers(0, 99))
def test_the_colour_of_the_borders_is_gone(
    box: tuple[int, int, int, int], colour: tuple[int, ...], other: tuple[int, ...], seed: int
) -> None:
    top, bottom, left, right = box
    frames = np.stack([frame_with(box, colour, seed), frame_with(box, other, seed)])
    cut = cut_borders(frames)
    if min(bottom - top, right - left) >= PX / 5:
        assert find_content(frames[0]) == box
        assert cut[0].tobytes() == cut[1].tobytes()
    else:
        assert cut.tobytes() == frames.tobytes()
