"""Layouts and lengths of Tight rectangles."""

from __future__ import annotations

import random
import struct

import pytest

from tests.property.server_messages import tight as some_tight
from vncproxy.rfb.pixel_format import PixelFormat
from vncproxy.rfb.tight import (
    TightFilter,
    TightKind,
    TightLayout,
    compact_length,
    layout,
    measure,
    with_resets,
)
from vncproxy.rfb.wire_error import WireError

FORMAT = PixelFormat()
BYTE_FORMAT = PixelFormat(8, 8, red_max=7, green_max=7, blue_max=3)


def length(data: bytes, width: int = 10, height: int = 6, png: bool = False) -> int:
    return measure(data, 0, len(data), width, height, 4, 3, png)


def seen(data: bytes, width: int = 10, height: int = 6, encoding: int = 7) -> TightLayout:
    found = layout(encoding, width, height, data, FORMAT)
    assert found is not None
    return found


@pytest.mark.parametrize("value", [1, 127, 128, 10000, 16383, 16384, 4194303])
def test_compact_lengths_there_and_back(value: int) -> None:
    """A length is written in as few bytes as rfbproto says, and read back."""
    written = compact_length(value)
    assert len(written) == 1 + (value > 127) + (value > 16383)
    assert length(b"\x90" + written) == 1 + len(written) + value


def test_the_example_of_rfbproto() -> None:
    """10000 is 90 4E."""
    assert compact_length(10000) == b"\x90\x4e"


@pytest.mark.parametrize("png", [False, True])
def test_lengths_with_any_prefix(png: bool) -> None:
    """Each prefix of the data either gives the length or asks for more than it has."""
    rng = random.Random(1)
    for _ in range(200):
        width, height = rng.randrange(30), rng.randrange(30)
        data = some_tight(rng, width, height, png)
        for have in range(min(len(data), 800)):
            found = length(data[:have], width, height, png)
            assert found == len(data) or have < -found <= len(data)
        assert length(data, width, height, png) == len(data)


def test_a_fill() -> None:
    """One TPIXEL."""
    assert seen(b"\x85abc") == TightLayout(
        TightKind.FILL, 0, 5, TightFilter.COPY, 0, 1, 1, 3, False
    )


def test_an_image() -> None:
    """The image starts behind its length."""
    jpeg = seen(b"\x90\x02ab")
    assert (jpeg.kind, jpeg.length_at, jpeg.data_at, jpeg.zlib) == (TightKind.JPEG, 1, 2, False)
    assert seen(b"\xa0\x02ab", encoding=-260).kind is TightKind.PNG


def test_basic_data() -> None:
    """Without a filter byte the pixels are as they are, deflated from 12 bytes on."""
    assert seen(b"\x21\x03zzz", 2, 2) == TightLayout(
        TightKind.BASIC, 2, 1, TightFilter.COPY, 0, 1, 2, 12, True
    )
    small = seen(b"\x20" + bytes(9), 3, 1)
    assert (small.size, small.zlib, small.data_at) == (9, False, 1)
    assert length(b"\x20", 3, 1) == 10


def test_filters() -> None:
    """A palette of two takes a bit a pixel, a larger one a byte; a gradient a TPIXEL."""
    two = seen(b"\x50\x01\x01" + bytes(6) + b"\x03zzz", 10, 6)
    assert (two.stream, two.filter, two.size) == (1, TightFilter.PALETTE, 12)
    assert (two.length_at, two.data_at) == (9, 10)
    many = seen(b"\x60\x01\xff" + bytes(768) + b"\x03zzz", 10, 6)
    assert (many.size, many.data_at) == (60, 772)
    gradient = seen(b"\x70\x02\x03zzz", 10, 6)
    assert (gradient.stream, gradient.filter, gradient.size) == (3, TightFilter.GRADIENT, 180)
    assert seen(b"\x40\x00\x03zzz", 10, 6).filter is TightFilter.COPY
    single = seen(b"\x50\x01\x01" + bytes(6) + bytes(3), 8, 3)
    assert (single.size, single.zlib) == (3, False)


def test_an_alpha_cursor_may_hold_tight() -> None:
    """Its pixels have four bytes, and the control byte stands behind the inner encoding."""
    found = layout(-314, 2, 2, struct.pack(">i", 7) + b"\x10\x03zzz", FORMAT)
    assert found is not None
    assert (found.control_at, found.data_at, found.size, found.zlib) == (4, 6, 16, True)
    assert layout(-314, 2, 2, struct.pack(">i", 0) + bytes(16), FORMAT) is None


def test_other_encodings_have_no_layout() -> None:
    """Nothing else is Tight."""
    assert layout(0, 1, 1, bytes(4), FORMAT) is None


def test_other_pixel_formats() -> None:
    """A TPIXEL is a whole pixel but for 32 bits of depth 24."""
    assert layout(7, 3, 1, b"\x80a", BYTE_FORMAT) is not None
    deep = layout(7, 2, 2, b"\x00\x03zzz", PixelFormat(depth=32))
    assert deep is not None
    assert deep.size == 16


@pytest.mark.parametrize(
    ("data", "png", "reason"),
    [
        (b"\xa0", False, "compression 10"),
        (b"\xb0", False, "compression 11"),
        (b"\xe0", False, "compression 14"),
        (b"\xff", False, "compression 15"),
        (b"\x00", True, "TightPNG compression 0"),
        (b"\x70", True, "TightPNG compression 7"),
        (b"\xb0", True, "TightPNG compression 11"),
        (b"\x40\x03", False, "filter 3"),
        (b"\x40\xff", False, "filter 255"),
        (b"\x90\x00", False, "length 0"),
        (b"\xa0\x80\x00", True, "length 0"),
        (b"\x00\x00", False, "length 0"),
    ],
)
def test_what_neither_encoding_allows(data: bytes, png: bool, reason: str) -> None:
    """A reserved value is an error that names it, at the byte that tells."""
    assert length(data[:-1], png=png) == -len(data)
    with pytest.raises(WireError, match=reason):
        length(data, png=png)


@pytest.mark.parametrize("data", [b"\x90", b"\x40\x02"])
def test_not_with_bytes_as_pixels(data: bytes) -> None:
    """JPEG and gradient need 16 or 32 bits per pixel."""
    with pytest.raises(WireError, match="8 bits"):
        measure(data, 0, len(data), 10, 6, 1, 1, False)


def test_reset_bits_are_added() -> None:
    """Only the control byte changes, and not at all where the bits are set already."""
    assert with_resets(b"\x21abc", 0b0110) == b"\x27abc"
    data = b"\x2fabc"
    assert with_resets(data, 0b0110) is data
    assert with_resets(b"1234\x10abc", 2, 4) == b"1234\x12abc"
