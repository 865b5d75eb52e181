"""Who is taken for alive: by the time of the last sign, and on this machine by the process."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from jobs.engine.heartbeat import BEAT_SECONDS, LEASE_SECONDS, _is_alive

HERE = socket.gethostname()
NOW = 1_700_000_000.0


def test_several_beats_may_be_missed() -> None:
    assert LEASE_SECONDS >= 5 * BEAT_SECONDS


@pytest.mark.parametrize(("age_seconds", "expected"), [(0.0, True), (LEASE_SECONDS - 1, True), (LEASE_SECONDS, False)])
def test_a_run_elsewhere_lives_until_its_lease_ends(age_seconds: float, expected: bool) -> None:
    assert _is_alive("_alive.another-host.example.7", NOW - age_seconds, NOW) is expected


def test_a_run_of_this_machine_is_dead_as_soon_as_its_process_is() -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    assert not _is_alive(f"_alive.{HERE}.{gone.pid}", NOW, NOW)
    assert _is_alive(f"_alive.{HERE}.{os.getpid()}", NOW, NOW)


def test_the_process_of_somebody_else_lives() -> None:
    assert _is_alive(f"_alive.{HERE}.1", NOW, NOW)
