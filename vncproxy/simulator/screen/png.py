"""Pictures as PNG. Source: PNG specification (third edition), chunks IHDR, PLTE, IDAT and IEND."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence

from vncproxy.simulator.screen.palette import Colour

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_RGB, _INDEXED = 2, 3
_LEVEL = 3


def png(
    width: int, height: int, pixels: bytes | bytearray, colours: Sequence[Colour] = ()
) -> bytes:
    """A picture of this size.

    Args:
        width: In pixels.
        height: In pixels.
        pixels: Row by row: red, green, blue; with `colours` one byte, the index of a colour.
        colours: At most 256.
    """
    row_bytes = width if colours else 3 * width
    # Each row begins with its filter: none.
    rows = b"".join(
        b"\0" + pixels[start : start + row_bytes]
        for start in range(0, height * row_bytes, row_bytes)
    )
    kind = _INDEXED if colours else _RGB
    chunks = [_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0))]
    if colours:
        chunks.append(_chunk(b"PLTE", bytes(part for colour in colours for part in colour)))
    chunks += [_chunk(b"IDAT", zlib.compress(rows, _LEVEL)), _chunk(b"IEND", b"")]
    return _SIGNATURE + b"".join(chunks)


def _chunk(name: bytes, data: bytes) -> bytes:
    body = name + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))
