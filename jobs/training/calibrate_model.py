"""Fit the calibration and the verifier of a model, and write them to its card."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path  # noqa: TC003 - typer reads it when the program runs
from typing import TYPE_CHECKING

import numpy as np

from jobs.errors import UsageError
from jobs.evaluation.truth import load_truth
from jobs.tables import pairs, thumbnails
from jobs.training.calibration import (
    LabelledPairs,
    choose_similarity,
    fit_platt,
    measure_reliability,
    measure_transforms,
    sweep_thresholds,
)
from jobs.training.footage import read_footage
from jobs.training.labelling import embed_lake
from jobs.training.plots import draw_calibration
from jobs.training.verifier import fit_verifier, label_evidence
from models.artefact import pack_artefact, read_artefact, unpack_artefact, write_artefact
from models.calibration import Calibration
from models.embedding_models import find_model

if TYPE_CHECKING:
    from jobs.config.settings import Config
    from jobs.lake.lake import Lake


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


def fit_model_verifier(
    lake: Lake, model: Path, truth: Path, target_precision: float, config: Config, where: str = "true"
) -> str:
    """Fit a verifier on the candidate pairs of a lake, write it to the model's card, and return a summary.

    Runs on: driver; search and alignment on executors.

    Raises:
        UsageError: the truth has no pairs of these videos, or no verifier can be fitted on them.
    """
    found = find_model("auto", config.describe.backbone, config.describe.descriptor_id, model)
    rows = embed_lake(lake, found, where, config).cache()
    video_ids = [row["video_id"] for row in rows.where("segment_index = 0").select("video_id").collect()]
    known = load_truth(truth).restrict_to(video_ids).pairs
    if known is None or known.empty:
        raise UsageError(
            f"--truth {str(truth)!r} has no pair of the {len(video_ids)} selected videos: give the truth of these "
            "videos, by their video_id"
        )
    looked = pairs.find_evidence(rows, thumbnails.read_sources(lake, found.descriptor_id, config), config.pairs)
    evidence = looked.select("left_id", "right_id", "evidence").toPandas()
    rows.unpersist()
    labelled = label_evidence(evidence, known)
    listed = known.drop_duplicates(["left_id", "right_id"])
    num_positives = int((listed["relation"] != "ignore").sum())
    num_negatives = len(video_ids) * (len(video_ids) - 1) // 2 - len(listed)
    shares_footage = labelled["shares_footage"]
    pair_counts = f"{int(shares_footage.sum())} pairs that share footage and {int((~shares_footage).sum())} that do not"
    fitted_on = f"{pair_counts}, candidates of {len(video_ids)} videos"
    footage = read_footage(lake, video_ids, known, config)
    verifier = fit_verifier(labelled, footage, num_negatives, target_precision, fitted_on)
    tensors, card = unpack_artefact(read_artefact(model))
    write_artefact(model, pack_artefact(tensors, replace(card, verifier=verifier)))
    probabilities = verifier.predict_probability(np.array(labelled["evidence"].to_list()))
    is_found = probabilities >= verifier.min_probability
    num_found, num_correct = int(is_found.sum()), int((is_found & shares_footage).sum())
    return (
        f"verifier: fitted on {pair_counts}; threshold {verifier.min_probability:.3f} finds {num_found} pairs, "
        f"{num_correct} of which share footage; the truth has {num_positives} such pairs"
    )


def _write_card(model: Path, calibration: Calibration, figures: dict[str, float]) -> None:
    """Write the calibration to the card. The tensors do not change."""
    tensors, card = unpack_artefact(read_artefact(model))
    calibrated = replace(card, calibration=calibration, metrics=dict(card.metrics) | {"calibration": figures})
    write_artefact(model, pack_artefact(tensors, calibrated))
