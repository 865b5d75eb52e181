"""Compares the time of the describing stage with that of decoding alone plus the CNN alone.

All parts use all cores and the same files, in the same run.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import multiprocessing
import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

sys.path.insert(0, str(Path(__file__).absolute().parents[2]))

from benchmarks.measure import Cost, Event, measure, print_table, run_nightly
from models.registry import get_backbone
from udfs.decoding.settings import DecoderSettings
from udfs.describing.describe import describe_batches
from udfs.describing.settings import DescribeSettings
from udfs.opening.roots import Roots
from udfs.video import FrameChunk, VideoRequest, VideoRestarted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

TARGET_RATIO = 1.25
NUM_CORES = os.cpu_count() or 1
_NUM_COPIES = 12  # of each generated clip, because drawing a frame takes longer than describing it
_VIDEOS_PER_TASK = 16  # default of describe.videos_per_task


def main() -> None:
    """Measure in rounds, and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=Path, help="folder of videos; generated ones by default")
    parser.add_argument("--rounds", type=int, default=1, help="number of times that all parts are measured")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        clips = arguments.clips.absolute() if arguments.clips else make_clips(Path(scratch, "clips"))
        files = sorted(file for file in clips.iterdir() if file.is_file())
        for file in files:  # loads them into the page cache for all parts
            file.read_bytes()
        rounds = [measure_round(files, Path(scratch)) for _ in range(arguments.rounds)]
    ratios = [found["job"].seconds / (found["decode"] + found["cnn"]).seconds for found in rounds]
    print(
        f"ratio {statistics.median(ratios):.2f} (of {', '.join(f'{ratio:.2f}' for ratio in ratios)}), "
        f"limit {TARGET_RATIO}"
    )


def make_clips(folder: Path) -> Path:
    """Make clips of 20 s with several codecs."""
    from tests.support.videos import CATALOGUE, make_video

    folder.mkdir()
    for number in (0, 1, 5, 7, 12):
        recipe = CATALOGUE[number]
        first = make_video(
            folder / f"{number}-0{recipe.suffix}", seconds=20, size=(320, 240), recipe=recipe, seed=number
        )
        for copy in range(1, _NUM_COPIES):
            shutil.copy(first, folder / f"{number}-{copy}{recipe.suffix}")
    return folder


def measure_round(files: Sequence[Path], scratch: Path) -> dict[str, Cost]:
    """Measure each part once, and print a table."""
    settings = _settings(files[0].parent)
    requests = [VideoRequest(file.name, str(file)) for file in files]
    tasks = [requests[begin : begin + _VIDEOS_PER_TASK] for begin in range(0, len(requests), _VIDEOS_PER_TASK)]
    job, whole_night = time_job(files, scratch)
    decode, frames = time_pool(requests, settings)
    frames_file = scratch / "frames.npy"
    np.save(frames_file, frames)
    batches = [(begin, begin + settings.batch_frames) for begin in range(0, len(frames), settings.batch_frames)]
    _, bare = time_processes(decode_by_bare_decord, [[str(file)] for file in files], settings, frames_file)
    load, cnn = time_processes(describe_frames, batches, settings, frames_file)
    _, without_spark = time_processes(describe_tasks, tasks, settings, frames_file)
    frames_file.unlink()
    found = {"job": job, "decode": decode, "cnn": cnn}
    limit = decode + cnn
    parts = {
        "decode alone (DecoderPool)": decode,
        "decode alone (decord loop without checks and hash)": bare,
        "CNN alone": cnn,
        "decode + CNN": limit,
        "udfs.describing.describe without Spark, CNN loaded": without_spark,
        "import torch and load the CNN, once per core": load,
        "describing stage of the nightly job": job,
        "  in addition to describe + load: Spark, Arrow, Parquet": job - without_spark - load,
        "whole nightly job": whole_night,
    }
    rows = [
        (
            name,
            f"{cost.seconds:.1f}",
            f"{cost.cpu_seconds:.1f}",
            f"{cost.seconds / limit.seconds:.2f}",
            f"{cost.cpu_seconds / limit.cpu_seconds:.2f}",
        )
        for name, cost in parts.items()
    ]
    title = (
        f"{len(files)} videos, {len(frames)} frames, {NUM_CORES} cores: "
        f"{len(files) / job.seconds:.2f} videos/s, {len(frames) / job.seconds:.1f} frames/s in the job"
    )
    print_table(title, ("part", "seconds", "CPU s", "/ (decode + CNN)", "by CPU s"), rows)
    return found


def time_job(files: Sequence[Path], scratch: Path) -> tuple[Cost, Cost]:
    """Run the nightly job on the files; return the cost of its describing stage and of the whole job."""
    folder = scratch / f"night-{time.monotonic_ns()}"
    folder.mkdir()
    with (folder / "manifest.csv").open("w", newline="") as manifest:
        csv.writer(manifest).writerows([("video_id", "uri"), *((file.name, str(file)) for file in files)])
    (folder / "config.yaml").write_text(
        f"manifest:\n  roots: ['{files[0].parent}']\npairs:\n  min_cosine_similarity: 0.9\n"
    )
    events = run_nightly(folder / "manifest.csv", folder / "lake", folder / "config.yaml")
    shutil.rmtree(folder)
    return _attempts_cost(events), events[-2].at


