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
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).absolute().parents[2]))

from deltalake import DeltaTable

from benchmarks.measure import REPOSITORY, print_table
from benchmarks.nothing_new.run import make_clips, write_inputs

if TYPE_CHECKING:
    from collections.abc import Iterator

VICTIMS = ("driver", "JVM", "worker", "decoder", "disk", "source")
_MARKS = {"JVM": "org.apache.spark.deploy.SparkSubmit", "worker": "pyspark.worker", "decoder": "decoding"}
_POLL_SECONDS = 0.2
_PAGE = 4096
_MOUNT = ("mount", "-t", "tmpfs", "-o")
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
    """One run that was hit.

    Attributes:
        victim: what was killed, or taken away.
        after_seconds: from the start of the process; of a disk, the share of a lake's bytes that it had room for.
        code: the run's exit status; 0 where it went on all the same.
        stage: the table that was being built, by the log.
    """

    victim: str
    after_seconds: float
    code: int
    stage: str


def main() -> None:
    """Hurt so many runs, and print what became of each lake."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=Path, help="folder of videos; 20 generated ones by default")
    parser.add_argument("--kills", type=int, default=len(VICTIMS))
    parser.add_argument("--per-lake", type=int, default=1, help="so many one after another, before a run is left alone")
    parser.add_argument("--victims", nargs="+", choices=VICTIMS, default=VICTIMS, help="taken in turn")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch).resolve()
        clips = folder / "source"
        clips.symlink_to(arguments.clips.resolve() if arguments.clips else make_clips(folder))
        inputs = Inputs(*write_inputs(folder, clips), clips)
        whole = folder / "disk-whole" / "lake"
        started = time.monotonic()
        run(inputs, whole)
        seconds = time.monotonic() - started
        expected, num_bytes = read_tables(whole), count_bytes(whole)
        kills, recovered = [], []
        while len(kills) < arguments.kills:
            lake = folder / f"disk-{len(kills)}" / "lake"
            victims = [arguments.victims[n % len(arguments.victims)] for n in range(len(kills), arguments.kills)]
            with disk_of(lake, has_limits="disk" in victims[: arguments.per_lake]):
                for victim in victims[: arguments.per_lake]:
                    share = chance.random()
                    kills.append(hurt(inputs, lake, victim, share if victim == "disk" else share * seconds, num_bytes))
                    print(kills[-1], flush=True)
                run(inputs, lake)
                recovered.append(read_tables(lake) == expected)
            print(f"{lake.parent.name}: {'the same tables' if recovered[-1] else 'OTHER TABLES'}", flush=True)
    report(kills, recovered, seconds)


@contextmanager
def disk_of(lake: Path, *, has_limits: bool) -> Iterator[None]:
    """Make the folder above a lake: where it is to be full at times, a disk of its own."""
    lake.parent.mkdir()
    if has_limits:
        subprocess.run([*_MOUNT, "size=1g", "tmpfs", str(lake.parent)], check=True)
    try:
        yield
    finally:
        if has_limits:
            # Lazily: a JVM whose driver was killed may be about to end.
            subprocess.run(["umount", "-l", str(lake.parent)], check=True)  # noqa: S607 -- where it lies differs by system


def hurt(inputs: Inputs, lake: Path, victim: str, when: float, num_bytes: int) -> Kill:
    """Start a run and hurt it. `when`: seconds after its start; of a disk, the share of `num_bytes` that is free."""
    if victim == "disk":
        room = int(when * num_bytes)
        subprocess.run([*_MOUNT, f"remount,size={count_bytes(lake) + room}", str(lake.parent)], check=True)
        with start(inputs, lake) as job:
            code = job.wait()
        subprocess.run([*_MOUNT, "remount,size=1g", str(lake.parent)], check=True)
    elif victim == "source":
        code = take_source(inputs, lake, when)
    else:
        code = kill(inputs, lake, victim, when)
    return Kill(victim, when, code, find_stage(lake))


def count_bytes(folder: Path) -> int:
    """Return the bytes that the files below a folder take, each a whole number of pages."""
    return sum(-(-file.stat().st_size // _PAGE) * _PAGE for file in folder.rglob("*") if file.is_file())


def kill(inputs: Inputs, lake: Path, victim: str, after_seconds: float) -> int:
    """Start a run and kill a part of it; return its exit status."""
    with start(inputs, lake) as job:
        time.sleep(after_seconds)
        while job.poll() is None and not hit(job.pid, victim):
            time.sleep(_POLL_SECONDS)  # there is no such process yet
        return job.wait()


def take_source(inputs: Inputs, lake: Path, after_seconds: float) -> int:
    """Take the videos away while a run goes on; bring them back after it, and release what was quarantined."""
    with start(inputs, lake) as job:
        time.sleep(after_seconds)
        target = inputs.clips.readlink()
        inputs.clips.unlink()
        code = job.wait()
    inputs.clips.symlink_to(target)
    if (lake / "quarantine").exists():
        release = [sys.executable, "-m", "jobs.cli", "quarantine", "--lake", str(lake), "--release-code", "NOT_FOUND"]
        # It ends with 2 where all had been read before they went away.
        subprocess.run(release, cwd=REPOSITORY, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return code


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


def report(kills: list[Kill], recovered: list[bool], whole_seconds: float) -> None:
    """Print each kill, then how many lakes were recovered."""
    rows = [
        (
            kill.victim,
            f"{kill.after_seconds:.2f}",
            kill.stage,
            "went on" if kill.code == 0 else f"ended with {kill.code}",
        )
        for kill in kills
    ]
    print_table(f"nights of {whole_seconds:.0f} s", ("killed", "after s", "after stage", "the night"), rows)
    print(
        f"{len(kills)} kills; {sum(recovered)} of {len(recovered)} lakes hold what a night that was left alone leaves"
    )


if __name__ == "__main__":
    main()
