from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from udfs.verifying.align import align
from udfs.verifying.features import Segment, VideoFeatures

NUM_DIMS = 16


@st.composite
def videos(draw: st.DrawFn) -> VideoFeatures:
    """Draw a video with frames of a few scenes, some of them noisy, some black, at any frame interval."""
    count = draw(st.integers(1, 24))
    scenes = np.array(draw(st.lists(st.integers(0, NUM_DIMS), min_size=count, max_size=count)))
    vectors = np.eye(NUM_DIMS + 1)[scenes][:, :NUM_DIMS]  # the last scene is black
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    vectors = vectors + draw(st.sampled_from([0.0, 0.02, 0.3])) * rng.normal(size=vectors.shape)
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors = (vectors / np.where(norms > 0, norms, 1)).astype(np.float32)
    seconds = np.concatenate([[0.0], np.cumsum(rng.uniform(0.1, 1.5, count))])
    backgrounds = rng.uniform(-0.2, 0.6, count).astype(np.float32)
    return VideoFeatures(vectors, seconds[:-1], backgrounds, float(seconds[-1]))


@st.composite
def steady_videos(draw: st.DrawFn) -> VideoFeatures:
    """Draw a video that shows a segment of one footage in which any two seconds differ."""
    start, count = draw(st.integers(0, 20)), draw(st.integers(8, 20))
    vectors = np.eye(40, dtype=np.float32)[start : start + count]
    return VideoFeatures(vectors, np.arange(float(count)), np.zeros(count, np.float32), float(count))


@given(videos(), videos())
def test_values_are_in_their_documented_ranges(left: VideoFeatures, right: VideoFeatures) -> None:
    found = align(left, right)
    if found is None:
        return
    for side, video in (("left", left), ("right", right)):
        start, end = getattr(found, side)
        assert 0 <= start <= end <= video.duration_seconds
        # The bounds also enclose the gaps between segments.
        assert 0 <= getattr(found, f"{side}_coverage") <= (end - start) / video.duration_seconds + 1e-9
        assert getattr(found, f"{side}_coverage") <= 1
    assert found.similarity <= max(found.left_chamfer, found.right_chamfer, 1.2)
    if len(found.segments) == 1:  # a further segment may include reused frames below the minimum
        assert found.similarity > 0.15
    assert 0 < found.independent_frames <= min(len(left.vectors), len(right.vectors)) + 1e-9
    assert -4 <= round(found.change_agreement, 6) <= 4
    assert 0 <= round(found.attainable_agreement, 6) <= 4
    assert found.change >= 0
    numbers = {name: value for name, value in asdict(found).items() if name not in {"left", "right", "segments"}}
    assert np.isfinite([*numbers.values(), *found.left, *found.right, *np.ravel(found.segments)]).all()


SPEEDS = (1 / 2, 2 / 3, 4 / 5, 1, 5 / 4, 3 / 2, 2)


@st.composite
def videos_with_content(draw: st.DrawFn) -> VideoFeatures:
    """Draw a video of which only a part is content."""
    video = draw(videos())
    bounds = sorted(draw(st.tuples(st.floats(0, 1), st.floats(0, 1))))
    return replace(video, known_content=Segment(*(video.duration_seconds * bound for bound in bounds)))


@given(videos_with_content(), videos_with_content())
def test_coverage_and_relation_agree_with_the_lengths(left: VideoFeatures, right: VideoFeatures) -> None:
    found = align(left, right)
    if found is None:
        return
    lengths = [(one.left[1] - one.left[0], one.right[1] - one.right[0]) for one in found.segments]
    for of_left, of_right in lengths:
        # Both sides of a segment show the same footage, at one of the speeds.
        assert any(of_right == pytest.approx(speed * of_left, abs=1e-6) for speed in SPEEDS)
    contents = []
    for side, video in enumerate((left, right)):
        content = video.content.end_seconds - video.content.start_seconds
        contents.append(content)
        covered = (found.left_coverage, found.right_coverage)[side] * content
        assert content == 0 or covered <= sum(length[side] for length in lengths) + 1e-6
    coverages = (found.left_coverage, found.right_coverage)
    if found.relation == "contained":
        inner = coverages.index(max(coverages))
        assert contents[inner] <= contents[1 - inner]
    elif found.relation == "copy":
        assert round(min(coverages), 2) >= 0.8


@given(steady_videos(), st.integers(8, 19), st.sampled_from([1.0, 0.7, 0.6, 1.3]))
def test_a_part_covers_its_share_of_the_host(host: VideoFeatures, num_seconds: int, step_seconds: float) -> None:
    """The part is sampled at other moments than the host."""
    part_seconds = min(num_seconds, len(host.vectors)) - 0.1
    seconds = np.arange(0.0, part_seconds, step_seconds)
    part = VideoFeatures(host.vectors[seconds.astype(int)], seconds, np.zeros(len(seconds), np.float32), part_seconds)
    found = align(host, part)
    assert found is not None
    assert found.left_coverage <= part_seconds / host.duration_seconds + 1e-6


@given(videos())
def test_a_video_that_is_not_black_is_a_copy_of_itself(video: VideoFeatures) -> None:
    quiet = VideoFeatures(video.vectors, video.seconds, np.zeros_like(video.backgrounds), video.duration_seconds)
    found = align(quiet, quiet)
    if not video.vectors.any():
        assert found is None
        return
    assert found is not None
    assert found.left == pytest.approx(found.right)
    if np.linalg.norm(video.vectors, axis=1).all():
        assert found.similarity == pytest.approx(1.0, abs=1e-5)
        assert (found.left_coverage, found.right_coverage) == (1.0, pytest.approx(1.0))


@given(steady_videos(), steady_videos())
def test_swapping_the_sides_swaps_the_values(left: VideoFeatures, right: VideoFeatures) -> None:
    found, swapped = align(left, right), align(right, left)
    if found is None or swapped is None:
        assert found is swapped is None
        return
    assert (found.left, found.right) == (pytest.approx(swapped.right), pytest.approx(swapped.left))
    one, other = asdict(found), asdict(swapped)
    for name in ("coverage", "chamfer"):
        assert one[f"left_{name}"] == pytest.approx(other[f"right_{name}"])
        assert one[f"right_{name}"] == pytest.approx(other[f"left_{name}"])
    for name in ("similarity", "independent_frames", "change_agreement", "attainable_agreement", "change"):
        assert one[name] == pytest.approx(other[name])


@given(steady_videos(), st.integers(1, 10))
def test_unrelated_footage_before_a_video_only_moves_its_bounds(video: VideoFeatures, num_before: int) -> None:
    wide = np.pad(video.vectors, ((0, 0), (0, 10)))
    before = np.eye(50, dtype=np.float32)[40 : 40 + num_before]
    count = len(wide) + num_before
    later = VideoFeatures(
        np.concatenate([before, wide]), np.arange(float(count)), np.zeros(count, np.float32), float(count)
    )
    found = align(VideoFeatures(wide, video.seconds, video.backgrounds, video.duration_seconds), later)
    assert found is not None
    assert found.left == (0.0, video.duration_seconds)
    assert found.right == (num_before, count)
    assert (found.similarity, found.left_coverage) == (1.0, 1.0)
