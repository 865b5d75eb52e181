"""Scores the pairs of a manifest by near-duplicate detectors of other projects, each with its usual rule.

- videohash 3.0.1 (PyPI; Akash Mahanty, 2022) computes one 64-bit hash of a collage of one frame per second. Videos are
  similar up to a Hamming distance of 10 (15 % of the bits, rounded up). Score: 1 - distance / 64.
- vPDQ (PyPI `vpdq`, Meta's ThreatExchange) computes one 256-bit PDQ hash per second. Frames with a quality below 50 are
  left out. A frame matches if the other video has a frame at a Hamming distance of at most 31. Score: the larger of the
  two shares of matching frames. python-threatexchange applies its threshold (80 %) to one side only. The smaller share
  would make every part of a longer video a mismatch, which is not how vPDQ is used. Version 0.0.8 is the last that
  needs no FFmpeg headers; later versions link libav, which PyPI does not have. Hash and rule are the same.

The detectors are not dependencies of ndvr. Each gets its own environment in the work folder, with pinned packages. Both
call an executable `ffmpeg`, which `imageio-ffmpeg` contains. To compile vpdq, CMake and a C++ compiler are needed.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    Hashes = Mapping[str, Sequence[tuple[int, str]]]
    Signs = NDArray[np.float32]

VIDEOHASH_BITS, PDQ_BITS = 64, 256
VIDEOHASH_MIN_SCORE = 1 - 10 / VIDEOHASH_BITS
VPDQ_MIN_SCORE = 0.8
MIN_QUALITY = 50
MAX_DISTANCE = 31
_SCRIPT = Path(__file__).absolute().with_name("hash_with_peer.py")
_FFMPEG = "imageio-ffmpeg==0.8.1"


class PeerUnavailableError(Exception):
    """The packages of a peer cannot be installed. The message names them and ends with the installer's output."""


@dataclass(frozen=True)
class Peer:
    """A detector of another project.

    Attributes:
        name: name of its package.
        packages: pinned packages to install.
        score: scores pairs by the hashes of each video, given as (quality, hexadecimal).
        min_score: lowest score of a similar pair by its usual rule.
    """

    name: str
    packages: tuple[str, ...]
    score: Callable[[Hashes], pd.DataFrame]
    min_score: float


@dataclass(frozen=True)
class PeerResult:
    """The pairs that a peer found.

    Attributes:
        pairs: left_id < right_id, score in (0, 1]; other pairs have a score of 0.
        unreadable: video_id -> the reason why the peer could not hash it; such videos have no pairs.
        seconds: time of hashing in this run, without videos that an earlier run hashed.
    """

    pairs: pd.DataFrame
    unreadable: dict[str, str]
    seconds: float


def run_peer(peer: Peer, manifest: Path, work: Path) -> PeerResult:
    """Hash the videos of a manifest, write the scored pairs to `work/<peer>/pairs.parquet`, and return them.

    Hashes of an earlier run are reused.

    Args:
        peer: one of `PEERS`.
        manifest: CSV with video_id and uri; a relative uri is relative to its folder.
        work: folder of the peer's environment and hashes.

    Raises:
        PeerUnavailableError: the packages cannot be installed.
    """
    folder = work.absolute() / peer.name
    folder.mkdir(parents=True, exist_ok=True)
    python = make_environment(peer, folder)
    started = time.monotonic()
    with manifest.open(newline="", encoding="utf-8") as file:
        videos = {row["video_id"]: str(manifest.absolute().parent / row["uri"]) for row in csv.DictReader(file)}
    hashes, unreadable = hash_videos(peer.name, python, videos, folder)
    seconds = time.monotonic() - started
    pairs = peer.score(hashes)
    pairs.to_parquet(folder / "pairs.parquet", index=False)
    return PeerResult(pairs, unreadable, seconds)


def make_environment(peer: Peer, folder: Path) -> Path:
    """Install the peer's packages and ffmpeg into `folder/env`, unless they are installed, and return its Python.

    Raises:
        PeerUnavailableError: the packages cannot be installed.
    """
    environment, stamp = folder / "env", folder / "env" / "installed.txt"
    python = environment / "bin" / "python"
    if stamp.is_file() and stamp.read_text() == "\n".join(peer.packages):
        return python
    uv = [sys.executable, "-m", "uv"]
    _install(peer, [*uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(environment)])
    _install(peer, [*uv, "pip", "install", "--quiet", "--python", str(python), *peer.packages])
    code = "import imageio_ffmpeg; print(imageio_ffmpeg.get_ffmpeg_exe())"
    (environment / "bin" / "ffmpeg").symlink_to(_install(peer, [str(python), "-c", code]))
    stamp.write_text("\n".join(peer.packages))
    return python


