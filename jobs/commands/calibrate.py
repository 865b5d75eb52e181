"""Calibrates a model: finds its operating threshold and what its similarities mean, and writes both on its card."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path  # noqa: TC003 - typer reads it when the program runs
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
from pyspark.sql import functions as F
from rich.console import Console

from jobs.commands import options
from jobs.commands.command_line import Command, run_command, show_examples
from jobs.commands.sql import open_lake
from jobs.config.settings import load_config
from jobs.contracts.progress import show_bar
from jobs.errors import UsageError
from jobs.evaluation.truth import load_truth
from jobs.lake.location import absolute
from jobs.tables import embeddings, pairs
from jobs.training.augmentations import choose_videos, describe_training_views
from jobs.training.calibration import (
    LabelledPairs,
    choose_threshold,
    fit_platt,
    measure_reliability,
    measure_transforms,
    sweep_thresholds,
)
from jobs.training.plots import draw_calibration
from jobs.training.verifier import fit_verifier, label_evidence
from models.artefact import CARD_FILE, pack_artefact, read_artefact, unpack_artefact, write_artefact
from models.calibration import Calibration
from models.embedding_models import find_model
from udfs.embedding.embed import Windows

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from jobs.config.settings import Config
    from jobs.lake.lake import Lake
    from jobs.training.augmentations import LakeViews
    from models.embedding_models import EmbeddingModel

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

_MAX_VIDEOS = 5000  # twelve million pairs


@app.command(
    cls=Command,
    epilog=show_examples(
        "ndvr calibrate --lake /data/lake --model /data/models/mine",
        "ndvr calibrate --lake /data/lake --model /data/models/mine --truth truth.csv",
    ),
)
def calibrate(  # noqa: PLR0913 - each option of the command line is one
    lake: options.LakeOption,
    model: Annotated[Path, typer.Option(help="Folder of the model; its card is written anew.")],
    config: Annotated[Path | None, typer.Option(help="YAML file of settings, as for training.")] = None,
    where: Annotated[
        str, typer.Option(help="SQL condition on the manifest: videos that it was not trained on.")
    ] = "true",
    truth: Annotated[
        Path | None, typer.Option(help="Labelled pairs.", show_default="edited copies, made on the fly")
    ] = None,
    target_precision: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Share of found pairs that are copies.")
    ] = 0.99,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print the model's card, which is JSON.")] = False,
) -> None:
    """Find a model's threshold and the map from similarity to probability, on videos it was not trained on.

    With --truth, which should hold partial copies and hard negatives too, fit what weighs aligned frames as well.
    Beside the model it leaves thresholds.csv, transforms.csv and calibration.png.

    Exit codes: 0 done; 2 bad usage; 3 the truth breaks its contract.
    """
    settings = load_config(config)
    opened = open_lake(absolute(lake))
    try:
        found = find_model("auto", settings.describe.backbone, settings.describe.descriptor_id, model)
    except ValueError as error:
        raise UsageError(f"--model: {error}") from error
    if truth is None:
        labelled = label_views(_make_views(opened, settings, where, model), found)
    else:
        labelled = label_videos(opened, found, where, truth, settings)
    console = Console(stderr=True)
    console.print(calibrate_model(model, labelled, target_precision))
    if truth is not None and found.keeps_frames:
        console.print(fit_model_verifier(opened, model, truth, target_precision, settings, where))
    if as_json:
        sys.stdout.write((model / CARD_FILE).read_text(encoding="utf-8").rstrip() + "\n")


def calibrate_model(model: Path, labelled: LabelledPairs, target_precision: float) -> str:
    """Write the calibration on a model's card, and files beside it that show it; say what it came to. Runs on: driver.

    Raises:
        UsageError: no threshold reaches the precision.
    """
    sweep = sweep_thresholds(labelled)
    threshold = choose_threshold(sweep, target_precision)
    intercept, slope = fit_platt(labelled)
    transforms = measure_transforms(labelled, threshold)
    reliability = measure_reliability(labelled, intercept, slope)
    at = sweep[sweep["threshold"] == threshold].iloc[0]
    calibration = Calibration(threshold, round(intercept, 4), round(slope, 4), labelled.what)
    _write_card(model, calibration, {name: round(float(at[name]), 4) for name in ("precision", "recall", "f1")})
    sweep.to_csv(model / "thresholds.csv", index=False)
    transforms.to_csv(model / "transforms.csv", index=False)
    draw_calibration(sweep, threshold, reliability, model / "calibration.png")
    return (
        f"threshold {threshold:.3f}: precision {at['precision']:.4f}, recall {at['recall']:.4f}, "
        f"F1 {at['f1']:.4f} over {labelled.what}"
    )


def fit_model_verifier(
    lake: Lake, model: Path, truth: Path, target_precision: float, config: Config, where: str = "true"
) -> str:
    """Fit a verifier on the candidate pairs of a lake, write it on the model's card, and say what it came to.

    Runs on: driver; search and alignment on executors.

    Raises:
        UsageError: the truth has no pairs of these videos, or they cannot fit one.
    """
    found = find_model("auto", config.describe.backbone, config.describe.descriptor_id, model)
    rows = embed_lake(lake, found, where, config).cache()
    video_ids = [row["video_id"] for row in rows.where("segment_index = 0").select("video_id").collect()]
    known = load_truth(truth).restrict_to(video_ids).pairs
    if known is None or known.empty:
        raise UsageError(f"--truth {str(truth)!r} names no pair of the {len(video_ids)} videos chosen")
    evidence = pairs.find_evidence(rows, config.pairs).select("left_id", "right_id", "evidence").toPandas()
    rows.unpersist()
    labelled = label_evidence(evidence, known)
    listed = known.drop_duplicates(["left_id", "right_id"])
    num_positives = int((listed["relation"] != "ignore").sum())
    num_negatives = len(video_ids) * (len(video_ids) - 1) // 2 - len(listed)
    what = (
        f"{int(labelled['shares'].sum())} pairs that share footage and {int((~labelled['shares']).sum())} that do not"
    )
    verifier = fit_verifier(labelled, num_negatives, target_precision, f"{what}, candidates of {len(video_ids)} videos")
    tensors, card = unpack_artefact(read_artefact(model))
    write_artefact(model, pack_artefact(tensors, replace(card, verifier=verifier)))
    judged = verifier.judge(np.array(labelled["evidence"].to_list())) >= verifier.min_probability
    return (
        f"verifier: at a probability of {verifier.min_probability:.3f} and above, {int(judged.sum())} of {what} are "
        f"found, {int((judged & labelled['shares']).sum())} of them rightly; {num_positives} pairs share footage in all"
    )


def _make_views(lake: Lake, settings: Config, where: str, model: Path) -> LakeViews:
    """Make edited copies of the videos to calibrate on."""
    videos = choose_videos(lake, where, settings.training)
    with show_bar(Console(stderr=True), "views of videos") as tell:
        return describe_training_views(lake.spark, videos, settings, (model / "work").absolute(), tell)


def label_views(views: LakeViews, model: EmbeddingModel) -> LabelledPairs:
    """Label pairs of views: of one video they are copies, made by the edits of both."""
    vectors = views.views.embed(model.load(), model.fusion)
    num_videos, num_views, num_dims = vectors.shape
    flat = vectors.reshape(-1, num_dims)
    left, right, is_copy = views.pair_up()
    edits = [names for video in views.edits for names in ((), *video)]
    transforms = tuple(
        edits[j] if same and i % num_views == 0 else () for i, j, same in zip(left, right, is_copy, strict=True)
    )
    what = f"{num_views - 1} edited copies each of {num_videos} videos of {len(set(views.source_names))} sources"
    return LabelledPairs((flat @ flat.T)[left, right], is_copy, transforms, what)


def label_videos(lake: Lake, model: EmbeddingModel, where: str, truth: Path, config: Config) -> LabelledPairs:
    """Label all pairs of a lake's videos by a truth file; partial copies and pairs to ignore are left out.

    Runs on: driver, which holds the videos' vectors; they are made on executors.

    Raises:
        UsageError: the truth names no copy among the videos, or there are too many of them.
    """
    video_ids, vectors = embed_videos(lake, model, where, config)
    known = load_truth(truth).restrict_to(video_ids).pairs
    if known is None or not (known["relation"] == "copy").any():
        raise UsageError(f"--truth {str(truth)!r} names no copy among the {len(video_ids)} videos chosen")
    places = {video_id: place for place, video_id in enumerate(video_ids)}
    left, right = np.triu_indices(len(video_ids), k=1)
    cosines = (vectors @ vectors.T)[left, right]
    numbers = known["left_id"].map(places) * len(places) + known["right_id"].map(places)
    named = dict(zip(numbers, zip(known["relation"], known["transform"], strict=True), strict=True))
    labels = [named.get(number, ("", "")) for number in (left * len(places) + right).tolist()]
    counts = np.array([relation in ("", "copy") for relation, _ in labels])
    kept = [label for label, is_counted in zip(labels, counts, strict=True) if is_counted]
    return LabelledPairs(
        cosines[counts],
        np.array([relation == "copy" for relation, _ in kept]),
        tuple((transform,) if transform else () for _, transform in kept),
        f"{len(video_ids)} videos and {truth.name}",
    )


def embed_lake(lake: Lake, model: EmbeddingModel, where: str, config: Config) -> DataFrame:
    """Embed the described videos that `where` chooses: rows of `embeddings`."""
    chosen = lake.read("manifest").where("removed_at IS NULL").where(where).select("video_id")
    windows = Windows(config.embeddings.window_seconds, config.embeddings.hop_seconds)
    described = lake.read("descriptors").where(F.col("descriptor_id") == model.descriptor_id)
    return embeddings.embed_descriptors(described.join(chosen, "video_id", "left_semi"), model, windows)


def embed_videos(lake: Lake, model: EmbeddingModel, where: str, config: Config) -> tuple[list[str], Any]:
    """Embed whole the described videos that `where` chooses: ids, ascending, and float32 (n, num_dims)."""
    rows = embed_lake(lake, model, where, config).where("segment_index = 0")
    found = rows.select("video_id", "vector").orderBy(F.col("video_id")).collect()
    if len(found) > _MAX_VIDEOS:
        raise UsageError(f"--where {where!r} chooses {len(found)} videos; calibrate on at most {_MAX_VIDEOS}")
    return [row["video_id"] for row in found], np.array([row["vector"] for row in found], dtype=np.float32)


def _write_card(model: Path, calibration: Calibration, figures: dict[str, float]) -> None:
    """Write the card anew; the numbers stay as they are."""
    tensors, card = unpack_artefact(read_artefact(model))
    calibrated = replace(card, calibration=calibration, metrics=dict(card.metrics) | {"calibration": figures})
    write_artefact(model, pack_artefact(tensors, calibrated))


def main() -> int:
    """Run the command line and return the exit code."""
    return run_command(app)


if __name__ == "__main__":
    sys.exit(main())
