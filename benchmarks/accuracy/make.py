"""Makes the catalogue of the accuracy benchmark: videos, manifest.csv and truth.csv."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).absolute().parents[2]))

from benchmarks.accuracy.catalogue import EDITS_PER_CLIP, ENCODERS, make, plan, read_measured_clips, write_manifest
from benchmarks.accuracy.clips import read_clips
from benchmarks.accuracy.takes import find_inseparable
from benchmarks.accuracy.truth import build_truth, read_natural, write_truth
from benchmarks.accuracy.videos import TAKE, keep_clip

PROGRESS_EVERY = 50


def main() -> None:
    """Make the missing files of the catalogue and print their number."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=Path, required=True, help="folder with clips.csv, truth.csv and the clips")
    parser.add_argument("--work", type=Path, required=True, help="folder for the catalogue")
    parser.add_argument(
        "--edits-per-clip", type=int, default=EDITS_PER_CLIP, help="average number of edited copies of a source"
    )
    parser.add_argument("--processes", type=int, default=ENCODERS, help="number of videos encoded in parallel")
    parser.add_argument(
        "--split", default="test", choices=("train", "calibrate", "test"), help="the split whose clips are edited"
    )
    arguments = parser.parse_args()
    folder, work = arguments.clips.resolve(), arguments.work.absolute()
    make_catalogue(folder, work, arguments.edits_per_clip, arguments.processes, arguments.split)


def make_training_set(folder: Path, work: Path) -> None:
    """Write `work/manifest.csv` with the unedited clips for training and validating heads (train and calibrate)."""
    clips = [clip for clip in read_clips(folder) if clip.split in ("train", "calibrate")]
    work.mkdir(parents=True, exist_ok=True)
    write_manifest([keep_clip(clip) for clip in clips], work / "manifest.csv")


def make_catalogue(
    folder: Path, work: Path, edits_per_clip: int = EDITS_PER_CLIP, processes: int = ENCODERS, split: str = "test"
) -> None:
    """Write manifest.csv and truth.csv into `work`, encode the videos missing in `work/videos`, and print counts.

    Args:
        folder: contains clips.csv, truth.csv and the clips.
        work: folder for the catalogue, absolute.
        edits_per_clip: average number of edited copies of a source of the split.
        processes: number of videos encoded in parallel.
        split: the split whose clips are edited.
    """
    started = time.monotonic()
    clips, unreadable = read_measured_clips(folder, split)
    natural = read_natural(folder / "truth.csv")
    videos = plan(clips, natural, work / "videos", edits_per_clip, unreadable, split)
    work.mkdir(parents=True, exist_ok=True)
    write_manifest(videos, work / "manifest.csv")
    takes = [video for video in videos if video.transform == TAKE]
    truth = build_truth(videos, natural, find_inseparable(takes))
    write_truth(truth, work / "truth.csv")
    pairs = Counter({(line.left_id, line.right_id): line.relation for line in truth}.values())
    print(f"{len(videos)} videos; not edited because PyAV cannot decode them: {sorted(unreadable) or 'none'}")
    print(f"pairs: {dict(sorted(pairs.items()))}; rows of the truth: {len(truth)}", flush=True)
    num_made = make(videos, processes, print_progress)
    print(f"{num_made} videos encoded in {time.monotonic() - started:.0f} seconds")


def print_progress(num_done: int, num_videos: int) -> None:
    """Print the progress after every `PROGRESS_EVERY` videos."""
    if num_done % PROGRESS_EVERY == 0:
        print(f"{num_done} of {num_videos}", flush=True)


if __name__ == "__main__":
    main()
