"""How a pixel is laid out. Source: RFC 6143, section 7.4."""

from __future__ import annotations

import struct
from dataclasses import dataclass

_LAYOUT = struct.Struct(">BBBBHHHBBBxxx")
SIZE = 16
"""Bytes of a packed pixel format."""


@dataclass(frozen=True, slots=True)
class PixelFormat:
    """RFC 6143's PIXEL_FORMAT.

    Raises:
        ValueError: Bits per pixel other than 8, 16, 32, or shifts that leave the pixel.
    """

    bits_per_pixel: int = 32
    depth: int = 24
    big_endian: bool = False
    true_colour: bool = True
    red_max: int = 255
    green_max: int = 255
    blue_max: int = 255
    red_shift: int = 16
    green_shift: int = 8
    blue_shift: int = 0

    def __post_init__(self) -> None:
        """Refuse what no client could decode."""
        if self.bits_per_pixel not in (8, 16, 32):
            raise ValueError(f"{self.bits_per_pixel} bits per pixel")
        if self.true_colour and max(self.red_shift, self.green_shift, self.blue_shift) >= 32:
            raise ValueError("a colour shift beyond the pixel")

    @classmethod
    def unpack(cls, data: bytes | bytearray | memoryview) -> PixelFormat:
        """Read the 16 bytes of a PIXEL_FORMAT.

        Raises:
            ValueError: As of the class.
        """
        bpp, depth, big, true, rmax, gmax, bmax, rs, gs, bs = _LAYOUT.unpack(data)
        return cls(bpp, depth, big != 0, true != 0, rmax, gmax, bmax, rs, gs, bs)

    def pack(self) -> bytes:
        """The 16 bytes of a PIXEL_FORMAT."""
        return _LAYOUT.pack(
            self.bits_per_pixel,
            self.depth,
            self.big_endian,
            self.true_colour,
            self.red_max,
            self.green_max,
            self.blue_max,
            self.red_shift,
            self.green_shift,
            self.blue_shift,
        )

    @property
    def bytes_per_pixel(self) -> int:
        """1, 2 or 4."""
        return self.bits_per_pixel // 8

    @property
    def tpixel_bytes(self) -> int:
        """Bytes of a TPIXEL. Source: rfbproto, Tight Encoding."""
        packed = (
            self.true_colour
            and self.bits_per_pixel == 32
            and self.depth == 24
            and self.red_max == self.green_max == self.blue_max == 255
        )
        return 3 if packed else self.bytes_per_pixel
