"""Samples the frames of each video that models are trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from udfs.embedding.embed import read_frames

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray


def sample_frames(batches: Iterator[pd.DataFrame], frames_per_video: int, dim: int) -> Iterator[pd.DataFrame]:
    """Sample evenly spaced frames of each video: (video_id, frame_descriptors) -> (video_id, frames), float16 bytes.

    Runs on: executor, by `mapInPandas`.
    """
    import pandas as pd

    for batch in batches:
        sampled = []
        for stored in batch["frame_descriptors"]:
            frames = read_frames(stored, dim)
            sampled.append(frames[choose_frames(len(frames), frames_per_video)].tobytes())
        yield pd.DataFrame({"video_id": batch["video_id"], "frames": sampled})


def choose_frames(num_frames: int, max_frames: int) -> NDArray[np.int64]:
    """Return the numbers of at most `max_frames` frames, evenly spaced from the first to the last.

    If `max_frames` is 1, it is the middle frame, because the first one is often black or a title.
    """
    import numpy as np

    if max_frames == 1:
        return np.array([num_frames // 2], dtype=np.int64)
    spaced = np.linspace(0, num_frames - 1, min(max_frames, num_frames))
    return np.unique(spaced.round().astype(np.int64))
