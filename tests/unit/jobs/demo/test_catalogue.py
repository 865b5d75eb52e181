from __future__ import annotations

import csv
import hashlib
import subprocess
import sys
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import av
import pytest

from jobs.demo.archives import Archive
from jobs.demo.catalogue import MANIFEST_COLUMNS, Catalogue, build_catalogue
from jobs.demo.clips import DEMO, FaultyEntry, FoundClip, MadeClip, Recipe
from jobs.demo.editing.edits import EDITS
from jobs.demo.planted import Planted
from tests.support.clock_clips import frame_at, seconds_shown, write_clock_clip

ROOT = Path(__file__).parents[4]


@dataclass(frozen=True)
class Built:
    catalogue: Catalogue
    folder: Path
    cache: Path
    recipe: Recipe
    progress: list[tuple[str, int, int]]

    def build(self, recipe: Recipe) -> Catalogue:
        return build_catalogue(self.folder, self.cache, recipe)


def _no_pip(*_: Any, **__: Any) -> None:
    raise AssertionError("the network was asked")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp("demo")
    cache = folder / "cache"
    cache.mkdir()
    write_clock_clip(folder / "a.mp4", num_frames=40)
    write_clock_clip(folder / "b.avi", num_frames=20, right=(200, 0, 0))
    write_clock_clip(folder / "a-opening.mp4", num_frames=16)
    with zipfile.ZipFile(cache / "clips.whl", "w") as wheel:
        for name in ("a.mp4", "b.avi", "a-opening.mp4"):
            wheel.write(folder / name, f"data/{name}")
    archive = Archive("clips==1", "clips.whl", hashlib.sha256((cache / "clips.whl").read_bytes()).hexdigest())
    recipe = Recipe(
        found=(
            FoundClip("a", archive, "data/a.mp4", "A"),
            FoundClip("b", archive, "data/b.avi", "B, the other"),
            FoundClip("a-opening", archive, "data/a-opening.mp4", "A again", duplicate_of="a", note="seen"),
        ),
        made=(
            MadeClip("a-webm", "a", "reencode-webm", "a"),
            MadeClip("a-trim-head", "a", "trim-head", "a"),
            MadeClip("a-with-b", "a", "splice", "a and b", companion="b"),
        ),
        faulty=(FaultyEntry("a-cut", "a", cut_from="a-trim-head"), FaultyEntry("a-gone", "a")),
    )
    progress: list[tuple[str, int, int]] = []
    catalogue = build_catalogue(folder / "lake", cache, recipe, lambda *step: progress.append(step))
    return Built(catalogue, folder / "lake", cache, recipe, progress)


def read_manifest(built: Built) -> list[dict[str, str]]:
    with built.catalogue.manifest.open(newline="") as opened:
        return list(csv.DictReader(opened))


def test_the_truth_names_the_stretch_the_relation_and_the_edit(built: Built) -> None:
    assert built.catalogue.planted == (
        Planted("a", "", "original", "", 0.0, 4.0, 0.0, 4.0),
        Planted("b", "", "original", "", 0.0, 2.0, 0.0, 2.0),
        Planted("a-opening", "a", "contained", "found", 0.0, 1.6, 0.0, 1.6, "seen"),
        Planted("a-webm", "a", "copy", "reencode-webm", 0.0, 4.0, 0.0, 4.0),
        Planted("a-trim-head", "a", "contained", "trim-head", 1.2, 4.0, 0.0, 2.8),
        Planted("a-with-b", "a", "copy", "splice", 0.0, 2.0, 0.0, 2.0),
        Planted("a-with-b", "b", "overlap", "splice", 0.5, 1.5, 2.0, 3.0),
        Planted("a-with-b", "a", "copy", "splice", 2.0, 4.0, 3.0, 5.0),
        Planted("a-cut", "", "broken"),
        Planted("a-gone", "", "missing"),
    )


def test_each_planted_stretch_shows_the_time_that_the_truth_says(built: Built) -> None:
    files = {row["video_id"]: built.folder / row["uri"] for row in read_manifest(built)}
    for line in built.catalogue.planted:
        if line.relation not in ("broken", "missing"):
            target_seconds = (line.target_start_seconds + line.target_end_seconds) / 2
            source_seconds = (line.source_start_seconds + line.source_end_seconds) / 2
            shown = seconds_shown(frame_at(files[line.video_id], target_seconds))
            assert shown == pytest.approx(source_seconds, abs=0.2), line


