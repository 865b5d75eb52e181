"""Compares videos in a distant S3 store with the same videos on disk: requests, bytes, and seconds.

The first table reads one video of each container. The second describes all of them, as a Spark task does. The limit,
describing from disk, is measured in the same run, in turns with describing from the store.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).absolute().parents[2]))

from benchmarks.measure import Cost, measure, print_table
from benchmarks.stores.link import DistantStore, Traffic, run_distant_store

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pandas as pd

    from udfs.describing.settings import DescribeSettings

TARGET_RATIO = 1.1
TARGET_BYTES_RATIO = 1.05
_SECONDS, _FPS, _SIZE = 20, 25, (640, 360)
_NOISE = 12  # grey levels; makes files of camera footage's size
_X264 = {"preset": "veryfast", "crf": "23"}
CONTAINERS = {
    "mp4, index at the front": ("front.mp4", "libx264", _X264, {"movflags": "faststart"}),
    "mp4, index at the end": ("end.mp4", "libx264", _X264, {}),
    "Matroska": ("a.mkv", "libx264", _X264, {}),
    "WebM": ("a.webm", "libvpx", {"deadline": "realtime", "cpu-used": "8", "b": "3M"}, {}),
    "AVI": ("a.avi", "mpeg4", {"b": "3M"}, {}),
    "MPEG-TS": ("a.ts", "libx264", _X264, {}),
}
"""File name, encoder and its options, options of the container."""


def main() -> None:
    """Measure, and print the tables; exit with 1 if a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=Path, help="folder of videos; generated ones by default")
    parser.add_argument("--latency-ms", type=float, default=30.0, help="latency of each request")
    parser.add_argument("--megabytes-per-second", type=float, default=100.0, help="bandwidth of the link")
    parser.add_argument("--rounds", type=int, default=3, help="number of times that all videos are described")
    given = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as scratch,
        run_distant_store(given.latency_ms / 1000, given.megabytes_per_second * 1e6) as store,
    ):
        clips = given.clips.absolute() if given.clips else make_clips(Path(scratch))
        os.environ.update(store.environment)
        bucket = store.make_bucket()
        store.upload(clips, bucket)
        store.take_traffic()
        files = sorted(file for file in clips.iterdir() if file.is_file())
        bytes_ratio = 1.0 if given.clips else compare_reading(files, store, bucket)
        ratio = compare_describing(files, store, bucket, given.rounds)
    print(f"ratio {ratio:.2f}, limit {TARGET_RATIO}; bytes {bytes_ratio:.2f}, limit {TARGET_BYTES_RATIO}")
    sys.exit(ratio > TARGET_RATIO or bytes_ratio > TARGET_BYTES_RATIO)


