from __future__ import annotations

import io
import math
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from models.verifier import SECOND_LOOK
from tests.support.pictures import HEIGHT_PX, WIDTH_PX, edit, film, list_moments, show
from udfs.registering.second_look import SecondLook, look_again
from udfs.verifying.moments import Moment

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Edit = Callable[[Image.Image], Image.Image]

TAKE = film(scene=1, motion=1)  # 224 x 126 px
WHOLE = (0.0, 0.0, 1.0, 1.0)


def look(left: Sequence[NDArray[np.uint8]], right: Sequence[NDArray[np.uint8]]) -> SecondLook:
    """Look again at two videos in phase."""
    return look_again(show(left), show(right), list_moments(len(left)))


def save_as_jpeg(picture: Image.Image) -> Image.Image:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=30)
    return Image.open(file)


def inset(picture: Image.Image) -> Image.Image:
    """Put the picture at half of its size on black: 30 px from the left, 20 px from the top."""
    canvas = Image.new("L", (WIDTH_PX, HEIGHT_PX))
    canvas.paste(picture.resize((112, 63)), (30, 20))
    return canvas


@pytest.mark.parametrize(
    ("change", "left_region", "right_region"),
    [
        (lambda picture: picture, WHOLE, WHOLE),
        (lambda picture: picture.resize((160, 90)), WHOLE, WHOLE),
        (lambda picture: picture.crop((28, 14, 196, 112)), (0.125, 0.111, 0.875, 0.889), WHOLE),
        (inset, WHOLE, (0.134, 0.159, 0.634, 0.659)),
        (lambda picture: ImageEnhance.Brightness(picture).enhance(0.5), WHOLE, WHOLE),
        (save_as_jpeg, WHOLE, WHOLE),
    ],
    ids=["same", "smaller", "cropped", "inset", "darker", "compressed"],
)
def test_places_and_changes_of_a_copy_agree(
    change: Edit, left_region: tuple[float, ...], right_region: tuple[float, ...]
) -> None:
    found = look(TAKE, edit(TAKE, change))
    assert found.left_region == pytest.approx(left_region, abs=0.01)
    assert found.right_region == pytest.approx(right_region, abs=0.01)
    assert (found.num_moments, found.is_mirrored) == (8, False)
    assert found.num_inliers > 80
    assert found.support > 80
    for agreement in (found.place_agreement, found.change_agreement, found.pooled_agreement, found.step_agreement):
        assert agreement is not None
        assert agreement > 0.95
    assert found.place_disagreement == pytest.approx(0, abs=0.02)


def test_a_mirrored_copy_agrees_and_its_regions_are_those_of_the_pictures_as_they_are() -> None:
    found = look(TAKE, edit(TAKE, ImageOps.mirror))
    assert found.is_mirrored
    assert (found.left_region, found.right_region) == (pytest.approx(WHOLE, abs=0.005), pytest.approx(WHOLE, abs=0.005))
    assert found.correlation is not None
    assert found.correlation > 0.99  # a shift by half a pixel would reduce it to .97
    # The right video shows the left half of the picture, mirrored.
    part = look(TAKE, edit(TAKE, lambda picture: ImageOps.mirror(picture.crop((0, 0, 112, 126)))))
    assert part.left_region == pytest.approx((0, 0, 0.5, 1), abs=0.01)
    assert part.right_region == pytest.approx(WHOLE, abs=0.01)


@pytest.mark.parametrize("motion", [2, 3])
def test_places_of_two_takes_agree_and_their_changes_do_not(motion: int) -> None:
    found = look(TAKE, film(scene=1, motion=motion))
    assert found.num_inliers > 80
    assert found.place_agreement is not None
    assert found.place_agreement > 0.6
    for agreement in (found.change_agreement, found.coarse_agreement, found.pooled_agreement, found.step_agreement):
        assert agreement is not None
        assert agreement < 0.3


@pytest.mark.parametrize("scene", [2, 3, 4])
def test_strangers_do_not_agree(scene: int) -> None:
    found = look(TAKE, film(scene=scene, motion=1))
    assert found.num_inliers < 8
    assert (found.place_agreement or 0) < 0.2


def test_of_videos_in_which_nothing_moves_only_places_are_compared() -> None:
    found = look(film(scene=1, motion=None), film(scene=1, motion=None))
    assert found.place_agreement == 1.0
    assert found.change == pytest.approx(0, abs=1e-6)
    assert [
        found.change_agreement,
        found.coarse_agreement,
        found.pooled_agreement,
        found.step_agreement,
    ] == [None] * 4


