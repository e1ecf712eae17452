"""Pixels on the wire, in whatever format the client asked for.

Source: RFC 6143, sections 7.4 and 7.5.1; rfbproto, Tight Encoding (TPIXEL).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from vncproxy.simulator.screen import palette

_LAYOUT = struct.Struct(">BBBBHHHBBBxxx")


@dataclass(frozen=True, slots=True)
class WireFormat:
    """RFC 6143's PIXEL_FORMAT."""

    bits: int = 32
    depth: int = 24
    big_endian: bool = False
    true_colour: bool = True
    maxima: tuple[int, int, int] = (255, 255, 255)
    shifts: tuple[int, int, int] = (16, 8, 0)

    @classmethod
    def unpack(cls, data: bytes) -> WireFormat:
        """Read 16 bytes."""
        bits, depth, big, true, *rest = _LAYOUT.unpack(data)
        red, green, blue, red_shift, green_shift, blue_shift = rest
        return cls(
            bits,
            depth,
            bool(big),
            bool(true),
            (red, green, blue),
            (red_shift, green_shift, blue_shift),
        )

    def pack(self) -> bytes:
        """The 16 bytes."""
        return _LAYOUT.pack(
            self.bits, self.depth, self.big_endian, self.true_colour, *self.maxima, *self.shifts
        )

    @property
    def packs_three_bytes(self) -> bool:
        """Whether a TPIXEL is red, green, blue in three bytes."""
        return (
            self.true_colour
            and self.bits == 32
            and self.depth == 24
            and self.maxima == (255, 255, 255)
        )

    def value(self, index: int) -> int:
        """The pixel of a palette index."""
        if not self.true_colour:
            return index
        total = 0
        colour = palette.COLOURS[index] if index < len(palette.COLOURS) else (0, 0, 0)
        for part, maximum, shift in zip(colour, self.maxima, self.shifts, strict=True):
            total |= (part * maximum + 127) // 255 << shift
        return total & ((1 << self.bits) - 1)


class Packer:
    """Turns palette indices into the wire's pixels, a byte plane at a time."""

    def __init__(self, wire: WireFormat) -> None:
        self.wire = wire
        self.pixel_bytes = wire.bits // 8
        order = "big" if wire.big_endian else "little"
        pixels = [
            wire.value(i).to_bytes(self.pixel_bytes, "big" if order == "big" else "little")
            for i in range(256)
        ]
        self._planes = [bytes(p[at] for p in pixels) for at in range(self.pixel_bytes)]

    def pixels(self, indices: bytes) -> bytes:
        """PIXELs."""
        return _interleave(indices, self._planes)

    def tight_pixels(self, indices: bytes) -> bytes:
        """TPIXELs."""
        if self.wire.packs_three_bytes:
            return _interleave(indices, palette.PLANES)
        return self.pixels(indices)

    def colour_map(self) -> bytes:
        """SetColourMapEntries with the whole palette, for a client without true colour."""
        entries = b"".join(
            struct.pack(">3H", *(part * 257 for part in colour)) for colour in palette.COLOURS
        )
        return struct.pack(">BxHH", 1, 0, len(palette.COLOURS)) + entries


def _interleave(indices: bytes, planes: tuple[bytes, ...] | list[bytes]) -> bytes:
    if len(planes) == 1:
        return indices.translate(planes[0])
    out = bytearray(len(indices) * len(planes))
    for at, plane in enumerate(planes):
        out[at :: len(planes)] = indices.translate(plane)
    return bytes(out)
