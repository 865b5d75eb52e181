"""Hash videos with another project's package; runs in an environment of that package's own, by `peers.py`.

Arguments: the peer's name, a JSON file {video_id: path}, and the file of JSON lines that gets a line per video:
{"video_id", "hashes": [[quality, hexadecimal hash], ...]}, or "error" in place of hashes. Videos in it are skipped.
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

SECONDS_PER_VIDEO = 180


def hash_with_videohash(path: str) -> list[list[int | str]]:
    """Return the one 64-bit hash of a video."""
    from videohash import VideoHash  # type: ignore[import-not-found]  # the peer's own environment has it

    with TemporaryDirectory() as folder:
        video = VideoHash(path=path, storage_path=f"{folder}/")  # without the slash it looks for a file
    return [[100, f"{int(video.hash, 2):016x}"]]


def hash_with_vpdq(path: str) -> list[list[int | str]]:
    """Return the 256-bit PDQ hash of a frame of each second."""
    import vpdq  # type: ignore[import-not-found]  # the peer's own environment has it

    return [[feature.quality, feature.hex] for feature in vpdq.computeHash(path, seconds_per_hash=1)]


PEERS: dict[str, Callable[[str], list[list[int | str]]]] = {
    "videohash": hash_with_videohash,
    "vpdq": hash_with_vpdq,
}


def main() -> None:
    """Hash what has no line yet; a video that takes too long, or that the peer refuses, gets an error."""
    name, videos_json, hashes_jsonl = sys.argv[1:]
    videos, hashes = json.loads(Path(videos_json).read_text(encoding="utf-8")), Path(hashes_jsonl)
    lines = hashes.read_text(encoding="utf-8").splitlines() if hashes.exists() else []
    done = {json.loads(line)["video_id"] for line in lines}
    signal.signal(signal.SIGALRM, _stop_waiting)
    with hashes.open("a", encoding="utf-8") as file:
        for video_id, path in videos.items():
            if video_id not in done:
                print(json.dumps({"video_id": video_id, **_hash(PEERS[name], path)}), file=file, flush=True)


def _hash(hash_video: Callable[[str], list[list[int | str]]], path: str) -> dict[str, object]:
    signal.alarm(SECONDS_PER_VIDEO)
    try:
        hashes = hash_video(path)
    except Exception as error:  # noqa: BLE001  whatever a peer raises is a video that it cannot read
        return {"error": f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"}
    finally:
        signal.alarm(0)
    return {"hashes": hashes} if hashes else {"error": "no hash"}


def _stop_waiting(_signal: int, _frame: object) -> None:
    raise TimeoutError(f"took more than {SECONDS_PER_VIDEO} s")


if __name__ == "__main__":
    main()
