"""Fixtures: the wheel, also as the zip for --py-files; a catalogue of four videos; and the lake of a local run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from jobs.demo.editing.edits import EDITS
from jobs.demo.editing.transcode import apply_edit
from jobs.lake.jars import DELTA_PACKAGE
from tests.support.catalogue import Video, make_scene, write_manifest
from tests.support.class_archive import java_options
from tests.support.limits import PROCESS_SECONDS
from tests.support.spark_cluster import SparkHome

ROOT = Path(__file__).parents[2]
VIDEOS = (
    Video("tiles", "tiles.mp4", "2024-01-01"),
    Video("tiles-low", "tiles-low.mp4", "2024-01-02"),
    Video("stripes", "stripes.mp4", "2024-01-03"),
    Video("missing", "missing.mp4"),
)


@dataclass(frozen=True)
class Installed:
    """The files of an installation: the zip, the scripts, and Spark.

    Attributes:
        zip_file: the wheel with the suffix .zip.
        scripts: folder with only `nightly.py` and `cli.py` of jobs/.
        spark: a distribution of Spark.
        manifest: manifest of VIDEOS.
        config: settings for an untrained network, which loads quickly.
    """

    zip_file: Path
    scripts: Path
    spark: SparkHome
    manifest: Path
    config: Path

    def submit(
        self,
        folder: Path,
        *arguments: str,
        master: str,
        script: str = "nightly.py",
        packages: tuple[str, ...] = (DELTA_PACKAGE,),
    ) -> subprocess.CompletedProcess[str]:
        """Run spark-submit in the folder of another project. The code is only in the zip."""
        project = make_project(folder / "project")
        options = ("--packages", ",".join(packages), "--py-files", str(self.zip_file))
        return self.spark.submit(self.scripts / script, *arguments, master=master, options=options, folder=project)

    def arguments(self, lake: Path, manifest: Path | None = None, config: Path | None = None) -> list[str]:
        """Return the arguments of the nightly job."""
        given = {"manifest": manifest or self.manifest, "lake": lake, "config": config or self.config}
        return [part for name, path in given.items() for part in (f"--{name}", str(path))]


def make_project(folder: Path) -> Path:
    """Make the folder of another project, whose modules have the names of ours and of Python's."""
    for name in ("udfs.py", "random.py", "models/__init__.py", "jobs/__init__.py"):
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("OTHER = 1\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder = tmp_path_factory.mktemp("installed")
    archive = folder / wheel.with_suffix(".zip").name
    shutil.copy(wheel, archive)
    scripts = folder / "scripts"
    scripts.mkdir()
    for name in ("nightly.py", "cli.py"):
        shutil.copy(ROOT / "jobs" / name, scripts)
    videos = folder / "videos"
    for scene in ("tiles", "stripes"):
        make_scene(videos / f"{scene}.mp4", scene, seconds=1.0)
    apply_edit(videos / "tiles.mp4", videos / "tiles-low.mp4", EDITS["reencode-low-bitrate"])
    config = folder / "config.yaml"
    config.write_text(
        "describe: {backbone: tiny, videos_per_task: 1}\n"
        "embeddings: {method: averaged}\n"
        "pairs: {min_cosine_similarity: 0.93, block_rows: 2}\n",
        encoding="utf-8",
    )
    manifest = write_manifest(videos / "manifest.csv", VIDEOS)
    return Installed(archive, scripts, SparkHome.make(folder / "spark"), manifest, config)


@pytest.fixture(scope="session")
def ndvr(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the command of the installed wheel. Its dependencies come from this environment."""
    place = tmp_path_factory.mktemp("wheel")
    install = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--target", str(place), str(wheel)]
    subprocess.run(install, capture_output=True, check=True)
    return place / "bin" / "ndvr"


def run_ndvr(ndvr: Path, folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the installed command in the folder of another project, whose packages are also on PYTHONPATH.

    `variables` are added to the environment.
    """
    project = make_project(folder / "project")
    libraries = make_project(folder / "libraries")
    (libraries / "random.py").unlink()  # on PYTHONPATH it precedes the module of Python, also for the driver
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("SPARK_", "PYSPARK_"))}
    environment |= {
        "PYTHONPATH": os.pathsep.join(map(str, (libraries, ndvr.parent.parent))),
        "SPARK_LOCAL_IP": "127.0.0.1",
    }
    environment |= {"SPARK_SUBMIT_OPTS": java_options(), **variables}
    command = [sys.executable, str(ndvr), *arguments]
    return subprocess.run(
        command, cwd=project, env=environment, capture_output=True, text=True, check=False, timeout=PROCESS_SECONDS
    )


@pytest.fixture(scope="session")
def local_night(
    ndvr: Path, installed: Installed, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """Return the lake that `ndvr nightly` of the installed wheel makes on two cores, and the finished process."""
    folder = tmp_path_factory.mktemp("local")
    lake = folder / "lake"
    done = run_ndvr(ndvr, folder, "nightly", *installed.arguments(lake), "--master", "local[2]")
    return lake, done
