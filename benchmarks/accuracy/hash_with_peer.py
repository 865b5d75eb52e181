"""Hashes videos with the package of another project. `peers.py` runs it in that package's own environment.

Arguments: the name of the peer, a JSON file {video_id: path}, and the output, a file of JSON lines. Each video gets a
line {"video_id", "hashes": [[quality, hexadecimal hash], ...]}, or one with "error" instead of "hashes". Videos that
already have a line are skipped.
"""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

TIMEOUT_SECONDS = 180


def hash_with_videohash(path: str) -> list[list[int | str]]:
    """Return the single 64-bit hash of a video, with quality 100."""
    from videohash import VideoHash  # type: ignore[import-not-found]  # installed only in the peer's environment

    with TemporaryDirectory() as folder:
        # Without the slash, videohash takes the path for a file.
        video = VideoHash(path=path, storage_path=f"{folder}/")
    return [[100, f"{int(video.hash, 2):016x}"]]


def hash_with_vpdq(path: str) -> list[list[int | str]]:
    """Return the quality and the 256-bit PDQ hash of one frame per second."""
    import vpdq  # type: ignore[import-not-found]  # installed only in the peer's environment

    return [[feature.quality, feature.hex] for feature in vpdq.computeHash(path, seconds_per_hash=1)]


PEERS: dict[str, Callable[[str], list[list[int | str]]]] = {
    "videohash": hash_with_videohash,
    "vpdq": hash_with_vpdq,
}


def main() -> None:
    """Hash the videos without a line. A video that takes too long or cannot be hashed gets an error."""
    name, videos_json, hashes_jsonl = sys.argv[1:]
    videos, hashes = json.loads(Path(videos_json).read_text(encoding="utf-8")), Path(hashes_jsonl)
    lines = hashes.read_text(encoding="utf-8").splitlines() if hashes.exists() else []
    done = {json.loads(line)["video_id"] for line in lines}
    signal.signal(signal.SIGALRM, _raise_timeout)
    with hashes.open("a", encoding="utf-8") as file:
        for video_id, path in videos.items():
            if video_id not in done:
                print(json.dumps({"video_id": video_id, **_hash(PEERS[name], path)}), file=file, flush=True)


def _hash(hash_video: Callable[[str], list[list[int | str]]], path: str) -> dict[str, object]:
    signal.alarm(TIMEOUT_SECONDS)
    try:
        hashes = hash_video(path)
    except Exception as error:  # noqa: BLE001  any exception of a peer means that it cannot read the video
        return {"error": f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"}
    finally:
        signal.alarm(0)
    return {"hashes": hashes} if hashes else {"error": "no hash"}


def _raise_timeout(_signal: int, _frame: object) -> None:
    raise TimeoutError(f"hashing took more than {TIMEOUT_SECONDS} s")


if __name__ == "__main__":
    main()
