"""Measures how long a second look takes per pair on one core, compared with SIFT and matching alone."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).absolute().parents[2]))

import numpy as np
import pandas as pd

from benchmarks.measure import measure, print_table
from models.verifier import FIRST_LOOK
from udfs.describing.thumbnails import decode_thumbnails, encode_thumbnails
from udfs.registering.keypoints import detect_keypoints, match_keypoints
from udfs.registering.look_batches import look_batches
from udfs.registering.second_look import pick_moments
from udfs.verifying.moments import MAX_MOMENTS, Moment

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Frames = NDArray[np.uint8]

_HEIGHT_PX, _WIDTH_PX = 126, 224
_MOMENTS = [Moment(number, max(0, number - 1), number) for number in range(MAX_MOMENTS)]


def main() -> None:
    """Measure copies, of which each original has several, and strangers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--videos", type=int, default=20, help="left videos")
    parser.add_argument("--copies", type=int, default=5, help="right videos per left video")
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    rows = []
    for kind in ("copies", "strangers"):
        batch = make_pairs(kind, arguments.videos, arguments.copies, rng)
        list(look_batches(iter([batch.head(1)])))  # imports before the measurement
        whole = measure(lambda batch=batch: list(look_batches(iter([batch]))))
        limit = measure(lambda batch=batch: detect_and_match(batch))
        milliseconds = 1e3 * whole.cpu_seconds / len(batch)
        rows.append((kind, f"{milliseconds:.1f}", f"{whole.cpu_seconds / limit.cpu_seconds:.2f}"))
    headings = ("pairs", "ms of one core per pair", "x SIFT and matching alone")
    print_table(f"second look, {MAX_MOMENTS} moments, {arguments.copies} pairs per left video", headings, rows)


def make_pairs(kind: str, num_videos: int, num_copies: int, rng: np.random.Generator) -> pd.DataFrame:
    """Make rows of aligned pairs with thumbnails, sorted by the left video."""
    rows: list[dict[str, Any]] = []
    for number in range(num_videos):
        left = draw_video(rng)
        for copy in range(num_copies):
            right = edit(left, rng) if kind == "copies" else draw_video(rng)
            sides = {"left": encode_thumbnails(left), "right": encode_thumbnails(right)}
            row = {"left_id": f"{number}", "right_id": f"{number}-{copy}", "evidence": [0.0] * len(FIRST_LOOK)}
            wanted = dict.fromkeys(n for moment in _MOMENTS for n in (moment.right_before, moment.right_after))
            row |= {"moments": [moment._asdict() for moment in _MOMENTS], "left_thumbnails": sides["left"]}
            rows.append(row | {"right_thumbnails": [sides["right"][number] for number in wanted]})
    return pd.DataFrame(rows)


def draw_video(rng: np.random.Generator) -> Frames:
    """Pan over a photograph that scikit-learn contains: uint8 (8, h, w, 3)."""
    from sklearn.datasets import load_sample_images

    photographs = load_sample_images().images
    photograph = photographs[rng.integers(len(photographs))][::2, ::2]
    height, width = photograph.shape[:2]
    tops, lefts = (
        np.linspace(*rng.integers(0, room, 2), MAX_MOMENTS).astype(int)
        for room in (height - _HEIGHT_PX, width - _WIDTH_PX)
    )
    frames = [photograph[y : y + _HEIGHT_PX, x : x + _WIDTH_PX] for y, x in zip(tops, lefts, strict=True)]
    return np.stack(frames)


def edit(frames: Frames, rng: np.random.Generator) -> Frames:
    """Crop a tenth, scale to the same size, and change the brightness."""
    import cv2

    top, left = rng.integers(0, _HEIGHT_PX // 10), rng.integers(0, _WIDTH_PX // 10)
    bottom, right = top + _HEIGHT_PX * 9 // 10, left + _WIDTH_PX * 9 // 10
    cropped = [cv2.resize(frame[top:bottom, left:right], (_WIDTH_PX, _HEIGHT_PX)) for frame in frames]
    gain = rng.uniform(0.7, 1.2)
    return np.clip(np.stack(cropped) * gain, 0, 255).astype(np.uint8)


def detect_and_match(batch: pd.DataFrame) -> None:
    """Detect the keypoints of each picture that is registered once, and match them: the least that any look must do."""
    detected: dict[bytes, Any] = {}
    picked = pick_moments(_MOMENTS)
    for left, right in zip(batch["left_thumbnails"], batch["right_thumbnails"], strict=True):
        sides = [[thumbnails[moment.left] for moment in picked] for thumbnails in (left, right)]
        for thumbnail in (thumbnail for side in sides for thumbnail in side):
            if thumbnail not in detected:
                (picture,) = decode_thumbnails([thumbnail])
                detected[thumbnail] = detect_keypoints(picture)
        for one, other in zip(*sides, strict=True):
            match_keypoints(detected[one], detected[other])


if __name__ == "__main__":
    main()
