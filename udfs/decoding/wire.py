"""The messages between a decoder child and its parent: lengths, a JSON header, then raw bytes. No pickle.

The child processes hostile files. So the parent trusts no part of a message that it can check.
"""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import socket

_LENGTHS = struct.Struct("!II")
MAX_HEADER_BYTES = 64 * 1024
# The largest payload is a chunk of frames: 8 of 1024 x 1024 px.
MAX_PAYLOAD_BYTES = 32 * 1024 * 1024

Header = dict[str, Any]


class BrokenConnectionError(Exception):
    """The connection was closed, or a message is invalid."""


def pack_message(header: Header, payload_bytes: int = 0) -> bytes:
    """Return the bytes that precede a payload of `payload_bytes` bytes."""
    encoded = json.dumps(header).encode()
    return _LENGTHS.pack(len(encoded), payload_bytes) + encoded


def send_message(sock: socket.socket, header: Header, payload: memoryview | None = None) -> None:
    """Send a message. Blocks while the receiver does not read.

    Raises:
        OSError: the receiver closed the connection.
    """
    sock.sendall(pack_message(header, payload.nbytes if payload else 0))
    if payload:
        sock.sendall(payload)


def receive_message(sock: socket.socket) -> tuple[Header, bytearray]:
    """Receive one message.

    Returns:
        Its header, and its payload, which may be empty.

    Raises:
        BrokenConnectionError: the stream ended, or the message is invalid.
        TimeoutError: no byte arrived within the timeout of the socket.
        OSError: the sender closed the connection.
    """
    header_bytes, payload_bytes = _LENGTHS.unpack(_receive_exactly(sock, _LENGTHS.size))
    if header_bytes > MAX_HEADER_BYTES or payload_bytes > MAX_PAYLOAD_BYTES:
        raise BrokenConnectionError(
            f"a message declares {header_bytes} + {payload_bytes} bytes, "
            f"the limit is {MAX_HEADER_BYTES} + {MAX_PAYLOAD_BYTES}"
        )
    try:
        header = json.loads(_receive_exactly(sock, header_bytes))
    except ValueError as error:
        raise BrokenConnectionError(f"the header of a message is not JSON: {error}") from error
    if not isinstance(header, dict):
        raise BrokenConnectionError(f"the header of a message is not a JSON object: {header!r:.99}")
    return header, _receive_exactly(sock, payload_bytes)


def _receive_exactly(sock: socket.socket, num_bytes: int) -> bytearray:
    received = bytearray(num_bytes)
    rest = memoryview(received)
    while rest:
        count = sock.recv_into(rest)
        if count == 0:
            raise BrokenConnectionError("the stream ended")
        rest = rest[count:]
    return received
