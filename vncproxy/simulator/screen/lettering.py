"""Text on a canvas: strokes rendered with soft edges, once for each glyph and size."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

from vncproxy.simulator.screen import palette
from vncproxy.simulator.screen.canvas import Area, Canvas
from vncproxy.simulator.screen.strokes import strokes

_GRID_COLUMNS, _GRID_ROWS = 4, 10


@dataclass(frozen=True, slots=True)
class Face:
    """A size of the type face: cell width and height, and the strokes' width, in pixels."""

    width: int
    height: int
    weight: float


SMALL = Face(9, 18, 1.35)
TERMINAL = Face(10, 20, 1.5)
MEDIUM = Face(14, 28, 2.0)
LARGE = Face(22, 42, 3.2)


@lru_cache(maxsize=1024)
def _coverage(character: str, face: Face) -> bytes:
    """How much of each pixel is ink, 0 to RAMP_STEPS - 1, row by row."""
    margin = face.width * 0.14
    scale_x = (face.width - 2 * margin - 1) / _GRID_COLUMNS
    scale_y = face.height / _GRID_ROWS
    segments = []
    for line in strokes(character):
        points = [(margin + 0.5 + x * scale_x, (y + 0.25) * scale_y) for x, y in line]
        segments += list(zip(points, points[1:] or points, strict=False))
    top = palette.RAMP_STEPS - 1
    cell = bytearray(face.width * face.height)
    for at in range(len(cell)):
        x, y = at % face.width + 0.5, at // face.width + 0.5
        distance = min((_distance(x, y, a, b) for a, b in segments), default=math.inf)
        ink = min(max(face.weight / 2 + 0.5 - distance, 0.0), 1.0)
        cell[at] = round(ink * top)
    return bytes(cell)


def _distance(x: float, y: float, a: tuple[float, float], b: tuple[float, float]) -> float:
    """From a point to a piece of a line."""
    across, down = b[0] - a[0], b[1] - a[1]
    length = across * across + down * down
    along = ((x - a[0]) * across + (y - a[1]) * down) / length if length else 0.0
    along = min(max(along, 0.0), 1.0)
    return math.hypot(x - a[0] - along * across, y - a[1] - along * down)


@lru_cache(maxsize=64)
def _ramp(ink: str) -> bytes:
    """Coverage to palette index, for bytes.translate."""
    last = palette.RAMP_STEPS - 1
    return bytes(palette.shade(ink, min(step, last)) for step in range(256))


def write(canvas: Canvas, x: int, y: int, text: str, ink: str, face: Face = TERMINAL) -> int:
    """Write text whose cells start at x, y, over their background; the x where it ends."""
    ramp = _ramp(ink)
    cells = [_coverage(character, face).translate(ramp) for character in text]
    width = face.width
    rows = (cell[row * width : (row + 1) * width] for row in range(face.height) for cell in cells)
    if cells:
        canvas.paste(Area(x, y, width * len(cells), face.height), b"".join(rows))
    return x + width * len(text)
