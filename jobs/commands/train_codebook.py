"""Train a codebook on the frames of a lake's videos, and write it as an artefact."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path  # noqa: TC003 - typer reads it when the program runs
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
from pyspark.sql import functions as F
from rich.console import Console

from jobs.commands import options
from jobs.commands.command_line import Command, run_command, show_examples
from jobs.commands.open_lake import open_lake
from jobs.errors import UsageError
from jobs.lake.location import absolute
from jobs.training.selection import select_videos
from models.artefact import CARD_FILE, ModelCard, pack_artefact, write_artefact
from models.registry import get_backbone
from udfs.embedding.fit_codebook import count_videos_by_word, fit_codebook
from udfs.embedding.sample_frames import sample_frames

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pyspark.sql import DataFrame

    from jobs.lake.lake import Lake
    from models.codebook import Codebook
    from models.registry import BackboneSpec

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


class Variant(StrEnum):
    """The part of a descriptor that a word represents: the whole descriptor, or one layer."""

    VECTOR = "vector"
    LAYER = "layer"


@dataclass(frozen=True)
class CodebookSettings:
    """How a codebook is trained.

    Attributes:
        variant: one codebook for the whole descriptor, or one for each layer of the backbone.
        num_words: number of words per codebook.
        max_frames: maximum number of frames that are clustered.
        backbone: name of the backbone whose descriptors are used.
        where: SQL condition on the manifest that selects the training videos.
        seed: seed of the initial centres, in [0, 2^31).
    """

    variant: Variant = Variant.VECTOR
    num_words: int = 1000
    max_frames: int = 100_000
    backbone: str = "efficientnet_lite0_ndvr"
    where: str = "true"
    seed: int = 0

    def block_dims(self, spec: BackboneSpec) -> tuple[int, ...]:
        """Return the lengths of the parts of a descriptor that have their own codebook."""
        return (spec.dim,) if self.variant is Variant.VECTOR else tuple(layer.dim for layer in spec.layers)


@app.command(
    cls=Command,
    epilog=show_examples(
        "ndvr train-codebook --lake /data/lake --out /data/models/words --variant layer --num-words 300",
    ),
)
def train_codebook(  # noqa: PLR0913 - an argument for each option
    lake: options.LakeOption,
    out: Annotated[Path, typer.Option(help="Folder for the model.")],
    *,
    variant: Annotated[
        Variant, typer.Option(help="One codebook for whole descriptors, or one per layer.")
    ] = Variant.VECTOR,
    num_words: Annotated[int, typer.Option(min=1, help="Number of words per codebook.")] = 1000,
    max_frames: Annotated[int, typer.Option(min=1, help="Maximum number of frames that are clustered.")] = 100_000,
    backbone: Annotated[str, typer.Option(help="Backbone whose descriptors are used.")] = "efficientnet_lite0_ndvr",
    where: Annotated[str, typer.Option(help="SQL condition on the manifest: use these videos only.")] = "true",
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="Seed of the initial centres.")] = 0,
    licence: Annotated[str, typer.Option(help="Licence of the model, for its card.")] = "not stated",
    as_json: Annotated[bool, typer.Option("--json", help="Print the model's card, which is JSON.")] = False,
) -> None:
    """Train a codebook for a bag of visual words on a lake's videos.

    Then calibrate it with `ndvr calibrate`, or set pairs.min_cosine_similarity, and set embeddings.artefact_dir to its
    folder. The driver has the frames in memory: 100,000 frames of the default backbone take at most 3 GB.

    Exit codes: 0 done; 2 bad usage.
    """
    settings = CodebookSettings(variant, num_words, max_frames, backbone, where, seed)
    opened, console = open_lake(absolute(lake)), Console(stderr=True)
    with console.status("clustering frames"):
        codebook, facts = fit_on_lake(opened, settings)
    write_artefact(out, pack_codebook(codebook, settings, facts, licence))
    console.print(
        f"{len(codebook.idf)} words from {facts['num_frames']} frames; weights from {facts['num_videos']} videos, in "
        f"which {facts['num_unseen_words']} words do not occur; the model is in {out}"
    )
    if as_json:
        sys.stdout.write((out / CARD_FILE).read_text(encoding="utf-8").rstrip() + "\n")


def fit_on_lake(lake: Lake, settings: CodebookSettings) -> tuple[Codebook, dict[str, Any]]:
    """Train a codebook. Return it with the facts of the training for its card. Runs on: driver, counting on executors.

    On one machine the result is reproducible. It does not depend on the order of rows in the lake.

    Raises:
        UsageError: the backbone is unknown, `where` is not a valid condition on the manifest, or there are too few
            frames.
    """
    try:
        spec = get_backbone(settings.backbone)
    except ValueError as error:
        raise UsageError(f"--backbone: {error}") from error
    descriptor_id, rows = _training_rows(lake, settings)
    num_videos = rows.count()
    frames = _collect_frames(rows, num_videos, settings.max_frames, spec.dim)
    try:
        codebook = fit_codebook(frames, settings.block_dims(spec), settings.num_words, settings.seed)
    except ValueError as error:
        raise UsageError(f"{error}; use a lake with more videos, or a smaller --num-words") from error
    counts = _count_videos(rows, codebook)
    facts = asdict(settings) | {
        "descriptor_id": descriptor_id,
        "num_videos": num_videos,
        "num_frames": len(frames),
        "num_unseen_words": int((counts == 0).sum()),
    }
    return codebook.weigh(counts, num_videos), facts


def pack_codebook(
    codebook: Codebook, settings: CodebookSettings, facts: dict[str, Any], licence: str = "not stated"
) -> dict[str, bytes]:
    """Return the files of the artefact, without a calibration."""
    card = ModelCard(
        method=f"bow_{settings.variant}",
        kind=codebook.kind,
        backbone=settings.backbone,
        fusion="late",
        num_dims=len(codebook.idf),
        licence=licence,
        training=facts,
        metrics={},
    )
    return pack_artefact(codebook.to_tensors(), card)


def _training_rows(lake: Lake, settings: CodebookSettings) -> tuple[str, DataFrame]:
    """Return the newest descriptor_id of the backbone in the lake, and the training frames, one row per video."""
    described = lake.read("descriptors").where(F.startswith("descriptor_id", F.lit(f"{settings.backbone}-")))
    newest = described.agg(F.max_by("descriptor_id", "described_at").alias("descriptor_id")).first()
    if newest is None or newest["descriptor_id"] is None:
        raise UsageError(
            f"no videos in {lake.root!r} are described with backbone {settings.backbone!r}: run the nightly job first"
        )
    chosen = select_videos(lake, settings.where).select("video_id")
    rows = described.where(F.col("descriptor_id") == newest["descriptor_id"]).join(chosen, "video_id", "left_semi")
    return newest["descriptor_id"], rows.select("video_id", "frame_descriptors")


def _collect_frames(rows: DataFrame, num_videos: int, max_frames: int, dim: int) -> NDArray[np.float16]:
    """Load frames into the driver, the same number per video: float16 (n <= max_frames, dim), in order of video_id.

    If there are more videos than `max_frames`, one frame of each of the videos with the smallest hashes is used.
    """
    chosen = rows.select("video_id").orderBy(F.xxhash64("video_id"), "video_id").limit(max_frames)
    sample = partial(sample_frames, frames_per_video=max(1, max_frames // max(1, num_videos)), dim=dim)
    sampled = rows.join(chosen, "video_id", "left_semi").mapInPandas(sample, "video_id STRING, frames BINARY")
    # The shuffle makes all executors sample in parallel, although toLocalIterator then reads one partition at a time.
    # So the driver's JVM never has all frames in memory, and spark.driver.maxResultSize (1 GB) does not limit them.
    received = sampled.repartition("video_id").toLocalIterator()
    by_video = sorted((row["video_id"], bytes(row["frames"])) for row in received)
    frames = b"".join(content for _, content in by_video)
    return np.frombuffer(frames, dtype="<f2").reshape(-1, dim)


def _count_videos(rows: DataFrame, codebook: Codebook) -> NDArray[np.int64]:
    """Count the training videos that contain each word: int64 (num_dims,)."""
    count = partial(count_videos_by_word, codebook=codebook)
    partial_counts = rows.mapInPandas(count, "word BIGINT, num_videos BIGINT")
    counts = np.zeros(len(codebook.idf), dtype=np.int64)
    for row in partial_counts.groupBy("word").agg(F.sum("num_videos").alias("num_videos")).collect():
        counts[row["word"]] = row["num_videos"]
    return counts


def main() -> int:
    """Run the command line and return the exit code."""
    return run_command(app)


if __name__ == "__main__":
    sys.exit(main())
