"""What describing a video yields: its columns, once, and a row of them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from udfs.errors import RowError
    from udfs.video import VideoFacts

# name, Spark type, comment
_COLUMNS = (
    ("size_bytes", "BIGINT", "of the file"),
    ("content_sha256", "STRING", "of the file, hexadecimal"),
    ("container_format", "STRING", "the name that FFmpeg gives the demuxer"),
    ("video_codec", "STRING", "the name that FFmpeg gives the codec"),
    ("width_px", "INT", "as displayed, rotation obeyed"),
    ("height_px", "INT", "as displayed, rotation obeyed"),
    ("rotation_degrees", "INT", "rotation metadata, clockwise"),
    ("duration_seconds", "DOUBLE", "by the timestamps of the frames, never by the header"),
    ("average_fps", "DOUBLE", "frames over duration"),
    ("num_frames", "BIGINT", "frames in the video stream"),
    ("decoder", "STRING", "which decoder read it"),
    ("frame_seconds", "ARRAY<DOUBLE>", "times of the sampled frames, from the first frame on"),
    (
        "video_descriptor",
        "ARRAY<FLOAT>",
        "mean of the normalised frame descriptors, its own mean removed, unit norm",
    ),
    ("frame_descriptors", "BINARY", "float16 little-endian, row-major (sampled frames, dims)"),
)


def description_ddl(*, is_nullable: bool) -> str:
    """Return the columns as Spark DDL: nullable where a failed video has a row too, else NOT NULL."""
    null = "" if is_nullable else " NOT NULL"
    return ", ".join(f"{name} {kind}{null} COMMENT '{comment}'" for name, kind, comment in _COLUMNS)


ATTEMPT_DDL = (
    "video_id STRING NOT NULL COMMENT 'id in the manifest', "
    "uri STRING COMMENT 'where it was read from', "
    "error_code STRING COMMENT 'null where the video was described', "
    "error_detail STRING COMMENT 'which value broke which rule', "
) + description_ddl(is_nullable=True)


@dataclass(frozen=True)
class Description:
    """A described video.

    Attributes:
        facts: what container and decoder say.
        frame_seconds: float64 (n,), from the video's first frame on.
        video_descriptor: float32 (dim,), zero mean, unit norm.
        frame_descriptors: float16 (n, dim).
    """

    facts: VideoFacts
    frame_seconds: NDArray[np.float64]
    video_descriptor: NDArray[np.float32]
    frame_descriptors: NDArray[np.float16]


def attempt_row(video_id: str, uri: str | None, outcome: Description | RowError) -> dict[str, Any]:
    """Make the row of ATTEMPT_DDL for a video, described or failed. Runs on: executor."""
    row: dict[str, Any] = dict.fromkeys(name for name, _, _ in _COLUMNS)
    row |= {"video_id": video_id, "uri": uri, "error_code": None, "error_detail": None}
    if isinstance(outcome, Exception):
        return row | {"error_code": str(outcome.code), "error_detail": outcome.detail}
    return (
        row
        | asdict(outcome.facts)
        | {
            "frame_seconds": outcome.frame_seconds,
            "video_descriptor": outcome.video_descriptor,
            "frame_descriptors": outcome.frame_descriptors.astype("<f2").tobytes(),
        }
    )
