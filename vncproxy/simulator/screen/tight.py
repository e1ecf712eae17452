"""Tight and TightPNG rectangles.

Source: rfbproto, Tight Encoding and TightPNG Encoding.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence

from vncproxy.simulator.screen import palette
from vncproxy.simulator.screen.pixels import Packer

MAX_WIDTH = 2048
_FILL, _PNG = 0x80, 0xA0
_FILTER = 0x40
_PALETTE_FILTER = 1
_MIN_TO_COMPRESS = 12
_FULL_STREAM, _TWO_COLOUR_STREAM, _INDEXED_STREAM = 0, 1, 2
_MANY_COLOURS = 48
_LEVEL = 6


def compact(size: int) -> bytes:
    """A length in one to three bytes."""
    if size < 0x80:
        return bytes((size,))
    if size < 0x4000:
        return bytes((size & 0x7F | 0x80, size >> 7))
    return bytes((size & 0x7F | 0x80, size >> 7 & 0x7F | 0x80, size >> 14))


class TightEncoder:
    """Packs rectangles for one client; its zlib streams go on from one to the next."""

    def __init__(self) -> None:
        self._streams = [zlib.compressobj(_LEVEL) for _ in range(3)]

    def encode(self, rows: Sequence[bytes], packer: Packer) -> bytes:
        """The data of one Tight rectangle, at most `MAX_WIDTH` wide."""
        indices = b"".join(rows)
        colours = sorted(set(indices))
        if len(colours) == 1:
            return bytes((_FILL,)) + packer.tight_pixels(indices[:1])
        if len(colours) > _MANY_COLOURS or len(colours) > len(indices) // 4:
            data = packer.tight_pixels(indices)
            return bytes((_FULL_STREAM << 4,)) + self._pack(_FULL_STREAM, data)
        head = bytes((len(colours) - 1,)) + packer.tight_pixels(bytes(colours))
        if len(colours) == 2:
            stream, data = _TWO_COLOUR_STREAM, _bits(rows, colours[1])
        else:
            stream, data = _INDEXED_STREAM, indices.translate(_numbers(colours))
        control = bytes((_FILTER | stream << 4, _PALETTE_FILTER))
        return control + head + self._pack(stream, data)

    def _pack(self, stream: int, data: bytes) -> bytes:
        if len(data) < _MIN_TO_COMPRESS:
            return data
        deflate = self._streams[stream]
        packed = deflate.compress(data) + deflate.flush(zlib.Z_SYNC_FLUSH)
        return compact(len(packed)) + packed


def encode_png(rows: Sequence[bytes], packer: Packer) -> bytes:
    """The data of one TightPNG rectangle."""
    indices = b"".join(rows)
    if len(set(indices)) == 1:
        return bytes((_FILL,)) + packer.tight_pixels(indices[:1])
    png = _png(rows)
    return bytes((_PNG,)) + compact(len(png)) + png


def _numbers(colours: Sequence[int]) -> bytes:
    """A table from palette index to place in `colours`."""
    table = bytearray(256)
    for number, colour in enumerate(colours):
        table[colour] = number
    return bytes(table)


def _bits(rows: Sequence[bytes], one: int) -> bytes:
    """A bit a pixel, set where it is `one`; each row starts a byte."""
    digits = bytes(0x31 if index == one else 0x30 for index in range(256))
    width = len(rows[0])
    row_bytes = (width + 7) // 8
    padding = b"0" * (row_bytes * 8 - width)
    return b"".join(
        int(row.translate(digits) + padding, 2).to_bytes(row_bytes, "big") for row in rows
    )


def _png(rows: Sequence[bytes]) -> bytes:
    """A PNG with a palette. Source: PNG specification, sections 5 and 11."""
    header = struct.pack(">IIBBBBB", len(rows[0]), len(rows), 8, 3, 0, 0, 0)
    colours = b"".join(bytes(colour) for colour in palette.COLOURS)
    lines = b"".join(b"\0" + row for row in rows)
    chunks = (
        _chunk(b"IHDR", header),
        _chunk(b"PLTE", colours),
        _chunk(b"IDAT", zlib.compress(lines, _LEVEL)),
        _chunk(b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
