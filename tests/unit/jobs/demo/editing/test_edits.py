from __future__ import annotations

import numpy as np
import pytest

from jobs.demo.editing.edits import EDITS, Footage, trace_footage
from jobs.demo.editing.overlays import draw_caption, draw_logo, paste_inset

GREY = np.full((100, 200, 3), 90, np.uint8)


def test_each_edit_is_registered_under_its_own_name() -> None:
    assert all(edit.name == name for name, edit in EDITS.items())
    assert len(EDITS) == 28


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("reencode-webm", Footage(0.0, 10.0, 0.0, 10.0)),
        ("crop-15", Footage(0.0, 10.0, 0.0, 10.0)),
        ("speed-80", Footage(0.0, 10.0, 0.0, 12.5)),
        ("speed-125", Footage(0.0, 10.0, 0.0, 8.0)),
        ("trim-head", Footage(3.0, 10.0, 0.0, 7.0)),
        ("trim-tail", Footage(0.0, 7.0, 0.0, 7.0)),
        ("middle-clip", Footage(3.0, 7.0, 0.0, 4.0)),
    ],
)
def test_ten_seconds_under_an_edit_show_one_stretch(name: str, expected: Footage) -> None:
    assert trace_footage(EDITS[name], 10.0) == (expected,)


def test_a_splice_puts_the_companions_middle_into_the_sources_middle() -> None:
    assert trace_footage(EDITS["splice"], 10.0, 4.0) == (
        Footage(0.0, 5.0, 0.0, 5.0),
        Footage(1.0, 3.0, 5.0, 7.0, from_companion=True),
        Footage(5.0, 10.0, 7.0, 12.0),
    )


def test_a_concat_appends_the_companion() -> None:
    assert trace_footage(EDITS["concat"], 10.0, 4.0) == (
        Footage(0.0, 10.0, 0.0, 10.0),
        Footage(0.0, 4.0, 10.0, 14.0, from_companion=True),
    )


@pytest.mark.parametrize(("companion_seconds", "shown_seconds"), [(4.0, 4.0), (30.0, 10.0)])
def test_an_inset_ends_with_the_shorter_clip(companion_seconds: float, shown_seconds: float) -> None:
    assert trace_footage(EDITS["picture-in-picture"], 10.0, companion_seconds) == (
        Footage(0.0, 10.0, 0.0, 10.0),
        Footage(0.0, shown_seconds, 0.0, shown_seconds, from_companion=True, visibility=0.3),
    )


def test_a_caption_is_white_text_on_a_black_strip_along_the_lower_edge() -> None:
    captioned = draw_caption(GREY)
    assert np.array_equal(captioned[:84], GREY[:84])
    assert {0, 255} <= set(np.unique(captioned[84:]).tolist())
    assert (captioned[84:] < 128).mean() > 0.5
    assert (captioned[84:, :10] == 0).all(), "the text does not reach the frame's edge"
    assert (GREY == 90).all(), "the input is left as it is"


def test_a_logo_is_a_disc_in_the_upper_right_corner() -> None:
    marked = draw_logo(GREY)
    # 16 % of 200 px is a square of 32 px at rows 8 to 39, columns 160 to 191; the disc just misses its border.
    assert marked[24, 176].tolist() == [194, 42, 50], "0.8 of the mark's (220, 30, 40) and 0.2 of 90"
    changed_rows, changed_columns = np.nonzero((marked != GREY).any(axis=2))
    assert (changed_rows.min(), changed_rows.max()) == (9, 38)
    assert (changed_columns.min(), changed_columns.max()) == (161, 190)
    assert (GREY == 90).all()


def test_a_logo_fits_a_frame_that_is_hardly_high() -> None:
    assert draw_logo(np.zeros((10, 200, 3), np.uint8)).shape == (10, 200, 3)


def test_an_inset_lies_in_the_lower_right_corner_inside_the_margin() -> None:
    pasted = paste_inset(GREY, np.full((30, 40, 3), 7, np.uint8))
    assert (pasted[62:92, 152:192] == 7).all()
    assert (pasted == 7).sum() == 30 * 40 * 3
    assert (GREY == 90).all()


def test_an_inset_higher_than_the_frame_is_cut() -> None:
    assert (paste_inset(GREY, np.full((300, 40, 3), 7, np.uint8)) == 7).sum() == 84 * 40 * 3
