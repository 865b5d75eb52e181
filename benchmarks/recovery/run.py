"""Kill a night at random moments, run it again, and hold the tables against those of a night that was left alone.

What is killed (SIGKILL): the driver, its JVM, a Python worker, or a decoder.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).absolute().parents[2]))

from deltalake import DeltaTable

from benchmarks.measure import REPOSITORY, print_table
from benchmarks.nothing_new.run import make_clips, write_inputs

VICTIMS = ("driver", "JVM", "worker", "decoder")
_MARKS = {"JVM": "org.apache.spark.deploy.SparkSubmit", "worker": "pyspark.worker", "decoder": "decoding"}
_POLL_SECONDS = 0.2
# Of each table, what does not depend on which run wrote it and when.
_COLUMNS = {
    "manifest": ("video_id", "uri", "removed_at", "size_bytes"),
    "descriptors": ("video_id", "descriptor_id", "content_sha256", "frame_descriptors"),
    "quarantine": ("video_id", "uri", "error_code"),
    "embeddings": ("video_id", "model_id", "segment_index", "vector", "frame_vectors"),
    "pairs": ("left_id", "right_id", "match_probability", "relation", "left_start_seconds", "left_end_seconds"),
    "clusters": ("video_id", "is_keeper", "joined_by"),
    "duplicates": ("video_id", "duplicate_of", "relation", "match_probability"),
}


@dataclass(frozen=True)
class Kill:
    """One night that was hit.

    Attributes:
        victim: what was killed.
        after_seconds: from the start of the process.
        code: the night's exit status; 0 where it went on all the same.
        stage: the table that was being built, by the log.
        is_recovered: whether the tables were right after it was run again.
    """

    victim: str
    after_seconds: float
    code: int
    stage: str
    is_recovered: bool


def main() -> None:
    """Kill so many nights, and print what became of each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=Path, help="folder of videos; 20 generated ones by default")
    parser.add_argument("--kills", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch).resolve()
        clips = arguments.clips.absolute() if arguments.clips else make_clips(folder)
        manifest, config = write_inputs(folder, clips)
        started = time.monotonic()
        run(manifest, folder / "whole", config)
        whole_seconds = time.monotonic() - started
        expected = read_tables(folder / "whole")
        kills = []
        for number in range(arguments.kills):
            victim, at = VICTIMS[number % len(VICTIMS)], chance.uniform(0, whole_seconds)
            kills.append(kill_one(manifest, folder / f"lake-{number}", config, victim, at, expected))
            print(kills[-1], flush=True)
    report(kills, whole_seconds)


def kill_one(
    manifest: Path, lake: Path, config: Path, victim: str, after_seconds: float, expected: dict[str, list[object]]
) -> Kill:
    """Start a night, kill a part of it, run it again, and compare."""
    with start(manifest, lake, config) as job:
        time.sleep(after_seconds)
        while job.poll() is None and not hit(job.pid, victim):
            time.sleep(_POLL_SECONDS)  # there is no such process yet
        code = job.wait()
        stage = find_stage(lake)
    run(manifest, lake, config)
    return Kill(victim, after_seconds, code, stage, read_tables(lake) == expected)


def start(manifest: Path, lake: Path, config: Path) -> subprocess.Popen[bytes]:
    """Start the nightly job as a process."""
    command = [sys.executable, "-m", "jobs.cli", "nightly"]
    command += ["--manifest", str(manifest), "--lake", str(lake), "--config", str(config)]
    return subprocess.Popen(command, cwd=REPOSITORY, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def run(manifest: Path, lake: Path, config: Path) -> None:
    """Run the nightly job to its end.

    Raises:
        RuntimeError: it failed.
    """
    with start(manifest, lake, config) as job:
        if job.wait():
            raise RuntimeError(
                f"the night that was run again ended with exit status {job.returncode}; see {lake}/_logs"
            )


def hit(driver: int, victim: str) -> bool:
    """Kill one process of the kind; tell whether there was one."""
    if victim == "driver":
        os.kill(driver, signal.SIGKILL)
        return True
    pids = [pid for pid in list_descendants(driver) if _MARKS[victim] in read_command(pid)]
    if pids:
        os.kill(pids[-1], signal.SIGKILL)
    return bool(pids)


def list_descendants(pid: int) -> list[int]:
    """Return the processes that a process has started, and those that these have."""
    found = []
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = [int(child) for child in file.read_text().split()]
        except OSError:  # it has just ended
            continue
        for child in children:
            found += [child, *list_descendants(child)]
    return found


def read_command(pid: int) -> str:
    """Return the command line of a process; empty where it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def find_stage(lake: Path) -> str:
    """Return the last thing that the night's log speaks of."""
    logs = sorted(lake.glob("_logs/*.jsonl"))
    lines = logs[-1].read_text().splitlines() if logs else []
    stages = [line.partition('"stage": "')[2].partition('"')[0] for line in lines if '"stage": "' in line]
    return stages[-1] if stages else "start"


def read_tables(lake: Path) -> dict[str, list[object]]:
    """Read what the tables hold, in an order of its own; a lone vector is told by its hash."""
    tables = {}
    for name, columns in _COLUMNS.items():
        rows = DeltaTable(str(lake / name)).to_pyarrow_table(columns=list(columns)).to_pylist()
        tables[name] = sorted(tuple(_shorten(row[column]) for column in columns) for row in rows)
    return tables


def _shorten(value: object) -> str:
    text = repr(value)
    return text if isinstance(value, str | float | int | bool) else hashlib.sha256(text.encode()).hexdigest()


def report(kills: list[Kill], whole_seconds: float) -> None:
    """Print each kill, then how many were recovered."""
    rows = [
        (
            kill.victim,
            f"{kill.after_seconds:.1f}",
            kill.stage,
            "went on" if kill.code == 0 else f"ended with {kill.code}",
            "yes" if kill.is_recovered else "NO",
        )
        for kill in kills
    ]
    print_table(
        f"nights of {whole_seconds:.0f} s", ("killed", "after s", "after stage", "the night", "same tables"), rows
    )
    recovered = Counter(kill.is_recovered for kill in kills)
    print(f"{recovered[True]} of {len(kills)} kills left the tables of a night that was left alone")


if __name__ == "__main__":
    main()
