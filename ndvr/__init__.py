"""The public Python interface of ndvr. All its names are imported from here: `ndvr.open`, `ndvr.UsageError`.

Check one video, without Spark or a JVM:

    with ndvr.open("/data/lake") as lake:
        answer = lake.query("/incoming/video.mp4")
        if answer.is_duplicate:
            print(answer.original, answer.match_probability)

Read the tables and decide, with Spark:

    tables = ndvr.connect("/data/lake")
    tables.sql("SELECT * FROM current_duplicates")
    tables.decide(["A", "B"], "not_duplicate", by="ann")

Importing this package loads neither Spark nor PyTorch, pandas or FAISS. Each name loads what it needs when it is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import ndvr_start  # noqa: F401 - first: the import path may contain other packages with the names of ours
from jobs.errors import (
    ContractError,
    NdvrError,
    QualityError,
    TimeLimitError,
    UnreadableVideoError,
    UsageError,
)
from ndvr.lake import Lake, open  # noqa: A004 -- read as ndvr.open
from ndvr.tables import Tables, connect
from udfs.errors import RowErrorCode

if TYPE_CHECKING:
    from jobs.clustering.decisions import Decision
    from jobs.clustering.explanation import Explanation
    from jobs.commands.evaluate import describe_report
    from jobs.config.loading import load_config
    from jobs.config.settings import Config
    from jobs.demo.truth import load_demo_truth
    from jobs.engine.backfill_run import run_backfill
    from jobs.engine.night import run_nightly
    from jobs.engine.outcome import Outcome
    from jobs.engine.summary import RunSummary
    from jobs.evaluation.measure import EvaluationReport
    from jobs.evaluation.truth import Truth, load_truth
    from jobs.maintenance.apply import run_maintenance
    from jobs.one_video.answer import Answer, Match
    from jobs.review.notebook_pictures import stack_strips
    from jobs.review.report_data import ReviewedCluster, ReviewedPair
    from jobs.training.threshold import ScoredCandidates
    from jobs.training.trial import Trial
    from models.artefact import ModelCard, read_artefact, write_artefact
    from models.embedding_models import EmbeddingModel, find_model
    from models.registry import BackboneSpec, Layer, backbone_names, get_backbone, register_backbone

_PLACES = {
    "Decision": "jobs.clustering.decisions",
    "Explanation": "jobs.clustering.explanation",
    "describe_report": "jobs.commands.evaluate",
    "load_config": "jobs.config.loading",
    "Config": "jobs.config.settings",
    "load_demo_truth": "jobs.demo.truth",
    "run_backfill": "jobs.engine.backfill_run",
    "run_nightly": "jobs.engine.night",
    "Outcome": "jobs.engine.outcome",
    "RunSummary": "jobs.engine.summary",
    "EvaluationReport": "jobs.evaluation.measure",
    "Truth": "jobs.evaluation.truth",
    "load_truth": "jobs.evaluation.truth",
    "run_maintenance": "jobs.maintenance.apply",
    "Answer": "jobs.one_video.answer",
    "Match": "jobs.one_video.answer",
    "stack_strips": "jobs.review.notebook_pictures",
    "ReviewedCluster": "jobs.review.report_data",
    "ReviewedPair": "jobs.review.report_data",
    "ScoredCandidates": "jobs.training.threshold",
    "Trial": "jobs.training.trial",
    "ModelCard": "models.artefact",
    "read_artefact": "models.artefact",
    "write_artefact": "models.artefact",
    "EmbeddingModel": "models.embedding_models",
    "find_model": "models.embedding_models",
    "BackboneSpec": "models.registry",
    "Layer": "models.registry",
    "backbone_names": "models.registry",
    "get_backbone": "models.registry",
    "register_backbone": "models.registry",
}
"""The modules of the names that are imported when they are first used."""

__all__ = [
    "Answer",
    "BackboneSpec",
    "Config",
    "ContractError",
    "Decision",
    "EmbeddingModel",
    "EvaluationReport",
    "Explanation",
    "Lake",
    "Layer",
    "Match",
    "ModelCard",
    "NdvrError",
    "Outcome",
    "QualityError",
    "ReviewedCluster",
    "ReviewedPair",
    "RowErrorCode",
    "RunSummary",
    "ScoredCandidates",
    "Tables",
    "TimeLimitError",
    "Trial",
    "Truth",
    "UnreadableVideoError",
    "UsageError",
    "backbone_names",
    "connect",
    "describe_report",
    "find_model",
    "get_backbone",
    "load_config",
    "load_demo_truth",
    "load_truth",
    "open",
    "read_artefact",
    "register_backbone",
    "run_backfill",
    "run_maintenance",
    "run_nightly",
    "stack_strips",
    "write_artefact",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 -- any public name; type checkers read the imports above
    """Import a name when it is first used."""
    if name not in _PLACES:
        raise AttributeError(f"module 'ndvr' has no attribute {name!r}")
    found = getattr(import_module(_PLACES[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    """Return the public names, also those that are not imported yet."""
    return sorted({*globals(), *__all__})
