"""What a run is: one night's identity, clock and settings, handed to every build."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from jobs.errors import UsageError
from models.calibration import Calibration
from models.embedding_models import SPARSE_METHODS, EmbeddingModel, find_model
from udfs.embedding.embed import Windows
from udfs.opening.roots import Roots

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date, datetime

    from pyspark.sql import DataFrame

    from jobs.config.settings import Config
    from jobs.contracts.progress import Progress
    from models.verifier import Verifier

CODE_VERSION = "0.1.0"


def keep_on_executors(name: str, rows: DataFrame) -> DataFrame:
    """Keep rows on the executors that computed them, where no lake gives them a place. Runs on: driver."""
    del name
    return rows.localCheckpoint()


@dataclass(frozen=True)
class Run:
    """One run of the pipeline.

    Attributes:
        run_id: unique; starts with the UTC time, so that runs sort by their start.
        run_date: the night the run is for, as the scheduler counts nights.
        started_at: UTC, the run's only clock: what is due or late is judged by it.
        manifest_uri: the manifest, absolute.
        config: validated settings.
        progress: where the describing tasks report.
        checkpoint: writes rows that a build uses more than once, under a name, and reads them back; the one door to
            storage that a build has.
    """

    run_id: str
    run_date: date
    started_at: datetime
    manifest_uri: str
    config: Config
    progress: Progress
    checkpoint: Callable[[str, DataFrame], DataFrame] = keep_on_executors

    @property
    def manifest_base(self) -> str:
        """The folder that the manifest lies in; relative uris start there."""
        return self.manifest_uri.rstrip("/").rpartition("/")[0] or "/"

    @cached_property
    def roots(self) -> Roots:
        """The places that videos may be read from: the manifest's folder and what the config adds.

        Raises:
            UsageError: the config adds a place that cannot be a root.
        """
        try:
            return Roots.of(self.manifest_base, *self.config.manifest.roots)
        except ValueError as error:
            raise UsageError(f"manifest.roots: {error}") from error

    @cached_property
    def model(self) -> EmbeddingModel:
        """The embedding model in use; its descriptor_id says which descriptors it takes.

        Raises:
            UsageError: the config asks for a model that is not there.
        """
        return find_configured_model(self.config)

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits that change whenever a setting that decides the tables' rows does, or the model's calibration.

        Raises:
            UsageError: the config asks for a model that is not there.
        """
        parts = (self.config.fingerprint(), self.model.calibration, self.model.verifier)
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]

    @property
    def windows(self) -> Windows:
        """The segments that longer videos are cut into."""
        return find_windows(self.config)

    @property
    def verifier(self) -> Verifier | None:
        """What weighs the evidence for a pair; None where it has none, or the config gives a threshold of cosine.

        Its own threshold is the config's, where the config gives one.
        """
        return choose_verifier(self.config, self.model)

    @cached_property
    def calibration(self) -> Calibration:
        """What the model's similarities mean; its threshold is the config's, where the config gives one.

        Raises:
            UsageError: neither the model nor the config has a threshold.
        """
        calibrated, configured = self.model.calibration, self.config.pairs.min_cosine_similarity
        if configured is None:
            if calibrated is None:
                raise UsageError(
                    f"no threshold has been calibrated for {self.model.model_id}; set pairs.min_cosine_similarity"
                )
            return calibrated
        return (calibrated or Calibration.without_labels(configured)).at_threshold(configured)

    @cached_property
    def search(self) -> str:
        """How pairs are found: "faiss" or "inverted_index".

        Raises:
            UsageError: the inverted index is asked for where it would be slow (no bag of words) or blind (at 0).
        """
        search, threshold = self.config.pairs.search, self.calibration.min_cosine_similarity
        if search == "inverted_index" and self.model.method not in SPARSE_METHODS:
            raise UsageError(
                f"pairs.search: inverted_index is for {' and '.join(sorted(SPARSE_METHODS))}, whose vectors are mostly "
                f"zeros; the method is {self.model.method}: take faiss"
            )
        if search == "inverted_index" and threshold <= 0:
            raise UsageError(
                "pairs.search: inverted_index finds only videos that share a word; set pairs.min_cosine_similarity "
                f"above 0, got {threshold}"
            )
        return search


def find_configured_model(config: Config) -> EmbeddingModel:
    """Return the embedding model that a config means, its windows in its name.

    Raises:
        UsageError: the config asks for a model that is not there.
    """
    describe, embeddings = config.describe, config.embeddings
    try:
        model = find_model(embeddings.method, describe.backbone, describe.descriptor_id, embeddings.artefact_dir)
    except ValueError as error:
        raise UsageError(f"embeddings: {error}") from error
    return name_windows(model, find_windows(config))


def find_windows(config: Config) -> Windows:
    """Return the segments that a config has longer videos cut into."""
    return Windows(config.embeddings.window_seconds, config.embeddings.hop_seconds)


def choose_verifier(config: Config, model: EmbeddingModel) -> Verifier | None:
    """Return what weighs the evidence for a pair, at the config's threshold if it has one: see `Run.verifier`."""
    pairs = config.pairs
    if model.verifier is None or pairs.min_cosine_similarity is not None:
        return None
    threshold = pairs.min_match_probability
    return model.verifier if threshold is None else replace(model.verifier, min_probability=threshold)


def name_windows(model: EmbeddingModel, windows: Windows) -> EmbeddingModel:
    """Put the windows into the name of a model that cuts videos into them: other windows are other embeddings."""
    return replace(model, model_id=f"{model.model_id}-{windows.name}") if model.keeps_frames else model
