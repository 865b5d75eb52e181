"""Which places videos may be read from: the grammar of a manifest's URIs, and the allow-list of roots.

Made on the driver; `Roots` is then sent to the executors, where `locate.open_video` obeys it.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

# A drive letter (`C:`) or a name with a colon (`a:b.mp4`) is no scheme: two characters and `://` are.
_URI = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]+)://(?P<authority>[^/]*)/?(?P<path>.*)", re.DOTALL)
_ONE_SLASH_FILE_URI = re.compile(r"\Afile:(?=/(?!/))", re.IGNORECASE)

# What pyarrow.fs.FileSystem.from_uri opens over a network, under the one name that is compared.
REMOTE_SCHEMES = {
    "s3": "s3",
    "s3a": "s3",  # Hadoop's name of S3, which Spark's own paths carry
    "gs": "gs",
    "gcs": "gs",
    "hdfs": "hdfs",
    "viewfs": "viewfs",
    "abfs": "abfs",
    "abfss": "abfss",
}


@dataclass(frozen=True)
class SplitUri:
    """A URI with a scheme, taken apart.

    Attributes:
        scheme: in lower case.
        authority: bucket, container or host, as written; may be empty.
        path: what follows the authority's slash, still percent-encoded, query and fragment included.
    """

    scheme: str
    authority: str
    path: str

    @property
    def is_local(self) -> bool:
        """Whether it is a `file:` URI."""
        return self.scheme == "file"

    @property
    def names_this_machine(self) -> bool:
        """Whether a `file:` URI has no host, or `localhost`."""
        return self.authority.lower() in {"", "localhost"}


@dataclass(frozen=True)
class RemoteRoot:
    """A remote prefix that may be read.

    Attributes:
        scheme: one of the values of `REMOTE_SCHEMES`.
        authority: bucket, container or host.
        components: the decoded components of the prefix's path; empty for the whole bucket.
        filesystem_uri: names the bucket or host, with the config's options (`?region=...`).
    """

    scheme: str
    authority: str
    components: tuple[str, ...]
    filesystem_uri: str


@dataclass(frozen=True)
class Roots:
    """The allow-list: the only places that videos may be opened in. Made by `Roots.of`.

    Attributes:
        local_folders: absolute paths, links in them not yet resolved.
        remote: remote prefixes.
    """

    local_folders: tuple[str, ...]
    remote: tuple[RemoteRoot, ...]

    @classmethod
    def of(cls, *places: str) -> Roots:
        """Allow everything below each of these places: the manifest's folder, and what the config adds.

        Args:
            places: absolute local folders, `file://` URIs, or remote prefixes such as `s3://bucket/folder`,
                whose query (`?endpoint_override=...`) configures their filesystem.

        Raises:
            ValueError: a place is relative, of an unsupported scheme, or has an empty, `.` or `..` component.
        """
        local_folders, remote = [], []
        for place in places:
            split = split_uri(place)
            if split is None or split.is_local:
                local_folders.append(_local_root(place, split))
            else:
                remote.append(_remote_root(place, split))
        return cls(tuple(local_folders), tuple(remote))

    def find_remote(self, uri: SplitUri) -> tuple[RemoteRoot, str] | None:
        """Find the root that a remote URI lies in, comparing whole components.

        Only the path comes from the row: its filesystem's options come from the root, so that no manifest can
        send the executor's credentials to an endpoint of its own by `?endpoint_override=`.

        Args:
            uri: its scheme must be in `REMOTE_SCHEMES`.

        Returns:
            The root, and the URI's decoded path below the bucket or host; None if it lies in no root or has
            an empty, `.` or `..` component.
        """
        # Decoded before it is split, else `..%2F` would pass as part of one harmless component.
        components = tuple(decode_percent(uri.path).split("/"))
        if not _are_plain(components):
            return None
        place = (REMOTE_SCHEMES[uri.scheme], uri.authority)
        for root in self.remote:
            if place == (root.scheme, root.authority) and components[: len(root.components)] == root.components:
                return root, "/".join(components)
        return None


def resolve_uri(uri: str, base: str) -> str:
    """Make a manifest's URI absolute, in the one form that tables hold and `open_video` reads.

    The form is one of two, and its first characters tell which:

    - `/...`: a path, literal to the last character (`%20` is three characters of the name);
    - `scheme://...`: a URI, percent-decoded when it is opened.

    Args:
        uri: without a scheme a path, taken literally; with one (`file:/x` too) kept as given.
        base: the manifest's own folder, a path or a URI; a relative path is joined to it. A query there
            (`?region=...`) configures the filesystem and is left out of the result.

    Returns:
        The absolute form. It may still lead out of every root: that is for `open_video` to refuse. An empty
        `uri` stays empty, and is refused as missing.
    """
    uri = _ONE_SLASH_FILE_URI.sub("file://", uri)
    if not uri or uri.startswith("/") or split_uri(uri) is not None:
        return uri
    split = split_uri(base)
    if split is None or split.is_local:
        folder = base if split is None else "/" + decode_percent(split.path)
        return str(Path(folder).absolute() / uri)
    components = [component for component in uri.split("/") if component not in {"", "."}]
    folder = base.partition("?")[0].rstrip("/")
    return f"{folder}/{quote('/'.join(components), errors='surrogatepass')}"


def split_uri(uri: str) -> SplitUri | None:
    """Take a URI with a scheme apart; None for a path."""
    match = _URI.fullmatch(_ONE_SLASH_FILE_URI.sub("file://", uri))
    return match and SplitUri(match["scheme"].lower(), match["authority"], match["path"])


def decode_percent(path: str) -> str:
    """Percent-decode; bytes that are not UTF-8 become what `os.fsencode` turns back into the same bytes."""
    return unquote(path, errors="surrogateescape")


def is_within(path: str, folder: str) -> bool:
    """Whether an absolute path is a folder or lies below it, by whole components. Resolves no links."""
    return path.startswith("/") and os.path.commonpath((folder, path)) == folder


def _local_root(place: str, split: SplitUri | None) -> str:
    folder = place if split is None else "/" + decode_percent(split.path)
    if not folder.startswith("/") or (split is not None and not split.names_this_machine):
        raise ValueError(f"a root must be an absolute folder of this machine or a remote prefix, got {place!r}")
    return folder


def _remote_root(place: str, split: SplitUri) -> RemoteRoot:
    if split.scheme not in REMOTE_SCHEMES:
        raise ValueError(f"root {place!r}: its scheme must be file or one of {sorted(REMOTE_SCHEMES)}")
    authority, _, query = split.authority.partition("?")
    path, _, path_query = split.path.partition("?")
    folder = decode_percent(path).rstrip("/")
    components = tuple(folder.split("/")) if folder else ()
    if not authority or not _are_plain(components):
        raise ValueError(f"root {place!r} must name a bucket or host, with no empty, `.` or `..` component")
    scheme = REMOTE_SCHEMES[split.scheme]
    options = query or path_query
    return RemoteRoot(scheme, authority, components, f"{scheme}://{authority}/" + (options and f"?{options}"))


def _are_plain(components: tuple[str, ...]) -> bool:
    return all(component not in {"", ".", ".."} and "\0" not in component for component in components)
