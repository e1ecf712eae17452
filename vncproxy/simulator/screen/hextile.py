"""Hextile rectangles. Source: RFC 6143, section 7.7.4."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from vncproxy.simulator.screen.pixels import Packer

_TILE = 16
_RAW, _BACKGROUND, _FOREGROUND, _SUBRECTS, _COLOURED = 1, 2, 4, 8, 16


def encode(rows: Sequence[bytes], packer: Packer) -> bytes:
    """The data of one rectangle."""
    out = bytearray()
    background: int | None = None
    width = len(rows[0])
    for top in range(0, len(rows), _TILE):
        band = rows[top : top + _TILE]
        for left in range(0, width, _TILE):
            tile = [row[left : left + _TILE] for row in band]
            data, background = _tile(tile, background, packer)
            out += data
    return bytes(out)


def _tile(
    tile: Sequence[bytes], background: int | None, packer: Packer
) -> tuple[bytes, int | None]:
    """A tile, and the background that the next one may inherit."""
    indices = b"".join(tile)
    counts = Counter(indices).most_common()
    common = counts[0][0]
    flags, head = 0, b""
    if common != background:
        flags, head = _BACKGROUND, packer.pixels(bytes((common,)))
    if len(counts) == 1:
        return bytes((flags,)) + head, common
    raw = packer.pixels(indices)
    runs = _runs(tile, common)
    if len(counts) == 2:
        flags |= _FOREGROUND | _SUBRECTS
        head += packer.pixels(bytes((counts[1][0],)))
        subrects = b"".join(run for _, run in runs)
    else:
        flags |= _SUBRECTS | _COLOURED
        subrects = b"".join(packer.pixels(bytes((colour,))) + run for colour, run in runs)
    if len(runs) > 255 or len(head) + len(subrects) + 1 >= len(raw):
        # After a raw tile neither colour may be inherited.
        return bytes((_RAW,)) + raw, None
    return bytes((flags,)) + head + bytes((len(runs),)) + subrects, common


def _runs(tile: Sequence[bytes], background: int) -> list[tuple[int, bytes]]:
    """Pieces of a row in one colour other than the background, as subrectangles."""
    runs = []
    for y, row in enumerate(tile):
        x = 0
        while x < len(row):
            end = x + 1
            while end < len(row) and row[end] == row[x]:
                end += 1
            if row[x] != background:
                runs.append((row[x], bytes((x << 4 | y, (end - x - 1) << 4))))
            x = end
    return runs
