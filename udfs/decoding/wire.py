"""How a decoder child and its parent talk over a socket: lengths, a JSON header, then raw bytes. No pickle.

The child runs hostile files, so the parent believes nothing of what it says that it can check.
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


class BrokenWireError(Exception):
    """The other side is gone, or talks nonsense."""


def pack_message(header: Header, payload_bytes: int = 0) -> bytes:
    """Give the bytes that go before a payload of that many bytes."""
    encoded = json.dumps(header).encode()
    return _LENGTHS.pack(len(encoded), payload_bytes) + encoded


def send_message(sock: socket.socket, header: Header, payload: memoryview | None = None) -> None:
    """Send a message, blocking while the other side is busy.

    Raises:
        OSError: the other side is gone.
    """
    sock.sendall(pack_message(header, payload.nbytes if payload else 0))
    if payload:
        sock.sendall(payload)


def receive_message(sock: socket.socket) -> tuple[Header, bytearray]:
    """Receive one message.

    Returns:
        Its header, and its payload, which may be empty.

    Raises:
        BrokenWireError: the stream ended, or what came is no message.
        TimeoutError: the socket's timeout passed with no byte.
        OSError: the other side is gone.
    """
    header_bytes, payload_bytes = _LENGTHS.unpack(_receive_exactly(sock, _LENGTHS.size))
    if header_bytes > MAX_HEADER_BYTES or payload_bytes > MAX_PAYLOAD_BYTES:
        raise BrokenWireError(f"a message of {header_bytes} + {payload_bytes} bytes")
    try:
        header = json.loads(_receive_exactly(sock, header_bytes))
    except ValueError as error:
        raise BrokenWireError(f"a header that is no JSON: {error}") from error
    if not isinstance(header, dict):
        raise BrokenWireError(f"a header that is no object: {header!r:.99}")
    return header, _receive_exactly(sock, payload_bytes)


def _receive_exactly(sock: socket.socket, num_bytes: int) -> bytearray:
    received = bytearray(num_bytes)
    rest = memoryview(received)
    while rest:
        count = sock.recv_into(rest)
        if count == 0:
            raise BrokenWireError("the stream ended")
        rest = rest[count:]
    return received
