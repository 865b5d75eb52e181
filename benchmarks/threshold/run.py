"""Train, calibrate and test the whitened model on real clips whose sources never overlap; print its figures.

`README.md` in the folder above says how benchmarks are run. Without --clips, nothing is measured.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

sys.path.insert(0, str(Path(__file__).absolute().parents[2]))

import models
from benchmarks.threshold.calibration import choose_best_f1, choose_threshold, fit_platt
from benchmarks.threshold.catalogue import encode_copies, plan_videos, read_clips, write_manifest
from benchmarks.threshold.evaluation import NEGATIVES, Pairs, evaluate, measure_recall_by_edit
from benchmarks.threshold.labels import Kind, label_pairs, read_relations
from jobs.config import Config
from jobs.nightly import run_nightly
from jobs.query import open_lake
from jobs.train_whitening import fit_on_lake, write_artefact
from models.embedding_models import Calibration, pack_whitening, unpack_whitening
from models.whitening import Whitening, to_unit_norm

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from benchmarks.threshold.catalogue import Video
    from jobs.lake import Lake

    Vectors = NDArray[np.float32]
    Embed = Callable[[Vectors], Vectors]

ARTEFACT = "whitened-efficientnet_lite0"
NUM_DIMS = 512
COMPARED_DIMS = (128, 256, 512)
COMPARED_POWERS = (1.0, 0.5)
TRAIN = "attributes['split'] = 'train'"
COMMAND = "benchmarks/threshold/run.py --clips DIR --work DIR --write"
# What the job finds meanwhile is not looked at: only descriptors are.
_AVERAGED = {"embeddings": {"method": "averaged"}, "pairs": {"min_cosine_similarity": 0.999}}


class Split:
    """The videos of a split, in the order of their video_id, their descriptors and their labelled pairs."""

    def __init__(
        self, videos: Sequence[Video], descriptors: dict[str, Vectors], relations: dict[frozenset[str], str]
    ) -> None:
        self.videos = sorted((v for v in videos if v.video_id in descriptors), key=lambda video: video.video_id)
        self.descriptors = np.stack([descriptors[video.video_id] for video in self.videos])
        self.pairs = Pairs.of(label_pairs([video.clip for video in self.videos], relations))
        self.edits = [video.edit for video in self.videos]
        self.num_sources = len({video.clip.source_id for video in self.videos})

    def compare(self, embed: Embed) -> NDArray[np.float32]:
        """Return the cosine of each pair under a model."""
        return self.pairs.compare(embed(self.descriptors))

    def choose_threshold(self, cosines: NDArray[np.float32]) -> float:
        """Find the operating threshold."""
        return choose_threshold(cosines, self.pairs.is_copy, self.pairs.kinds == Kind.UNRELATED)


def main() -> None:
    """Do it all; what lies in --work is not done again."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=Path, help="folder of clips.csv, truth.csv and the clips")
    parser.add_argument("--work", type=Path, default=Path("threshold-work"), help="folder for copies and the lake")
    parser.add_argument("--master", help="Spark master")
    parser.add_argument("--write", action="store_true", help=f"write models/artefacts/{ARTEFACT}")
    arguments = parser.parse_args()
    if arguments.clips is None:
        print("nothing measured: give --clips a folder of real clips with clips.csv and truth.csv")
        return
    folder, work = arguments.clips.absolute(), arguments.work.absolute()
    videos = plan_videos(read_clips(folder), work / "copies")
    lake = describe(videos, folder, work, arguments.master)
    files = train_and_report(lake, videos, read_relations(folder / "truth.csv"))
    if arguments.write:
        write_artefact(Path(models.__file__).parent / "artefacts" / ARTEFACT, files)


def describe(videos: Sequence[Video], clips: Path, work: Path, master: str | None) -> Lake:
    """Encode the copies and run the nightly job over all; return its lake."""
    work.mkdir(parents=True, exist_ok=True)
    print(f"{encode_copies(videos)} copies encoded")
    write_manifest(videos, work / "manifest.csv")
    config = Config(**_AVERAGED, manifest={"roots": (str(clips),)})
    run_nightly(str(work / "manifest.csv"), str(work / "lake"), config, datetime.now(UTC).date(), master=master)
    return open_lake(str(work / "lake"))