def _attempts_cost(events: Sequence[Event]) -> Cost:
    """Return the cost of all batches of the describing stage. The last batch has no videos."""
    stages = [event for event in events if event.fields["message"] == "stage done"]
    attempts = [
        event.at - before.at for before, event in itertools.pairwise(stages) if event.fields["stage"] == "attempts"
    ]
    return sum(attempts, Cost(0.0, 0.0))


def time_pool(requests: Sequence[VideoRequest], settings: DescribeSettings) -> tuple[Cost, NDArray[np.uint8]]:
    """Decode all videos with one child per core; return the cost, and the frames."""
    from udfs.decoding.pool import DecoderPool

    chunks: dict[str, list[NDArray[np.uint8]]] = {}

    def decode() -> None:
        with DecoderPool(settings.decoder, settings.roots, NUM_CORES) as pool:
            for event in pool.decode(requests):
                if isinstance(event, FrameChunk):
                    chunks.setdefault(event.video_id, []).append(event.frames)
                elif isinstance(event, VideoRestarted):
                    chunks.pop(event.video_id, None)

    cost = measure(decode)
    return cost, np.concatenate([chunk for video_id in sorted(chunks) for chunk in chunks[video_id]])


def time_processes(
    work: Callable[..., Callable[[Any], None]], tasks: Sequence[Any], settings: DescribeSettings, frames_file: Path
) -> tuple[Cost, Cost]:
    """Distribute tasks to one process per core; return the cost of starting the processes and that of the work."""
    context = multiprocessing.get_context("spawn")
    ready, done = context.Barrier(NUM_CORES + 1), context.Barrier(NUM_CORES + 1)
    queue = context.Queue()
    for task in [*tasks, *[None] * NUM_CORES]:
        queue.put(task)
    arguments = (work, queue, ready, done, settings, frames_file)
    processes = [context.Process(target=_work, args=arguments) for _ in range(NUM_CORES)]

    def start() -> None:
        for process in processes:
            process.start()
        ready.wait()

    costs = measure(start), measure(done.wait)
    for process in processes:
        process.join()
    return costs


def _work(work: Any, queue: Any, ready: Any, done: Any, settings: DescribeSettings, frames_file: Path) -> None:  # noqa: ANN401 -- the objects of multiprocessing have no public types
    do_task = work(settings, frames_file)
    ready.wait()
    for task in iter(queue.get, None):
        do_task(task)
    done.wait()


def decode_by_bare_decord(settings: DescribeSettings, frames_file: Path) -> Callable[[list[str]], None]:
    """Make a function that decodes a file with decord, without checks. Files that decord cannot read are skipped."""
    del frames_file
    sys.modules["nvidia"] = None  # type: ignore[assignment] # otherwise decord loads the CUDA libraries
    import decord

    decord.logging.set_level(decord.logging.FATAL)
    sampling = settings.decoder.sampling

    def decode(paths: list[str]) -> None:
        try:
            reader = decord.VideoReader(paths[0], width=224, height=224, num_threads=1)
            seconds = len(reader) / reader.get_avg_fps()
            num_frames = max(sampling.min_frames, round(seconds * sampling.sample_fps))
            numbers = np.unique(np.linspace(0, len(reader) - 1, num_frames).astype(int))
            for number in numbers.tolist():
                reader[number].asnumpy()
        except (decord.DECORDError, decord.DECORDLimitReachedError):
            pass

    return decode


def describe_frames(settings: DescribeSettings, frames_file: Path) -> Callable[[tuple[int, int]], None]:
    """Make a function that runs the CNN on frames with one thread, as a Spark task does."""
    describer = _load_describer(settings)
    frames = np.load(frames_file, mmap_mode="r")
    return lambda span: describer.describe(np.ascontiguousarray(frames[slice(*span)]))


def describe_tasks(settings: DescribeSettings, frames_file: Path) -> Callable[[list[VideoRequest]], None]:
    """Make a function that describes videos as a Spark task does."""
    import pandas as pd

    del frames_file
    _load_describer(settings)

    def describe(task: list[VideoRequest]) -> None:
        rows = pd.DataFrame([(request.video_id, request.uri) for request in task], columns=["video_id", "uri"])
        rows = rows.assign(described_bytes=None, described_sha256=None)
        for _ in describe_batches(iter([rows]), settings, lambda _: None):
            pass

    return describe


def _load_describer(settings: DescribeSettings) -> Any:  # noqa: ANN401 -- only the child processes import torch
    from models.describer import limit_threads
    from udfs.describing.device import get_task_describer

    limit_threads(1)
    describer = get_task_describer(settings)
    px = describer.spec.input_px
    describer.describe(np.zeros((1, px, px, 3), dtype=np.uint8))  # torch chooses its kernels in the first batch
    return describer


def _settings(root: Path) -> DescribeSettings:
    """Return the default settings."""
    return DescribeSettings(Roots.of(str(root)), DecoderSettings(get_backbone(DescribeSettings.backbone).input_px))


if __name__ == "__main__":
    main()
