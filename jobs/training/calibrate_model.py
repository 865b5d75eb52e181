"""Fit the calibration and the verifier of a model, and write them to its card."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path  # noqa: TC003 - typer reads it when the program runs
from typing import TYPE_CHECKING

import numpy as np
from pyspark.sql import functions as F

from jobs.training.calibration import (
    LabelledPairs,
    choose_similarity,
    fit_platt,
    measure_reliability,
    measure_transforms,
    sweep_thresholds,
)
from jobs.training.candidates import find_labelled_candidates
from jobs.training.labelling import embed
from jobs.training.plots import draw_calibration
from jobs.training.takes import TAKE, Takes
from jobs.training.verifier import fit_and_test
from models.artefact import pack_artefact, read_artefact, unpack_artefact, write_artefact
from models.calibration import Calibration
from models.embedding_models import find_model

if TYPE_CHECKING:
    from jobs.config.settings import Config
    from jobs.lake.lake import Lake
    from models.embedding_models import EmbeddingModel

TAKES_ONLY = "takes"
"""What the card says of the labels of a verifier that was fitted without a truth."""


def calibrate_model(model: Path, labelled: LabelledPairs, target_precision: float) -> str:
    """Calibrate a model, write the result to its card and its folder, and return a summary. Runs on: driver.

    The folder gets thresholds.csv, transforms.csv and calibration.png.

    Raises:
        UsageError: no threshold reaches the precision.
    """
    sweep = sweep_thresholds(labelled)
    threshold = choose_similarity(sweep, int((~labelled.is_copy).sum()), target_precision)
    intercept, slope = fit_platt(labelled.cosines, labelled.is_copy)
    transforms = measure_transforms(labelled, threshold)
    reliability = measure_reliability(labelled, intercept, slope)
    at = sweep[sweep["threshold"] == threshold].iloc[0]
    calibration = Calibration(threshold, round(intercept, 4), round(slope, 4), labelled.description)
    _write_card(model, calibration, {name: round(float(at[name]), 4) for name in ("precision", "recall", "f1")})
    sweep.to_csv(model / "thresholds.csv", index=False)
    transforms.to_csv(model / "transforms.csv", index=False)
    draw_calibration(sweep, threshold, reliability, model / "calibration.png")
    return (
        f"threshold {threshold:.3f}: precision {at['precision']:.4f}, recall {at['recall']:.4f}, "
        f"F1 {at['f1']:.4f} on {labelled.description}"
    )


def fit_model_verifier(  # noqa: PLR0913 - the selection, the labels and the takes are independent
    lake: Lake,
    model: Path,
    truth: Path | None,
    target_precision: float,
    config: Config,
    where: str = "true",
    *,
    takes: Takes | None = None,
) -> str:
    """Fit a verifier on candidate pairs, write it to the model's card, and return a summary.

    The candidates are those of a lake's videos, labelled by a truth, together with takes, or takes alone.
    Runs on: driver; search and alignment on executors.

    Raises:
        UsageError: the truth has no pairs of these videos, or no verifier can be fitted on the pairs.
    """
    takes = takes or Takes.none()
    found = find_model("auto", config.describe.backbone, config.describe.descriptor_id, model)
    candidates = find_labelled_candidates(lake, found, truth, where, takes, config)
    fitted_on = f"{candidates.describe()}, candidates of {candidates.num_videos} videos"
    fitted_on += "" if takes.is_empty else f" and {takes.describe()}"
    verifier, held_out = fit_and_test(
        candidates.labelled, candidates.footage, candidates.num_negatives, target_precision, fitted_on
    )
    tensors, card = unpack_artefact(read_artefact(model))
    labels = TAKES_ONLY if truth is None else truth.name
    metrics = dict(card.metrics) | {"verifier": {"labels": labels}}
    write_artefact(model, pack_artefact(tensors, replace(card, verifier=verifier, metrics=metrics)))
    is_found = verifier.predict_probability(candidates.evidence) >= verifier.min_probability
    num_correct = int((is_found & candidates.labelled["shares_footage"]).sum())
    message = (
        f"verifier: fitted on {candidates.describe()}; threshold {verifier.min_probability:.3f} finds "
        f"{int(is_found.sum())} pairs, {num_correct} of which share footage; "
        f"{'the truth has' if takes.is_empty else 'there are'} {candidates.num_positives} such pairs"
    )
    if takes.is_empty:
        return message
    num_separated = candidates.count_separated(held_out >= verifier.min_probability)
    return f"{message}\n{_report_takes(model, takes, num_separated, 'by verifiers fitted on other footage')}"


def measure_takes(lake: Lake, model: Path, takes: Takes, config: Config) -> str:
    """Measure how many pairs of takes a calibrated model separates, write it to its card, and return a summary.

    The verifier decides if the model has one, else the vectors of whole takes. Runs on: driver; the rest on executors.
    """
    found = find_model("auto", config.describe.backbone, config.describe.descriptor_id, model)
    if found.verifier is None:
        return _report_takes(model, takes, _count_separated_vectors(found, takes, config), "by their vectors alone")
    candidates = find_labelled_candidates(lake, found, None, "true", takes, config)
    probabilities = found.verifier.predict_probability(candidates.evidence)
    num_separated = candidates.count_separated(probabilities >= found.verifier.min_probability)
    return _report_takes(model, takes, num_separated, "by the verifier of the card, which is kept")


def is_fitted_on_truth(model: Path) -> bool:
    """Return whether the card of a model has a verifier that was fitted on a truth, and not on takes alone."""
    _, card = unpack_artefact(read_artefact(model))
    return card.verifier is not None and card.metrics.get("verifier", {}).get("labels") != TAKES_ONLY


def _count_separated_vectors(model: EmbeddingModel, takes: Takes, config: Config) -> int:
    """Count the pairs of takes whose vectors are less similar than the threshold."""
    if takes.rows is None or model.calibration is None:
        raise ValueError("measure the takes of a calibrated model, and at least one take")
    described = takes.rows.withColumn("run_id", F.lit(""))
    rows = embed(described, model, config).where("segment_index = 0").select("video_id", "vector").toPandas()
    vectors = rows.set_index("video_id")["vector"]
    own = takes.list_pairs()
    of_takes = own[own["relation"] == TAKE]
    left, right = (np.stack(vectors.reindex(of_takes[side]).to_list()) for side in ("left_id", "right_id"))
    return int(((left * right).sum(axis=1) < model.calibration.min_cosine_similarity).sum())


def _report_takes(model: Path, takes: Takes, num_separated: int, how: str) -> str:
    """Write how many pairs of takes are separated to the card, and return it as text."""
    tensors, card = unpack_artefact(read_artefact(model))
    num_pairs = int((takes.list_pairs()["relation"] == TAKE).sum())
    figures = {"takes": takes.num_parts, "sources": takes.num_sources, "pairs": num_pairs, "separated": num_separated}
    measured = replace(card, metrics=dict(card.metrics) | {"takes": figures})
    write_artefact(model, pack_artefact(tensors, measured))
    return f"{takes.describe()}: {num_separated} of {num_pairs} pairs of takes are separated at the threshold, {how}"


def _write_card(model: Path, calibration: Calibration, figures: dict[str, float]) -> None:
    """Write the calibration to the card. The tensors do not change."""
    tensors, card = unpack_artefact(read_artefact(model))
    kept = {name: value for name, value in card.metrics.items() if name != "takes"}  # they are measured again
    calibrated = replace(card, calibration=calibration, metrics=kept | {"calibration": figures})
    write_artefact(model, pack_artefact(tensors, calibrated))
