"""Measures the service under load: response times of 200 requests, four at once, and leaked resources."""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx

sys.path.insert(0, str(Path(__file__).absolute().parents[2]))

from benchmarks.measure import REPOSITORY, print_table
from benchmarks.query.catalogue import publish_catalogue
from tests.support.indexes import embed_videos
from tests.support.videos import make_video

_WARM_UP = 20
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class ResourceUsage:
    """Resources of the processes of the service.

    Attributes:
        own_mib: private memory of the service, in MiB, without mapped files.
        child_mib: private memory of all its decoders, in MiB.
        num_files: open files of the service.
        num_children: number of child processes.
    """

    own_mib: float
    child_mib: float
    num_files: int
    num_children: int


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--at-once", type=int, default=4, help="requests that are sent at once")
    parser.add_argument("--segments", type=int, default=100_000, help="segments in the index")
    parser.add_argument("--seconds", type=int, default=15, help="length of the clips, in seconds")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        clips = [
            make_video(folder / f"{seed}.mp4", seconds=arguments.seconds, fps=25, size=(640, 360), seed=seed)
            for seed in range(4)
        ]
        publish_catalogue(folder / "lake", arguments.segments, embed_videos({"clip": clips[0]}))
        command = [sys.executable, "-m", "jobs.cli", "serve", "--lake", str(folder / "lake"), "--port", "0"]
        with subprocess.Popen(
            command, cwd=REPOSITORY, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        ) as job:
            url = next(found[1] for line in job.stderr or () if (found := re.search(r"running on (http://\S+)", line)))
            threading.Thread(target=list, args=(job.stderr or (),), daemon=True).start()  # a full pipe stops it
            uploads = [clip.read_bytes() for clip in clips]
            send_requests(url, uploads, _WARM_UP, arguments.at_once)
            before = read_usage(job.pid)
            started = time.monotonic()
            times = send_requests(url, uploads, arguments.requests, arguments.at_once)
            seconds = time.monotonic() - started
            after = read_usage(job.pid)
            job.terminate()
            status = job.wait(60)
    report(times, seconds, before, after, arguments.at_once)
    print(f"stopped with exit status {status}")


def send_requests(url: str, uploads: list[bytes], num_requests: int, at_once: int) -> list[float]:
    """Send requests with the uploads in turn; return the response time of each, in seconds."""

    def send(number: int) -> float:
        started = time.monotonic()
        response = client.post(f"{url}/check", files={"file": uploads[number % len(uploads)]})
        response.raise_for_status()
        return time.monotonic() - started

    with httpx.Client(timeout=600) as client, ThreadPoolExecutor(at_once) as threads:
        return list(threads.map(send, range(num_requests)))


def read_usage(pid: int) -> ResourceUsage:
    """Read the resources of a process and its children from /proc."""
    children = [
        int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()
    ]
    num_files = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    return ResourceUsage(read_own_mib(pid), sum(map(read_own_mib, children)), num_files, len(children))


def read_own_mib(pid: int) -> float:
    """Return the resident memory of a process without mapped files, in MiB."""
    _, resident, shared, *_ = map(int, Path(f"/proc/{pid}/statm").read_text().split())
    return (resident - shared) * _PAGE_BYTES / (1 << 20)


def report(times: list[float], seconds: float, before: ResourceUsage, after: ResourceUsage, at_once: int) -> None:
    """Print the results."""
    centiles = statistics.quantiles(times, n=100)
    print_table(
        f"{len(times)} requests, {at_once} at once, after {_WARM_UP} warm-up requests",
        ("requests/s", "p50 s", "p95 s", "slowest s"),
        [(f"{len(times) / seconds:.2f}", f"{centiles[49]:.3f}", f"{centiles[94]:.3f}", f"{max(times):.3f}")],
    )
    print_table(
        "resources of the service",
        ("", "memory MiB", "decoders MiB", "open files", "child processes"),
        [
            (name, f"{usage.own_mib:.0f}", f"{usage.child_mib:.0f}", str(usage.num_files), str(usage.num_children))
            for name, usage in (("before", before), ("after", after))
        ],
    )


if __name__ == "__main__":
    main()
