from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from benchmarks.accuracy.grid import GRID, STRENGTHS, Transformation
from jobs.demo.editing.edits import EDITS, Footage, trace_footage
from jobs.demo.editing.transcode import apply_edit, survey_clip
from tests.support.clock_clips import frame_at, seconds_shown, write_clock_clip

if TYPE_CHECKING:
    from pathlib import Path

RED = (200, 0, 0)
EDIT_OF = {edit.name: edit for transformation in GRID for edit in transformation.strengths}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clock_clip(tmp_path_factory.mktemp("clips") / "source.mp4")


@pytest.fixture(scope="module")
def companion(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clock_clip(tmp_path_factory.mktemp("clips") / "companion.avi", num_frames=20, right=RED)


def test_the_grid_has_32_or_more_transformations_in_seven_families() -> None:
    families = [transformation.family for transformation in GRID]
    assert len(GRID) >= 32
    assert len({transformation.name for transformation in GRID}) == len(GRID)
    assert list(dict.fromkeys(families)) == [
        "encoding",
        "photometric",
        "geometry",
        "overlay",
        "temporal",
        "composition",
        "reversal",
    ]


def test_each_transformation_has_three_strengths_with_unique_names() -> None:
    for transformation in GRID:
        names = [edit.name for edit in transformation.strengths]
        assert names == [f"{transformation.name}-{strength}" for strength in STRENGTHS]
    assert len(EDIT_OF) == 3 * len(GRID)
    assert not EDIT_OF.keys() & EDITS.keys()


@pytest.mark.parametrize("transformation", GRID, ids=lambda transformation: transformation.name)
def test_the_duration_of_an_edited_video_is_that_of_its_footage(
    transformation: Transformation, source: Path, companion: Path, tmp_path: Path
) -> None:
    edit = transformation.strengths[2]
    target = tmp_path / f"made.{edit.encoding.extension}"
    footage = apply_edit(source, target, edit, companion if edit.needs_companion else None)
    facts = survey_clip(target)
    assert facts.duration_seconds == pytest.approx(
        max(stretch.target_end_seconds for stretch in footage), abs=float(1 / facts.fps)
    )
    assert (facts.width_px % 2, facts.height_px % 2) == (0, 0)
    assert {stretch.from_companion for stretch in footage} == ({False, True} if edit.needs_companion else {False})


@pytest.mark.slow
@pytest.mark.parametrize("name", EDIT_OF)
def test_every_edit_is_reproducible_to_the_byte(name: str, source: Path, companion: Path, tmp_path: Path) -> None:
    edit = EDIT_OF[name]
    first, second = (tmp_path / f"{number}.{edit.encoding.extension}" for number in (1, 2))
    for target in (first, second):
        apply_edit(source, target, edit, companion if edit.needs_companion else None, seed=3)
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("speed-up-strong", (Footage(0.0, 10.0, 0.0, 5.0),)),
        ("trim-tail-strong", (Footage(0.0, 4.0, 0.0, 4.0),)),
        ("jump-cuts-strong", tuple(Footage(2.0 * n, 2.0 * n + 1, 1.0 * n, n + 1.0) for n in range(5))),
        ("loop-light", (Footage(0.0, 10.0, 0.0, 10.0), Footage(0.0, 5.0, 10.0, 15.0))),
        ("loop-medium", (Footage(0.0, 10.0, 0.0, 10.0), Footage(0.0, 10.0, 10.0, 20.0))),
        ("reorder-light", (Footage(5.0, 10.0, 0.0, 5.0), Footage(0.0, 5.0, 5.0, 10.0))),
        ("reverse-strong", (Footage(0.0, 10.0, 0.0, 10.0, is_reversed=True),)),
        ("reverse-medium", (Footage(0.0, 4.0, 0.0, 4.0), Footage(4.0, 10.0, 4.0, 10.0, is_reversed=True))),
        (
            "splice-medium",
            (Footage(0.0, 5.0, 0.0, 5.0), Footage(1.0, 3.0, 5.0, 7.0, True), Footage(5.0, 10.0, 7.0, 12.0)),
        ),
        (
            "spliced-into-light",
            (Footage(0.0, 2.0, 0.0, 2.0, True), Footage(0.0, 10.0, 2.0, 12.0), Footage(2.0, 4.0, 12.0, 14.0, True)),
        ),
        ("intro-medium", (Footage(0.0, 3.0, 0.0, 3.0, True), Footage(0.0, 10.0, 3.0, 13.0))),
        ("outro-light", (Footage(0.0, 10.0, 0.0, 10.0), Footage(2.5, 4.0, 10.0, 11.5, True))),
        ("outro-strong", (Footage(0.0, 10.0, 0.0, 10.0), Footage(0.0, 4.0, 10.0, 14.0, True))),
        ("inset-strong", (Footage(0.0, 10.0, 0.0, 10.0, False, 0.4), Footage(0.0, 4.0, 0.0, 4.0, True, 0.84))),
        ("side-by-side-medium", (Footage(0.0, 10.0, 0.0, 10.0, False, 0.5), Footage(0.0, 4.0, 0.0, 4.0, True, 0.5))),
    ],
)
def test_an_edit_of_ten_seconds_with_a_companion_of_four_has_these_stretches(
    name: str, expected: tuple[Footage, ...]
) -> None:
    footage = trace_footage(EDIT_OF[name], 10.0, 4.0)
    assert len(footage) == len(expected)
    for stretch, wanted in zip(footage, expected, strict=True):
        assert vars(stretch) == pytest.approx(vars(wanted))