def _install(peer: Peer, command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PeerUnavailableError(
            f"peer {peer.name!r} ({', '.join(peer.packages)}) cannot be installed: {done.stderr.strip()[-600:]}"
        )
    return done.stdout.strip()


def hash_videos(
    name: str, python: Path, videos: Mapping[str, str], folder: Path
) -> tuple[dict[str, list[tuple[int, str]]], dict[str, str]]:
    """Hash videos in the peer's environment. If its process dies on a video, the other videos are still hashed.

    Args:
        name: name of the peer.
        python: Python of its environment; ffmpeg is in the same folder.
        videos: video_id -> path.
        folder: folder of the hashes.

    Returns:
        The hashes of each video, as (quality, hexadecimal), and the reason for each video without hashes.
    """
    videos_json, hashes_jsonl = folder / "videos.json", folder / "hashes.jsonl"
    videos_json.write_text(json.dumps(dict(videos)), encoding="utf-8")
    command = [str(python), "-P", str(_SCRIPT), name, str(videos_json), str(hashes_jsonl)]
    environment = {**os.environ, "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}"}
    with (folder / "log.txt").open("a", encoding="utf-8") as log:
        while code := subprocess.run(command, env=environment, stdout=log, stderr=log, check=False).returncode:
            died_on = next((video_id for video_id in videos if video_id not in _read_lines(hashes_jsonl)), None)
            if died_on is None:
                break
            with hashes_jsonl.open("a", encoding="utf-8") as file:
                print(json.dumps({"video_id": died_on, "error": f"the process ended with {code}"}), file=file)
    lines = {video_id: line for video_id, line in _read_lines(hashes_jsonl).items() if video_id in videos}
    hashes = {
        video_id: [(q, text) for q, text in line["hashes"]] for video_id, line in lines.items() if "hashes" in line
    }
    return hashes, {video_id: line["error"] for video_id, line in lines.items() if "error" in line}


def _read_lines(path: Path) -> dict[str, dict[str, Any]]:
    if not path.exists():
        return {}
    lines = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
    return {line["video_id"]: line for line in lines}


def score_by_videohash(hashes: Hashes) -> pd.DataFrame:
    """Score each pair by 1 - Hamming distance / 64 of its hashes."""
    ids = sorted(hashes)
    signs = _to_signs([hashes[video_id][0][1] for video_id in ids], VIDEOHASH_BITS)
    left, right = np.triu_indices(len(ids), k=1)
    scores = 1 - _measure_distances(signs, signs)[left, right] / VIDEOHASH_BITS
    return _to_pairs(ids, left, right, scores)


def score_by_vpdq(hashes: Hashes) -> pd.DataFrame:
    """Score each pair by the share of frames that match a frame of the other video; the larger of the two shares."""
    kept = {video_id: [text for quality, text in hashes[video_id] if quality >= MIN_QUALITY] for video_id in hashes}
    ids = sorted(video_id for video_id in kept if kept[video_id])
    if not ids:
        return _to_pairs([], np.empty(0, np.intp), np.empty(0, np.intp), np.empty(0))
    counts = np.array([len(kept[video_id]) for video_id in ids])
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    signs = _to_signs([text for video_id in ids for text in kept[video_id]], PDQ_BITS)
    scores = np.empty((len(ids), len(ids)))
    for row, (start, count) in enumerate(zip(starts, counts, strict=True)):
        is_match = _measure_distances(signs[start : start + count], signs) <= MAX_DISTANCE
        own_share = np.logical_or.reduceat(is_match, starts, axis=1).mean(axis=0)
        other_share = np.add.reduceat(is_match.any(axis=0), starts) / counts
        scores[row] = np.maximum(own_share, other_share)
    left, right = np.nonzero(np.triu(scores, k=1))
    return _to_pairs(ids, left, right, scores[left, right])


def _to_signs(texts: Sequence[str], num_bits: int) -> Signs:
    """Convert hexadecimal hashes to float32 (hashes, bits) of -1 and 1."""
    packed = np.array([list(bytes.fromhex(text)) for text in texts], dtype=np.uint8).reshape(len(texts), num_bits // 8)
    return np.unpackbits(packed, axis=1).astype(np.float32) * 2 - 1


def _measure_distances(left: Signs, right: Signs) -> Signs:
    """Return the Hamming distance of each left hash to each right hash: float32 (left, right)."""
    distances: Signs = (left.shape[1] - left @ right.T) / 2
    return distances


def _to_pairs(
    ids: Sequence[str], left: NDArray[np.intp], right: NDArray[np.intp], scores: NDArray[np.floating]
) -> pd.DataFrame:
    named = np.array(ids, dtype=object)
    return pd.DataFrame({"left_id": named[left], "right_id": named[right], "score": scores.astype(np.float32)})


PEERS = (
    Peer(
        "videohash",
        # Pillow 10 removed Image.ANTIALIAS, which videohash uses.
        (
            "videohash==3.0.1",
            "pillow==9.5.0",
            "imagehash==4.3.2",
            "imagedominantcolor==1.0.1",
            "numpy==2.4.6",
            "pywavelets==1.9.0",
            "scipy==1.17.1",
            "yt-dlp==2026.10.26",
            _FFMPEG,
        ),
        score_by_videohash,
        VIDEOHASH_MIN_SCORE,
    ),
    Peer(
        "vpdq",
        ("vpdq==0.0.8", "opencv-python==5.0.0.93", "opencv-python-headless==5.0.0.93", "numpy==2.4.6", _FFMPEG),
        score_by_vpdq,
        VPDQ_MIN_SCORE,
    ),
)


def main() -> None:
    """Run the peers on a manifest, and print a summary of each."""
    parser = argparse.ArgumentParser(description="Score the pairs of a manifest by detectors of other projects.")
    parser.add_argument("--manifest", type=Path, required=True, help="CSV with video_id and uri")
    parser.add_argument("--work", type=Path, required=True, help="folder of environments, hashes and pairs")
    arguments = parser.parse_args()
    for peer in PEERS:
        try:
            result = run_peer(peer, arguments.manifest, arguments.work)
        except PeerUnavailableError as error:
            print(error)
            continue
        num_similar = int((result.pairs["score"] >= peer.min_score).sum())
        print(f"{peer.name}: {num_similar} similar pairs by its usual rule; {result.seconds:.0f} s of hashing")
        for video_id, why in result.unreadable.items():
            print(f"  unreadable: {video_id}: {why}")


if __name__ == "__main__":
    main()
