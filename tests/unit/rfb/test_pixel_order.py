"""Pixels rearranged from one order of bytes to another."""

from __future__ import annotations

import struct

import pytest
from msgspec.structs import replace

from vncproxy.rfb import encodings as enc
from vncproxy.rfb.pixel_format import PixelFormat
from vncproxy.rfb.pixel_order import PixelOrder
from vncproxy.rfb.server_events import RectangleReceived

NATIVE = PixelFormat()
BROWSER = PixelFormat(red_shift=0, green_shift=8, blue_shift=16)
HIGH = PixelFormat(red_shift=24, green_shift=16, blue_shift=8)
BIG = PixelFormat(big_endian=True)
FORMATS = (NATIVE, BROWSER, HIGH, BIG)


def packed(pixels: PixelFormat, *colours: tuple[int, int, int]) -> bytes:
    """Pixels of these colours; what is left over of each is 0."""
    kind = ">I" if pixels.big_endian else "<I"
    return b"".join(
        struct.pack(
            kind,
            red << pixels.red_shift | green << pixels.green_shift | blue << pixels.blue_shift,
        )
        for red, green, blue in colours
    )


COLOURS = ((1, 2, 3), (255, 0, 9), (0, 0, 0))


@pytest.mark.parametrize("old", FORMATS)
@pytest.mark.parametrize("new", FORMATS)
def test_colours_stay_what_they_are(old: PixelFormat, new: PixelFormat) -> None:
    """In every order of the bytes, and in either endianness."""
    order = PixelOrder.between(old, new)
    assert order is not None
    assert order.pixels(packed(old, *COLOURS)) == packed(new, *COLOURS)


@pytest.mark.parametrize(
    "other",
    [
        PixelFormat(bits_per_pixel=16, depth=16, red_max=31, green_max=63, blue_max=31),
        PixelFormat(bits_per_pixel=8, depth=8, red_max=7, green_max=7, blue_max=3),
        PixelFormat(depth=32),
        PixelFormat(red_max=127),
        PixelFormat(true_colour=False),
        PixelFormat(red_shift=17),
        PixelFormat(red_shift=8),
    ],
)
def test_other_pixels_are_not_a_matter_of_order(other: PixelFormat) -> None:
    """Fewer bits, colours that overlap or share a byte, a colour map."""
    assert PixelOrder.between(NATIVE, other) is None
    assert PixelOrder.between(other, NATIVE) is None


def test_of_a_rectangle_only_the_pixels_are_rearranged() -> None:
    """Raw and cursors; a cursor's mask, coordinates and Tight stay."""
    order = PixelOrder.between(NATIVE, BROWSER)
    assert order is not None
    old, new = packed(NATIVE, *COLOURS), packed(BROWSER, *COLOURS)
    for encoding, before, after in (
        (enc.RAW, old, new),
        (enc.CURSOR, old + b"\xe0", new + b"\xe0"),
        (enc.VMWARE_CURSOR, b"\0\0" + old + old, b"\0\0" + new + new),
        (enc.VMWARE_CURSOR, b"\1\0" + old, b"\1\0" + old),
        (enc.COPY_RECT, b"\0\1\0\2", b"\0\1\0\2"),
        (enc.TIGHT, b"\x80abc", b"\x80abc"),
        (enc.X_CURSOR, b"abcdef\1\1", b"abcdef\1\1"),
    ):
        rect = RectangleReceived(0, 0, 3, 1, encoding, before)
        assert order.knows(encoding)
        assert order.rectangle(rect) == after
        assert order.message(rect) == replace(rect, data=after).message_bytes
    assert not order.knows(enc.HEXTILE)
    assert not order.knows(enc.RRE)