def test_a_short_rest_of_a_jump_cut_is_left_out() -> None:
    assert len(trace_footage(EDIT_OF["jump-cuts-strong"], 2.1)) == 1
    assert len(trace_footage(EDIT_OF["jump-cuts-strong"], 2.3)) == 2
    assert len(trace_footage(EDIT_OF["jump-cuts-strong"], 0.1)) == 1


@pytest.mark.parametrize("name", ["reverse-medium", "reorder-strong", "loop-light", "jump-cuts-medium"])
def test_each_stretch_shows_the_traced_time_of_the_source(name: str, source: Path, tmp_path: Path) -> None:
    footage = apply_edit(source, tmp_path / "made.mp4", EDIT_OF[name])
    for stretch in footage:
        for fraction in (0.1, 0.5, 0.9):
            passed = fraction * (stretch.target_end_seconds - stretch.target_start_seconds)
            expected = (
                stretch.source_end_seconds - passed if stretch.is_reversed else stretch.source_start_seconds + passed
            )
            shown = seconds_shown(frame_at(tmp_path / "made.mp4", stretch.target_start_seconds + passed))
            assert shown == pytest.approx(expected, abs=0.2)


def test_side_by_side_shows_the_source_left_and_the_companion_right(
    source: Path, companion: Path, tmp_path: Path
) -> None:
    apply_edit(source, tmp_path / "made.mp4", EDIT_OF["side-by-side-medium"], companion)
    frame = frame_at(tmp_path / "made.mp4", 1.0)
    assert frame.shape == (60, 100, 3)
    assert frame[30, 37, 1] > frame[30, 37, 0] + 80, "the right half of the source is green"
    assert frame[30, 87, 0] > frame[30, 87, 1] + 80, "the right half of the companion is red"
    assert frame[:10].max() < 40, "both keep their aspect ratio, with black bars"


def test_an_inset_shows_the_source_on_the_companion_and_repeats_the_companions_last_frame(
    source: Path, companion: Path, tmp_path: Path
) -> None:
    apply_edit(source, tmp_path / "made.mp4", EDIT_OF["inset-strong"], companion)
    for seconds in (1.0, 3.5):
        frame = frame_at(tmp_path / "made.mp4", seconds)
        assert frame[45, 88, 1] > frame[45, 88, 0] + 80
        assert frame[10, 88, 0] > frame[10, 88, 1] + 80


def test_a_blend_mixes_source_and_companion_by_opacity(source: Path, companion: Path, tmp_path: Path) -> None:
    apply_edit(source, tmp_path / "made.mp4", EDIT_OF["blend-strong"], companion)
    red, green, _ = frame_at(tmp_path / "made.mp4", 1.0)[30, 75].astype(int)
    assert red == pytest.approx(0.45 * 200, abs=15)
    assert green == pytest.approx(0.55 * 160, abs=15)


def test_darkness_reduces_luma_and_chroma_alike(source: Path, tmp_path: Path) -> None:
    apply_edit(source, tmp_path / "made.mp4", EDIT_OF["darkness-medium"])
    before, after = frame_at(source, 1.0).astype(float), frame_at(tmp_path / "made.mp4", 1.0).astype(float)
    assert np.abs(after[10:50, 60:90] - before[10:50, 60:90] / 2).mean() < 10
