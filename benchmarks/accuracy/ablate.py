"""Measures what each step of pairing contributes: disables one at a time, fits the verifier without it, and prints.

The input is the work folder of `run.py`, with both catalogues made and described. See `benchmarks/README.md`.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import patch

import numpy as np
import pandas as pd
from pyspark.sql import functions as F

sys.path.insert(0, str(Path(__file__).absolute().parents[2]))

from benchmarks.accuracy.counts import count_false
from benchmarks.accuracy.methods import BACKBONE, MIXTURE_PRECISION, Ranked
from benchmarks.accuracy.run import describe, only_copies
from benchmarks.accuracy.videos import SHARED_INTRO, TAKE
from benchmarks.measure import print_table
from jobs.commands.open_lake import open_lake
from jobs.config.settings import Config, DescribeConfig
from jobs.evaluation.measure import Rules, measure
from jobs.evaluation.truth import SEGMENT_COLUMNS, Truth, load_truth
from jobs.training.labelling import embed_lake
from jobs.training.verifier import fit_verifier, label_evidence
from models.embedding_models import EmbeddingModel, Method, find_model
from models.verifier import EVIDENCE, SECOND_LOOK
from udfs.registering.look_batches import list_frames, look_batches
from udfs.verifying import features, frame_similarity, runs
from udfs.verifying.moments import choose_moments
from udfs.verifying.verify_batches import list_bounds, unpack_features
from udfs.verifying.verify_pair import verify_pair

if TYPE_CHECKING:
    from types import ModuleType

    from numpy.typing import NDArray

_CHUNK_PAIRS = 64
_BLOCK_ROWS = 2048


@dataclass(frozen=True)
class Step:
    """A step of pairing, and how to disable it.

    Attributes:
        name: name in the printed table.
        constants: module of `udfs.verifying`, name and value of each constant without the step.
        evidence: the evidence that is missing without the step.
        by_windows: whether all segments of videos are compared, or only whole videos.
        cut_borders: whether borders are cut before frames are described.
    """

    name: str
    constants: tuple[tuple[ModuleType, str, float], ...] = ()
    evidence: tuple[str, ...] = ()
    by_windows: bool = True
    cut_borders: bool = True


PLACES = ("place_agreement", "place_disagreement", "place_correlation", "worst_place")
CHANGES_OF_PIXELS = tuple(name for name in SECOND_LOOK if "change" in name or name.startswith(("step_", "moment_")))
STEPS = (
    Step("nothing"),
    Step("agreement of changes", evidence=("change", "change_agreement")),
    Step("second look", evidence=SECOND_LOOK),
    Step("changes of pixels", evidence=CHANGES_OF_PIXELS),
    Step("places of pixels", evidence=PLACES),
    Step("brightness of pixels", evidence=("explained_brightness", "differing_share")),
    Step("fit of moments", evidence=("moment_rank", "moment_contrast")),
    Step("offset, speed and length", evidence=("offset_seconds", "log_speed", "aligned_seconds")),
    Step("coverage", evidence=("larger_coverage", "smaller_coverage")),
    Step("windows as candidates", by_windows=False),
    Step("score normalisation", constants=((frame_similarity, "BACKGROUND_SHARE", 0.0),)),
    Step("independent frames", constants=((features, "_SAME_SCENE_SIMILARITY", 2.0),)),
    Step("further stretches", constants=((runs, "_MAX_RUNS", 1),)),
)
WITHOUT_BORDERS = Step("cutting of borders", cut_borders=False)


@dataclass(frozen=True, eq=False)
class Catalogue:
    """Embedded videos and their ground truth.

    Attributes:
        video_ids: ids of the videos, ascending.
        sequences: their frame features, in the same order.
        vectors: float32 (n, dim), the vectors of segments.
        owners: int64 (n,), the index of each segment's video.
        is_whole: bool (n,), whether the segment is the whole video.
        thumbnails: the thumbnails of each video, by video_id.
        truth: the true pairs.
        manifest: the manifest of the videos.
    """

    video_ids: list[str]
    sequences: list[features.VideoFeatures]
    vectors: NDArray[np.float32]
    owners: NDArray[np.int64]
    is_whole: NDArray[np.bool_]
    thumbnails: dict[str, list[bytes]]
    truth: Truth
    manifest: pd.DataFrame


_shared: list[Catalogue] = []
"""The catalogue that aligning processes read. They are forked after it is set."""


def main() -> None:
    """Measure each step and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, help="work folder of run.py")
    parser.add_argument(
        "--clips", type=Path, help="--clips of run.py; also describes all videos again without cutting borders"
    )
    arguments = parser.parse_args()
    if arguments.work is None:
        print("nothing measured: pass --work with the work folder of benchmarks/accuracy/run.py")
        return
    folders = (arguments.work.absolute(), arguments.work.absolute() / "calibrate")
    if arguments.clips is not None:
        for folder in folders:
            describe(arguments.clips.resolve(), folder, cut_borders=False)
    rows = []
    for step in STEPS if arguments.clips is None else (*STEPS, WITHOUT_BORDERS):
        model = find_model(Method.AUTO, BACKBONE, DescribeConfig(cut_borders=step.cut_borders).descriptor_id)
        test, calibrate = (load_catalogue(folder, model) for folder in folders)
        if step == STEPS[0]:
            rows.append(make_row("verification", rank_unverified(test, model), test))
        rows.append(make_row(step.name, rank_verified(step, test, calibrate), test))
        print(" ".join(rows[-1]), flush=True)
    headings = ("without", "uAP", "best F1", "R@P.99", "P", "R", "F1", "R parts", "takes", "intros")
    print_table("whole copies, held-out footage; false pairs of takes and intros", headings, rows)


