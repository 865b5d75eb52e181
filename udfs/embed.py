"""Descriptors to embeddings: unit vectors of segments, by the model that a model_id names."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from models.embedding_models import EmbeddingModel


def embed_batches(batches: Iterator[pd.DataFrame], model: EmbeddingModel) -> Iterator[pd.DataFrame]:
    """Replace the column `video_descriptor` by `vector`, row by row, order kept.

    Runs on: executor, by `mapInPandas`.
    """
    import numpy as np

    for batch in batches:
        if not batch.empty:
            vectors = model.embed(np.stack(batch["video_descriptor"].to_list()))
            yield batch.drop(columns="video_descriptor").assign(vector=list(vectors))


def sample_frames(batches: Iterator[pd.DataFrame], frames_per_video: int, dim: int) -> Iterator[pd.DataFrame]:
    """Take evenly spread frames of each video: (video_id, frame_descriptors) -> (video_id, frames), float16 bytes.

    Runs on: executor, by `mapInPandas`.
    """
    import numpy as np
    import pandas as pd

    for batch in batches:
        taken = []
        for content in batch["frame_descriptors"]:
            frames = np.frombuffer(content, dtype="<f2").reshape(-1, dim)
            chosen = np.unique(np.linspace(0, len(frames) - 1, min(frames_per_video, len(frames))).round().astype(int))
            taken.append(frames[chosen].tobytes())
        yield pd.DataFrame({"video_id": batch["video_id"], "frames": taken})
