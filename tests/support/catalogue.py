"""Makes a small catalogue of real videos with copies, unrelated videos and broken files, and its manifest.

With the default model, copies have a cosine similarity of .78 or more, and other pairs .35 or less.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING

import av
import numpy as np

from jobs.demo.editing.edits import EDITS
from jobs.demo.editing.transcode import apply_edit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from numpy.typing import NDArray

    Drawing = Callable[[int, NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]


@dataclass(frozen=True)
class Video:
    """A row of the manifest; `path` is relative to the manifest's folder."""

    video_id: str
    path: str
    published_at: str = ""
    owner_id: str = ""
    title: str = ""


CATALOGUE = (
    Video("checker", "checker.mp4", "2024-01-02", "ann", "Schachbrett, groß"),
    Video("checker-webm", "copies/checker.webm", "2024-01-05", "bob", 'the "same"'),
    Video("a-checker-caption", "copies/checker caption.mp4", "2024-01-09", "bob"),
    Video("discs", "discs.mp4", "2024-02-01", "ann"),
    Video("a-discs-small", "copies/discs-small.mp4", "2024-02-01", "cyd"),
    Video("stripes", "stripes.mp4"),
    Video("stripes-low", "copies/stripes-low.mp4"),
    Video("tiles", "tiles.mp4", "2024-03-01", "ann"),
    Video("glow", "glow.mp4", "2024-03-02", "ann"),
)
BROKEN = (
    Video("broken-directory", "directory.mp4"),
    Video("broken-empty", "empty.mp4"),
    Video("broken-missing", "missing.mp4"),
    Video("broken-text", "text.mp4"),
)


def _checker(number: int, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    columns, rows = np.floor(x * 8 + number / 5).astype(int), np.floor(y * 8).astype(int)
    shades = np.random.default_rng(5).uniform(0.5, 1.0, (8, 16))  # a real board has no two equal squares
    squares = (columns + rows) % 2 * shades[rows, columns % 16]
    return np.stack([squares * 255, squares * 230, squares * 200], axis=-1)


def _discs(number: int, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    picture = np.full((*x.shape, 3), (20.0, 30.0, 90.0))
    for i, colour in enumerate(((250, 200, 40), (230, 60, 60), (240, 240, 240))):
        centre_x, centre_y = 0.25 + 0.25 * i, 0.4 + 0.15 * np.sin(number / 6 + 2 * i)
        picture[(x - centre_x) ** 2 + (y - centre_y) ** 2 < 0.012] = colour
    return picture


def _stripes(number: int, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    wave = np.sin(40 * (x + y) + number / 3)
    return np.stack([40 + 20 * wave, 140 + 100 * wave, 60 + 20 * wave], axis=-1)


def _tiles(number: int, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    colours = np.random.default_rng(7).integers(0, 255, (12, 12, 3))
    return colours[(y * 12).astype(int), (x * 12 + number // 4).astype(int) % 12].astype(np.float64)


def _glow(number: int, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    light = np.exp(-8 * ((x - 0.3 - number / 80) ** 2 + (y - 0.4) ** 2))
    return np.stack([60 + 190 * light, 20 + 60 * light, 40 + 40 * (1 - y)], axis=-1)


SCENES: dict[str, Drawing] = {
    "checker": _checker,
    "discs": _discs,
    "stripes": _stripes,
    "tiles": _tiles,
    "glow": _glow,
}


def make_scene(path: Path, scene: str, *, seconds: float = 2.0, size: tuple[int, int] = (160, 120)) -> Path:
    """Write a video of a scene at 10 frames per second. All scenes look different."""
    width, height = size
    y, x = np.mgrid[0:height, 0:width] / width
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"preset": "veryfast", "crf": "18"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.thread_count = 1
        for number in range(round(seconds * 10)):
            picture = SCENES[scene](number, x, y).clip(0, 255).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path


def make_catalogue(folder: Path) -> Path:
    """Write the videos of CATALOGUE, the broken files of BROKEN and `manifest.csv`; return the manifest's path."""
    folder.mkdir(exist_ok=True)
    for scene in SCENES:
        make_scene(folder / f"{scene}.mp4", scene)
    copies = folder / "copies"
    copies.mkdir()
    for source, target, edit in (
        ("checker", "checker.webm", "reencode-webm"),
        ("checker", "checker caption.mp4", "caption"),
        ("discs", "discs-small.mp4", "resize-50"),
        ("stripes", "stripes-low.mp4", "reencode-low-bitrate"),
    ):
        apply_edit(folder / f"{source}.mp4", copies / target, EDITS[edit])
    (folder / "directory.mp4").mkdir()
    (folder / "empty.mp4").touch()
    (folder / "text.mp4").write_text("this is no video\n" * 10, encoding="utf-8")
    return write_manifest(folder / "manifest.csv", (*CATALOGUE, *BROKEN))


def write_manifest(path: Path, videos: Iterable[Video]) -> Path:
    """Write rows as CSV and return the path."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("video_id", "uri", "published_at", "owner_id", "title"))
        writer.writerows((v.video_id, v.path, v.published_at, v.owner_id, v.title) for v in videos)
    return path