def test_one_moment_has_no_changes_and_fewer_than_four_have_no_steps() -> None:
    one, three, four = (look(TAKE[:count], TAKE[:count]) for count in (1, 3, 4))
    assert (one.num_moments, one.place_agreement, one.change_agreement) == (1, 1.0, None)
    assert three.change_agreement == pytest.approx(1, abs=0.05)
    assert three.step_agreement is None
    assert four.step_agreement == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("shape", [(126, 224), (1, 1), (1, 224), (126, 1)])
def test_a_flat_or_tiny_picture_does_not_register(shape: tuple[int, int]) -> None:
    flat = [np.full(shape, 90, np.uint8)] * 8
    found = look(flat, TAKE)
    assert found == look(TAKE, flat) == look(flat, flat)
    assert (found.num_moments, found.num_inliers) == (8, 0)
    assert (found.place_agreement, found.place_disagreement, found.change_agreement) == (0, 1, None)


def test_the_better_one_of_two_right_frames_is_taken() -> None:
    """At each moment, the right frame before is the same, and the one after shows the patch elsewhere."""
    other = film(scene=1, motion=2)
    right = [frame for pair in zip(TAKE, other, strict=True) for frame in pair]
    before = [Moment(number, 2 * number, 2 * number + 1) for number in range(8)]
    found = look_again(show(TAKE), show(right), before)
    assert found.place_agreement == pytest.approx(1, abs=0.001)
    assert found.change_agreement == pytest.approx(1, abs=0.05)


def test_a_copy_that_shakes_agrees() -> None:
    """The picture is cut 8 px from the left or from the right, in turn."""
    still = film(scene=1, motion=None)
    shaking = [frame[:, 8 * (number % 2) : 208 + 8 * (number % 2)] for number, frame in enumerate(still)]
    found = look(still, shaking)
    assert found.place_agreement is not None
    assert found.place_agreement > 0.9


def test_the_overlap_of_a_copy_may_be_too_small_to_compare() -> None:
    """The right picture is a small corner of the left one."""
    found = look([frame[:, :16] for frame in TAKE], [frame[:16, :16] for frame in TAKE])
    assert (found.place_agreement, found.change_agreement) == (0, None)
    assert len(found.evidence) == len(SECOND_LOOK)


def test_evidence_is_in_the_order_of_the_verifier_and_rounded_to_six_decimals() -> None:
    values = SecondLook(
        num_moments=8,
        num_inliers=100,
        support=90.0,
        area=0.123456789,
        place_agreement=0.9,
        place_disagreement=0.1,
        correlation=0.8,
        worst_place=0.35,
        explained_brightness=0.95,
        differing_share=0.05,
        contrast=0.75,
        change_agreement=0.7,
        coarse_agreement=0.6,
        pooled_agreement=0.5,
        step_agreement=0.4,
        moment_rank=0.9,
        moment_contrast=0.65,
        change=20.0,
    ).evidence
    assert dict(zip(SECOND_LOOK, values, strict=True)) == {
        "num_moments": 8.0,
        "num_inliers": 100.0,
        "inlier_support": 90.0,
        "shared_area": 0.123457,
        "place_agreement": 0.9,
        "place_disagreement": 0.1,
        "place_correlation": 0.8,
        "worst_place": 0.35,
        "explained_brightness": 0.95,
        "differing_share": 0.05,
        "contrast_share": 0.75,
        "pixel_change": 20.0,
        "pixel_change_agreement": 0.7,
        "coarse_change_agreement": 0.6,
        "pooled_change_agreement": 0.5,
        "step_agreement": 0.4,
        "moment_rank": 0.9,
        "moment_contrast": 0.65,
    }


def test_what_cannot_be_measured_is_missing_in_the_evidence() -> None:
    num_moments, num_inliers, support, *others = SecondLook(num_moments=3).evidence
    assert (num_moments, num_inliers, support) == (3.0, 0.0, 0.0)
    assert all(math.isnan(value) for value in others)


def test_the_kernel_imports_neither_pandas_nor_spark_nor_torch() -> None:
    code = "import sys, udfs.registering.second_look; print({'pandas', 'pyspark', 'torch', 'cv2'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_pictures_of_two_shapes_are_compared() -> None:
    upright = [np.ascontiguousarray(frame[:, 60:160]) for frame in TAKE]
    found = look(upright, TAKE)
    assert found.right_region == pytest.approx((0.268, 0, 0.714, 1), abs=0.01)
