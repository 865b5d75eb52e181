"""An S3 server with faults, for tests of opening and decoding."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.support.faulty_store import Faults
from tests.support.object_store import ObjectStore, run_object_store

if TYPE_CHECKING:
    from collections.abc import Iterator


class FaultyStore(NamedTuple):
    """A running server, and the faults in front of it."""

    store: ObjectStore
    faults: Faults


@pytest.fixture(scope="session")
def running_faulty_store() -> Iterator[FaultyStore]:
    faults = Faults()
    with run_object_store(faults.wrap) as store:
        yield FaultyStore(store, faults)


@pytest.fixture
def faulty_store(running_faulty_store: FaultyStore, monkeypatch: pytest.MonkeyPatch) -> FaultyStore:
    """Return a server without faults yet, with the environment that names it."""
    running_faulty_store.faults.clear()
    for name, value in running_faulty_store.store.environment.items():
        monkeypatch.setenv(name, value)
    return running_faulty_store
