"""Checks one video against the index of a lake: describe, search, align, verify."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pydantic import ValidationError

from jobs.config.settings import Config
from jobs.contracts.run import choose_verifier, find_configured_model
from jobs.errors import ContractError, UsageError
from jobs.one_video.common_matches import mark_common_matches
from jobs.one_video.comparison import (
    MatchContext,
    Question,
    compare_with_candidates,
    make_answer,
    match_identical_file,
)
from jobs.one_video.embedder import EmbedderClosedError, VideoEmbedder
from jobs.one_video.index.reader import IndexFolder
from udfs.opening.roots import Roots, resolve_uri

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from jobs.one_video.answer import Answer
    from jobs.one_video.index.index_card import IndexCard
    from jobs.one_video.index.reader import StoredVideo
    from models.embedding_models import EmbeddingModel


@dataclass(frozen=True)
class _State:
    """An opened index with its rules, the settings, and the embedder made from them."""

    context: MatchContext
    config: Config
    embedder: VideoEmbedder


class Checker:
    """Checks videos against the index of a lake. Use it as a context manager: it stops its decoders at the end.

    As many threads may call it at once as it has decoders.

    Args:
        lake_uri: absolute path or URI of the lake.
        config: settings; None uses those of the run that published the index.
        roots: the only places that videos are read from, besides the config's `manifest.roots`.
        num_at_once: number of videos that are decoded at once.
        time_limit_seconds: limit of one answer; None means no limit but the config's.
        cache: where a remote index is copied to; None uses NDVR_CACHE, otherwise the user's cache.

    Raises:
        UsageError: there is no index, its model does not compare frames, or a root is invalid.
        ContractError: the index does not match the settings or the model on this machine.
    """

    def __init__(
        self,
        lake_uri: str,
        config: Config | None = None,
        *,
        roots: Sequence[str] = ("/",),
        num_at_once: int = 1,
        time_limit_seconds: float | None = None,
        cache: Path | None = None,
    ) -> None:
        model_id = None if config is None else find_configured_model(config).model_id
        self._folder = IndexFolder(lake_uri, cache, model_id)
        self._config = config
        self._roots = tuple(roots)
        self._num_at_once = num_at_once
        self._time_limit_seconds = time_limit_seconds
        self._state = self._open(self._folder.read_card(), None)

    @property
    def card(self) -> IndexCard:
        """The card of the index that answers are based on."""
        return self._state.context.index.card

    def check(self, uri: str, video_id: str | None = None) -> Answer:
        """Check whether the lake already has a video's footage.

        Args:
            uri: path or URI; a relative path starts at the working directory.
            video_id: the id that the video has, or will have, in the manifest. The video is not compared with itself.
                The scores are exactly those of the nightly job, because the ids decide which video of a pair is the
                left one. Without an id, the video is treated as if its id sorted last.

        Raises:
            UnreadableVideoError: the video cannot be read.
            TimeLimitError: the check exceeded its time limit.
        """
        started = time.monotonic()
        limit = self._time_limit_seconds
        deadline = None if limit is None else started + limit
        absolute = resolve_uri(uri, str(Path.cwd()))
        while True:
            state = self._state
            try:
                return _check(state, absolute, video_id, started, deadline)
            except EmbedderClosedError:
                if state is self._state:  # the checker itself was closed
                    raise

    def refresh(self) -> bool:
        """Open the newest index if one was published since; return whether it was.

        Checks in progress use the old index.

        Raises:
            UsageError: see the class; the old index stays open.
            ContractError: see the class; the old index stays open.
        """
        card = self._folder.read_card()
        if card == self.card:
            return False
        old = self._state
        self._state = self._open(card, old)
        if self._state.embedder is not old.embedder:
            old.embedder.close()
        return True

    def close(self) -> None:
        """Stop the decoders."""
        self._state.embedder.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _open(self, card: IndexCard, last: _State | None) -> _State:
        """Open the index of a card; keep the embedder if settings and model are the same."""
        config = self._config or _read_config(card)
        model = find_configured_model(config)
        verifier = choose_verifier(config, model)
        if verifier is None:
            raise UsageError(
                f"query is not available for {model.model_id}: it needs a model that compares frames (model.verifier); "
                "leave pairs.min_cosine_similarity unset"
            )
        index = self._folder.open(card)
        if index.card.model_id != model.model_id:
            raise ContractError(
                f"the index has vectors of {index.card.model_id}, but this machine has {model.model_id}: "
                "install the model of the nightly job on this machine"
            )
        context = MatchContext(index, verifier, config.clusters.relations)
        is_same = last is not None and (
            last.config.describe,
            last.config.manifest,
            last.context.index.card.model_id,
        ) == (
            config.describe,
            config.manifest,
            model.model_id,
        )
        embedder = last.embedder if last is not None and is_same else self._make_embedder(config, model)
        return _State(context, config, embedder)

    def _make_embedder(self, config: Config, model: EmbeddingModel) -> VideoEmbedder:
        try:
            roots = Roots.of(*self._roots, *config.manifest.roots)
        except ValueError as error:
            raise UsageError(f"roots: {error}") from error
        return VideoEmbedder(config, model, roots, self._num_at_once, self._time_limit_seconds)


def _check(state: _State, uri: str, video_id: str | None, started: float, deadline: float | None) -> Answer:
    """Check a video against one state of the checker.

    Raises:
        EmbedderClosedError: another state replaced this one meanwhile.
    """
    segments = state.embedder.embed(uri)
    whole, index = segments[0], state.context.index
    numbers = index.find_content(whole["content_sha256"])
    identical = [video for video in index.list_videos(numbers) if video.video_id != video_id]
    question = Question.of(whole, video_id, identical)
    exact = [match_identical_file(video, question) for video in identical]
    others = [video for video in _find_candidates(state, segments, set(numbers)) if video.video_id != video_id]
    compared = compare_with_candidates(state.context, question, others, deadline, state.embedder.make_thumbnails)
    matches = mark_common_matches(
        [*exact, *compared], state.config.pairs.min_common_videos, state.context.verifier.min_probability
    )
    return make_answer(state.context, question, matches, len(others), started)


def _read_config(card: IndexCard) -> Config:
    """Read the settings of the run that published an index."""
    try:
        return Config(**card.config)
    except ValidationError as error:
        raise ContractError(
            f"this version of ndvr rejects the setting {'.'.join(map(str, error.errors()[0]['loc']))} of the index; "
            "pass --config, or install the version that published the index"
        ) from error


def _find_candidates(state: _State, segments: list[dict[str, Any]], excluded: set[int]) -> list[StoredVideo]:
    """Find the stored videos with a segment that is similar enough to one of these segments.

    Args:
        state: has the index.
        segments: of the video in question.
        excluded: rows of the listing to leave out.
    """
    import numpy as np

    index = state.context.index
    queries = np.stack([segment["vector"] for segment in segments])
    found = index.search(queries, state.config.pairs.min_candidate_similarity)
    return index.list_videos(number for number in found if number not in excluded)
