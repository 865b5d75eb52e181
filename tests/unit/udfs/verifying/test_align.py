"""Frames here are rows of the identity, so that two of them are equal (1) or strangers (0)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from udfs.verifying.align import TimeAlignment, VideoFeatures, align
from udfs.verifying.relation import name_relation

if TYPE_CHECKING:
    from collections.abc import Iterable

NUM_DIMS = 64


def frames(*numbers: int) -> np.ndarray:
    """The frames of these numbers, a row each."""
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


def aligned(left: VideoFeatures, right: VideoFeatures) -> TimeAlignment:
    """Their alignment, which there must be."""
    alignment = align(left, right)
    assert alignment is not None
    return alignment


def bounds(alignment: TimeAlignment) -> tuple[float, float, float, float]:
    """Start and end on the left, start and end on the right."""
    return (
        alignment.left_start_seconds,
        alignment.left_end_seconds,
        alignment.right_start_seconds,
        alignment.right_end_seconds,
    )


def coverages(alignment: TimeAlignment) -> tuple[float, float]:
    """Of the left and of the right."""
    return alignment.left_coverage, alignment.right_coverage


def shake(shown: Iterable[int], scene: int, share: float) -> np.ndarray:
    """Frames of one scene in which `share` of each one's square is a frame of its own."""
    own = frames(*shown)
    return ((1 - share) ** 0.5 * frames(*[scene] * len(own)) + share**0.5 * own).astype(np.float32)


def test_a_video_and_itself_are_copies_from_end_to_end() -> None:
    found = aligned(video(range(10)), video(range(10)))
    # Every frame deviates from the mean of 10 by (9/10, -1/10, ...), whose square is .81 + 9 x .01 = .9.
    assert found == TimeAlignment(
        left_start_seconds=0.0,
        left_end_seconds=10.0,
        right_start_seconds=0.0,
        right_end_seconds=10.0,
        left_coverage=1.0,
        right_coverage=1.0,
        similarity=1.0,
        left_chamfer=1.0,
        right_chamfer=1.0,
        independent_frames=10.0,
        change_agreement=pytest.approx(1.0),
        attainable_agreement=pytest.approx(1.0),
        change=pytest.approx(0.9),
        stretches=((0.0, 10.0, 0.0, 10.0),),
    )
    assert found.relation == "copy"


def test_a_clip_inside_a_longer_video_is_contained_and_has_its_bounds() -> None:
    found = aligned(video(range(20)), video(range(5, 11)))
    assert bounds(found) == (5.0, 11.0, 0.0, 6.0)
    assert coverages(found) == (0.3, 1.0)
    assert found.relation == "contained"
    assert (found.left_chamfer, found.right_chamfer) == (pytest.approx(0.3), 1.0)


def test_the_longer_video_may_be_the_right_one() -> None:
    found = aligned(video(range(5, 11)), video(range(20)))
    assert bounds(found) == (0.0, 6.0, 5.0, 11.0)
    assert found.relation == "contained"


def test_two_videos_that_share_a_part_of_either_overlap() -> None:
    found = aligned(video(range(20)), video(range(12, 32)))
    assert bounds(found) == (12.0, 20.0, 0.0, 8.0)
    assert coverages(found) == (0.4, 0.4)
    assert found.relation == "overlap"


@pytest.mark.parametrize(("speed", "num_shown"), [(2.0, 20), (1.5, 15), (1.25, 15), (1.0, 10)])
def test_a_copy_at_another_speed_has_the_bounds_of_all_of_it(speed: float, num_shown: int) -> None:
    # the left plays in 10 steps what the right, at its own pace, shows in `speed` times as many
    slow = video(range(num_shown))
    fast = video([int(number * speed) for number in range(round(num_shown / speed))])
    found = aligned(fast, slow)
    assert bounds(found) == pytest.approx((0.0, fast.duration_seconds, 0.0, num_shown), abs=1.0)
    assert found.relation == "copy"
    assert found.similarity > 0.7


