"""Trains the whitening of a backbone's descriptors on the videos of a lake, and writes it as an artefact."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path  # noqa: TC003 - typer reads it when the program runs
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
from pyspark.errors import AnalysisException, ParseException
from pyspark.sql import functions as F

from jobs.command import run_command
from jobs.errors import UsageError
from jobs.location import absolute
from jobs.query import open_lake
from models.embedding_models import pack_whitening
from models.registry import get_backbone
from udfs.embed import sample_frames

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from pyspark.sql import DataFrame

    from jobs.lake import Lake
    from models.whitening import Whitening

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def train_whitening(
    lake: Annotated[str, typer.Option(help="Folder or URI that holds the tables.")],
    out: Annotated[Path, typer.Option(help="Folder that the artefact is written to.")],
    backbone: Annotated[str, typer.Option(help="Whose descriptors.")] = "efficientnet_lite0",
    where: Annotated[str, typer.Option(help="SQL condition on the manifest: train on these videos alone.")] = "true",
    frames_per_video: Annotated[int, typer.Option(help="At most so many, evenly spread.")] = 12,
    num_dims: Annotated[int, typer.Option(help="Length of the vectors.")] = 512,
) -> None:
    """Fit the PCA-whitening of frame descriptors.

    Hold footage out by its source, never by file: `--where "attributes['split'] = 'train'"`.

    Exit codes: 0 done; 2 bad usage.
    """
    whitening, facts = fit_on_lake(open_lake(absolute(lake)), where, num_dims, backbone, frames_per_video)
    write_artefact(out, pack_whitening(whitening, facts))


def fit_on_lake(
    lake: Lake,
    where: str = "true",
    num_dims: int = 512,
    backbone: str = "efficientnet_lite0",
    frames_per_video: int = 12,
) -> tuple[Whitening, dict[str, Any]]:
    """Fit the whitening of a backbone's descriptors; return it with what its card says of it. Runs on: driver.

    The same lake, whatever the order of its rows, gives the same numbers.

    Raises:
        UsageError: `where` is no condition on the manifest, or it leaves too few frames.
    """
    from models.whitening import fit_whitening

    rows = _training_rows(lake, where).where(F.startswith("descriptor_id", F.lit(backbone)))
    frames, num_videos = _collect_frames(rows, frames_per_video, get_backbone(backbone).dim)
    try:
        whitening = fit_whitening(frames, num_dims)
    except ValueError as error:
        raise UsageError(f"{error}; give a lake with more videos, or a smaller --num-dims") from error
    facts = {
        "method": "whitened",
        "backbone": backbone,
        "num_dims": num_dims,
        "num_videos": num_videos,
        "num_frames": len(frames),
        "where": where,
    }
    return whitening, facts


def write_artefact(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write the files of an artefact, as `pack_whitening` gives them, into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)


def _training_rows(lake: Lake, where: str) -> DataFrame:
    """Select the descriptors of the videos to train on."""
    try:
        chosen = lake.read("manifest").where(where).select("video_id")
    except (AnalysisException, ParseException) as error:
        raise UsageError(f"--where {where!r} is no condition on the manifest: {error.getMessage()}") from error
    return lake.read("descriptors").join(chosen, "video_id", "left_semi")


def _collect_frames(rows: DataFrame, frames_per_video: int, dim: int) -> tuple[NDArray[np.float16], int]:
    """Bring some frames of each video to the driver: float16 (n, dim), in the order of video_id."""
    sample = partial(sample_frames, frames_per_video=frames_per_video, dim=dim)
    sampled = rows.select("video_id", "frame_descriptors").mapInPandas(sample, "video_id STRING, frames BINARY")
    by_video = sorted((row["video_id"], bytes(row["frames"])) for row in sampled.collect())
    frames = [np.frombuffer(content, dtype="<f2").reshape(-1, dim) for _, content in by_video]
    return np.concatenate([np.empty((0, dim), np.float16), *frames]), len(by_video)


def main() -> int:
    """Run the command line and return the exit code."""
    return run_command(app)


if __name__ == "__main__":
    sys.exit(main())
