"""A ring that follows the pointer, so that a picture shows where the server believes it to be."""

from __future__ import annotations

import math

from vncproxy.simulator.screen import palette
from vncproxy.simulator.screen.canvas import Area, Canvas

_RADIUS = 13
_REACH = 18
_SIZE = 2 * _REACH + 1


def _shape() -> list[int]:
    """The offsets of the marker's pixels in its square."""
    offsets = []
    for at in range(_SIZE * _SIZE):
        x, y = at % _SIZE - _REACH, at // _SIZE - _REACH
        distance = math.hypot(x, y)
        ring = abs(distance - _RADIUS) <= 0.9
        tick = (x == 0 or y == 0) and _RADIUS - 4 <= distance <= _REACH
        if ring or tick:
            offsets.append(at)
    return offsets


_OFFSETS = _shape()


class Marker:
    """Lies over the picture: lift it before drawing, put it back afterwards."""

    def __init__(self, canvas: Canvas) -> None:
        """Not shown until the pointer was seen."""
        self._canvas = canvas
        self._at: tuple[int, int, bool] | None = None
        self._beneath: tuple[Area, bytes] | None = None

    def move(self, x: int, y: int, *, pressed: bool) -> None:
        """Show it here from the next `put` on."""
        self._at = (x, y, pressed)

    def lift(self) -> None:
        """Restore what lies beneath."""
        if self._beneath is not None:
            self._canvas.paste(*self._beneath)
            self._beneath = None

    def put(self) -> None:
        """Draw it over the picture."""
        if self._at is None:
            return
        x, y, pressed = self._at
        square = Area(x - _REACH, y - _REACH, _SIZE, _SIZE)
        inside = square.within(self._canvas.area)
        if inside is None:
            return
        self._beneath = (inside, self._canvas.cut_out(inside))
        colour = palette.index("marker-down" if pressed else "marker")
        pixels = bytearray(self._beneath[1])
        for at in _OFFSETS:
            px, py = square.x + at % _SIZE - inside.x, square.y + at // _SIZE - inside.y
            if 0 <= px < inside.width and 0 <= py < inside.height:
                pixels[py * inside.width + px] = colour
        self._canvas.paste(inside, pixels)
