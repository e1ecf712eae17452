"""Pixels of any format, painted and packed by the tests' own hand."""

from __future__ import annotations

import random
import struct

from vncproxy.rfb.pixel_format import PixelFormat

FORMATS = {
    "novnc": PixelFormat(red_shift=0, green_shift=8, blue_shift=16),
    "usual": PixelFormat(),
    "shifted": PixelFormat(red_shift=24, green_shift=16, blue_shift=8),
    "big-endian": PixelFormat(big_endian=True),
    "deep": PixelFormat(
        depth=30, red_max=1023, green_max=1023, blue_max=1023, red_shift=20, green_shift=10
    ),
    "565": PixelFormat(16, 16, False, True, 31, 63, 31, 11, 5, 0),
    "555-big": PixelFormat(16, 15, True, True, 31, 31, 31, 10, 5, 0),
    "332": PixelFormat(8, 8, False, True, 7, 7, 3, 0, 3, 6),
    "mapped": PixelFormat(8, 8, False, False, 0, 0, 0, 0, 0, 0),
}
_CODES = {8: "B", 16: "H", 32: "I"}

Colour = tuple[int, int, int]


class Painter:
    """Draws colours that a format has, and says what they look like in 8 bits a channel."""

    def __init__(self, form: PixelFormat, seed: int) -> None:
        self.form = form
        self.rng = random.Random(seed)
        self.map = [self._any() for _ in range(256)]
        self._code = (">" if form.big_endian else "<") + _CODES[form.bits_per_pixel]

    def _any(self) -> Colour:
        return (self.rng.randrange(256), self.rng.randrange(256), self.rng.randrange(256))

    @property
    def colour_map(self) -> bytes:
        """SetColourMapEntries for all 256."""
        entries = b"".join(struct.pack(">HHH", *(257 * c for c in colour)) for colour in self.map)
        return struct.pack(">BxHH", 1, 0, 256) + entries

    def value(self) -> int:
        """Any pixel."""
        form = self.form
        if not form.true_colour:
            return self.rng.randrange(256)
        return (
            self.rng.randint(0, form.red_max) << form.red_shift
            | self.rng.randint(0, form.green_max) << form.green_shift
            | self.rng.randint(0, form.blue_max) << form.blue_shift
        )

    def pixel(self, value: int) -> bytes:
        """On the wire."""
        return struct.pack(self._code, value)

    def tpixel(self, value: int) -> bytes:
        """On the wire, inside Tight."""
        return bytes(self.seen(value)) if self.form.tpixel_bytes == 3 else self.pixel(value)

    def channels(self, value: int) -> list[tuple[int, int]]:
        """Red, green and blue with their maxima."""
        form = self.form
        return [
            (value >> form.red_shift & form.red_max, form.red_max),
            (value >> form.green_shift & form.green_max, form.green_max),
            (value >> form.blue_shift & form.blue_max, form.blue_max),
        ]

    def seen(self, value: int) -> Colour:
        """What it looks like."""
        if not self.form.true_colour:
            return self.map[value]
        red, green, blue = (round(v * 255 / top) for v, top in self.channels(value))
        return red, green, blue
