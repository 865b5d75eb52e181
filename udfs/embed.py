"""Descriptors to embeddings: unit vectors of segments, by the model that a model_id names."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from models.embedding_models import EmbeddingModel

INPUT_COLUMN = {"early": "video_descriptor", "late": "frame_descriptors"}
"""The column of `descriptors` that a model of each kind of fusion takes."""


def embed_batches(batches: Iterator[pd.DataFrame], model: EmbeddingModel) -> Iterator[pd.DataFrame]:
    """Replace the model's input column by `vector`, row by row, order kept.

    Runs on: executor, by `mapInPandas`.
    """
    import pandas as pd

    column = INPUT_COLUMN[model.fusion]
    for batch in batches:
        if not batch.empty:
            embedder = model.load()
            pairs = zip(batch[column], batch["descriptor_dim"], strict=True)
            vectors = [embedder.embed_video(_as_rows(stored, dim)) for stored, dim in pairs]
            yield batch.drop(columns=[column, "descriptor_dim"]).assign(vector=pd.Series(vectors, index=batch.index))


def _as_rows(stored: bytes | NDArray[np.float32], dim: int) -> NDArray[np.floating]:
    """Read one video's descriptors, (n, dim): its frames' as stored bytes, or its averaged one."""
    if isinstance(stored, bytes | bytearray):
        return read_frames(stored, dim)
    return stored.reshape(1, dim)


def read_frames(stored: bytes | bytearray, dim: int) -> NDArray[np.float16]:
    """Read what `descriptors.frame_descriptors` holds: float16 (n, dim)."""
    import numpy as np

    return np.frombuffer(stored, dtype="<f2").reshape(-1, dim)
