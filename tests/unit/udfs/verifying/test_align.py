"""Frames in these tests are rows of the identity, so any two of them have a similarity of 1 or 0."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from udfs.verifying.align import TimeAlignment, align
from udfs.verifying.features import Segment, VideoFeatures
from udfs.verifying.lines import AlignedSegment
from udfs.verifying.relation import name_relation

if TYPE_CHECKING:
    from collections.abc import Iterable

NUM_DIMS = 64


def frames(*numbers: int) -> np.ndarray:
    """The frames with these numbers, one per row."""
    return np.eye(NUM_DIMS, dtype=np.float32)[list(numbers)]


def video(
    shown: Iterable[int] | np.ndarray,
    *,
    step_seconds: float = 1.0,
    background: float = 0.0,
    duration: float | None = None,
) -> VideoFeatures:
    """A video that shows these frames, one every `step_seconds`."""
    vectors = shown if isinstance(shown, np.ndarray) else frames(*shown)
    seconds = np.arange(len(vectors)) * step_seconds
    backgrounds = np.full(len(vectors), background, dtype=np.float32)
    return VideoFeatures(vectors, seconds, backgrounds, len(vectors) * step_seconds if duration is None else duration)


def align_existing(left: VideoFeatures, right: VideoFeatures) -> TimeAlignment:
    """Align two videos that must align."""
    alignment = align(left, right)
    assert alignment is not None
    return alignment


def bounds(alignment: TimeAlignment) -> tuple[float, float, float, float]:
    """Start and end in the left video, then in the right video."""
    return (*alignment.left, *alignment.right)


def coverages(alignment: TimeAlignment) -> tuple[float, float]:
    """Coverage of the left and of the right video."""
    return alignment.left_coverage, alignment.right_coverage


def behind(num_before: int, shown: Iterable[int], num_after: int = 0) -> VideoFeatures:
    """A video of black frames, then its content, then black frames."""
    content = frames(*shown)
    padded = video(np.pad(content, ((num_before, num_after), (0, 0))))
    return replace(padded, known_content=Segment(float(num_before), float(num_before + len(content))))


def make_scene(shown: Iterable[int], scene: int, share: float) -> np.ndarray:
    """Frames of one scene. In each, the share `share` of the squared norm is unique to the frame."""
    own = frames(*shown)
    return ((1 - share) ** 0.5 * frames(*[scene] * len(own)) + share**0.5 * own).astype(np.float32)


def test_a_video_is_a_full_copy_of_itself() -> None:
    found = align_existing(video(range(10)), video(range(10)))
    # Each frame deviates from the mean of 10 frames by (9/10, -1/10, ...), whose square is .81 + 9 x .01 = .9.
    assert found == TimeAlignment(
        left=Segment(0.0, 10.0),
        right=Segment(0.0, 10.0),
        left_coverage=1.0,
        right_coverage=1.0,
        similarity=1.0,
        left_chamfer=1.0,
        right_chamfer=1.0,
        independent_frames=10.0,
        change_agreement=pytest.approx(1.0),
        attainable_agreement=pytest.approx(1.0),
        change=pytest.approx(0.9),
        segments=(AlignedSegment(Segment(0.0, 10.0), Segment(0.0, 10.0)),),
        left_content_seconds=10.0,
        right_content_seconds=10.0,
    )
    assert found.relation == "copy"


def test_a_clip_of_a_longer_video_is_contained_in_it() -> None:
    found = align_existing(video(range(20)), video(range(5, 11)))
    assert bounds(found) == (5.0, 11.0, 0.0, 6.0)
    assert coverages(found) == (0.3, 1.0)
    assert found.relation == "contained"
    assert (found.left_chamfer, found.right_chamfer) == (pytest.approx(0.3), 1.0)


def test_the_longer_video_may_be_on_the_right() -> None:
    found = align_existing(video(range(5, 11)), video(range(20)))
    assert bounds(found) == (0.0, 6.0, 5.0, 11.0)
    assert found.relation == "contained"


def test_two_videos_that_share_a_part_overlap() -> None:
    found = align_existing(video(range(20)), video(range(12, 32)))
    assert bounds(found) == (12.0, 20.0, 0.0, 8.0)
    assert coverages(found) == (0.4, 0.4)
    assert found.relation == "overlap"


@pytest.mark.parametrize(("speed", "num_shown"), [(2.0, 20), (1.5, 15), (1.25, 15), (1.0, 10)])
def test_a_copy_at_another_speed_is_aligned_from_end_to_end(speed: float, num_shown: int) -> None:
    # The left video shows the same footage in 1 / speed as many frames.
    slow = video(range(num_shown))
    fast = video([int(number * speed) for number in range(round(num_shown / speed))])
    found = align_existing(fast, slow)
    assert bounds(found) == pytest.approx((0.0, fast.duration_seconds, 0.0, num_shown), abs=1.0)
    assert found.relation == "copy"
    assert found.similarity > 0.7


def test_half_speed_on_the_left_is_found() -> None:
    slow, fast = video([number // 2 for number in range(20)]), video(range(10))
    found = align_existing(slow, fast)
    assert bounds(found) == pytest.approx((0.0, 20.0, 0.0, 10.0), abs=0.5)
    assert found.relation == "copy"
    assert found.similarity == 1.0


def test_a_clip_at_double_speed_is_found_inside_a_longer_video() -> None:
    found = align_existing(video(range(40)), video(range(10, 30, 2)))
    assert bounds(found) == pytest.approx((10.0, 30.0, 0.0, 10.0), abs=1.0)
    assert found.relation == "contained"


def test_frame_intervals_may_differ() -> None:
    dense = video([number // 2 for number in range(20)], step_seconds=0.5)
    found = align_existing(dense, video(range(10)))
    assert bounds(found) == pytest.approx((0.0, 10.0, 0.0, 10.0), abs=0.5)
    assert found.relation == "copy"


def test_an_alignment_continues_across_frames_that_were_replaced() -> None:
    found = align_existing(video(range(20)), video([*range(9), 60, 61, *range(11, 20)]))
    assert bounds(found) == (0.0, 20.0, 0.0, 20.0)
    assert found.relation == "copy"
    assert found.similarity == pytest.approx(18 / 20)


def test_both_parts_around_an_insertion_are_shared() -> None:
    found = align_existing(video(range(20)), video([*range(12), 60, 61, 62, *range(12, 20)]))
    assert bounds(found) == (0.0, 20.0, 0.0, 23.0)
    assert coverages(found) == (1.0, 20 / 23)
    assert found.relation == "copy"


def test_both_parts_around_a_cut_are_shared() -> None:
    found = align_existing(video(range(20)), video([*range(8), *range(14, 20)]))
    assert bounds(found) == (0.0, 20.0, 0.0, 14.0)
    assert coverages(found) == (0.7, 1.0)


def test_reordered_parts_are_shared() -> None:
    found = align_existing(video(range(20)), video([*range(9, 20), *range(9)]))
    assert coverages(found) == (1.0, 1.0)


def test_a_video_played_twice_is_a_copy() -> None:
    found = align_existing(video(range(10)), video([*range(10), *range(10)]))
    assert coverages(found) == (1.0, 1.0)


def test_frames_that_are_less_similar_than_the_shared_part_are_no_further_segment() -> None:
    # After the shared segment the scene continues, but only half of each frame's squared norm is common.
    shared, later = frames(*range(10)), make_scene(range(20, 25), 3, 0.5)
    found = align_existing(video(np.concatenate([shared, later])), video(shared))
    assert bounds(found) == (0.0, 10.0, 0.0, 10.0)


def test_unrelated_videos_do_not_align() -> None:
    assert align(video(range(10)), video(range(10, 20))) is None


def test_slightly_similar_unrelated_videos_have_a_low_similarity() -> None:
    # The cosine of any two frames is .2, slightly above the minimum.
    one, other = make_scene(range(1, 11), 0, 0.8), make_scene(range(11, 21), 0, 0.8)
    found = align_existing(video(one), video(other))
    assert found.similarity == pytest.approx(0.2)
    assert found.change_agreement == pytest.approx(0.0, abs=1e-6)


def test_similarity_to_the_background_reduces_frame_similarity() -> None:
    # 1 - .4 x (.5 + .25)
    found = align_existing(video(range(10), background=0.5), video(range(10), background=0.25))
    assert (found.similarity, found.left_chamfer, found.right_chamfer) == pytest.approx((0.7, 0.7, 0.7))


def test_frames_that_resemble_the_background_do_not_align() -> None:
    # 1 - .4 x 2.2 is below the minimum
    assert align(video(range(10), background=1.1), video(range(10), background=1.1)) is None


@pytest.mark.parametrize("num_frames", [10, 60, 200])
def test_a_static_scene_of_any_length_counts_as_one_frame_and_is_a_copy_of_itself(num_frames: int) -> None:
    found = align_existing(video([7] * num_frames), video([7] * num_frames))
    assert found.independent_frames == pytest.approx(1.0)
    assert bounds(found) == (0.0, num_frames, 0.0, num_frames)
    assert found.relation == "copy"
    assert (found.change_agreement, found.change) == (0.0, 0.0)


def test_a_static_scene_with_noise_is_a_copy_of_itself() -> None:
    one, other = make_scene(range(1, 31), 0, 0.02), make_scene(range(31, 61), 0, 0.02)
    found = align_existing(video(one), video(other))
    assert bounds(found) == (0.0, 30.0, 0.0, 30.0)
    assert found.relation == "copy"


def test_a_long_static_intro_does_not_hide_the_rest() -> None:
    shown = [0] * 100 + list(range(1, 31))
    found = align_existing(video([63, 62, *shown]), video(shown))
    assert bounds(found) == (2.0, 132.0, 0.0, 130.0)
    assert found.relation == "copy"
    assert found.independent_frames == pytest.approx(31.0)


def test_unrelated_videos_share_only_their_static_intro() -> None:
    one, other = [0] * 10 + list(range(1, 21)), [0] * 10 + list(range(21, 41))
    found = align_existing(video(one), video(other))
    assert bounds(found) == (0.0, 10.0, 0.0, 10.0)
    assert found.independent_frames == pytest.approx(1.0)


def test_two_takes_of_a_static_scene_agree_in_the_scene_but_not_in_changes() -> None:
    one, other = make_scene(range(1, 11), 0, 0.1), make_scene(range(11, 21), 0, 0.1)
    takes = align_existing(video(one), video(other))
    assert takes.similarity == pytest.approx(0.9)
    assert (takes.change_agreement, takes.attainable_agreement) == pytest.approx((0.0, 0.1), abs=1e-6)
    copies = align_existing(video(one), video(one))
    # Of the unique tenth of each frame: .9 at the same moment, -.1 at other moments, as in the first test.
    assert copies.change_agreement == copies.attainable_agreement == pytest.approx(0.1)
    assert copies.change == takes.change == pytest.approx(0.09)


@pytest.mark.parametrize("begin", [0, 5, 12])
def test_a_part_of_a_nearly_static_scene_is_contained_in_it_at_speed_1(begin: int) -> None:
    scene = make_scene(range(1, 21), 0, 0.15)
    found = align_existing(video(scene), video(scene[begin : begin + 8]))
    assert found.relation == "contained"
    assert bounds(found) == (begin, begin + 8.0, 0.0, 8.0)


def test_a_part_too_short_to_compare_changes_is_aligned_at_speed_1() -> None:
    # A slow drift agrees with itself at any speed: three frames align at speed 1, all five at speed .5.
    drift = frames(*[0] * 5) + np.linspace(0, 0.6, 5, dtype=np.float32)[:, None] * frames(1)
    scene = drift / np.linalg.norm(drift, axis=1, keepdims=True)
    assert align_existing(video(scene), video(scene[:3])).segments[0] == ((0.0, 3.0), (0.0, 3.0))


def test_a_part_sampled_twice_as_densely_is_found_at_one_place_of_a_static_scene() -> None:
    """No frame of the host is matched to every second frame of the part, which fits any place of the scene."""
    host = make_scene(range(24), 63, 0.05)
    part = host[8:14].repeat(2, axis=0)
    found = align_existing(video(host), video(part, step_seconds=0.5))
    assert bounds(found) == (8.0, 14.0, 0.0, 6.0)
    assert coverages(found) == (0.25, 1.0)


def test_a_nearly_static_scene_played_twice_is_a_copy() -> None:
    scene = make_scene(range(1, 11), 0, 0.15)
    found = align_existing(video(scene), video(np.concatenate([scene, scene])))
    assert found.relation == "copy"


def test_small_changes_reach_the_attainable_agreement() -> None:
    one, other = (video(make_scene(range(1, 11), 0, share)) for share in (0.04, 0.09))
    found = align_existing(one, other)
    # The square roots of the unique shares, .2 x .3, times the change agreement of the first test, 1.
    assert (found.change_agreement, found.attainable_agreement) == pytest.approx((0.06, 0.06))


def test_opposite_changes_have_a_negative_agreement() -> None:
    # One scene brightens in one video and darkens in the other.
    drift = np.float32([[-0.09], [-0.03], [0.03], [0.09]]) * frames(1, 1, 1, 1)
    brighter, darker = (
        rows / np.linalg.norm(rows, axis=1, keepdims=True)
        for rows in (frames(0, 0, 0, 0) + drift, frames(0, 0, 0, 0) - drift)
    )
    found = align_existing(video(brighter), video(darker))
    # The mean of the four squares is .0045, the mean product of frames apart is -.0045, and the signs are opposite.
    assert (found.change_agreement, found.attainable_agreement) == pytest.approx((-0.009, 0.009), abs=0.001)


def test_three_frames_are_too_few_to_compare_changes() -> None:
    found = align_existing(video(range(3)), video(range(3)))
    assert (found.change_agreement, found.attainable_agreement) == (0.0, 0.0)


def test_a_black_frame_has_a_weight_and_aligns_with_nothing() -> None:
    black = np.zeros((2, NUM_DIMS), dtype=np.float32)
    assert video(black).weights.tolist() == [1.0, 1.0]
    assert align(video(black), video(black)) is None


def test_a_single_frame_can_be_a_copy() -> None:
    found = align_existing(video([3]), video([3]))
    assert bounds(found) == (0.0, 1.0, 0.0, 1.0)
    assert (found.relation, found.change, found.change_agreement) == ("copy", 0.0, 0.0)


def test_a_still_picture_of_zero_duration_is_found_where_the_other_video_shows_it() -> None:
    picture = video([2], duration=0.0)
    found = align_existing(picture, video(range(4)))
    assert bounds(found) == (0.0, 0.0, 2.0, 2.0)
    assert coverages(found) == (1.0, 0.0)
    swapped = align_existing(video(range(4)), picture)
    assert swapped.relation == found.relation == "contained"
    assert align_existing(picture, picture).relation == "copy"


@pytest.mark.parametrize(("num_before", "num_after"), [(4, 0), (0, 4), (4, 10)])
def test_a_copy_between_black_frames_is_a_copy(num_before: int, num_after: int) -> None:
    whole, padded = video(range(8)), behind(num_before, range(8), num_after)
    found, swapped = align_existing(whole, padded), align_existing(padded, whole)
    assert bounds(found) == (0.0, 8.0, num_before, num_before + 8.0)
    assert coverages(found) == coverages(swapped) == (1.0, 1.0)
    assert found.relation == swapped.relation == "copy"
    unknown = align_existing(whole, replace(padded, known_content=None))
    assert bounds(unknown) == bounds(found)
    assert coverages(unknown) == (1.0, 8 / (8 + num_before + num_after))
    assert unknown.relation == "contained"


def test_a_clip_of_a_video_between_black_frames_is_contained_in_it() -> None:
    found = align_existing(behind(4, range(20), 6), video(range(5, 11)))
    assert bounds(found) == (9.0, 15.0, 0.0, 6.0)
    assert coverages(found) == (0.3, 1.0)
    assert found.relation == "contained"


def test_a_shared_title_card_covers_no_content() -> None:
    one, other = video([0, 1, 2, *range(10, 20)]), video([0, 1, 2, *range(20, 30)])
    assert coverages(align_existing(one, other)) == (3 / 13, 3 / 13)
    one, other = (replace(side, known_content=Segment(3.0, 13.0)) for side in (one, other))
    found = align_existing(one, other)
    assert bounds(found) == (0.0, 3.0, 0.0, 3.0)
    assert coverages(found) == (0.0, 0.0)
    assert found.relation == "overlap"


def test_only_the_part_of_a_segment_within_the_content_counts() -> None:
    found = align_existing(video(range(10)), replace(video(range(10)), known_content=Segment(2.0, 6.0)))
    assert bounds(found) == (0.0, 10.0, 0.0, 10.0)
    assert coverages(found) == (1.0, 1.0)
    clip = align_existing(video(range(4)), replace(video(range(10)), known_content=Segment(2.0, 7.0)))
    assert coverages(clip) == (1.0, 0.4)


def test_content_played_twice_counts_once() -> None:
    played = replace(video([*range(10), *range(10)]), known_content=Segment(5.0, 15.0))
    assert coverages(align_existing(video(range(10)), played)) == (1.0, 1.0)


def test_the_content_of_a_thinned_video_is_kept() -> None:
    long = behind(1000, [number % NUM_DIMS for number in range(2000)])
    assert long.thin().content == long.content == (1000.0, 3000.0)
    assert coverages(align_existing(long, long)) == (1.0, 1.0)


def test_bounds_end_at_the_duration() -> None:
    # The tenth frame is shown for .2 s, and the mean frame interval is .92 s.
    found = align_existing(video(range(10), duration=9.2), video(range(10), duration=9.2))
    assert bounds(found) == (0.0, 9.2, 0.0, 9.2)


def test_a_frame_is_shared_only_until_the_other_video_ends() -> None:
    # The last frame of the host that the part shows is that of 4 s, until 5 s. The part ends at 4.2 s.
    host, part = video(range(8)), video(range(5), duration=4.2)
    found = align_existing(host, part)
    assert bounds(found) == pytest.approx((0.0, 4.2, 0.0, 4.2))
    assert coverages(found) == pytest.approx((4.2 / 8, 1.0))
    assert bounds(align_existing(part, host)) == pytest.approx((0.0, 4.2, 0.0, 4.2))


def test_a_trim_to_seven_tenths_is_no_copy() -> None:
    host = video(range(8))
    part = video([int(place * 0.7) for place in range(8)], step_seconds=0.7)
    assert align_existing(host, part).relation == align_existing(part, host).relation == "contained"


def test_a_copy_at_twice_the_speed_is_shorter_and_a_copy() -> None:
    fast = video(range(16), step_seconds=0.5)
    found = align_existing(video(range(16)), fast)
    assert (bounds(found), found.relation) == ((0.0, 16.0, 0.0, 8.0), "copy")


def test_a_longer_video_that_repeats_a_part_is_not_contained_in_the_shorter_one() -> None:
    shorter, longer = video(range(10)), video([0, 1, 2, 3] * 4)
    for found in (align_existing(shorter, longer), align_existing(longer, shorter)):
        assert sorted(coverages(found)) == [0.4, 1.0]
        assert found.relation == "overlap"


def test_a_frame_is_shown_until_the_next_one_appears() -> None:
    slides, seconds = frames(0, 1, 2), np.array([0.0, 0.5, 5.0])
    left = VideoFeatures(slides, seconds, np.zeros(3, np.float32), 9.0)
    assert bounds(align_existing(left, left)) == (0.0, 9.0, 0.0, 9.0)
    other = VideoFeatures(frames(0, 1, 3), seconds, np.zeros(3, np.float32), 9.0)
    assert bounds(align_existing(left, other)) == (0.0, 5.0, 0.0, 5.0)


def test_bounds_of_a_thinned_video_are_within_one_frame_interval() -> None:
    noise = np.random.default_rng(0).normal(size=(5000, 32))
    vectors = (noise / np.linalg.norm(noise, axis=1, keepdims=True)).astype(np.float32)
    longer, clip = video(vectors), video(vectors[1000:2000])
    assert len(longer.thin().vectors) == 1667  # every third
    assert longer.thin().duration_seconds == 5000.0
    assert longer.thin().seconds[:3].tolist() == [0.0, 3.0, 6.0]
    found = align_existing(longer, clip)
    assert bounds(found) == pytest.approx((1000.0, 2000.0, 0.0, 1000.0), abs=3.0)
    assert found.relation == "contained"
    assert found.independent_frames == 333.0


def test_a_video_of_six_hours_is_thinned_before_its_frames_are_compared() -> None:
    # The similarity matrix of 21,600 frames would need 1.9 GB.
    longest = video(np.tile(frames(*range(54)), (400, 1)))
    found = align_existing(longest, longest)
    assert found.relation == "copy"
    assert "weights" not in vars(longest)


@pytest.mark.parametrize(
    ("left_seconds", "right_seconds", "relation"),
    [(5.0, 7.4, "contained"), (7.4, 7.4, "contained"), (15.9, 7.4, "overlap")],
)
def test_no_video_is_contained_in_one_with_less_content(
    left_seconds: float, right_seconds: float, relation: str
) -> None:
    assert name_relation(1.0, 0.5, left_seconds, right_seconds) == relation
    assert name_relation(0.5, 1.0, right_seconds, left_seconds) == relation
    assert name_relation(1.0, 0.8, left_seconds, right_seconds) == "copy"


@pytest.mark.parametrize(
    ("left", "right", "relation"),
    [
        (1.0, 0.8, "copy"),
        (1.0, 0.796, "copy"),
        (0.8, 0.79, "contained"),
        (0.1, 0.9, "contained"),
        (0.79, 0.79, "overlap"),
    ],
)
def test_coverage_decides_the_relation(left: float, right: float, relation: str) -> None:
    assert name_relation(left, right) == relation
    alignment = align_existing(video(range(4)), video(range(4)))
    assert replace(alignment, left_coverage=left, right_coverage=right).relation == relation
