"""Lets no WebSocket frame of a client pass that isn't masked.

aiohttp's reader takes both. Source: RFC 6455, section 5.1.
"""

from __future__ import annotations

from typing import Protocol

_MASKED = 0x80
_MASK_BYTES = 4
_RESERVED_BITS = b"\x70\x80"
"""The head of a frame that no reader takes."""


class FrameParser(Protocol):
    """What aiohttp feeds an upgraded connection's bytes to."""

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        """Whether it is over, and what of the data came after that."""

    def feed_eof(self) -> None:
        """Nothing follows."""


class MaskedFrames:
    """Stands before a reader, and breaks off where a frame isn't masked."""

    def __init__(self, reader: FrameParser) -> None:
        self._reader = reader
        self._head = b""
        self._left = 0
        self._broken = False

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        """As the reader's, which isn't given the head of a frame before it is whole."""
        if self._broken:
            return False, b""
        data = self._head + data
        end = self._walk(data)
        self._head = b"" if self._broken else data[end:]
        data = data[:end]
        return self._reader.feed_data(data + _RESERVED_BITS if self._broken else data)

    def feed_eof(self) -> None:
        """As the reader's."""
        self._reader.feed_eof()

    def _walk(self, data: bytes) -> int:
        """How much of the data is of masked frames whose heads are whole."""
        size = len(data)
        at = min(self._left, size)
        self._left -= at
        while at + 2 <= size:
            second = data[at + 1]
            if not second & _MASKED:
                self._broken = True
                break
            length = second & 0x7F
            length_bytes = {126: 2, 127: 8}.get(length, 0)
            body = at + 2 + length_bytes + _MASK_BYTES
            if body > size:
                break
            if length_bytes:
                length = int.from_bytes(data[at + 2 : at + 2 + length_bytes], "big")
            at = min(body + length, size)
            self._left = body + length - at
        return at