def make_clips(folder: Path) -> Path:
    """Make one clip of each container, and a truncated one."""
    for name, codec, options, container_options in CONTAINERS.values():
        encode(folder / name, codec, options, container_options)
    content = (folder / "end.mp4").read_bytes()
    (folder / "truncated.mp4").write_bytes(content[: len(content) // 2])
    return folder


def encode(path: Path, codec: str, options: dict[str, str], container_options: dict[str, str]) -> None:
    """Encode a moving scene with noise."""
    import av
    import numpy as np

    from tests.support.videos import draw_picture

    rng = np.random.default_rng(0)
    noises = rng.integers(-_NOISE, _NOISE + 1, (8, _SIZE[1], _SIZE[0], 1))
    with av.open(str(path), "w", options=container_options) as container:
        stream = container.add_stream(codec, rate=_FPS, options=dict(options))
        stream.width, stream.height, stream.pix_fmt = *_SIZE, "yuv420p"
        scene = [draw_picture(number, _SIZE) for number in range(0, _SECONDS * _FPS, 10)]
        for number in range(_SECONDS * _FPS):
            picture = np.clip(scene[number // 10] + noises[number % len(noises)], 0, 255).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())


def compare_reading(files: Sequence[Path], store: DistantStore, bucket: str) -> float:
    """Read each video once from the store and once from disk; print a table, and return the largest ratio of bytes."""
    from udfs.opening.content import hash_content
    from udfs.opening.locate import open_video
    from udfs.opening.roots import Roots

    roots = Roots.of(str(files[0].parent), f"s3://{bucket}")
    names = {name: title for title, (name, *_) in CONTAINERS.items()} | {"truncated.mp4": "mp4, truncated"}

    def read(uri: str) -> None:
        with open_video(uri, roots, sys.maxsize) as video:
            hash_content(video.fd)

    read(f"s3://{bucket}/{files[0].name}")  # connects
    store.take_traffic()
    rows, ratios = [], []
    for file in files:
        disk = measure(lambda file=file: read(str(file)))
        remote = measure(lambda file=file: read(f"s3://{bucket}/{file.name}"))
        traffic, size_bytes = store.take_traffic(), file.stat().st_size
        ratios.append(traffic.sent_bytes / size_bytes)
        seconds = (f"{disk.seconds:.3f}", f"{remote.seconds:.3f}")
        rows.append((names[file.name], f"{size_bytes / 1e6:.1f}", str(traffic), f"{ratios[-1]:.2f}", *seconds))
    headings = ("container", "MB", "requests", "bytes read / size", "seconds, disk", "seconds, store")
    print_table("Reading one video", headings, rows)
    return max(ratios)


def compare_describing(files: Sequence[Path], store: DistantStore, bucket: str, num_rounds: int) -> float:
    """Describe all videos from both places in turns; print a table, and return the median ratio of seconds."""
    from models.describer import limit_threads
    from models.registry import get_backbone
    from udfs.decoding.settings import DecoderSettings
    from udfs.describing.settings import DescribeSettings
    from udfs.opening.roots import Roots

    limit_threads(1)
    roots = Roots.of(str(files[0].parent), f"s3://{bucket}")
    settings = DescribeSettings(roots, DecoderSettings(get_backbone(DescribeSettings.backbone).input_px))
    places = {"disk": str(files[0].parent), "store": f"s3://{bucket}"}
    costs: dict[str, list[Cost]] = {place: [] for place in places}
    traffic = Traffic()
    list(describe_uris([places["disk"] + "/" + files[0].name], settings))  # loads the network, starts the decoder
    for number in range(num_rounds):
        for place in sorted(places, reverse=bool(number % 2)):
            uris = [f"{places[place]}/{file.name}" for file in files]
            costs[place].append(measure(lambda uris=uris: list(describe_uris(uris, settings))))
        traffic = store.take_traffic()
    size_bytes = sum(file.stat().st_size for file in files)
    rows = [
        (place, f"{statistics.median(cost.seconds for cost in found):.2f}", f"{len(files) / found[0].seconds:.2f}")
        for place, found in costs.items()
    ]
    title = (
        f"Describing {len(files)} videos, {size_bytes / 1e6:.1f} MB: from the store {traffic}, "
        f"bytes read / size {traffic.sent_bytes / size_bytes:.2f}"
    )
    print_table(title, ("from", "seconds (median)", "videos/s"), rows)
    ratios = [store.seconds / disk.seconds for store, disk in zip(costs["store"], costs["disk"], strict=True)]
    print("ratios:", ", ".join(f"{ratio:.2f}" for ratio in ratios))
    return statistics.median(ratios)


def describe_uris(uris: Sequence[str], settings: DescribeSettings) -> Iterator[pd.DataFrame]:
    """Describe videos as one Spark task does."""
    import pandas as pd

    from udfs.describing.describe import describe_batches

    rows = pd.DataFrame({"video_id": uris, "uri": uris}).assign(described_bytes=None, described_sha256=None)
    return describe_batches(iter([rows]), settings, lambda _: None)


if __name__ == "__main__":
    main()
