"""Measures describing and searching on a GPU, compared with the network alone and the matrix product alone.

Without a GPU it measures the CPU, so that you can compare both. It does not use Spark: one process does the work of
one task.
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch

sys.path.insert(0, str(Path(__file__).absolute().parents[2]))

from benchmarks.describe.run import make_clips
from benchmarks.measure import measure, print_table, read_clocks
from models.backbones import build_backbone
from models.describer import FrameDescriber, choose_device, has_bf16, limit_threads
from models.registry import get_backbone
from models.weights import load_state_dict
from udfs.decoding.settings import DecoderSettings
from udfs.describing.describe import describe_batches, get_worker_pool
from udfs.describing.settings import DescribeSettings
from udfs.opening.roots import Roots
from udfs.searching.range_search import open_range_search
from udfs.video import VideoRequest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

_BACKBONE = "efficientnet_lite0_ndvr"
_BATCHES = (8, 64, 256)
_VIDEOS_PER_CORE = 12
_DIM = 512
_RADIUS = 0.3  # `pairs.min_candidate_similarity`
_NOISE = 1.0  # of a copy, relative to the norm of the vector
_CORES = os.cpu_count() or 1


def main() -> None:
    """Measure the network, describing and search, and print tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=Path, help="folder of videos; generated ones by default")
    parser.add_argument(
        "--frames", type=int, help="number of frames for the network (default on a GPU: 16,384; on a CPU: 512)"
    )
    parser.add_argument("--rows", type=int, default=100_000, help="number of vectors for the search")
    arguments = parser.parse_args()
    device = choose_device(())
    print("device:", torch.cuda.get_device_name(device) if device != "cpu" else f"{_CORES} cores")
    measure_network(device, arguments.frames or (512 if device == "cpu" else 16_384))
    with tempfile.TemporaryDirectory() as scratch:
        clips = arguments.clips.resolve() if arguments.clips else make_clips(Path(scratch, "clips"))
        measure_describing(sorted(file for file in clips.iterdir() if file.is_file()))
    measure_search(device, arguments.rows)


def measure_network(device: str, count: int) -> None:
    """Describe frames with each precision and batch size, and run the network alone on frames on the device."""
    spec = get_backbone(_BACKBONE)
    frames = np.random.default_rng(0).integers(0, 256, (count, spec.input_px, spec.input_px, 3), dtype=np.uint8)
    few = frames[: max(_BATCHES)]
    expected = to_unit(FrameDescriber(spec, batch_frames=8).describe(few))
    rows = []
    precisions = {"fp32": torch.float32} | ({"bf16": torch.bfloat16} if has_bf16(device) else {})
    for (precision, dtype), batch in itertools.product(precisions.items(), _BATCHES):
        describer = FrameDescriber(spec, device, precision, batch)
        cosine = (to_unit(describer.describe(few)) * expected).sum(axis=1).min()
        whole = measure(partial(describer.describe, frames))
        bare = build_backbone(spec, load_state_dict(spec)).to(device, dtype).to(memory_format=torch.channels_last)
        pixels = torch.from_numpy(frames[:batch]).to(device).permute(0, 3, 1, 2).to(dtype)
        run_bare(bare, pixels, 3)
        times = count // batch
        limit = times * batch / measure(partial(run_bare, bare, pixels, times)).seconds
        rate = count / whole.seconds
        rows.append((f"{precision}, {batch}", f"{rate:,.0f}", f"{limit:,.0f}", f"{limit / rate:.2f}", f"{cosine:.4f}"))
    headings = ("precision, batch size", "frames/s", "network alone", "x its time", "lowest cosine to fp32, CPU")
    print_table(f"{_BACKBONE}, {count} frames in memory", headings, rows)


def run_bare(net: torch.nn.Module, pixels: torch.Tensor, times: int) -> None:
    """Run the network repeatedly on one batch on its device, without copies and pooling."""
    with torch.inference_mode():
        for _ in range(times):
            net(pixels)
        wait_for(pixels.device.type)


def wait_for(device_type: str) -> None:
    """Wait until the GPU has finished its work."""
    if device_type == "cuda":
        torch.cuda.synchronize()


