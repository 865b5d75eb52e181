"""Which runs count as active: by the time of the last beat, and on this machine by the process."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from jobs.engine.heartbeat import BEAT_SECONDS, LEASE_SECONDS, _is_alive

HERE = socket.gethostname()
NOW = 1_700_000_000.0


def test_a_lease_lasts_at_least_five_beats() -> None:
    assert LEASE_SECONDS >= 5 * BEAT_SECONDS


@pytest.mark.parametrize(("age_seconds", "expected"), [(0.0, True), (LEASE_SECONDS - 1, True), (LEASE_SECONDS, False)])
def test_a_run_on_another_machine_is_active_until_its_lease_ends(age_seconds: float, expected: bool) -> None:
    assert _is_alive("_alive.another-host.example.7", NOW - age_seconds, NOW) is expected


def test_a_run_on_this_machine_is_active_while_its_process_exists() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert not _is_alive(f"_alive.{HERE}.{ended.pid}", NOW, NOW)
    assert _is_alive(f"_alive.{HERE}.{os.getpid()}", NOW, NOW)


def test_a_process_of_another_user_counts_as_active() -> None:
    assert _is_alive(f"_alive.{HERE}.1", NOW, NOW)
