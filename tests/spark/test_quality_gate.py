"""A night in which too many videos fail changes nothing that people query, and the next one makes up for it."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from jobs.cli import app
from jobs.command import run_command
from tests.support.catalogue import Video, write_manifest
from tests.support.lakes import read_rows, read_versions

if TYPE_CHECKING:
    from pathlib import Path

    from tests.spark.conftest import Described

pytestmark = pytest.mark.slow

PUBLISHED = ("pairs", "clusters", "duplicates")


def run_cli(folder: Path, manifest: Path, max_failed_fraction: float) -> int:
    config = folder / "config.yaml"
    config.write_text(
        f"quality: {{min_attempts: 3, max_failed_fraction: {max_failed_fraction}}}\n",
        encoding="utf-8",
    )
    arguments = ["--manifest", str(manifest), "--lake", str(folder / "lake"), "--config", str(config)]
    return run_command(app, ["nightly", *arguments])


@pytest.fixture
def manifest(described: Described) -> Path:
    """One more copy of a video that had none, and two that are missing."""
    folder = described.manifest.parent
    shutil.copy(folder / "glow.mp4", folder / "glow-again.mp4")
    videos = (Video("glow-again", "glow-again.mp4"), Video("lost-1", "lost-1.mp4"), Video("lost-2", "lost-2.mp4"))
    return write_manifest(folder / "manifest-of-losses.csv", videos)


def test_too_many_failures_publish_nothing_and_the_next_night_publishes_all(
    lake_copy: Path, manifest: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = read_versions(lake_copy)
    assert run_cli(lake_copy.parent, manifest, max_failed_fraction=0.5) == 4
    error = capsys.readouterr().err
    assert (
        "ndvr: 2 of 3 videos failed (NOT_FOUND 2); quality.max_failed_fraction is 0.5. Nothing was published." in error
    )
    after = read_versions(lake_copy)
    assert {name: after[name] for name in PUBLISHED} == {name: before[name] for name in PUBLISHED}
    assert not any(path.is_file() for path in lake_copy.glob("_staging/**/*"))
    (failed,) = (row for row in read_rows(lake_copy, "runs") if row["status"] == "failed")
    assert failed["stage"] == "run"
    assert failed["error_detail"].startswith("QualityError: 2 of 3 videos failed")
    assert dict(failed["error_counts"]) == {"NOT_FOUND": 2}

    assert run_cli(lake_copy.parent, manifest, max_failed_fraction=0.7) == 0
    duplicates = {(row["video_id"], row["duplicate_of"]) for row in read_rows(lake_copy, "duplicates")}
    assert ("glow-again", "glow") in duplicates
    assert len(duplicates) == 5
