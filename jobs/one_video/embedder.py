"""Embeds one video at a time with the functions that the executors of the nightly job call."""

from __future__ import annotations

import queue
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from jobs.contracts.describing import describe_settings
from jobs.contracts.run import find_windows
from jobs.errors import UnreadableVideoError, UsageError
from udfs.describing.describe import describe_events
from udfs.describing.description import Unchanged, make_attempt_row
from udfs.describing.device import get_task_describer
from udfs.describing.missing_thumbnails import make_thumbnails
from udfs.embedding.embed import INPUT_COLUMN, embed_batches
from udfs.errors import RowError
from udfs.video import VideoRequest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from jobs.config.settings import Config
    from models.embedding_models import EmbeddingModel
    from udfs.decoding.pool import DecoderPool
    from udfs.describing.missing_thumbnails import ThumbnailRequest
    from udfs.opening.roots import Roots


class EmbedderClosedError(RuntimeError):
    """The embedder was closed, because another replaced it, before the call got a free decoder."""


class VideoEmbedder:
    """Decoders and a network that stay loaded. As many threads may call it at once as it has decoders.

    Args:
        config: how videos are described.
        model: the model that embeds them.
        roots: the only places that videos are read from.
        num_at_once: number of decoders, each a child process.
        time_limit_seconds: limit of decoding; None uses the config's limits.

    Raises:
        UsageError: the weights of the network are not on this machine.
    """

    def __init__(
        self,
        config: Config,
        model: EmbeddingModel,
        roots: Roots,
        num_at_once: int = 1,
        time_limit_seconds: float | None = None,
    ) -> None:
        from models.describer import limit_threads
        from models.weights import WeightsError
        from udfs.decoding.pool import DecoderPool

        settings = describe_settings(config.describe, roots)
        decoder = settings.decoder
        if time_limit_seconds is not None:
            decoder = replace(decoder, limits=decoder.limits.shorten_timeouts(time_limit_seconds))
        try:
            self._describer = get_task_describer(settings)
        except WeightsError as error:
            raise UsageError(f"describe: {error}") from error
        # One thread, as in a Spark task of one core: the same kernels return the same numbers, and concurrent checks do
        # not compete. The few batches of a short clip lose more time by waiting for threads than they gain.
        limit_threads(1)
        self._settings = settings
        self._windows = find_windows(config)
        self._model = model
        self._pools: queue.SimpleQueue[DecoderPool | None] = queue.SimpleQueue()
        self._num_at_once = num_at_once
        for _ in range(num_at_once):
            self._pools.put(DecoderPool(decoder, roots))

    def embed(self, uri: str) -> list[dict[str, Any]]:
        """Describe and embed a video: rows of `embeddings`, the whole first, then the windows.

        The row of the whole video also has `thumbnails`, JPEG pictures of its frames, and `frame_details`, float32 (n,)
        in [0, 1]. The second look needs them, whether or not runs store them.

        Args:
            uri: absolute path or URI, as `resolve_uri` returns it.

        Raises:
            UnreadableVideoError: the video cannot be read.
            EmbedderClosedError: the embedder was closed meanwhile.
        """
        import pandas as pd

        with self._borrow_pool() as pool, closing(pool.decode([VideoRequest("", uri)])) as events:
            ((_, outcome),) = describe_events(
                events, self._describer, cuts_borders=self._settings.cuts_borders, stores_thumbnails=True
            )
        if isinstance(outcome, RowError):
            raise UnreadableVideoError(str(outcome.code), outcome.detail)
        if isinstance(outcome, Unchanged):
            raise TypeError("no content was named as described")
        row = make_attempt_row("", uri, outcome) | {"model_id": self._model.model_id, "run_id": ""}
        row["descriptor_dim"] = len(row["video_descriptor"])
        copied = ("video_id", "model_id", "content_sha256", "run_id", "duration_seconds", "frame_seconds")
        names = [*copied, "descriptor_dim", INPUT_COLUMN[self._model.fusion]]
        (rows,) = embed_batches(iter([pd.DataFrame([{name: row[name] for name in names}])]), self._model, self._windows)
        whole, *windows = cast("list[dict[str, Any]]", rows.to_dict("records"))
        return [whole | {"thumbnails": outcome.thumbnails, "frame_details": outcome.frame_details}, *windows]

    def make_thumbnails(self, requests: Iterable[ThumbnailRequest]) -> dict[str, list[bytes]]:
        """Decode frames of stored videos, and return the thumbnails of those that can be read, by video_id.

        Args:
            requests: one per video. An error that they raise is raised.

        Raises:
            EmbedderClosedError: the embedder was closed meanwhile.
        """
        with self._borrow_pool() as pool:
            made = dict(make_thumbnails(requests, pool))
        return {name: outcome.pictures for name, outcome in made.items() if not isinstance(outcome, RowError)}

    @contextmanager
    def _borrow_pool(self) -> Iterator[DecoderPool]:
        """Take a free decoder, and give it back.

        Raises:
            EmbedderClosedError: there is none any more.
        """
        pool = self._pools.get()
        try:
            if pool is None:
                raise EmbedderClosedError
            yield pool
        finally:
            self._pools.put(pool)

    def close(self) -> None:
        """Stop the decoders after they finish what they are decoding."""
        for _ in range(self._num_at_once):
            pool = self._pools.get()
            if pool is not None:
                pool.close()
        self._pools.put(None)
