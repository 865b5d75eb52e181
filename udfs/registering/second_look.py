"""The second look: verifies an aligned pair on the registered pixels of its thumbnails."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from udfs.registering.agreement import measure_changes, measure_places, smooth
from udfs.registering.coarse import compare_brightness, rank_moments, reduce_stacks
from udfs.registering.compare_moments import compare_moments
from udfs.registering.geometry import count_support, match_both_ways, register
from udfs.registering.guesses import guess_registration

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from udfs.registering.agreement import Stack
    from udfs.registering.compare_moments import ComparedMoment
    from udfs.registering.geometry import Registration
    from udfs.registering.keypoints import Keypoints
    from udfs.verifying.moments import Moment

_NUM_REGISTERED = 3
_ENOUGH_INLIERS = 20  # distinct places: with fewer, a guess may explain the pictures better
_DECIMALS = 6
_MIN_INSIDE_PX = 200
_ERODED_PX = 5  # at the edge of the picture, interpolation mixes in the outside
_MIN_STEP_MOMENTS = 4
_FINE_BLUR_PX, _COARSE_BLUR_PX = 7, 25
_MIN_CHANGE = 1.0  # grey levels squared: below it, there are no changes that could agree


class Region(NamedTuple):
    """A rectangle of a picture, as fractions of its width and height, in [0, 1]."""

    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True)
class Pictures:
    """The thumbnails of one video, by frame number, and what detects their keypoints once.

    Attributes:
        frames: uint8 (h, w), grey, all of one shape.
        detect: returns the keypoints of a frame.
    """

    frames: Mapping[int, NDArray[np.uint8]]
    detect: Callable[[int], Keypoints]


@dataclass(frozen=True)
class SecondLook:
    """What the registered pixels of an aligned pair show.

    A value is None if it cannot be measured: nothing changes, or too few moments. If nothing registers, no place
    agrees.

    Attributes:
        num_moments: moments compared.
        num_inliers: distinct places that the best geometry explains; 0 if keypoints found none.
        support: distinct places of the median moment that it explains.
        is_mirrored: whether one side is mirrored.
        left_region: the part of the left picture that the right one shows.
        right_region: the part of the right picture that the left one shows.
        area: share of one picture that the other one covers, the smaller of both, in [0, 1].
        place_agreement: share of places that agree, in [0, 1].
        place_disagreement: share of places that disagree, in [0, 1].
        correlation: mean local correlation, in [-1, 1].
        worst_place: 5 % quantile over the places of their mean correlation over time, in [-1, 1].
        explained_brightness: share of one side's brightness that the other side explains, in [0, 1].
        differing_share: share of the pixels whose brightness differs, in [0, 1].
        contrast: share of places that have contrast on both sides, in [0, 1].
        change_agreement: of the differences to the mean, in [-1, 1].
        coarse_agreement: the same of coarse differences, which agree although samples are out of phase.
        pooled_agreement: of all differences at once, so that a change on one side only counts against it.
        step_agreement: of the steps between moments, in [-1, 1]; None for fewer than four moments.
        moment_rank: share of the other moments that fit a moment worse than its counterpart, in [0, 1].
        moment_contrast: correlation of a moment with its counterpart less that with other moments, in [-2, 2].
        change: how much both sides change, grey levels squared.
    """

    num_moments: int
    num_inliers: int = 0
    support: float = 0.0
    is_mirrored: bool = False
    left_region: Region | None = None
    right_region: Region | None = None
    area: float | None = None
    place_agreement: float | None = None
    place_disagreement: float | None = None
    correlation: float | None = None
    worst_place: float | None = None
    explained_brightness: float | None = None
    differing_share: float | None = None
    contrast: float | None = None
    change_agreement: float | None = None
    coarse_agreement: float | None = None
    pooled_agreement: float | None = None
    step_agreement: float | None = None
    moment_rank: float | None = None
    moment_contrast: float | None = None
    change: float | None = None

    @property
    def evidence(self) -> tuple[float, ...]:
        """The values in the order of `models.verifier.SECOND_LOOK`; NaN for None."""
        values = (
            self.num_moments,
            self.num_inliers,
            self.support,
            self.area,
            self.place_agreement,
            self.place_disagreement,
            self.correlation,
            self.worst_place,
            self.explained_brightness,
            self.differing_share,
            self.contrast,
            self.change,
            self.change_agreement,
            self.coarse_agreement,
            self.pooled_agreement,
            self.step_agreement,
            self.moment_rank,
            self.moment_contrast,
        )
        return tuple(math.nan if value is None else round(float(value), _DECIMALS) for value in values)


def look_again(left: Pictures, right: Pictures, moments: Sequence[Moment]) -> SecondLook:
    """Verify an aligned pair on its pixels.

    1. Register three moments, plain and mirrored; the best gives one geometry for the stretch (`register`). Where
       keypoints explain few places, guess the geometry (`guess_registration`).
    2. Warp the left pictures onto the right ones. At each moment take the better one of the right frames before and
       after its time, because the samples of two videos are not in phase.
    3. Measure how well places and brightness agree (`measure_places`, `compare_brightness`).
    4. Measure how well changes agree (`measure_changes`): differences to the mean of the moments; and the steps between
       moments less their mean, which removes the slow drift of a hand-held camera, as every take of a scene has it.
       Measure whether each moment fits its own counterpart best (`rank_moments`).

    `moments` must not be empty. Runs on: executor, and the machine that checks one video.
    """
    best, support = _register_moments(left, right, moments)
    if best is None:
        return _see_nothing(SecondLook(len(moments)))
    warp, inside = _make_warp(best, left, right)
    if inside.sum() < _MIN_INSIDE_PX:
        return _see_nothing(SecondLook(len(moments), best.num_inliers, support, best.is_mirrored))
    regions = _find_regions(best, left, right)
    area = min(_measure_area(region) for region in regions)
    seen = SecondLook(len(moments), best.num_inliers, support, best.is_mirrored, *regions, area)
    return _measure_agreement(seen, compare_moments(left.frames, right.frames, moments, warp, inside), inside)


def _see_nothing(seen: SecondLook) -> SecondLook:
    """Add that no place agrees, because nothing registers or too little is shared."""
    return replace(
        seen,
        area=0.0,
        place_agreement=0.0,
        place_disagreement=1.0,
        correlation=0.0,
        worst_place=0.0,
        explained_brightness=0.0,
        differing_share=1.0,
        contrast=0.0,
    )


def _measure_agreement(seen: SecondLook, compared: Sequence[ComparedMoment], inside: NDArray[np.bool_]) -> SecondLook:
    """Add to what was registered how well places, brightness and changes agree."""
    warped, matched = (np.stack([getattr(moment, side) for moment in compared]) for side in ("left", "right"))
    places = measure_places([moment.correlations for moment in compared], [m.variances for m in compared], inside)
    reduced = reduce_stacks(warped, matched, inside)
    brightness = compare_brightness(*reduced)
    fine = [smooth(side, inside, _FINE_BLUR_PX) for side in (warped, matched)]
    changes = measure_changes(*map(_subtract_mean, fine))
    seen = replace(
        seen,
        place_agreement=places.agreeing,
        place_disagreement=places.disagreeing,
        correlation=places.correlation,
        worst_place=places.worst,
        explained_brightness=brightness.explained,
        differing_share=brightness.differing,
        contrast=places.contrast,
        change=changes.amount,
    )
    if changes.amount < _MIN_CHANGE:
        return seen
    coarse = [smooth(side, inside, _COARSE_BLUR_PX) for side in (warped, matched)]
    rank, contrast = rank_moments(*reduced)
    return replace(
        seen,
        change_agreement=changes.agreement,
        coarse_agreement=measure_changes(*map(_subtract_mean, coarse)).agreement,
        pooled_agreement=changes.pooled,
        step_agreement=_measure_steps(*fine),
        moment_rank=rank,
        moment_contrast=contrast,
    )


def pick_moments(moments: Sequence[Moment]) -> list[Moment]:
    """Return the moments that are registered: three, from the beginning, the middle and the end."""
    picked = {round(share * (len(moments) - 1)) for share in np.linspace(0.1, 0.9, _NUM_REGISTERED)}
    return [moments[number] for number in sorted(picked)]


def _register_moments(left: Pictures, right: Pictures, moments: Sequence[Moment]) -> tuple[Registration | None, float]:
    """Return the best geometry of three moments, and the places of the median one that it explains."""
    picked = pick_moments(moments)
    width = _shape(left)[1]
    matches = [match_both_ways(left.detect(one.left), right.detect(one.right_after), width) for one in picked]
    found = [registration for matched in matches if (registration := register(matched)) is not None]
    best = max(found, key=lambda registration: registration.num_inliers, default=None)
    if best is None or best.num_inliers < _ENOUGH_INLIERS:
        pictures = [(left.frames[moment.left], right.frames[moment.right_after]) for moment in picked]
        best = guess_registration(pictures, best)
    if best is None:
        return None, 0.0
    support = [count_support(best, matched) for matched in matches]
    best = replace(best, num_inliers=max(best.num_inliers, *support))
    return best, float(np.median(support))


def _shape(pictures: Pictures) -> tuple[int, int]:
    height, width = next(iter(pictures.frames.values())).shape
    return height, width


def _make_warp(
    geometry: Registration, left: Pictures, right: Pictures
) -> tuple[Callable[[NDArray[np.uint8]], NDArray[np.float32]], NDArray[np.bool_]]:
    """Return the function that maps a left picture onto the right ones, and where it lands: bool (h, w)."""
    import cv2

    height, width = _shape(right)

    def warp(picture: NDArray[np.uint8], interpolation: int = cv2.INTER_AREA) -> NDArray[np.float32]:
        upright = picture[:, ::-1] if geometry.is_mirrored else picture
        warped = cv2.warpAffine(np.ascontiguousarray(upright), geometry.affine, (width, height), flags=interpolation)
        return warped.astype(np.float32)

    mask = warp(np.ones(_shape(left), np.uint8), cv2.INTER_NEAREST).astype(np.uint8)
    inside = cv2.erode(mask, np.ones((_ERODED_PX, _ERODED_PX), np.uint8), borderValue=0) > 0
    return warp, inside


def _measure_steps(left: Stack, right: Stack) -> float | None:
    """Return how well the steps between moments agree, less their mean; float32 (n, m) each."""
    if len(left) < _MIN_STEP_MOMENTS:
        return None
    return measure_changes(*(_subtract_mean(np.diff(side, axis=0)) for side in (left, right))).agreement


def _subtract_mean(stack: Stack) -> Stack:
    changes: Stack = stack - stack.mean(axis=0)
    return changes


def _find_regions(geometry: Registration, left: Pictures, right: Pictures) -> tuple[Region, Region]:
    """Return which part of each picture the other one shows."""
    import cv2

    inverse = cv2.invertAffineTransform(geometry.affine)
    left_shape, right_shape = _shape(left), _shape(right)
    left_region = _map_corners(inverse.astype(np.float64), right_shape, left_shape)
    if geometry.is_mirrored:
        begin, end = round(1 - left_region.right, 3), round(1 - left_region.left, 3)
        left_region = left_region._replace(left=begin, right=end)
    return left_region, _map_corners(geometry.affine, left_shape, right_shape)


def _map_corners(affine: NDArray[np.floating], source: tuple[int, int], target: tuple[int, int]) -> Region:
    """Return the rectangle of the target picture that encloses the source picture."""
    corners = np.array([(x, y) for x in (0, source[1]) for y in (0, source[0])], np.float64)
    mapped = (corners @ affine[:, :2].T + affine[:, 2]) / (target[1], target[0])
    low, high = np.clip(mapped.min(axis=0), 0, 1), np.clip(mapped.max(axis=0), 0, 1)
    return Region(*(round(float(value), 3) for value in (*low, *high)))


def _measure_area(region: Region) -> float:
    return (region.right - region.left) * (region.bottom - region.top)
