"""Pixels in the client's format."""

from __future__ import annotations

import struct

import pytest

from tests.real.rfb_client import PIXELS_8, PIXELS_16, PIXELS_32
from vncproxy.simulator.screen import palette
from vncproxy.simulator.screen.pixels import Packer, WireFormat

MARKER = bytes((palette.index("marker"),))
"""255, 132, 52."""


@pytest.mark.parametrize("packed", [PIXELS_8, PIXELS_16, PIXELS_32])
def test_a_format_survives_the_wire(packed: bytes) -> None:
    """Unpacked and packed again."""
    assert WireFormat.unpack(packed).pack() == packed


def test_the_default_is_blue_green_red() -> None:
    """32 bits, little-endian; a TPIXEL is red, green, blue."""
    packer = Packer(WireFormat())
    assert packer.pixels(MARKER) == bytes((52, 132, 255, 0))
    assert packer.tight_pixels(MARKER * 2) == bytes((255, 132, 52)) * 2


@pytest.mark.parametrize(
    ("packed", "expected"),
    [
        (PIXELS_16, struct.pack("<H", 31 << 11 | 33 << 5 | 6)),
        (PIXELS_8, bytes((7 | 4 << 3 | 1 << 6,))),
        (struct.pack(">BBBBHHHBBBxxx", 16, 16, 1, 1, 31, 63, 31, 11, 5, 0), b"\xfc\x26"),
        (struct.pack(">BBBBHHHBBBxxx", 32, 24, 1, 1, 255, 255, 255, 0, 8, 16), b"\0\x34\x84\xff"),
    ],
)
def test_other_formats_are_scaled(packed: bytes, expected: bytes) -> None:
    """To each channel's maximum, in its place and byte order."""
    packer = Packer(WireFormat.unpack(packed))
    assert packer.pixels(MARKER) == expected


def test_a_tight_pixel_is_a_pixel_unless_all_is_right() -> None:
    """Depth 32 isn't depth 24."""
    packer = Packer(WireFormat(depth=32))
    assert packer.tight_pixels(MARKER) == packer.pixels(MARKER)


def test_a_client_without_true_colour_gets_the_palette() -> None:
    """As a colour map, and pixels that are indices into it."""
    packer = Packer(WireFormat(8, 8, true_colour=False))
    assert packer.pixels(b"\1\2") == b"\1\2"
    message = packer.colour_map()
    kind, first, count = struct.unpack(">BxHH", message[:6])
    assert (kind, first, count) == (1, 0, len(palette.COLOURS))
    assert len(message) == 6 + 6 * count
    at = 6 + 6 * palette.index("white")
    assert message[at : at + 6] == b"\xff" * 6
