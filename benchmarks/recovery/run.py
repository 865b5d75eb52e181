"""Interrupts nightly runs at random moments, repeats them, and compares the tables with those of an uninterrupted run.

The driver, its JVM, a Python worker or a decoder is killed (SIGKILL). Two more failures: a full disk, which is a small
tmpfs that is enlarged for the second run (this needs the right to mount); and videos that disappear until the second
run, before which their failures are released from quarantine.
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
# The columns of each table that do not depend on the run that wrote them.
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
    """The inputs of every run.

    Attributes:
        manifest: manifest of the clips.
        config: config with the folder of the clips as a root.
        clips: a link to the folder of the clips.
    """

    manifest: Path
    config: Path
    clips: Path


@dataclass(frozen=True)
class Interruption:
    """A run that was interrupted.

    Attributes:
        victim: what was killed or removed.
        after_seconds: time from the start of the process; for a disk, its free space as a share of the bytes of a lake.
        code: exit status of the run; 0 if it succeeded nevertheless.
        stage: the last stage in the log.
    """

    victim: str
    after_seconds: float
    code: int
    stage: str


def main() -> None:
    """Interrupt runs, and print whether each lake recovered."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=Path, help="folder of videos; 20 generated ones by default")
    parser.add_argument("--kills", type=int, default=len(VICTIMS), help="number of interruptions")
    parser.add_argument("--per-lake", type=int, default=1, help="interruptions of one lake before an uninterrupted run")
    parser.add_argument(
        "--victims", nargs="+", choices=VICTIMS, default=VICTIMS, help="what to kill or remove, in turn"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the random moments")
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
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
        interruptions, recovered = [], []
        while len(interruptions) < arguments.kills:
            lake = folder / f"disk-{len(interruptions)}" / "lake"
            victims = [
                arguments.victims[n % len(arguments.victims)] for n in range(len(interruptions), arguments.kills)
            ]
            with make_disk(lake, is_limited="disk" in victims[: arguments.per_lake]):
                for victim in victims[: arguments.per_lake]:
                    share = rng.random()
                    interruptions.append(
                        interrupt(inputs, lake, victim, share if victim == "disk" else share * seconds, num_bytes)
                    )
                    print(interruptions[-1], flush=True)
                run(inputs, lake)
                recovered.append(read_tables(lake) == expected)
            print(f"{lake.parent.name}: {'same tables' if recovered[-1] else 'DIFFERENT TABLES'}", flush=True)
    report(interruptions, recovered, seconds)


@contextmanager
def make_disk(lake: Path, *, is_limited: bool) -> Iterator[None]:
    """Make the parent folder of a lake; if it must run full, on a separate disk."""
    lake.parent.mkdir()
    if is_limited:
        subprocess.run([*_MOUNT, "size=1g", "tmpfs", str(lake.parent)], check=True)
    try:
        yield
    finally:
        if is_limited:
            # Lazily, because the JVM of a killed driver may still use it.
            subprocess.run(["umount", "-l", str(lake.parent)], check=True)  # noqa: S607 -- its path differs between systems


def interrupt(inputs: Inputs, lake: Path, victim: str, when: float, num_bytes: int) -> Interruption:
    """Start a run and interrupt it.

    Args:
        inputs: inputs of the run.
        lake: its lake.
        victim: what to kill or remove.
        when: seconds after the start; for a disk, its free space as a share of `num_bytes`.
        num_bytes: bytes of a complete lake.
    """
    if victim == "disk":
        room = int(when * num_bytes)
        subprocess.run([*_MOUNT, f"remount,size={count_bytes(lake) + room}", str(lake.parent)], check=True)
        with start(inputs, lake) as job:
            code = job.wait()
        subprocess.run([*_MOUNT, "remount,size=1g", str(lake.parent)], check=True)
    elif victim == "source":
        code = remove_source(inputs, lake, when)
    else:
        code = kill_part(inputs, lake, victim, when)
    return Interruption(victim, when, code, find_stage(lake))


def count_bytes(folder: Path) -> int:
    """Return the bytes of the files in a folder, each rounded up to whole pages."""
    return sum(-(-file.stat().st_size // _PAGE) * _PAGE for file in folder.rglob("*") if file.is_file())


def kill_part(inputs: Inputs, lake: Path, victim: str, after_seconds: float) -> int:
    """Start a run and kill one of its processes; return the exit status of the run."""
    with start(inputs, lake) as job:
        time.sleep(after_seconds)
        while job.poll() is None and not kill_process(job.pid, victim):
            time.sleep(_POLL_SECONDS)  # the process does not exist yet
        return job.wait()


def remove_source(inputs: Inputs, lake: Path, after_seconds: float) -> int:
    """Remove the videos during a run; after it restore them, and release the quarantined videos."""
    with start(inputs, lake) as job:
        time.sleep(after_seconds)
        target = inputs.clips.readlink()
        inputs.clips.unlink()
        code = job.wait()
    inputs.clips.symlink_to(target)
    if (lake / "quarantine").exists():
        release = [sys.executable, "-m", "jobs.cli", "quarantine", "--lake", str(lake), "--release-code", "NOT_FOUND"]
        # It exits with 2 if all videos had been read before they were removed.
        subprocess.run(release, cwd=REPOSITORY, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return code


def start(inputs: Inputs, lake: Path) -> subprocess.Popen[bytes]:
    """Start the nightly job as a process."""
    command = [sys.executable, "-m", "jobs.cli", "nightly"]
    command += ["--manifest", str(inputs.manifest), "--lake", str(lake), "--config", str(inputs.config)]
    return subprocess.Popen(command, cwd=REPOSITORY, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def run(inputs: Inputs, lake: Path) -> None:
    """Run the nightly job without interruption.

    Raises:
        RuntimeError: the job failed.
    """
    with start(inputs, lake) as job:
        if job.wait():
            raise RuntimeError(f"the uninterrupted run ended with exit status {job.returncode}; see {lake}/_logs")


def kill_process(driver: int, victim: str) -> bool:
    """Kill a process of this kind; return whether there was one."""
    if victim == "driver":
        os.kill(driver, signal.SIGKILL)
        return True
    pids = [pid for pid in list_descendants(driver) if _MARKS[victim] in read_command(pid)]
    if pids:
        os.kill(pids[-1], signal.SIGKILL)
    return bool(pids)


def list_descendants(pid: int) -> list[int]:
    """Return the ids of all descendants of a process."""
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
    """Return the command line of a process; empty if it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def find_stage(lake: Path) -> str:
    """Return the last stage in the newest log."""
    logs = sorted(lake.glob("_logs/*.jsonl"))
    lines = logs[-1].read_text().splitlines() if logs else []
    stages = [line.partition('"stage": "')[2].partition('"')[0] for line in lines if '"stage": "' in line]
    return stages[-1] if stages else "start"


def read_tables(lake: Path) -> dict[str, list[object]]:
    """Read the compared columns of the tables, sorted, with hashes in place of vectors."""
    tables = {}
    for name, columns in _COLUMNS.items():
        rows = DeltaTable(str(lake / name)).to_pyarrow_table(columns=list(columns)).to_pylist()
        tables[name] = sorted(tuple(_shorten(row[column]) for column in columns) for row in rows)
    return tables


def _shorten(value: object) -> str:
    text = repr(value)
    return text if isinstance(value, str | float | int | bool) else hashlib.sha256(text.encode()).hexdigest()


def report(interruptions: list[Interruption], recovered: list[bool], whole_seconds: float) -> None:
    """Print each interruption, then the number of lakes that recovered."""
    rows = [
        (
            interruption.victim,
            f"{interruption.after_seconds:.2f}",
            interruption.stage,
            "succeeded" if interruption.code == 0 else f"failed with {interruption.code}",
        )
        for interruption in interruptions
    ]
    print_table(f"runs of {whole_seconds:.0f} s", ("victim", "after s", "last stage", "run"), rows)
    print(
        f"{len(interruptions)} interruptions; {sum(recovered)} of {len(recovered)} lakes have the same tables as an "
        "uninterrupted run"
    )


if __name__ == "__main__":
    main()