def measure_describing(files: Sequence[Path]) -> None:
    """Describe videos as a task does, with several numbers of decoders, and decode them alone with the same number."""
    limit_threads(1)  # because Spark gives a task one core
    copies = range(-(-_VIDEOS_PER_CORE * _CORES // len(files)))
    uris = {f"{copy}-{file.name}": str(file) for copy in copies for file in files}
    videos = pd.DataFrame({"video_id": list(uris), "uri": list(uris.values())})
    videos = videos.assign(described_bytes=None, described_sha256=None)
    batch = 256 if torch.cuda.is_available() else 8
    rows = []
    for decoders in sorted({1, max(1, _CORES // 2 - 1), max(1, _CORES - 1)}):
        settings = make_settings(files[0].parent, batch, decoders)
        list(describe_batches(iter([videos.head(1)]), settings, lambda _: None))  # sets up the decoders and the network
        started = read_clocks()
        described = pd.concat(describe_batches(iter([videos]), settings, lambda _: None))
        cost = read_clocks() - started
        frames = described["frame_seconds"].map(len, na_action="ignore").sum()
        limit = measure(partial(decode, uris, settings))
        ratio = cost.seconds / limit.seconds
        failed = int(described["error_code"].notna().sum())
        rates = (f"{len(uris) / cost.seconds:.1f}", f"{frames / cost.seconds:,.0f}", f"{ratio:.2f}")
        rows.append((str(decoders), *rates, str(failed)))
    headings = ("decoders", "videos/s", "frames/s", "x decoding alone", "quarantined")
    print_table(f"describing {len(uris)} videos in one task, batches of {batch}", headings, rows)


def make_settings(root: Path, batch: int, decoders: int) -> DescribeSettings:
    """Return the default settings with this backbone, batch size and number of decoders."""
    decoder = DecoderSettings(get_backbone(_BACKBONE).input_px)
    return DescribeSettings(Roots.of(str(root)), decoder, backbone=_BACKBONE, batch_frames=batch, num_decoders=decoders)


def decode(uris: Mapping[str, str], settings: DescribeSettings) -> None:
    """Decode videos with the same decoders as describing, and discard the frames."""
    pool = get_worker_pool(settings.decoder, settings.roots, settings.num_decoders)
    for _ in pool.decode([VideoRequest(video_id, uri) for video_id, uri in uris.items()]):
        pass


def measure_search(device: str, count: int) -> None:
    """Search a tenth of the vectors, which have noisy copies, among all; and compute the products with torch alone."""
    rng = np.random.default_rng(0)
    vectors = to_unit(rng.normal(size=(count, _DIM)).astype(np.float32))
    copies = vectors[: count // 10]
    noise = to_unit(rng.normal(size=copies.shape).astype(np.float32))
    vectors[-len(copies) :] = to_unit(copies + _NOISE * noise)
    open_range_search(vectors[:1000])(vectors[:1000], _RADIUS)  # sets up the search
    queries = vectors[: max(1, count // 10)]
    started = read_clocks()
    found, _ = open_range_search(vectors)(queries, _RADIUS)
    cost = read_clocks() - started
    limit = measure(lambda: multiply(vectors, queries, device))
    tera = 2 * len(queries) * count * _DIM / 1e12
    row = (
        f"{len(found):,}",
        f"{cost.seconds:.2f}",
        f"{tera / cost.seconds:.2f}",
        f"{cost.seconds / limit.seconds:.1f}",
    )
    headings = ("found", "seconds", "TFLOP/s", "x product alone")
    print_table(f"{len(queries):,} vectors of {_DIM} dims searched among {count:,}", headings, [row])


def multiply(vectors: NDArray[np.float32], queries: NDArray[np.float32], device: str) -> None:
    """Copy the vectors to the device and multiply them with the queries, in blocks that fit into its memory."""
    rows = torch.from_numpy(vectors).to(device)
    for block in torch.from_numpy(queries).to(device).split(2048):
        (block @ rows.T).max()
    wait_for(rows.device.type)


def to_unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale rows to unit norm."""
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


if __name__ == "__main__":
    main()
