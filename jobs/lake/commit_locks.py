"""Makes commits of several drivers to one table exclusive in S3, where Delta does not. Runs on the driver.

Delta writes commit N by looking whether `N.json` exists and then writing it. In S3 two drivers may both see that it
does not exist, and the later one replaces the commit of the earlier one. Here a driver first creates the object
`_locks/TABLE` by a conditional PUT, which only one of them can, and deletes it after its commit (decision 18).
"""

from __future__ import annotations

import json
import os
import random
import socket
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TypeVar
from uuid import uuid4

from py4j.protocol import Py4JError

from jobs.contracts.run_log import log
from jobs.errors import NdvrError, UsageError
from jobs.lake.s3_objects import S3Objects
from udfs.opening.roots import split_uri

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jobs.lake.files import LakeFiles

_Result = TypeVar("_Result")

BEAT_SECONDS = 15.0
LEASE_SECONDS = 90.0
"""A lock that its owner has not renewed for this long is left over from a killed driver. It is six beats."""
MAX_WAIT_SECONDS = 3600.0
_FIRST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS = 0.05, 1.0
_FOLDER = "_locks"


class CommitLocks:
    """The locks of a lake's tables; without effect where the store lets Delta commit exclusively.

    Args:
        files: of the lake.
        root: URI of the lake.
    """

    def __init__(self, files: LakeFiles, root: str) -> None:
        self._objects = S3Objects(files)
        self._folder = f"{root}/{_FOLDER}"
        split = split_uri(root)
        self._is_needed = split is not None and split.scheme == "s3a"
        self._is_supported: bool | None = None

    def run(self, name: str, write: Callable[[], _Result]) -> _Result:
        """Run a write that commits to a table, while no other driver does.

        Raises:
            NdvrError: another driver held the lock for `MAX_WAIT_SECONDS`.
            UsageError: the store has no conditional writes.
        """
        if not self._is_needed:
            return write()
        self._check_support()
        with _Lock(self._objects, f"{self._folder}/{name}").held():
            return write()

    def _check_support(self) -> None:
        """Create an object twice: a store that allows both ignores the condition."""
        if self._is_supported is None:
            probe = f"{self._folder}/_probe-{uuid4().hex}"
            created = [self._objects.create_new(probe, text) is not None for text in ("1", "2")]
            self._objects.delete(probe)
            self._is_supported = created == [True, False]
        if not self._is_supported:
            raise UsageError(
                f"the store of {self._folder!r} ignores conditional writes (If-None-Match), so two drivers could "
                "overwrite each other's commits; use a store that supports them, such as AWS S3, MinIO or Ceph"
            )


class _Lock:
    """The lock of one table.

    Args:
        objects: of the store.
        uri: of the lock's object.
    """

    def __init__(self, objects: S3Objects, uri: str) -> None:
        self._objects = objects
        self._uri = uri
        self._owner = {"host": socket.gethostname(), "pid": os.getpid(), "id": uuid4().hex}
        self._num_beats = 0
        self._etag: str | None = None
        self._is_released = threading.Event()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the lock during the block, and renew it from a thread."""
        self._acquire()
        beating = threading.Thread(target=self._keep_renewing, daemon=True)
        beating.start()
        try:
            yield
        finally:
            self._is_released.set()
            beating.join()
            self._release()

    def _acquire(self) -> None:
        started = seen_at = time.monotonic()
        seen: str | None = None
        text, wait_seconds = self._describe(), _FIRST_WAIT_SECONDS
        while True:
            self._etag = self._objects.create_new(self._uri, text)
            if self._etag is not None:
                return
            current, now = self._objects.find_etag(self._uri), time.monotonic()
            if current != seen:
                seen, seen_at = current, now
                self._etag = self._find_own(text)
            elif current is not None and now - seen_at > LEASE_SECONDS:
                self._etag = self._objects.replace(self._uri, text, current) or self._find_own(text)
                log.warning("lock of a killed driver replaced", lock=self._uri, has_replaced=self._etag is not None)
            if self._etag is not None:
                return
            if now - started > MAX_WAIT_SECONDS:
                raise NdvrError(
                    f"the lock {self._uri!r} has been held by other drivers for an hour; end the driver that it names: "
                    f"{self._objects.read(self._uri)}"
                )
            time.sleep(wait_seconds * random.uniform(0.5, 1.5))  # noqa: S311 - spreads the attempts of waiting drivers
            wait_seconds = min(2 * wait_seconds, _LONGEST_WAIT_SECONDS)

    def _find_own(self, text: str) -> str | None:
        """Return the ETag of the object if it has this text of this driver; None otherwise.

        A client that loses the response of a write tries again, and is refused because its first try succeeded.
        """
        etag = self._objects.find_etag(self._uri)
        return etag if etag is not None and self._objects.read(self._uri) == text else None

    def _keep_renewing(self) -> None:
        while not self._is_released.wait(BEAT_SECONDS):
            with suppress(Py4JError, OSError):  # the store may be unavailable for a while; the next beat tries again
                text = self._describe()
                renewed = self._objects.replace(self._uri, text, self._etag or "") or self._find_own(text)
                if renewed is None:
                    log.warning("lock lost", lock=self._uri)
                    return
                self._etag = renewed

    def _release(self) -> None:
        if self._objects.find_etag(self._uri) == self._etag:
            self._objects.delete(self._uri)

    def _describe(self) -> str:
        self._num_beats += 1
        return json.dumps(self._owner | {"beat": self._num_beats})
