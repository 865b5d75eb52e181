"""One run of the pipeline: its id, clock, settings and model, as every build function receives them."""

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
    """Keep rows on the executors that computed them: a checkpoint without a lake. Runs on: driver."""
    del name
    return rows.localCheckpoint()


@dataclass(frozen=True)
class Run:
    """One run of the pipeline.

    Attributes:
        run_id: unique; starts with the UTC time, so that runs sort by their start.
        run_date: the date that the scheduler runs it for.
        started_at: start, UTC. It is the only clock of the run: what is due is decided by it.
        manifest_uri: absolute path or URI of the manifest.
        config: validated settings.
        progress: counts the videos that describing tasks have tried.
        checkpoint: writes rows that a build uses more than once under a name, and reads them back. It is the only
            access to storage that a build has.
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
        """The folder of the manifest. Relative uris are relative to it."""
        return self.manifest_uri.rstrip("/").rpartition("/")[0] or "/"

    @cached_property
    def roots(self) -> Roots:
        """The folders that videos may be read from: that of the manifest, and `manifest.roots`.

        Raises:
            UsageError: a value of `manifest.roots` cannot be a root.
        """
        try:
            return Roots.of(self.manifest_base, *self.config.manifest.roots)
        except ValueError as error:
            raise UsageError(f"manifest.roots: {error}") from error

    @cached_property
    def model(self) -> EmbeddingModel:
        """The embedding model in use. Its descriptor_id names the descriptors that it embeds.

        Raises:
            UsageError: the configured model does not exist.
        """
        return find_configured_model(self.config)

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits that change exactly if a setting that affects rows or the calibration of the model changes.

        Raises:
            UsageError: the configured model does not exist.
        """
        parts = (self.config.fingerprint(), self.model.calibration, self.model.verifier)
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]

    @property
    def windows(self) -> Windows:
        """The windows by which videos are cut into segments."""
        return find_windows(self.config)

    @property
    def verifier(self) -> Verifier | None:
        """The verifier of the model; None if the model has none or `pairs.min_cosine_similarity` is set.

        `pairs.min_match_probability` replaces its threshold.
        """
        return choose_verifier(self.config, self.model)

    @cached_property
    def calibration(self) -> Calibration:
        """The calibration of the model's similarities. `pairs.min_cosine_similarity` replaces its threshold.

        Raises:
            UsageError: neither the model nor the config has a threshold.
        """
        calibrated, configured = self.model.calibration, self.config.pairs.min_cosine_similarity
        if configured is None:
            if calibrated is None:
                raise UsageError(
                    f"model {self.model.model_id} has no calibrated threshold; set pairs.min_cosine_similarity"
                )
            return calibrated
        return (calibrated or Calibration.without_labels(configured)).at_threshold(configured)

    @property
    def min_searched_similarity(self) -> float:
        """The cosine similarity that the search looks for: that of candidates, or of pairs without a verifier."""
        pairs = self.config.pairs
        return self.calibration.min_cosine_similarity if self.verifier is None else pairs.min_candidate_similarity

    @cached_property
    def search(self) -> str:
        """The search for pairs: "faiss" or "inverted_index".

        Raises:
            UsageError: `pairs.search` is inverted_index, and the method is not a bag of words, which makes it slow, or
                the threshold is not above 0, which makes it miss pairs.
        """
        search, threshold = self.config.pairs.search, self.calibration.min_cosine_similarity
        if search == "inverted_index" and self.model.method not in SPARSE_METHODS:
            raise UsageError(
                f"pairs.search: inverted_index needs a method with sparse vectors, "
                f"{' or '.join(sorted(SPARSE_METHODS))}; the method is {self.model.method}; set pairs.search to faiss"
            )
        if search == "inverted_index" and threshold <= 0:
            raise UsageError(
                "pairs.search: inverted_index finds only videos that share a word; set pairs.min_cosine_similarity "
                f"above 0, got {threshold}"
            )
        return search


def find_configured_model(config: Config) -> EmbeddingModel:
    """Return the configured embedding model, with the windows in its model_id.

    Raises:
        UsageError: the configured model does not exist.
    """
    describe, embeddings = config.describe, config.embeddings
    try:
        model = find_model(embeddings.method, describe.backbone, describe.descriptor_id, embeddings.artefact_dir)
    except ValueError as error:
        raise UsageError(f"embeddings: {error}") from error
    return add_windows_to_id(model, find_windows(config))


def find_windows(config: Config) -> Windows:
    """Return the configured windows by which videos are cut into segments."""
    return Windows(config.embeddings.window_seconds, config.embeddings.hop_seconds)


def choose_verifier(config: Config, model: EmbeddingModel) -> Verifier | None:
    """Return the verifier of a model, with the configured threshold if there is one: see `Run.verifier`."""
    pairs = config.pairs
    if model.verifier is None or pairs.min_cosine_similarity is not None:
        return None
    threshold = pairs.min_match_probability
    return model.verifier if threshold is None else replace(model.verifier, min_probability=threshold)


def add_windows_to_id(model: EmbeddingModel, windows: Windows) -> EmbeddingModel:
    """Add the windows to the id of a model that embeds segments, because other windows make other embeddings."""
    return replace(model, model_id=f"{model.model_id}-{windows.name}") if model.keeps_frames else model
