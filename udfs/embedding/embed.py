"""Descriptors to embeddings: unit vectors of segments, by the model that a model_id names."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from models.embedders import RowEmbedder
    from models.embedding_models import EmbeddingModel

INPUT_COLUMN = {"early": "video_descriptor", "late": "frame_descriptors"}
"""The column of `descriptors` that a model of each kind of fusion takes."""
FRAME_DIMS = 256
"""Of a stored frame: with its second and its background 268 bytes, 15.7 KiB a minute at 1 fps; docs/decisions/0005."""
_INT8_MAX = 127


@dataclass(frozen=True)
class Windows:
    """Overlapping segments of a video, besides the whole: what a clip inside a longer video is found by.

    Attributes:
        length_seconds: a video no longer than this has none.
        hop_seconds: from the start of one to the start of the next.
    """

    length_seconds: float
    hop_seconds: float

    @property
    def name(self) -> str:
        """For a model_id."""
        return f"w{self.length_seconds:g}h{self.hop_seconds:g}"


def embed_batches(batches: Iterator[pd.DataFrame], model: EmbeddingModel, windows: Windows) -> Iterator[pd.DataFrame]:
    """Embed videos: a row each -> a row for the whole, segment_index 0, and one for each window, in time order.

    Takes columns video_id, model_id, content_sha256, run_id, duration_seconds, frame_seconds, descriptor_dim and the
    model's input. Where the model keeps frames, the row of the whole holds the frames too; others have null there.
    Runs on: executor, by `mapInPandas`.
    """
    import pandas as pd

    for batch in batches:
        rows: list[dict[str, Any]] = []
        for video in cast("list[dict[str, Any]]", batch.to_dict("records")):
            shared = {name: video[name] for name in ("video_id", "model_id", "content_sha256", "run_id")}
            segments = _embed_video(video, model, windows)
            rows += [shared | {"segment_index": index} | segment for index, segment in enumerate(segments)]
        if rows:
            yield pd.DataFrame(rows)


def _embed_video(video: dict[str, Any], model: EmbeddingModel, windows: Windows) -> Iterator[dict[str, Any]]:
    """Yield the segments of one video."""
    descriptors = _as_rows(video[INPUT_COLUMN[model.fusion]], video["descriptor_dim"])
    duration = video["duration_seconds"]
    if model.keeps_frames:
        yield from _embed_frames(descriptors, video["frame_seconds"], duration, model, windows)
    else:
        yield _segment(0.0, duration, model.load().embed_video(descriptors))


def _embed_frames(
    descriptors: NDArray[np.floating],
    seconds: NDArray[np.float64],
    duration_seconds: float,
    model: EmbeddingModel,
    windows: Windows,
) -> Iterator[dict[str, Any]]:
    """Yield the whole with its frames, then the windows: normalised means of their frames' vectors."""
    import numpy as np

    from models.normalise import average_unit_rows

    embedder: RowEmbedder = model.load()  # type: ignore[assignment]  # a model that keeps frames embeds row by row
    vectors = embedder.embed(descriptors)
    kept, background = shorten_vectors(vectors), model.load_background()
    yield _segment(0.0, duration_seconds, average_unit_rows(vectors)) | {
        "frame_seconds": seconds,
        "frame_vectors": pack_vectors(kept),
        "frame_backgrounds": replace(background, vectors=shorten_vectors(background.vectors)).measure(kept),
    }
    if duration_seconds <= windows.length_seconds:
        return
    for start in np.arange(0.0, duration_seconds - windows.length_seconds + windows.hop_seconds, windows.hop_seconds):
        begin, end = np.searchsorted(seconds, [start, start + windows.length_seconds])
        if begin < end:
            stop = min(start + windows.length_seconds, duration_seconds)
            yield _segment(float(start), float(stop), average_unit_rows(vectors[begin:end]))


def _segment(start_seconds: float, end_seconds: float, vector: NDArray[np.float32]) -> dict[str, Any]:
    """Make the row of a segment without frames."""
    bounds = {"start_seconds": start_seconds, "end_seconds": end_seconds}
    return bounds | {"vector": vector, "frame_seconds": None, "frame_vectors": None, "frame_backgrounds": None}


def shorten_vectors(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Keep the first `FRAME_DIMS` numbers of unit vectors: (n, dim) -> float32 (n, at most FRAME_DIMS), unit norm.

    Those of the closed forms are in the order of what they tell (`models.whitening`), and learnt heads start there.
    """
    from models.normalise import to_unit_norm

    return to_unit_norm(vectors[:, :FRAME_DIMS])


def pack_vectors(vectors: NDArray[np.float32]) -> bytes:
    """Pack unit vectors as int8, each row scaled to its largest value: float32 (n, dim) -> n x dim bytes.

    A unit vector is known by its direction, so no scale is stored.
    """
    import numpy as np

    largest = np.abs(vectors).max(axis=1, keepdims=True)
    return np.rint(vectors / np.where(largest > 0, largest, 1.0) * _INT8_MAX).astype(np.int8).tobytes()


def unpack_vectors(stored: bytes, num_frames: int) -> NDArray[np.float32]:
    """Read what `pack_vectors` packed: float32 (n, dim), unit norm, to within 1 part in 254 of the largest value."""
    import numpy as np

    from models.normalise import to_unit_norm

    return to_unit_norm(np.frombuffer(stored, dtype=np.int8).reshape(num_frames, -1).astype(np.float32))


def _as_rows(stored: bytes | NDArray[np.float32], dim: int) -> NDArray[np.floating]:
    """Read one video's descriptors, (n, dim): its frames' as stored bytes, or its averaged one."""
    if isinstance(stored, bytes | bytearray):
        return read_frames(stored, dim)
    return stored.reshape(1, dim)


def read_frames(stored: bytes | bytearray, dim: int) -> NDArray[np.float16]:
    """Read what `descriptors.frame_descriptors` holds: float16 (n, dim)."""
    import numpy as np

    return np.frombuffer(stored, dtype="<f2").reshape(-1, dim)
