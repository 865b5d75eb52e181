"""Asks the index of a lake about one video: describe, search, align, weigh; the decision is the verifier's."""

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
from jobs.one_video.comparison import MatchContext, compare, conclude, match_twin
from jobs.one_video.embedder import EmbedderClosedError, VideoEmbedder
from jobs.one_video.index.reader import IndexFolder
from udfs.opening.roots import Roots, resolve_uri

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from jobs.one_video.answer import Answer
    from jobs.one_video.index.card import IndexCard
    from jobs.one_video.index.reader import StoredVideo
    from models.embedding_models import EmbeddingModel


@dataclass(frozen=True)
class _State:
    """What answers go by: an index and what decides, the settings, and what embeds by them."""

    judge: MatchContext
    config: Config
    embedder: VideoEmbedder


class Checker:
    """A lake's index, opened to be asked about videos. As a context manager it ends its decoders.

    It may be asked by as many threads at once as it has decoders.

    Args:
        lake_uri: absolute path or URI of the lake.
        config: settings; None takes those of the night that published the index.
        roots: the only places that videos are read from, besides the config's `manifest.roots`.
        num_at_once: videos that are decoded at once.
        time_limit_seconds: what one answer may take; None: no limit but the config's.
        cache: where a remote index is copied to; None takes NDVR_CACHE, else the user's cache.

    Raises:
        UsageError: there is no index, or its model does not compare frames, or a root is none.
        ContractError: index, settings and the model on this machine do not belong together.
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
        """What the index is that answers go by."""
        return self._state.judge.index.card

    def check(self, uri: str, video_id: str | None = None) -> Answer:
        """Answer whether the lake has a video's footage already.

        Args:
            uri: path or URI; a relative path starts at the working directory.
            video_id: the id that the video has, or will have, in the manifest. It is not held against itself, and the
                answer is that of the nightly job to the last digit: which of two videos is the left one is a matter of
                their ids. Without one it is taken for an id that sorts last.

        Raises:
            UnreadableVideoError: the video cannot be read.
            TimeLimitError: it took too long.
        """
        started = time.monotonic()
        limit = self._time_limit_seconds
        deadline = None if limit is None else started + limit
        state, segments = self._embed(resolve_uri(uri, str(Path.cwd())))
        whole, index = segments[0], state.judge.index
        twins = index.describe(index.find_content(whole["content_sha256"]))
        others = [video for video in twins if video.video_id != video_id]
        if others:
            matches = [match_twin(twin, whole["end_seconds"], video_id) for twin in others]
        else:
            others = [video for video in _find_candidates(state, segments) if video.video_id != video_id]
            compared = list(compare(state.judge, whole, others, video_id, deadline))
            matches = mark_common_matches(
                compared, state.config.pairs.min_common_videos, state.judge.verifier.min_probability
            )
        return conclude(state.judge, whole, matches, len(others), started)

    def refresh(self) -> bool:
        """Open the newest index if another has been published; tell whether one was.

        Answers that are being made go by the old one.

        Raises:
            UsageError: see the class.
            ContractError: likewise. In both cases the old one stays.
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
        """End the decoders."""
        self._state.embedder.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _embed(self, uri: str) -> tuple[_State, list[dict[str, Any]]]:
        """Embed a video by the newest state, and tell which that was."""
        while True:
            state = self._state
            try:
                return state, state.embedder.embed(uri)
            except EmbedderClosedError:
                if state is self._state:  # closed for good
                    raise

    def _open(self, card: IndexCard, last: _State | None) -> _State:
        """Open the index of a card; the embedder stays where settings and model stay."""
        config = self._config or _read_config(card)
        model = find_configured_model(config)
        verifier = choose_verifier(config, model)
        if verifier is None:
            raise UsageError(
                f"query is not available for {model.model_id}: it needs a model that compares frames (model.verifier), "
                "and pairs.min_cosine_similarity unset"
            )
        index = self._folder.open(card)
        if index.card.model_id != model.model_id:
            raise ContractError(
                f"the index holds vectors of {index.card.model_id}, this machine has {model.model_id}: "
                "put the model of the nightly job here"
            )
        judge = MatchContext(index, verifier, config.clusters.relations)
        is_same = last is not None and (last.config.describe, last.config.manifest, last.judge.index.card.model_id) == (
            config.describe,
            config.manifest,
            model.model_id,
        )
        embedder = last.embedder if last is not None and is_same else self._make_embedder(config, model)
        return _State(judge, config, embedder)

    def _make_embedder(self, config: Config, model: EmbeddingModel) -> VideoEmbedder:
        try:
            roots = Roots.of(*self._roots, *config.manifest.roots)
        except ValueError as error:
            raise UsageError(f"roots: {error}") from error
        return VideoEmbedder(config, model, roots, self._num_at_once, self._time_limit_seconds)


def _read_config(card: IndexCard) -> Config:
    """Read the settings of the night that published an index."""
    try:
        return Config(**card.config)
    except ValidationError as error:
        raise ContractError(
            f"the index was published with settings that this ndvr does not know; give --config, or the same version: "
            f"{error.errors()[0]['loc']}"
        ) from error


def _find_candidates(state: _State, segments: list[dict[str, Any]]) -> list[StoredVideo]:
    """Find the videos of which a segment is similar enough to one of these."""
    import numpy as np

    index = state.judge.index
    queries = np.stack([segment["vector"] for segment in segments])
    return index.describe(index.search(queries, state.config.pairs.min_candidate_similarity))
