"""Hurt a night at random moments, run it again, and hold the tables against those of a night that was left alone.

What is killed (SIGKILL): the driver, its JVM, a Python worker, or a decoder. Beside these, a disk that is full (a small
tmpfs, made larger for the second run: needs the right to mount) and a source whose videos all go away until the second
run, before which its failures are released as an operator would.
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

VICTIMS = ("driver", "JVM", "worker", "decoder", "disk", "source")
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
class Inputs:
    """What every night is given.

    Attributes:
        manifest: of the clips.
        config: that lets them be read.
        clips: a link to the folder of the videos.
    """

    manifest: Path
    config: Path
    clips: Path


@dataclass(frozen=True)
class Kill:
    """One night that was hit.

    Attributes:
        victim: what was killed, or taken away.
        after_seconds: from the start of the process; of a disk, the share of a lake's bytes that it has room for.
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
    parser.add_argument("--kills", type=int, default=len(VICTIMS))
    parser.add_argument("--victims", nargs="+", choices=VICTIMS, default=VICTIMS, help="taken in turn")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch).resolve()
        clips = folder / "source"
        clips.symlink_to(arguments.clips.resolve() if arguments.clips else make_clips(folder))
        inputs = Inputs(*write_inputs(folder, clips), clips)
        started = time.monotonic()
        run(inputs, folder / "disk-whole" / "lake")
        whole_seconds = time.monotonic() - started
        expected = read_tables(folder / "disk-whole" / "lake")
        kills = []
        for number in range(arguments.kills):
            victim = arguments.victims[number % len(arguments.victims)]
            lake = folder / f"disk-{number}" / "lake"
            kills.append(hurt_one(inputs, lake, victim, chance.random(), whole_seconds, expected))
            print(kills[-1], flush=True)
    report(kills, whole_seconds)


def hurt_one(
    inputs: Inputs, lake: Path, victim: str, share: float, whole_seconds: float, expected: dict[str, list[object]]
) -> Kill:
    """Start a night, hurt it, run it again, and compare. `share`: when, of the night; of a disk, how large."""
    lake.parent.mkdir()
    if victim == "disk":
        code, stage = fill_disk(inputs, lake, share)
    elif victim == "source":
        code, stage = take_source(inputs, lake, share * whole_seconds)
    else:
        code, stage = kill_one(inputs, lake, victim, share * whole_seconds)
    run(inputs, lake)
    is_recovered = read_tables(lake) == expected
    if victim == "disk":
        subprocess.run(["umount", str(lake.parent)], check=True)  # noqa: S607 -- where it lies differs by system
    return Kill(victim, share if victim == "disk" else share * whole_seconds, code, stage, is_recovered)


def kill_one(inputs: Inputs, lake: Path, victim: str, after_seconds: float) -> tuple[int, str]:
    """Start a night and kill a part of it; return its exit status and how far it had come."""
    with start(inputs, lake) as job:
        time.sleep(after_seconds)
        while job.poll() is None and not hit(job.pid, victim):
            time.sleep(_POLL_SECONDS)  # there is no such process yet
        return job.wait(), find_stage(lake)


def fill_disk(inputs: Inputs, lake: Path, share: float) -> tuple[int, str]:
    """Run a night on a disk too small for it, and make the disk larger."""
    whole = lake.parent.parent / "disk-whole" / "lake"
    num_bytes = sum(file.stat().st_size for file in whole.rglob("*") if file.is_file())
    mount = ["mount", "-t", "tmpfs", "tmpfs", str(lake.parent), "-o"]
    subprocess.run([*mount, f"size={int(share * num_bytes)}"], check=True)
    with start(inputs, lake) as job:
        code, stage = job.wait(), find_stage(lake)
    subprocess.run([*mount, "remount,size=1g"], check=True)
    return code, stage


def take_source(inputs: Inputs, lake: Path, after_seconds: float) -> tuple[int, str]:
    """Take the videos away while a night runs; bring them back after it, and release what was quarantined."""
    with start(inputs, lake) as job:
        time.sleep(after_seconds)
        target = inputs.clips.readlink()
        inputs.clips.unlink()
        code, stage = job.wait(), find_stage(lake)
    inputs.clips.symlink_to(target)
    if (lake / "quarantine").exists():
        release = [sys.executable, "-m", "jobs.cli", "quarantine", "--lake", str(lake), "--release-code", "NOT_FOUND"]
        subprocess.run(release, cwd=REPOSITORY, check=True, stdout=subprocess.DEVNULL)
    return code, stage


def start(inputs: Inputs, lake: Path) -> subprocess.Popen[bytes]:
    """Start the nightly job as a process."""
    command = [sys.executable, "-m", "jobs.cli", "nightly"]
    command += ["--manifest", str(inputs.manifest), "--lake", str(lake), "--config", str(inputs.config)]
    return subprocess.Popen(command, cwd=REPOSITORY, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def run(inputs: Inputs, lake: Path) -> None:
    """Run the nightly job to its end.

    Raises:
        RuntimeError: it failed.
    """
    with start(inputs, lake) as job:
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