@cache
def load_catalogue(folder: Path, model: EmbeddingModel) -> Catalogue:
    """Embed the described videos of a catalogue."""
    lake = open_lake(str(folder / "lake"))
    rows = embed_lake(lake, model, "true", Config()).toPandas()
    stored = lake.read("thumbnails").where(F.col("descriptor_id") == model.descriptor_id).toPandas()
    rows = rows.sort_values(["video_id", "segment_index"], ignore_index=True)
    is_whole = (rows["segment_index"] == 0).to_numpy()
    wholes = rows[is_whole]
    numbers = {video_id: number for number, video_id in enumerate(wholes["video_id"])}
    details = dict(zip(stored["video_id"], stored["frame_details"], strict=True))
    columns = ("frame_vectors", "frame_seconds", "frame_backgrounds", "end_seconds")
    sequences = [
        unpack_features(*(getattr(row, column) for column in columns), details.get(row.video_id))
        for row in wholes.itertuples()
    ]
    return Catalogue(
        list(numbers),
        sequences,
        np.stack(rows["vector"].to_list()).astype(np.float32),
        rows["video_id"].map(numbers).to_numpy(dtype=np.int64),
        is_whole,
        dict(zip(stored["video_id"], map(list, stored["thumbnails"]), strict=True)),
        load_truth(folder / "truth.csv"),
        pd.read_csv(folder / "manifest.csv", keep_default_na=False),
    )


def rank_unverified(catalogue: Catalogue, model: EmbeddingModel) -> Ranked:
    """Rank all pairs by the similarity of the vectors of whole videos."""
    if model.calibration is None:
        raise ValueError(f"{model.model_id} has no threshold")
    similar = catalogue.vectors[catalogue.is_whole] @ catalogue.vectors[catalogue.is_whole].T
    left, right = np.triu_indices(len(similar), k=1)
    names = np.array(catalogue.video_ids, dtype=object)
    pairs = pd.DataFrame({"left_id": names[left], "right_id": names[right], "score": similar[left, right]})
    return Ranked("", pairs.astype({"score": float}), model.calibration.min_cosine_similarity)


def rank_verified(step: Step, test: Catalogue, calibrate: Catalogue) -> Ranked:
    """Rank the candidates of the test catalogue by a verifier fitted on the calibrate catalogue, without the step."""
    known = list_known_pairs(calibrate)
    labelled = label_evidence(align_candidates(step, calibrate), known)
    count = len(calibrate.video_ids)
    verifier = fit_verifier(
        labelled, list_footage(calibrate), count * (count - 1) // 2 - len(known), MIXTURE_PRECISION, ""
    )
    found = align_candidates(step, test)
    score = verifier.predict_probability(np.array(found["evidence"].to_list()))
    return Ranked("", found.drop(columns="evidence").assign(score=score), verifier.min_probability)


def list_footage(catalogue: Catalogue) -> pd.Series:
    """Return the footage_id of each video, indexed by video_id; sources that show one scene share it."""
    return catalogue.manifest.set_index("video_id")["footage_id"].reindex(catalogue.video_ids)


