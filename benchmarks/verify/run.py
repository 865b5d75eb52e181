"""Measures the candidate pairs that one core verifies per second, compared with the frame products alone."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).absolute().parents[2]))

import numpy as np
import pandas as pd

from benchmarks.measure import measure, print_table
from udfs.embedding.embed import FRAME_DIMS, pack_vectors, unpack_vectors
from udfs.verifying.verify_batches import align_batches

_CHANGE_SHARE = 0.3  # of the squared norm of a frame that differs from the previous frame
_NOISE = 0.3  # in frames of a copy, relative to the norm of the frame


def main() -> None:
    """Measure unrelated videos, copies and partial copies."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=1000, help="pairs of each kind")
    parser.add_argument("--frames", type=int, default=60, help="frames per video")
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    rows = []
    for kind in ("unrelated", "copies", "parts"):
        batch = make_pairs(kind, arguments.pairs, arguments.frames, rng)
        list(align_batches(iter([batch.head(8)])))  # imports before the measurement
        whole = measure(lambda batch=batch: list(align_batches(iter([batch]))))
        limit = measure(lambda batch=batch: multiply(batch))
        rate = arguments.pairs / whole.cpu_seconds
        rows.append((kind, f"{rate:,.0f}", f"{1e3 / rate:.2f}", f"{whole.cpu_seconds / limit.cpu_seconds:.1f}"))
    headings = ("pairs", "per second and core", "ms per pair", "x products alone")
    print_table(f"verification, {arguments.frames} frames per video", headings, rows)


def make_pairs(kind: str, count: int, num_frames: int, rng: np.random.Generator) -> pd.DataFrame:
    """Make a batch as `align_batches` expects it: videos whose frames change gradually."""
    rows = []
    for number in range(count):
        left = draw_video(num_frames, rng)
        right = draw_video(num_frames, rng)
        if kind != "unrelated":
            half = num_frames // 2
            shown = left if kind == "copies" else np.concatenate([left[:half], right[half:]])
            right = to_unit(shown + _NOISE * draw_directions(num_frames, rng))
        sides = {"left": left, "right": right}
        row: dict[str, object] = {f"{side}_id": f"{number}-{side}" for side in sides}
        for side, vectors in sides.items():
            row |= {
                f"{side}_vector": to_unit(vectors.mean(axis=0)).astype(np.float32),
                f"{side}_end_seconds": float(num_frames),
                f"{side}_frame_seconds": np.arange(num_frames, dtype=np.float64),
                f"{side}_frame_vectors": pack_vectors(vectors.astype(np.float32)),
                f"{side}_frame_backgrounds": np.full(num_frames, 0.1, dtype=np.float32),
                f"{side}_frame_details": np.full(num_frames, 0.5, dtype=np.float32),
            }
        rows.append(row)
    return pd.DataFrame(rows)


def draw_video(num_frames: int, rng: np.random.Generator) -> np.ndarray:
    """Draw unit vectors. Each keeps most of the previous one."""
    frames = draw_directions(num_frames, rng)
    for number in range(1, num_frames):
        frames[number] = (1 - _CHANGE_SHARE) ** 0.5 * frames[number - 1] + _CHANGE_SHARE**0.5 * frames[number]
    return to_unit(frames)


def draw_directions(count: int, rng: np.random.Generator) -> np.ndarray:
    """Draw unit vectors, uniform over all directions."""
    return to_unit(rng.normal(size=(count, FRAME_DIMS)))


def to_unit(vectors: np.ndarray) -> np.ndarray:
    """Scale rows to unit norm."""
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def multiply(batch: pd.DataFrame) -> None:
    """Unpack the frames of each pair and multiply them, the least that any full comparison must do."""
    for left, right, left_seconds, right_seconds in zip(
        batch["left_frame_vectors"],
        batch["right_frame_vectors"],
        batch["left_frame_seconds"],
        batch["right_frame_seconds"],
        strict=True,
    ):
        unpack_vectors(left, len(left_seconds)) @ unpack_vectors(right, len(right_seconds)).T


if __name__ == "__main__":
    main()
