"""A real S3 server on this machine, for lakes, manifests and videos in an object store."""

from __future__ import annotations

import logging
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qs
from uuid import uuid4

import boto3
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

from jobs.lake.connectors import CONNECTORS
from jobs.lake.jars import find_jars
from jobs.lake.spark_installation import find_spark_home

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

logging.getLogger("werkzeug").setLevel(logging.WARNING)  # otherwise each request is logged
REGION = "eu-west-1"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": REGION}
_S3 = next(connector.package for connector in CONNECTORS if "s3a" in connector.schemes)
S3_PACKAGE = _S3.coordinate


def find_connector_jars() -> list[Path]:
    """Return the JARs of the S3 connector on this machine; empty if they are missing. `make test` downloads them."""
    found = find_jars([_S3], find_spark_home(), {})
    return [] if found.missing else list(found.cached)


class Request(NamedTuple):
    """A request that the server got.

    Attributes:
        kind: GET, HEAD, PUT, DELETE, POST, or LIST for a listing.
        key: of the object, or the prefix of a listing.
    """

    kind: str
    key: str


class ObjectStore:
    """A running server.

    Attributes:
        endpoint: its URL.
        client: a client of it.
        requests: that it has got, in their order.
    """

    def __init__(self, endpoint: str, requests: list[Request]) -> None:
        self.endpoint = endpoint
        self.requests = requests
        self.client = boto3.client(
            "s3",
            endpoint_url=endpoint,
            region_name=REGION,
            aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        )

    @property
    def environment(self) -> dict[str, str]:
        """The variables with which every command finds the server."""
        return CREDENTIALS | {"AWS_ENDPOINT_URL": self.endpoint}

    def make_bucket(self) -> str:
        """Create a bucket with a new name: clients in this process keep what they know of earlier buckets."""
        name = f"ndvr-{uuid4().hex}"
        self.client.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
        return name

    def upload(self, folder: Path, bucket: str) -> None:
        """Upload the files of a folder, at any depth, under their relative paths."""
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                self.client.upload_file(str(file), bucket, file.relative_to(folder).as_posix())

    def download(self, bucket: str, prefix: str, folder: Path) -> None:
        """Download the objects below a prefix into a folder, under their paths relative to it."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{prefix}/")
        for key in [entry["Key"] for page in pages for entry in page.get("Contents", ())]:
            file = folder / key.removeprefix(f"{prefix}/")
            file.parent.mkdir(parents=True, exist_ok=True)
            if not key.endswith("/"):
                self.client.download_file(bucket, key, str(file))


class _Serialised:
    """Handles one writing request at a time. A thread of moto looks whether an object exists and then writes it."""

    def __init__(self) -> None:
        self._app = DomainDispatcherApplication(create_backend_app)
        self._writing = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        if environ["REQUEST_METHOD"] in {"GET", "HEAD"}:
            return self._app(environ, start_response)
        with self._writing:
            return self._app(environ, start_response)


def _log_requests(app: Callable[[Any, Any], Any], requests: list[Request]) -> Callable[[Any, Any], Any]:
    """Return the server with a log of its requests, in the order in which they come."""

    def serve(environ: dict[str, Any], start_response: Any) -> Any:
        query = parse_qs(environ.get("QUERY_STRING", ""))
        bucket, _, key = environ["PATH_INFO"].lstrip("/").partition("/")
        is_listing = environ["REQUEST_METHOD"] == "GET" and bool(bucket) and not key
        kind = "LIST" if is_listing else environ["REQUEST_METHOD"]
        requests.append(Request(kind, query.get("prefix", [""])[0] if is_listing else key))
        return app(environ, start_response)

    return serve


@contextmanager
def run_object_store(wrap: Callable[[Any], Any] = lambda app: app) -> Iterator[ObjectStore]:
    """Run a server on a free port during the block.

    Args:
        wrap: returns the WSGI application that is run, given the one of the server. It can delay and refuse requests.
    """
    requests: list[Request] = []
    server = make_server("127.0.0.1", 0, _log_requests(wrap(_Serialised()), requests), threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield ObjectStore(f"http://127.0.0.1:{server.server_port}", requests)
    finally:
        server.shutdown()
        thread.join()
