"""Compares the files that the processes of a run opened, as traced by strace, with those that they may open."""

from __future__ import annotations

import re
import sys
from collections import Counter
from functools import cache
from pathlib import Path

# Only these calls stop a process, so the run is hardly slower.
TRACE = (
    "strace",
    *("--follow-forks", "--output-separately", "--seccomp-bpf"),
    *("--decode-fds=path", "--string-limit=300", "--signal=none"),
    "--trace=open,openat,openat2,creat,execve,socket,clone,clone3,fork,vfork",
)
_OPEN = re.compile(r'^(?:open|openat|openat2|creat)\(.*?"(?P<given>(?:[^"\\]|\\.)*)".*\) = \d+<(?P<real>.*)>$')
_CLONE = re.compile(r"^(?:clone|clone3|fork|vfork)\(.*= (?P<child>\d+)$")
_NETWORK = re.compile(r"^socket\(AF_INET")
_GIVEN_DESCRIPTOR = re.compile(r"^/proc/self/fd/\d+$")
_REPOSITORY = Path(__file__).absolute().parents[2]
# Libraries, their settings, and information from the kernel. No video can be here.
_SYSTEM = ("/usr/", "/lib", "/etc/", "/proc/", "/sys/", "/dev/null", "/dev/urandom", "/dev/shm/", "/memfd:")  # noqa: S108 -- no file is created there


def find_violations(traces: Path, root: Path, outside: Path, own: Path) -> tuple[Counter[str], list[str]]:
    """Check all files and sockets that a run opened.

    - A decoder opens libraries, and videos by a file descriptor that it receives, never by a path. It opens no socket.
    - A Python worker opens libraries, temporary files of Spark, and files in the roots.
    - No process opens the bait outside the roots.

    Args:
        traces: folder with the output of strace, one file per thread.
        root: the only folder that videos may be read from.
        outside: the folder of the bait.
        own: folder of the benchmark, with the temporary files of Spark.

    Returns:
        The number of opens of each kind, and the violations.
    """
    libraries = (*_SYSTEM, *{f"{Path(prefix)}/" for prefix in (sys.prefix, sys.base_prefix, _REPOSITORY)})
    counts: Counter[str] = Counter()
    violations = []
    programs = _name_programs(traces)
    for tid, program in programs.items():
        for line in _lines(traces, tid):
            opened = _OPEN.match(line)
            if opened is None:
                if program == "decoder" and _NETWORK.match(line):
                    violations.append(f"{program}: {line}")
                continue
            given, real = opened["given"], opened["real"].removesuffix(" (deleted)")
            kind = _classify(given, real, program, (str(root), str(own), libraries))
            if real.startswith(f"{outside}/") or (kind == "other" and program != "JVM and driver"):
                violations.append(f"{program}: {line}")
            counts[f"{program}: {kind}"] += 1
        counts[f"{program}: threads"] += 1
    return counts, violations


def _classify(given: str, real: str, program: str, places: tuple[str, str, tuple[str, ...]]) -> str:
    root, own, libraries = places
    if real.startswith(f"{root}/"):
        is_by_descriptor = _GIVEN_DESCRIPTOR.match(given) is not None
        if program == "decoder":
            return "videos, by a received descriptor" if is_by_descriptor else "other"
        return "files in the roots"
    if f"{real}/".startswith(libraries):  # Python also lists the folders of its import path
        return "libraries and system files"
    if program != "decoder" and real.startswith(f"{own}/"):
        return "temporary files and tables"
    return "other"


def _name_programs(traces: Path) -> dict[int, str]:
    """Return the program of each thread at its end: decoder, Python worker, or JVM and driver."""
    parents: dict[int, int] = {}
    own: dict[int, str] = {}
    tids = [int(file.suffix[1:]) for file in traces.iterdir()]
    for tid in tids:
        for line in _lines(traces, tid):
            if cloned := _CLONE.match(line):
                parents[int(cloned["child"])] = tid
            elif line.startswith("execve(") and line.endswith("= 0"):
                own[tid] = _name_program(line)

    @cache
    def program_of(tid: int) -> str:
        if tid in own:
            return own[tid]
        return program_of(parents[tid]) if tid in parents else "JVM and driver"

    return {tid: program_of(tid) for tid in tids}


def _name_program(execve: str) -> str:
    if "udfs.decoding.child" in execve:
        return "decoder"
    return "Python worker" if "pyspark.daemon" in execve or "pyspark.worker" in execve else "JVM and driver"


def _lines(traces: Path, tid: int) -> list[str]:
    return (traces / f"of.{tid}").read_text(errors="replace").splitlines()
