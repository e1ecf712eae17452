"""Pictures to pack and unpack."""

from __future__ import annotations

import random
import struct
from collections.abc import Sequence

from tests.decoder import Decoder
from vncproxy.simulator.screen import palette

SHAPES = [(1, 1), (16, 16), (17, 33), (9, 2), (200, 40)]
COLOURS = [1, 2, 3, 60, 128]


def picture(width: int, height: int, colours: int) -> list[bytes]:
    """Rows with so many colours, in runs as on a screen."""
    rng = random.Random(width * height + colours)
    rows = []
    for _ in range(height):
        row = bytearray()
        while len(row) < width:
            row += bytes((rng.randrange(colours),)) * rng.randint(1, 12)
        rows.append(bytes(row[:width]))
    return rows


def decoded(encoding: int, pieces: Sequence[tuple[list[bytes], bytes]]) -> list[bool]:
    """Whether each piece of data decodes to its rows; the zlib streams go on between them."""
    decoder = Decoder(256, 256)
    right = []
    for rows, data in pieces:
        width, height = len(rows[0]), len(rows)
        decoder.feed(struct.pack(">BxHHHHHi", 0, 1, 0, 0, width, height, encoding) + data)
        assert decoder.at_boundary
        got = decoder.frame[:height, :width].tobytes()
        right.append(got == palette.to_rgb(b"".join(rows)))
    return right
