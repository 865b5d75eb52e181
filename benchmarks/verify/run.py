"""How many candidate pairs a core verifies in a second, beside what their frames' products alone would take."""

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

_CHANGE_SHARE = 0.3  # of a frame's square that differs from the frame before
_NOISE = 0.3  # of a copy's frame, to the frame's own length


def main() -> None:
    """Measure strangers, copies and parts of as many frames as asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=1000, help="of each kind")
    parser.add_argument("--frames", type=int, default=60, help="of each video")
    arguments = parser.parse_args()
    chance = np.random.default_rng(0)
    rows = []
    for kind in ("strangers", "copies", "parts"):
        batch = make_pairs(kind, arguments.pairs, arguments.frames, chance)
        list(align_batches(iter([batch.head(8)])))  # imports are not what is measured
        whole = measure(lambda batch=batch: list(align_batches(iter([batch]))))
        limit = measure(lambda batch=batch: multiply(batch))
        rate = arguments.pairs / whole.cpu_seconds
        rows.append((kind, f"{rate:,.0f}", f"{1e3 / rate:.2f}", f"{whole.cpu_seconds / limit.cpu_seconds:.1f}"))
    headings = ("pairs", "a second and core", "ms a pair", "x products alone")
    print_table(f"verification, {arguments.frames} frames a video", headings, rows)


def make_pairs(kind: str, count: int, num_frames: int, chance: np.random.Generator) -> pd.DataFrame:
    """Make a batch as `align_batches` expects it: videos whose frames change gradually."""
    rows = []
    for number in range(count):
        left = draw_video(num_frames, chance)
        right = draw_video(num_frames, chance)
        if kind != "strangers":
            half = num_frames // 2
            shown = left if kind == "copies" else np.concatenate([left[:half], right[half:]])
            right = to_unit(shown + _NOISE * draw_directions(num_frames, chance))
        sides = {"left": left, "right": right}
        row: dict[str, object] = {f"{side}_id": f"{number}-{side}" for side in sides}
        for side, vectors in sides.items():
            row |= {
                f"{side}_vector": to_unit(vectors.mean(axis=0)).astype(np.float32),
                f"{side}_end_seconds": float(num_frames),
                f"{side}_frame_seconds": np.arange(num_frames, dtype=np.float64),
                f"{side}_frame_vectors": pack_vectors(vectors.astype(np.float32)),
                f"{side}_frame_backgrounds": np.full(num_frames, 0.1, dtype=np.float32),
            }
        rows.append(row)
    return pd.DataFrame(rows)


def draw_video(num_frames: int, chance: np.random.Generator) -> np.ndarray:
    """Draw unit vectors, each of which keeps most of the one before."""
    frames = draw_directions(num_frames, chance)
    for number in range(1, num_frames):
        frames[number] = (1 - _CHANGE_SHARE) ** 0.5 * frames[number - 1] + _CHANGE_SHARE**0.5 * frames[number]
    return to_unit(frames)


def draw_directions(count: int, chance: np.random.Generator) -> np.ndarray:
    """Draw unit vectors of all directions alike."""
    return to_unit(chance.normal(size=(count, FRAME_DIMS)))


def to_unit(vectors: np.ndarray) -> np.ndarray:
    """Scale rows to length 1."""
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def multiply(batch: pd.DataFrame) -> None:
    """Read the frames of each pair and multiply them, which no way of comparing all with all can do without."""
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