def test_the_manifest_lists_every_video_once_with_a_relative_uri(built: Built) -> None:
    rows = read_manifest(built)
    assert tuple(rows[0]) == MANIFEST_COLUMNS
    assert [row["video_id"] for row in rows] == [
        *("a", "b", "a-opening"),
        *("a-webm", "a-trim-head", "a-with-b"),
        *("a-cut", "a-gone"),
    ]
    assert rows[1]["uri"] == "videos/b.avi"
    assert rows[1]["title"] == "B, the other"
    assert [row["video_id"] for row in rows if not (built.folder / row["uri"]).is_file()] == ["a-gone"]


def test_originals_are_published_before_their_copies(built: Built) -> None:
    published = {row["video_id"]: row["published_at"] for row in read_manifest(built)}
    assert published["a"] == "2024-01-01T00:00:00+00:00"
    assert len(set(published.values())) == len(published)
    for line in built.catalogue.planted:
        if line.duplicate_of:
            assert published[line.duplicate_of] < published[line.video_id]


def test_a_copy_has_another_owner_than_its_original(built: Built) -> None:
    owners = {row["video_id"]: row["owner_id"] for row in read_manifest(built)}
    assert owners["a"] == "studio-a"
    assert owners["a-opening"] == "uploader-3"


def test_the_cut_file_is_half_of_a_video_and_cannot_be_opened(built: Built) -> None:
    whole, half = built.folder / "videos/a-trim-head.mp4", built.folder / "videos/a-cut.mp4"
    assert half.read_bytes() == whole.read_bytes()[: whole.stat().st_size // 2]
    with pytest.raises(av.FFmpegError):
        av.open(str(half))


def test_progress_counts_every_video(built: Built) -> None:
    assert built.progress[0] == ("a", 1, 8)
    assert built.progress[-1] == ("a-gone", 8, 8)


def test_a_second_build_does_no_work_and_asks_no_network(built: Built, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "run", _no_pip)
    before = {path: path.stat().st_mtime_ns for path in built.folder.rglob("*")}
    assert built.build(built.recipe) == built.catalogue
    assert {path: path.stat().st_mtime_ns for path in built.folder.rglob("*")} == before


def test_another_recipe_is_built_anew_from_the_cache(
    built: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subprocess, "run", _no_pip)
    build_catalogue(tmp_path, built.cache, replace(built.recipe, made=(), faulty=()))
    catalogue = build_catalogue(tmp_path, built.cache, replace(built.recipe, faulty=()))
    assert [line.video_id for line in catalogue.planted][-1] == "a-with-b"


def test_a_build_that_was_broken_off_is_done_again(built: Built, tmp_path: Path) -> None:
    def stop(video_id: str, *_: int) -> None:
        if video_id == "a-trim-head":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_catalogue(tmp_path, built.cache, built.recipe, stop)
    assert build_catalogue(tmp_path, built.cache, built.recipe).planted == built.catalogue.planted


def test_importing_the_builder_imports_no_heavy_module() -> None:
    code = "import sys, jobs.demo.catalogue; print([m for m in ('av', 'numpy', 'PIL') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def test_the_demo_recipe_holds_together() -> None:
    originals = {clip.video_id for clip in DEMO.found if not clip.duplicate_of}
    ids = [entry.video_id for entry in (*DEMO.found, *DEMO.made, *DEMO.faulty)]
    assert len(ids) == len(set(ids)) >= 30
    assert {clip.duplicate_of for clip in DEMO.found} - {""} <= originals
    for clip in DEMO.made:
        assert clip.source in originals
        assert EDITS[clip.edit].needs_companion == (clip.companion in originals) == bool(clip.companion)
    assert {entry.cut_from for entry in DEMO.faulty} <= {"", *ids}
    containers = {EDITS[clip.edit].encoding.container for clip in DEMO.made}
    assert containers == {"mp4", "webm", "avi", "matroska"}