def test_half_the_speed_is_found_from_the_other_side() -> None:
    slow, fast = video([number // 2 for number in range(20)]), video(range(10))
    found = aligned(slow, fast)
    assert bounds(found) == pytest.approx((0.0, 20.0, 0.0, 10.0), abs=0.5)
    assert found.relation == "copy"
    assert found.similarity == 1.0


def test_a_clip_at_double_speed_inside_a_longer_video_has_its_bounds() -> None:
    found = aligned(video(range(40)), video(range(10, 30, 2)))
    assert bounds(found) == pytest.approx((10.0, 30.0, 0.0, 10.0), abs=1.0)
    assert found.relation == "contained"


def test_frames_need_not_be_as_far_apart_on_both_sides() -> None:
    dense = video([number // 2 for number in range(20)], step_seconds=0.5)
    found = aligned(dense, video(range(10)))
    assert bounds(found) == pytest.approx((0.0, 10.0, 0.0, 10.0), abs=0.5)
    assert found.relation == "copy"


def test_footage_that_was_laid_over_is_passed_over() -> None:
    found = aligned(video(range(20)), video([*range(9), 60, 61, *range(11, 20)]))
    assert bounds(found) == (0.0, 20.0, 0.0, 20.0)
    assert found.relation == "copy"
    assert found.similarity == pytest.approx(18 / 20)


def test_around_footage_that_was_put_in_between_both_parts_are_shared() -> None:
    found = aligned(video(range(20)), video([*range(12), 60, 61, 62, *range(12, 20)]))
    assert bounds(found) == (0.0, 20.0, 0.0, 23.0)
    assert coverages(found) == (1.0, 20 / 23)
    assert found.relation == "copy"


def test_footage_that_was_cut_out_leaves_both_parts_shared() -> None:
    found = aligned(video(range(20)), video([*range(8), *range(14, 20)]))
    assert bounds(found) == (0.0, 20.0, 0.0, 14.0)
    assert coverages(found) == (0.7, 1.0)


def test_parts_in_another_order_are_shared() -> None:
    found = aligned(video(range(20)), video([*range(9, 20), *range(9)]))
    assert coverages(found) == (1.0, 1.0)


def test_a_video_shown_twice_is_a_copy() -> None:
    found = aligned(video(range(10)), video([*range(10), *range(10)]))
    assert coverages(found) == (1.0, 1.0)


def test_what_looks_a_little_like_the_shared_part_is_no_further_part() -> None:
    # a scene goes on after the shared stretch, with half of its square
    shared, later = frames(*range(10)), shake(range(20, 25), 3, 0.5)
    found = aligned(video(np.concatenate([shared, later])), video(shared))
    assert bounds(found) == (0.0, 10.0, 0.0, 10.0)


def test_strangers_do_not_align() -> None:
    assert align(video(range(10)), video(range(10, 20))) is None


def test_strangers_that_look_a_little_alike_have_little_similarity() -> None:
    # every frame has the cosine .2 with every frame of the other side, a little above the floor
    one, other = shake(range(1, 11), 0, 0.8), shake(range(11, 21), 0, 0.8)
    found = aligned(video(one), video(other))
    assert found.similarity == pytest.approx(0.2)
    assert found.change_agreement == pytest.approx(0.0, abs=1e-6)


def test_what_looks_like_the_background_proves_less() -> None:
    # 1 - .4 x (.5 + .25)
    found = aligned(video(range(10), background=0.5), video(range(10), background=0.25))
    assert (found.similarity, found.left_chamfer, found.right_chamfer) == pytest.approx((0.7, 0.7, 0.7))


def test_frames_that_look_like_everything_prove_nothing() -> None:
    # 1 - .4 x 2.2 lies below the floor
    assert align(video(range(10), background=1.1), video(range(10), background=1.1)) is None


@pytest.mark.parametrize("num_frames", [10, 60, 200])
def test_a_still_scene_is_one_frame_however_long_and_a_copy_of_itself(num_frames: int) -> None:
    found = aligned(video([7] * num_frames), video([7] * num_frames))
    assert found.independent_frames == pytest.approx(1.0)
    assert bounds(found) == (0.0, num_frames, 0.0, num_frames)
    assert found.relation == "copy"
    assert (found.change_agreement, found.change) == (0.0, 0.0)


def test_a_still_scene_with_noise_is_a_copy_of_itself() -> None:
    one, other = shake(range(1, 31), 0, 0.02), shake(range(31, 61), 0, 0.02)
    found = aligned(video(one), video(other))
    assert bounds(found) == (0.0, 30.0, 0.0, 30.0)
    assert found.relation == "copy"


def test_a_long_still_intro_does_not_hide_where_the_rest_agrees() -> None:
    shown = [0] * 100 + list(range(1, 31))
    found = aligned(video([63, 62, *shown]), video(shown))
    assert bounds(found) == (2.0, 132.0, 0.0, 130.0)
    assert found.relation == "copy"
    assert found.independent_frames == pytest.approx(31.0)


def test_a_still_intro_is_all_that_strangers_share() -> None:
    one, other = [0] * 10 + list(range(1, 21)), [0] * 10 + list(range(21, 41))
    found = aligned(video(one), video(other))
    assert bounds(found) == (0.0, 10.0, 0.0, 10.0)
    assert found.independent_frames == pytest.approx(1.0)


def test_two_takes_of_a_still_scene_agree_in_the_scene_and_not_in_what_changes() -> None:
    one, other = shake(range(1, 11), 0, 0.1), shake(range(11, 21), 0, 0.1)
    takes = aligned(video(one), video(other))
    assert takes.similarity == pytest.approx(0.9)
    assert (takes.change_agreement, takes.attainable_agreement) == pytest.approx((0.0, 0.1), abs=1e-6)
    copies = aligned(video(one), video(one))
    # of the tenth that is each frame's own: .9 at the same moment, -.1 at others; see the first test
    assert copies.change_agreement == copies.attainable_agreement == pytest.approx(0.1)
    assert copies.change == takes.change == pytest.approx(0.09)


@pytest.mark.parametrize("begin", [0, 5, 12])
def test_a_part_of_a_scene_that_hardly_changes_is_contained_in_it_at_its_own_speed(begin: int) -> None:
    scene = shake(range(1, 21), 0, 0.15)
    found = aligned(video(scene), video(scene[begin : begin + 8]))
    assert found.relation == "contained"
    assert bounds(found) == (begin, begin + 8.0, 0.0, 8.0)


def test_a_part_too_short_to_compare_changes_is_at_its_own_speed() -> None:
    # What slowly drifts agrees with itself at any speed: three frames meet at the own one, all five at half of it.
    drift = frames(*[0] * 5) + np.linspace(0, 0.6, 5, dtype=np.float32)[:, None] * frames(1)
    scene = drift / np.linalg.norm(drift, axis=1, keepdims=True)
    assert aligned(video(scene), video(scene[:3])).stretches[0] == (0.0, 3.0, 0.0, 3.0)


def test_a_scene_that_hardly_changes_and_is_shown_twice_is_a_copy() -> None:
    scene = shake(range(1, 11), 0, 0.15)
    found = aligned(video(scene), video(np.concatenate([scene, scene])))
    assert found.relation == "copy"


def test_changes_of_which_each_side_shows_less_agree_as_far_as_they_could() -> None:
    one, other = (video(shake(range(1, 11), 0, share)) for share in (0.04, 0.09))
    found = aligned(one, other)
    # the square roots of the shares, .2 x .3, times what the first test says of frames that share nothing
    assert (found.change_agreement, found.attainable_agreement) == pytest.approx((0.06, 0.06))


def test_changes_against_each_other_disagree() -> None:
    # one scene that brightens in one video and darkens in the other
    drift = np.float32([[-0.09], [-0.03], [0.03], [0.09]]) * frames(1, 1, 1, 1)
    brighter, darker = (
        rows / np.linalg.norm(rows, axis=1, keepdims=True)
        for rows in (frames(0, 0, 0, 0) + drift, frames(0, 0, 0, 0) - drift)
    )
    found = aligned(video(brighter), video(darker))
    # the mean of the four squares is .0045, that of the products of those apart -.0045, and the signs are turned
    assert (found.change_agreement, found.attainable_agreement) == pytest.approx((-0.009, 0.009), abs=0.001)


def test_of_three_frames_the_changes_tell_nothing() -> None:
    found = aligned(video(range(3)), video(range(3)))
    assert (found.change_agreement, found.attainable_agreement) == (0.0, 0.0)


def test_a_frame_shares_its_weight_with_those_that_look_like_it() -> None:
    close = np.float32([[0.9, (1 - 0.81) ** 0.5, 0.0], [1, 0, 0], [0, 0, 1]])
    assert video(close).weights.tolist() == [0.5, 0.5, 1.0]
    apart = np.float32([[0.7, (1 - 0.49) ** 0.5, 0.0], [1, 0, 0], [0, 0, 1]])
    assert video(apart).weights.tolist() == [1.0, 1.0, 1.0]


def test_a_black_frame_has_a_weight_and_matches_nothing() -> None:
    black = np.zeros((2, NUM_DIMS), dtype=np.float32)
    assert video(black).weights.tolist() == [1.0, 1.0]
    assert align(video(black), video(black)) is None


def test_one_frame_alone_can_be_a_copy() -> None:
    found = aligned(video([3]), video([3]))
    assert bounds(found) == (0.0, 1.0, 0.0, 1.0)
    assert (found.relation, found.change, found.change_agreement) == ("copy", 0.0, 0.0)


def test_a_single_picture_without_length_lies_where_the_other_shows_it() -> None:
    picture = video([2], duration=0.0)
    found = aligned(picture, video(range(4)))
    assert bounds(found) == (0.0, 0.0, 2.0, 2.0)
    assert coverages(found) == (1.0, 0.0)
    swapped = aligned(video(range(4)), picture)
    assert swapped.relation == found.relation == "contained"
    assert aligned(picture, picture).relation == "copy"


def test_the_bounds_end_with_the_videos() -> None:
    # The tenth frame is shown for .2 s: a step is .92 s.
    found = aligned(video(range(10), duration=9.2), video(range(10), duration=9.2))
    assert bounds(found) == (0.0, 9.2, 0.0, 9.2)


def test_a_frame_is_shown_until_the_next_one_is() -> None:
    slides, seconds = frames(0, 1, 2), np.array([0.0, 0.5, 5.0])
    left = VideoFeatures(slides, seconds, np.zeros(3, np.float32), 9.0)
    assert bounds(aligned(left, left)) == (0.0, 9.0, 0.0, 9.0)
    other = VideoFeatures(frames(0, 1, 3), seconds, np.zeros(3, np.float32), 9.0)
    assert bounds(aligned(left, other)) == (0.0, 5.0, 0.0, 5.0)


def test_a_long_video_is_thinned_and_its_bounds_stay_within_a_step() -> None:
    noise = np.random.default_rng(0).normal(size=(5000, 32))
    vectors = (noise / np.linalg.norm(noise, axis=1, keepdims=True)).astype(np.float32)
    longer, clip = video(vectors), video(vectors[1000:2000])
    assert len(longer.thin().vectors) == 1667  # every third
    assert longer.thin().duration_seconds == 5000.0
    assert longer.thin().seconds[:3].tolist() == [0.0, 3.0, 6.0]
    found = aligned(longer, clip)
    assert bounds(found) == pytest.approx((1000.0, 2000.0, 0.0, 1000.0), abs=3.0)
    assert found.relation == "contained"
    assert found.independent_frames == 333.0


def test_a_video_of_2000_frames_is_not_thinned() -> None:
    vectors = np.zeros((2000, 1), dtype=np.float32)
    assert video(vectors).thin().vectors is vectors
    assert len(video(np.zeros((2001, 1), dtype=np.float32)).thin().vectors) == 1001


def test_a_video_of_six_hours_is_held_against_itself_only_after_thinning() -> None:
    # 21,600 frames against themselves would take 1.9 GB
    longest = video(np.tile(frames(*range(54)), (400, 1)))
    found = aligned(longest, longest)
    assert found.relation == "copy"
    assert "weights" not in vars(longest)


@pytest.mark.parametrize(
    ("left", "right", "relation"),
    [(1.0, 0.8, "copy"), (0.8, 0.79, "contained"), (0.1, 0.9, "contained"), (0.79, 0.79, "overlap")],
)
def test_a_relation_is_named_by_how_much_of_each_is_shared(left: float, right: float, relation: str) -> None:
    assert name_relation(left, right) == relation
    alignment = aligned(video(range(4)), video(range(4)))
    assert replace(alignment, left_coverage=left, right_coverage=right).relation == relation
