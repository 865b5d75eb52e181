"""Embeds descriptors: computes the unit vectors of segments with the model of a model_id."""

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
"""The column of `descriptors` that models read, by kind of fusion."""
FRAME_DIMS = 256
"""Dimensions of a stored frame. With its second and background it takes 268 bytes, 15.7 KiB per minute at 1 fps.

docs/decisions/0005 has the measurements.
"""
_INT8_MAX = 127


@dataclass(frozen=True)
class Windows:
    """Overlapping segments of a video, which find a clip inside a longer video.

    Attributes:
        length_seconds: of a window. A video that is not longer has none.
        hop_seconds: from the start of one window to the start of the next.
    """

    length_seconds: float
    hop_seconds: float

    @property
    def name(self) -> str:
        """The part of a model_id that names the windows."""
        return f"w{self.length_seconds:g}h{self.hop_seconds:g}"


def embed_batches(batches: Iterator[pd.DataFrame], model: EmbeddingModel, windows: Windows) -> Iterator[pd.DataFrame]:
    """Embed videos: one row per video -> a row for the whole video (segment_index 0) and one per window, in time order.

    Reads the columns video_id, model_id, content_sha256, run_id, duration_seconds, frame_seconds, descriptor_dim and
    the input column of the model. If the model keeps frames, the row of the whole video holds them; elsewhere the frame
    columns are null.
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
    """Yield the whole video with its frames, then the windows: normalised means of the vectors of their frames."""
    import numpy as np

    from models.normalise import average_unit_rows

    embedder: RowEmbedder = model.load()  # type: ignore[assignment]  # models that keep frames embed row by row
    vectors = embedder.embed(descriptors)
    kept, background = truncate_vectors(vectors), model.load_background()
    yield _segment(0.0, duration_seconds, average_unit_rows(vectors)) | {
        "frame_seconds": seconds,
        "frame_vectors": pack_vectors(kept),
        "frame_backgrounds": replace(background, vectors=truncate_vectors(background.vectors)).measure(kept),
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


def truncate_vectors(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Truncate unit vectors to `FRAME_DIMS` dimensions: (n, dim) -> float32 (n, at most FRAME_DIMS), unit norm.

    The closed forms sort dimensions by the information they carry (`models.whitening`), and the training of heads
    starts from them.
    """
    from models.normalise import to_unit_norm

    return to_unit_norm(vectors[:, :FRAME_DIMS])


def encode_vectors(vectors: NDArray[np.float32]) -> NDArray[np.int8]:
    """Encode unit vectors as int8, each row scaled to its largest value: float32 (n, dim) -> int8 (n, dim).

    The scale is not stored, because unpacking restores unit norm.
    """
    import numpy as np

    largest = np.abs(vectors).max(axis=1, keepdims=True)
    codes: NDArray[np.int8] = np.rint(vectors / np.where(largest > 0, largest, 1.0) * _INT8_MAX).astype(np.int8)
    return codes


def pack_vectors(vectors: NDArray[np.float32]) -> bytes:
    """Pack unit vectors as `encode_vectors` does: float32 (n, dim) -> n x dim bytes."""
    return encode_vectors(vectors).tobytes()


def unpack_vectors(stored: bytes, num_frames: int) -> NDArray[np.float32]:
    """Unpack vectors of `pack_vectors`: float32 (n, dim), unit norm, to within 1/254 of the largest value."""
    import numpy as np

    from models.normalise import to_unit_norm

    return to_unit_norm(np.frombuffer(stored, dtype=np.int8).reshape(num_frames, -1).astype(np.float32))


def _as_rows(stored: bytes | NDArray[np.float32], dim: int) -> NDArray[np.floating]:
    """Return the descriptors of one video, (n, dim): of its frames from bytes, or the average as one row."""
    if isinstance(stored, bytes | bytearray):
        return read_frames(stored, dim)
    return stored.reshape(1, dim)


def read_frames(stored: bytes | bytearray, dim: int) -> NDArray[np.float16]:
    """Read a value of `descriptors.frame_descriptors`: float16 (n, dim)."""
    import numpy as np

    return np.frombuffer(stored, dtype="<f2").reshape(-1, dim)