def list_known_pairs(catalogue: Catalogue) -> pd.DataFrame:
    """Return the pairs in the truth, once each."""
    pairs = catalogue.truth.restrict_to(catalogue.video_ids).pairs
    if pairs is None:
        raise ValueError("the truth has no pairs")
    return pairs.drop_duplicates(["left_id", "right_id"])


def align_candidates(step: Step, catalogue: Catalogue) -> pd.DataFrame:
    """Align the candidates without the step. Columns: left_id, right_id, bounds, evidence."""
    found = _align_all(replace(step, name="", evidence=()), catalogue)
    places = {EVIDENCE.index(name) for name in step.evidence}
    reduced = [[np.nan if i in places else x for i, x in enumerate(row)] for row in found["evidence"]]
    return found.assign(evidence=reduced)


@cache  # steps that differ in the evidence only share an alignment
def _align_all(step: Step, catalogue: Catalogue) -> pd.DataFrame:
    """Align the candidates without the step, and keep all evidence."""
    chunks = np.array_split(pairs := find_candidates(step, catalogue), -(-len(pairs) // _CHUNK_PAIRS))
    _shared[:] = [catalogue]
    with ExitStack() as stack:
        for module, name, value in step.constants:
            stack.enter_context(patch.object(module, name, value))
        pool = stack.enter_context(multiprocessing.get_context("fork").Pool())
        rows = [row for part in pool.imap(_align_chunk, chunks) for row in part]
    return pd.DataFrame(rows, columns=["left_id", "right_id", *SEGMENT_COLUMNS, "evidence"])


def find_candidates(step: Step, catalogue: Catalogue) -> NDArray[np.int64]:
    """Return the pairs of videos with two similar segments: int64 (n, 2), ascending."""
    compared = np.ones_like(catalogue.is_whole) if step.by_windows else catalogue.is_whole
    vectors, owners = catalogue.vectors[compared], catalogue.owners[compared]
    count = len(catalogue.video_ids)
    found: set[int] = set()
    for begin in range(0, len(vectors), _BLOCK_ROWS):
        similar = vectors[begin : begin + _BLOCK_ROWS] @ vectors.T
        one, other = np.nonzero(similar >= Config().pairs.min_candidate_similarity)
        one, other = owners[one + begin], owners[other]
        found.update(np.unique(one[one < other] * count + other[one < other]).tolist())
    return np.stack(np.divmod(np.array(sorted(found), dtype=np.int64), count), axis=1)


def _align_chunk(pairs: NDArray[np.int64]) -> list[tuple[object, ...]]:
    """Align some candidates in a worker process, and look at them again."""
    catalogue, aligned = _shared[0], []
    for left, right in pairs:
        match = verify_pair(catalogue.sequences[left], catalogue.sequences[right])
        if match is not None:
            seconds = catalogue.sequences[left].seconds, catalogue.sequences[right].seconds
            moments = [moment._asdict() for moment in choose_moments(*seconds, match.alignment.segments)]
            row: dict[str, object] = dict(list_bounds(match.alignment))
            row |= {"evidence": list(match.evidence), "moments": moments}
            for side, number in (("left", left), ("right", right)):
                video_id = catalogue.video_ids[number]
                frames = list_frames(moments, side)
                row |= {f"{side}_id": video_id}
                row |= {f"{side}_thumbnails": [catalogue.thumbnails[video_id][frame] for frame in frames]}
            aligned.append(row)
    if not aligned:
        return []
    (looked,) = look_batches(iter([pd.DataFrame(aligned)]))
    return list(looked[["left_id", "right_id", *SEGMENT_COLUMNS, "evidence"]].itertuples(index=False, name=None))


def make_row(name: str, ranked: Ranked, catalogue: Catalogue) -> tuple[str, ...]:
    """Make a row of the printed table."""
    rules = Rules(score_columns=("score",), min_score=ranked.threshold)
    copies = measure(ranked.pairs, only_copies(catalogue.truth), catalogue.video_ids, rules=rules).pairs
    everything = measure(ranked.pairs, catalogue.truth, catalogue.video_ids, rules=rules).pairs
    if copies is None or everything is None:
        raise ValueError("the truth has no copies")
    false = count_false(ranked.find_pairs(), catalogue.truth, catalogue.manifest)
    figures = (copies.average_precision, copies.best_f1, copies.recall_at_precision["0.99"])
    at = (copies.precision, copies.recall, copies.f1, everything.recall_by_relation["partial"])
    return (name, *(f"{value:.3f}" for value in (*figures, *at)), str(false[TAKE]), str(false[SHARED_INTRO]))


if __name__ == "__main__":
    main()
