"""Pixels of any format as noVNC wants them: four bytes, of red, green, blue and nothing.

Source: RFC 6143, sections 7.4 and 7.6.2.
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Callable

from vncproxy.rfb.pixel_format import PixelFormat

BYTES = 4
_CODES = {1: "B", 2: "H", 4: "I"}
_COLOUR = struct.Struct(">HHH")


class Pixels:
    """Of one format and, if that has one, of one colour map."""

    def __init__(self, pixel_format: PixelFormat, colour_map: bytes = b"") -> None:
        """Prepare for a format.

        Args:
            pixel_format: That of the pixels.
            colour_map: SetColourMapEntries as on the wire; missing colours are black.
        """
        self.bytes_per_pixel = pixel_format.bytes_per_pixel
        self.packed = pixel_format.tpixel_bytes == 3
        """Whether Tight's pixels are red, green and blue already."""
        self._format = pixel_format
        self._swap = pixel_format.big_endian != (sys.byteorder == "big")
        self._colours = {} if pixel_format.true_colour else _colours(colour_map)
        self._known: dict[int, bytes] = {}
        self._order = _byte_order(pixel_format)

    def rgbx(self, data: bytes) -> bytes:
        """Pixels of the format, converted."""
        if self._order is None:
            values = self.values(data)
            for value in set(values) - self._known.keys():
                self._known[value] = bytes((*self._colour(value), 0))
            return b"".join(map(self._known.__getitem__, values))
        if self._order == (0, 1, 2):
            return data
        out = bytearray(len(data))
        for to, at in enumerate(self._order):
            out[to::BYTES] = data[at::BYTES]
        return bytes(out)

    def rgb(self, data: bytes) -> bytes:
        """Tight's pixels, converted to three bytes each. Source: rfbproto, Tight Encoding."""
        if self.packed:
            return data
        wide = self.rgbx(data)
        out = bytearray(len(wide) // BYTES * 3)
        for channel in range(3):
            out[channel::3] = wide[channel::BYTES]
        return bytes(out)

    def values(self, data: bytes) -> array[int]:
        """Pixels as numbers."""
        values = array(_CODES[self.bytes_per_pixel])
        values.frombytes(data)
        if self._swap:
            values.byteswap()
        return values

    def ungradient(self, data: bytes, width: int, height: int) -> bytes:
        """RGB of pixels that hold differences from a gradient.

        Source: rfbproto, Tight Encoding (gradient filter).
        """
        form = self._format
        maxima = (form.red_max, form.green_max, form.blue_max)
        shifts = (form.red_shift, form.green_shift, form.blue_shift)
        if self.packed:
            rows: list[list[int]] = [list(data[at::3]) for at in range(3)]
        else:
            values = self.values(data)
            rows = [
                [value >> shift & top for value in values]
                for shift, top in zip(shifts, maxima, strict=True)
            ]
        out = bytearray(width * height * 3)
        for channel, (differences, top) in enumerate(zip(rows, maxima, strict=True)):
            plain = _plain(differences, width, height, top)
            out[channel::3] = bytes(plain if top == 255 else [_scaled(v, top) for v in plain])
        return bytes(out)

    def _colour(self, value: int) -> tuple[int, int, int]:
        form = self._format
        if not form.true_colour:
            return self._colours.get(value, (0, 0, 0))
        return (
            _scaled(value >> form.red_shift & form.red_max, form.red_max),
            _scaled(value >> form.green_shift & form.green_max, form.green_max),
            _scaled(value >> form.blue_shift & form.blue_max, form.blue_max),
        )


def _scaled(value: int, top: int) -> int:
    return (value * 255 + top // 2) // top if top else 0


def _byte_order(form: PixelFormat) -> tuple[int, int, int] | None:
    """Where red, green and blue are among a pixel's bytes; None if they aren't whole bytes."""
    shifts = (form.red_shift, form.green_shift, form.blue_shift)
    whole = (
        form.true_colour
        and form.bits_per_pixel == 32
        and form.red_max == form.green_max == form.blue_max == 255
        and all(shift % 8 == 0 for shift in shifts)
    )
    if not whole:
        return None
    red, green, blue = (3 - s // 8 if form.big_endian else s // 8 for s in shifts)
    return red, green, blue


def _colours(colour_map: bytes) -> dict[int, tuple[int, int, int]]:
    if not colour_map:
        return {}
    first, count = struct.unpack_from(">HH", colour_map, 2)
    entries = (_COLOUR.unpack_from(colour_map, 6 + 6 * number) for number in range(count))
    return {first + n: (r >> 8, g >> 8, b >> 8) for n, (r, g, b) in enumerate(entries)}


def _plain(differences: list[int], width: int, height: int, top: int) -> list[int]:
    """One channel, with the gradient added."""
    above = [0] * width
    out: list[int] = []
    clip: Callable[[int], int] = lambda value: min(max(value, 0), top)  # noqa: E731
    for row in range(height):
        left = corner = 0
        current = []
        for column in range(width):
            guess = clip(above[column] + left - corner)
            corner = above[column]
            left = (guess + differences[row * width + column]) & top
            current.append(left)
        out += current
        above = current
    return out
