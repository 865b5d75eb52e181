"""Refit the last step of a model's verifier on decisions and answers, and write it to its card."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from jobs.contracts.run import add_windows_to_id, find_windows
from jobs.errors import UsageError
from jobs.training.judged_pairs import read_judged_pairs
from jobs.training.recalibration import apply_map, recalibrate
from models.artefact import CARD_FILE, find_folder, pack_artefact, read_artefact, unpack_artefact, write_artefact
from models.embedding_models import find_model

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from jobs.config.settings import Config
    from jobs.lake.lake import Lake
    from models.verifier import Verifier

METRIC = "decisions"
"""Name of the figures on the card. They have the verifier before it was refitted, as `prior`."""
_PRIOR = "prior"
_DECIMALS = 6
_FIELDS = ("intercept", "slope", "min_open_probability", "fitted_on")


def calibrate_on_decisions(lake: Lake, model: Path, config: Config) -> str:
    """Refit the map of a verifier to a probability on the judged pairs of a lake, and return a summary.

    The prior is the verifier before any such refit, which the card keeps: a second calibration does not count decisions
    twice. If the folder has no model, the configured model is copied to it.

    Args:
        lake: with decisions or answers, and embeddings of the model.
        model: folder of the model. Nothing is written if the result is refused.
        config: settings of the night.

    Raises:
        UsageError: the model has no verifier, there are too few judged pairs, or the refitted verifier would predict
            other clusters no better.
    """
    has_card = (model / CARD_FILE).is_file()
    artefact_dir = model if has_card else config.embeddings.artefact_dir
    try:
        found = find_model("auto", config.describe.backbone, config.describe.descriptor_id, artefact_dir)
    except ValueError as error:
        raise UsageError(f"--model: {error}") from error
    if found.verifier is None or found.artefact is None:
        raise UsageError(f"model {found.model_id} has no verifier to refit: fit one with ndvr calibrate --truth")
    tensors, card = unpack_artefact(read_artefact(find_folder(found.artefact)))
    prior = _read_prior(found.verifier, card.metrics)
    judged = read_judged_pairs(lake, add_windows_to_id(found, find_windows(config)).model_id, config)
    logits = prior.intercept + prior.slope * prior.sum_trees(judged.evidence)
    result = recalibrate(logits, judged.is_positive, judged.groups)
    losses = f"log loss on held-out clusters {result.loss_before:.4f} before and {result.loss_after:.4f} after"
    if not result.is_better:
        raise UsageError(
            f"the verifier was not refitted: it would predict no better ({losses}, {judged.describe()}). Its card is "
            "unchanged"
        )
    verifier = apply_map(prior, result.fitted, f"{prior.fitted_on}; refitted on {judged.describe()}")
    kept = {name: getattr(prior, name) for name in _FIELDS}
    measured = {name: round(value, _DECIMALS) for name, value in result.to_metrics().items()}
    metrics = dict(card.metrics) | {METRIC: {"pairs": len(judged.is_positive), **measured, _PRIOR: kept}}
    write_artefact(model, pack_artefact(tensors, replace(card, verifier=verifier, metrics=metrics)))
    before = result.fitted.invert(prior.min_probability)
    return (
        f"verifier refitted on {judged.describe()}; {losses}; a pair at the threshold of {prior.min_probability:.3f} "
        f"had probability {before:.3f} before"
    )


def _read_prior(verifier: Verifier, metrics: Mapping[str, Any]) -> Verifier:
    """Return the verifier before it was refitted on decisions."""
    kept = metrics.get(METRIC, {}).get(_PRIOR)
    return verifier if kept is None else replace(verifier, **kept)
