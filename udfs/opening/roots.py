"""The syntax of a manifest's URIs, and the roots: the only locations from which videos may be read.

The driver makes `Roots` and sends it to the executors, where `locate.open_video` enforces it.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

# A scheme has at least two characters and is followed by `://`. So a drive letter (`C:`) and a name with a colon
# (`a:b.mp4`) are not schemes.
_URI = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]+)://(?P<authority>[^/]*)/?(?P<path>.*)", re.DOTALL)
_ONE_SLASH_FILE_URI = re.compile(r"\Afile:(?=/(?!/))", re.IGNORECASE)

# The network schemes that pyarrow.fs.FileSystem.from_uri opens, each with the name under which it is compared.
REMOTE_SCHEMES = {
    "s3": "s3",
    "s3a": "s3",  # Hadoop's name of S3, used in Spark's paths
    "gs": "gs",
    "gcs": "gs",
    "hdfs": "hdfs",
    "viewfs": "viewfs",
    "abfs": "abfs",
    "abfss": "abfss",
}


@dataclass(frozen=True)
class SplitUri:
    """The parts of a URI with a scheme.

    Attributes:
        scheme: in lower case.
        authority: bucket, container or host, as written; may be empty.
        path: the rest after the slash that ends the authority, still percent-encoded, with query and fragment.
    """

    scheme: str
    authority: str
    path: str

    @property
    def is_local(self) -> bool:
        """Whether this is a `file:` URI."""
        return self.scheme == "file"

    @property
    def names_this_machine(self) -> bool:
        """Whether the host of a `file:` URI is empty or `localhost`."""
        return self.authority.lower() in {"", "localhost"}


@dataclass(frozen=True)
class RemoteRoot:
    """A remote prefix that may be read.

    Attributes:
        scheme: one of the values of `REMOTE_SCHEMES`.
        authority: bucket, container or host.
        components: the decoded components of the prefix's path; empty for the whole bucket.
        filesystem_uri: URI of the bucket or host, with the options of the config (`?region=...`).
    """

    scheme: str
    authority: str
    components: tuple[str, ...]
    filesystem_uri: str


@dataclass(frozen=True)
class Roots:
    """The only locations from which videos may be read. Made by `Roots.of`.

    Attributes:
        local_folders: absolute paths; their links are not resolved yet.
        remote: remote prefixes.
    """

    local_folders: tuple[str, ...]
    remote: tuple[RemoteRoot, ...]

    @classmethod
    def of(cls, *places: str) -> Roots:
        """Allow everything below each of these places: the manifest's folder, and the roots of the config.

        Args:
            places: absolute local folders, `file://` URIs, or remote prefixes such as `s3://bucket/folder`. The query
                of a prefix (`?endpoint_override=...`) configures its file system.

        Raises:
            ValueError: a place is relative, has an unsupported scheme, or has an empty, `.` or `..` component.
        """
        local_folders, remote = [], []
        for place in places:
            split = split_uri(place)
            if split is None or split.is_local:
                local_folders.append(_parse_local_root(place, split))
            else:
                remote.append(_parse_remote_root(place, split))
        return cls(tuple(local_folders), tuple(remote))

    def add_folder_of(self, uri: str | None) -> Roots:
        """Return these roots and the folder of a video that an earlier run read within its own roots.

        The roots come first, because their options configure a remote file system.

        Args:
            uri: of the video; the roots do not change if it is None, or if its folder cannot be a root.
        """
        if not uri:
            return self
        try:
            folder = Roots.of(uri.rpartition("/")[0] or "/")
        except ValueError:
            return self
        return Roots((*self.local_folders, *folder.local_folders), (*self.remote, *folder.remote))

    def find_remote(self, uri: SplitUri) -> tuple[RemoteRoot, str] | None:
        """Find the root that contains a remote URI, comparing whole components.

        Only the path is taken from the row. The options of the file system come from the root, so that a manifest
        cannot use `?endpoint_override=` to send the credentials of the executor to another endpoint.

        Args:
            uri: its scheme must be in `REMOTE_SCHEMES`.

        Returns:
            The root, and the URI's decoded path below the bucket or host; None if no root contains it, or if it has an
            empty, `.` or `..` component.
        """
        # Decode before splitting: otherwise `..%2F` would pass as a part of one component.
        components = tuple(decode_percent(uri.path).split("/"))
        if not _are_plain(components):
            return None
        place = (REMOTE_SCHEMES[uri.scheme], uri.authority)
        for root in self.remote:
            if place == (root.scheme, root.authority) and components[: len(root.components)] == root.components:
                return root, "/".join(components)
        return None


def resolve_uri(uri: str, base: str) -> str:
    """Make a manifest's URI absolute, in the form that tables store and `open_video` reads.

    There are two forms. The first characters show which:

    - `/...`: a path, taken literally (`%20` is three characters of the name);
    - `scheme://...`: a URI, which is percent-decoded when it is opened.

    Args:
        uri: a path without a scheme, taken literally, or a URI with one (also `file:/x`), returned as given.
        base: the folder of the manifest, a path or a URI. A relative `uri` is joined to it. Its query (`?region=...`)
            configures the file system and is left out of the result.

    Returns:
        The absolute form. It may be outside of every root; `open_video` refuses it then. An empty `uri` stays empty,
        and `open_video` refuses it as missing.
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
    """Split a URI with a scheme into its parts; None for a path."""
    match = _URI.fullmatch(_ONE_SLASH_FILE_URI.sub("file://", uri))
    return match and SplitUri(match["scheme"].lower(), match["authority"], match["path"])


def decode_percent(path: str) -> str:
    """Percent-decode a path. Bytes that are not UTF-8 become surrogates, which `os.fsencode` restores."""
    return unquote(path, errors="surrogateescape")


def is_within(path: str, folder: str) -> bool:
    """Return whether an absolute path is `folder` or below it, by whole components. Links are not resolved."""
    return path.startswith("/") and os.path.commonpath((folder, path)) == folder


def _parse_local_root(place: str, split: SplitUri | None) -> str:
    folder = place if split is None else "/" + decode_percent(split.path)
    if not folder.startswith("/") or (split is not None and not split.names_this_machine):
        raise ValueError(f"a root must be an absolute folder of this machine or a remote prefix, got {place!r}")
    return folder


def _parse_remote_root(place: str, split: SplitUri) -> RemoteRoot:
    if split.scheme not in REMOTE_SCHEMES:
        raise ValueError(f"the scheme of root {place!r} must be file or one of {sorted(REMOTE_SCHEMES)}")
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
