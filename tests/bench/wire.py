"""WebSocket frames as both ends of the load speak them: whole messages, one frame each.

Source: RFC 6455, section 5.2.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

_MASK = b"\x12\x34\x56\x78"
BINARY, CLOSE, PING, PONG = 2, 8, 9, 10


def head(size: int, opcode: int = BINARY) -> bytes:
    """In front of so many bytes from a server."""
    if size < 126:
        return struct.pack(">BB", 0x80 | opcode, size)
    if size < 1 << 16:
        return struct.pack(">BBH", 0x80 | opcode, 126, size)
    return struct.pack(">BBQ", 0x80 | opcode, 127, size)


def frame(payload: bytes, opcode: int = BINARY) -> bytes:
    """A server's frame."""
    return head(len(payload), opcode) + payload


def frames(data: bytes, frame_bytes: int) -> bytes:
    """A server's bytes, cut into frames of so many."""
    cut = (data[at : at + frame_bytes] for at in range(0, len(data), frame_bytes))
    return b"".join(map(frame, cut))


def masked(payload: bytes, opcode: int = BINARY) -> bytes:
    """A client's frame, of fewer than 65,536 bytes."""
    size = len(payload)
    head = bytes((0x80 | opcode, 0x80 | size))
    if size > 125:
        head = struct.pack(">BBH", 0x80 | opcode, 0x80 | 126, size)
    return head + _MASK + _xored(payload, _MASK)


def opened(received: bytearray) -> Iterator[tuple[int, bytes]]:
    """Take a client's whole frames out: opcode and payload of each."""
    while len(received) > 5:
        size, at = received[1] & 127, 2
        if size == 126:
            size, at = int.from_bytes(received[2:4], "big"), 4
        elif size == 127:
            size, at = int.from_bytes(received[2:10], "big"), 10
        end = at + 4 + size
        if len(received) < end:
            return
        payload = _xored(bytes(received[at + 4 : end]), bytes(received[at : at + 4]))
        opcode = received[0] & 15
        del received[:end]
        yield opcode, payload


def _xored(payload: bytes, mask: bytes) -> bytes:
    size = len(payload)
    keys = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(keys, "big")).to_bytes(size, "big")