def train_and_report(lake: Lake, videos: Sequence[Video], relations: dict[frozenset[str], str]) -> dict[str, bytes]:
    """Train on one split, calibrate on another, print figures of the third; return the artefact's files."""
    descriptors = read_descriptors(lake)
    calibrate, test = (
        Split([video for video in videos if video.clip.split == split], descriptors, relations)
        for split in ("calibrate", "test")
    )
    trained, facts = fit_on_lake(lake, TRAIN, NUM_DIMS)
    whitening = unpack_whitening(pack_whitening(trained, facts))  # as it will run
    print_variants(whitening, calibrate)
    cosines = calibrate.compare(whitening.embed)
    intercept, slope = fit_platt(cosines, calibrate.pairs.is_copy)
    num_copies, num_pairs = int(calibrate.pairs.is_copy.sum()), len(cosines)
    calibration = Calibration(
        min_cosine_similarity=calibrate.choose_threshold(cosines),
        intercept=round(intercept, 4),
        slope=round(slope, 4),
        fitted_on=f"{num_copies} copies and {num_pairs - num_copies} other pairs, of {calibrate.num_sources} sources "
        f"apart from those of the training: {COMMAND}",
    )
    print_test(calibrate, test, whitening.embed)
    print_recalls(test, whitening.embed, calibration.min_cosine_similarity)
    files = pack_whitening(trained, facts, calibration)
    print(files["card.json"].decode())
    return files


def read_descriptors(lake: Lake) -> dict[str, Vectors]:
    """Bring the video descriptors to the driver."""
    rows = lake.read("descriptors").select("video_id", "video_descriptor").collect()
    return {row["video_id"]: np.array(row["video_descriptor"], dtype=np.float32) for row in rows}


def weaken(whitening: Whitening, num_dims: int, power: float) -> Whitening:
    """Keep the first directions, each divided by its standard deviation to a power: 1 is full whitening."""
    first = whitening.projection[:, :num_dims]
    deviations = 1 / np.linalg.norm(first, axis=0)  # a direction has norm 1 before it is divided
    return replace(whitening, projection=first * deviations ** (1 - power))


def print_variants(whitening: Whitening, calibrate: Split) -> None:
    """Print what other designs would do on the split that the design may be chosen by."""
    print("\ncalibrate split: dimensions, power, threshold, recall at it, average precision")
    for num_dims in COMPARED_DIMS:
        for power in COMPARED_POWERS:
            cosines = calibrate.compare(weaken(whitening, num_dims, power).embed)
            threshold = calibrate.choose_threshold(cosines)
            figures = evaluate(cosines, calibrate.pairs, threshold)
            print(f"{num_dims:5} {power:4} {threshold:6.3f} {figures.recall:6.3f} {figures.average_precision:7.4f}")


def print_test(calibrate: Split, test: Split, embed: Embed) -> None:
    """Print the figures on footage that neither the training nor the calibration has seen."""
    kinds = test.pairs.kinds
    counts = ", ".join(f"{int((kinds == kind).sum())} {kind.name.lower()}" for kind in (Kind.COPY, *NEGATIVES))
    print(f"\ntest split: {len(test.videos)} videos of {test.num_sources} sources; pairs: {counts}")
    print("model    threshold by   value precision recall    F1 avg.prec. false: unrelated, same scene, another take")
    for name, model in (("whitened", embed), ("averaged", to_unit_norm)):
        known, cosines = calibrate.compare(model), test.compare(model)
        by = {"the rules": calibrate.choose_threshold(known), "best F1": choose_best_f1(known, calibrate.pairs.is_copy)}
        for rule, threshold in by.items():
            got = evaluate(cosines, test.pairs, threshold)
            print(
                f"{name:8} {rule:12} {threshold:7.3f} {got.precision:9.4f} {got.recall:6.3f} {got.f1:5.3f} "
                f"{got.average_precision:9.4f} {', '.join(map(str, got.num_false)):>8}"
            )


def print_recalls(test: Split, embed: Embed, threshold: float) -> None:
    """Print the recall of each edit."""
    print("\ntest split, whitened, by the rules: recall of an original with its copy, number of pairs")
    recalls = measure_recall_by_edit(test.compare(embed), test.pairs, test.edits, threshold)
    for edit, (recall, num_pairs) in sorted(recalls.items(), key=lambda item: -item[1][0]):
        print(f"{edit:21} {recall:6.3f} {num_pairs:4}")


if __name__ == "__main__":
    main()
