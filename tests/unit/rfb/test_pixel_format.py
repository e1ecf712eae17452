"""The layout of a pixel."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vncproxy.rfb.pixel_format import SIZE, PixelFormat

U8, U16 = st.integers(0, 255), st.integers(0, 65535)
FORMATS = st.builds(
    PixelFormat,
    bits_per_pixel=st.sampled_from([8, 16, 32]),
    depth=U8,
    big_endian=st.booleans(),
    true_colour=st.booleans(),
    red_max=U16,
    green_max=U16,
    blue_max=U16,
    red_shift=st.integers(0, 31),
    green_shift=st.integers(0, 31),
    blue_shift=st.integers(0, 31),
)


@given(FORMATS)
def test_packing_and_unpacking(pixels: PixelFormat) -> None:
    """Sixteen bytes hold all of it."""
    assert len(pixels.pack()) == SIZE
    assert PixelFormat.unpack(pixels.pack()) == pixels


def test_the_bytes_of_rfc_6143() -> None:
    """Section 7.4: the fields in their order, three bytes of padding."""
    wanted = struct.pack(">BBBBHHHBBBxxx", 32, 24, 0, 1, 255, 255, 255, 16, 8, 0)
    assert PixelFormat().pack() == wanted


@given(st.binary(min_size=SIZE, max_size=SIZE))
def test_any_bytes(data: bytes) -> None:
    """They are a pixel format, or refused by ValueError."""
    try:
        pixels = PixelFormat.unpack(data)
    except ValueError:
        return
    assert pixels.bytes_per_pixel in (1, 2, 4)


@pytest.mark.parametrize("bits", [0, 1, 24, 64])
def test_sizes_that_no_pixel_has(bits: int) -> None:
    """Only 8, 16 and 32 bits."""
    with pytest.raises(ValueError, match="bits per pixel"):
        PixelFormat(bits_per_pixel=bits)


def test_a_shift_beyond_the_pixel() -> None:
    """It would leave nothing of the colour."""
    with pytest.raises(ValueError, match="shift"):
        PixelFormat(green_shift=32)
    assert PixelFormat(green_shift=31).green_shift == 31
    assert PixelFormat(8, 8, true_colour=False, green_shift=255).green_shift == 255, "not looked at"


def test_tpixels() -> None:
    """Three bytes only for 32 bits, depth 24 and full colours. Source: rfbproto, Tight Encoding."""
    assert PixelFormat().tpixel_bytes == 3
    assert PixelFormat(depth=32).tpixel_bytes == 4
    assert PixelFormat(red_max=127).tpixel_bytes == 4
    assert PixelFormat(true_colour=False).tpixel_bytes == 4
    assert PixelFormat(bits_per_pixel=16, depth=16).tpixel_bytes == 2
    assert PixelFormat(bits_per_pixel=16, depth=24).tpixel_bytes == 2
    assert PixelFormat(bits_per_pixel=8, depth=8).tpixel_bytes == 1
