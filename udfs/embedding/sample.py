"""Some frames of each video: what models are trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from udfs.embedding.embed import read_frames

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray


def sample_frames(batches: Iterator[pd.DataFrame], frames_per_video: int, dim: int) -> Iterator[pd.DataFrame]:
    """Take evenly spread frames of each video: (video_id, frame_descriptors) -> (video_id, frames), float16 bytes.

    Runs on: executor, by `mapInPandas`.
    """
    import pandas as pd

    for batch in batches:
        taken = []
        for stored in batch["frame_descriptors"]:
            frames = read_frames(stored, dim)
            taken.append(frames[choose_frames(len(frames), frames_per_video)].tobytes())
        yield pd.DataFrame({"video_id": batch["video_id"], "frames": taken})


def choose_frames(num_frames: int, max_frames: int) -> NDArray[np.int64]:
    """Return the numbers of at most so many frames, spread evenly from the first to the last.

    One alone is the middle one: the first is often a title or black.
    """
    import numpy as np

    if max_frames == 1:
        return np.array([num_frames // 2], dtype=np.int64)
    spread = np.linspace(0, num_frames - 1, min(max_frames, num_frames))
    return np.unique(spread.round().astype(np.int64))
