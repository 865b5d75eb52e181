"""The result of describing a video: the columns, defined once, and the row of a video."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from udfs.errors import RowError
    from udfs.video import VideoFacts

# name, Spark type, comment
_COLUMNS = (
    ("size_bytes", "BIGINT", "size of the file"),
    ("content_sha256", "STRING", "SHA-256 of the file, hexadecimal"),
    ("container_format", "STRING", "name of the demuxer in FFmpeg"),
    ("video_codec", "STRING", "name of the codec in FFmpeg"),
    ("width_px", "INT", "width as displayed, after rotation"),
    ("height_px", "INT", "height as displayed, after rotation"),
    ("rotation_degrees", "INT", "rotation in the metadata, clockwise"),
    ("duration_seconds", "DOUBLE", "duration from the timestamps of the frames, not from the header"),
    ("average_fps", "DOUBLE", "number of frames divided by the duration"),
    ("num_frames", "BIGINT", "frames in the video stream"),
    ("decoder", "STRING", "decoder that read the video"),
    ("frame_seconds", "ARRAY<DOUBLE>", "times of the sampled frames, relative to the first frame"),
    (
        "video_descriptor",
        "ARRAY<FLOAT>",
        "mean of the normalised frame descriptors, centred to zero mean, unit norm",
    ),
    ("frame_descriptors", "BINARY", "float16 little-endian, row-major (sampled frames, dims)"),
)


def make_description_ddl(*, is_nullable: bool) -> str:
    """Return the columns as Spark DDL. They are nullable in a table that also has rows of failed videos."""
    null = "" if is_nullable else " NOT NULL"
    return ", ".join(f"{name} {kind}{null} COMMENT '{comment}'" for name, kind, comment in _COLUMNS)


REQUEST_DDL = "video_id STRING, uri STRING, described_bytes BIGINT, described_sha256 STRING"
"""A video to describe, with size and SHA-256 of the content that is already described; null without one."""
ATTEMPT_DDL = (
    "video_id STRING NOT NULL COMMENT 'id in the manifest', "
    "uri STRING COMMENT 'URI that the video was read from', "
    "error_code STRING COMMENT 'null if the video was described or is unchanged', "
    "error_detail STRING COMMENT 'which value violates which rule', "
    "is_unchanged BOOLEAN NOT NULL COMMENT 'true if the file has the content that is already described', "
    "thumbnails ARRAY<BINARY> COMMENT 'JPEG pictures of the sampled frames; null if they are not stored', "
    "frame_details ARRAY<FLOAT> COMMENT 'detail of each sampled frame, in [0, 1]', "
) + make_description_ddl(is_nullable=True)


@dataclass(frozen=True)
class Unchanged:
    """The outcome of a video whose file has the content that is already described."""


@dataclass(frozen=True)
class Description:
    """A described video.

    Attributes:
        facts: facts of the file, its container and its decoder.
        frame_seconds: float64 (n,), relative to the first frame of the video.
        video_descriptor: float32 (dim,), zero mean, unit norm.
        frame_descriptors: float16 (n, dim).
        frame_details: float32 (n,), in [0, 1], as `measure_details` returns them.
        thumbnails: n JPEG pictures; None if they are not stored.
    """

    facts: VideoFacts
    frame_seconds: NDArray[np.float64]
    video_descriptor: NDArray[np.float32]
    frame_descriptors: NDArray[np.float16]
    frame_details: NDArray[np.float32]
    thumbnails: list[bytes] | None = None


Outcome: TypeAlias = "Description | Unchanged | RowError"
"""What became of a video: it was described, its content is already described, or it failed."""


def make_attempt_row(video_id: str, uri: str | None, outcome: Outcome) -> dict[str, Any]:
    """Make the row of ATTEMPT_DDL of a video that was described, is unchanged or failed. Runs on: executor.

    The row of an unchanged video has no description: that in `descriptors` applies.
    """
    row: dict[str, Any] = dict.fromkeys(name for name, _, _ in _COLUMNS)
    row |= {"video_id": video_id, "uri": uri, "error_code": None, "error_detail": None}
    row["is_unchanged"] = isinstance(outcome, Unchanged)
    row |= {"thumbnails": None, "frame_details": None}
    if isinstance(outcome, Exception):
        return row | {"error_code": str(outcome.code), "error_detail": outcome.detail}
    if isinstance(outcome, Unchanged):
        return row
    return (
        row
        | asdict(outcome.facts)
        | {
            "frame_seconds": outcome.frame_seconds,
            "video_descriptor": outcome.video_descriptor,
            "thumbnails": outcome.thumbnails,
            "frame_details": outcome.frame_details,
            "frame_descriptors": outcome.frame_descriptors.astype("<f2").tobytes(),
        }
    )
