"""The layout of Tight and TightPNG rectangles; pixels are never decoded.

Source: rfbproto, Tight Encoding and Tight PNG Encoding.
"""

from __future__ import annotations

import struct
from enum import Enum

from msgspec import Struct

from vncproxy.rfb.encodings import CURSOR_WITH_ALPHA, TIGHT, TIGHT_PNG
from vncproxy.rfb.pixel_format import PixelFormat
from vncproxy.rfb.wire_error import WireError

COMPACT_LIMIT = 1 << 22
"""What a compact length can't reach, in bytes."""

ALPHA_PIXEL_BYTES = 4
"""A pixel, and a TPIXEL, of a cursor with alpha: 32 bits of which all count, so none is left out.
Source: rfbproto, Cursor With Alpha Pseudo-encoding."""

_EXPLICIT_FILTER = 4
_MIN_TO_COMPRESS = 12
_ENCODING = struct.Struct(">i")


class TightKind(Enum):
    """How a rectangle's pixels are stored."""

    FILL = "fill"
    JPEG = "jpeg"
    PNG = "png"
    BASIC = "basic"


class TightFilter(Enum):
    """What was done to the pixels of a basic rectangle before they were deflated."""

    COPY = 0
    PALETTE = 1
    GRADIENT = 2


class TightLayout(Struct, frozen=True, gc=False):
    """Where the parts of a complete rectangle's data are.

    Args:
        kind: How the rectangle is encoded.
        stream: The zlib stream it uses, meaningful only with `zlib`.
        resets: Bits of the streams that are reset first.
        filter: What was done to the pixels before they were deflated.
        control_at: Offset of the compression-control byte.
        length_at: Offset of the compact length, or of the pixels where there is none.
        data_at: Offset of the pixels, image or zlib data.
        size: Bytes of the pixels once inflated, 0 for an image.
        zlib: Whether it carries zlib data.
    """

    kind: TightKind
    stream: int
    resets: int
    filter: TightFilter
    control_at: int
    length_at: int
    data_at: int
    size: int
    zlib: bool


def measure(
    buffer: bytes | memoryview,
    at: int,
    end: int,
    width: int,
    height: int,
    pixel_bytes: int,
    tpixel_bytes: int,
    png: bool,
) -> int:
    """The length in bytes of the data that starts at `at`, or minus the bytes needed to know it.

    Raises:
        WireError: What neither encoding allows.
    """
    return measured(buffer, at, end, width, height, pixel_bytes, tpixel_bytes, png)[0]


def measured(
    buffer: bytes | memoryview,
    at: int,
    end: int,
    width: int,
    height: int,
    pixel_bytes: int,
    tpixel_bytes: int,
    png: bool,
    control_at: int = 0,
) -> tuple[int, TightLayout | None]:
    """As `measure`, and as soon as the length is known the layout, by one look at the head.

    Its offsets count from `control_at` bytes before `at`.

    Raises:
        WireError: What neither encoding allows.
    """
    have = end - at
    head = _head(buffer, at, have, width, height, pixel_bytes, tpixel_bytes, png)
    if isinstance(head, int):
        return head, None
    kind, tight_filter, length_at, size = head
    control = buffer[at]
    basic = kind is TightKind.BASIC
    zlib = basic and size >= _MIN_TO_COMPRESS
    data_at = length_at
    if kind is TightKind.FILL or (basic and not zlib):
        length = size
    else:
        length, data_at = _compact(buffer, at, have, length_at)
        if not length:
            return -data_at, None
    return data_at + length, TightLayout(
        kind,
        control >> 4 & 3 if basic else 0,
        control & 15,
        tight_filter,
        control_at,
        control_at + length_at,
        control_at + data_at,
        size,
        zlib,
    )


def layout(
    encoding: int, width: int, height: int, data: bytes, pixel_format: PixelFormat
) -> TightLayout | None:
    """The layout of a rectangle that the stream delivered, or None where it isn't Tight.

    A cursor with alpha may hold Tight data too, and then shares the four streams.
    """
    control_at = 0
    pixel_bytes, tpixel_bytes = pixel_format.bytes_per_pixel, pixel_format.tpixel_bytes
    if encoding == CURSOR_WITH_ALPHA:
        (encoding,) = _ENCODING.unpack_from(data)
        control_at = 4
        pixel_bytes = tpixel_bytes = ALPHA_PIXEL_BYTES
    if encoding not in (TIGHT, TIGHT_PNG):
        return None
    png = encoding == TIGHT_PNG
    end = len(data)
    _, found = measured(
        data, control_at, end, width, height, pixel_bytes, tpixel_bytes, png, control_at
    )
    if found is None:
        raise AssertionError("the stream delivers complete rectangles only")
    return found


def with_resets(data: bytes, mask: int, control_at: int = 0) -> bytes:
    """The same rectangle, which resets the streams of `mask` as well before it is decoded."""
    control = data[control_at]
    if control | mask == control:
        return data
    return b"".join((data[:control_at], bytes((control | mask,)), data[control_at + 1 :]))


def compact_length(length: int) -> bytes:
    """A length of less than `COMPACT_LIMIT` in one, two or three bytes."""
    if length < 1 << 7:
        return bytes((length,))
    if length < 1 << 14:
        return bytes((length & 127 | 128, length >> 7))
    return bytes((length & 127 | 128, length >> 7 & 127 | 128, length >> 14))


def _head(
    buffer: bytes | memoryview,
    at: int,
    have: int,
    width: int,
    height: int,
    pixel_bytes: int,
    tpixel_bytes: int,
    png: bool,
) -> int | tuple[TightKind, TightFilter, int, int]:
    """Minus the bytes needed, or kind, filter, length of what precedes the pixels, their size."""
    if have < 1:
        return -1
    control = buffer[at] >> 4
    if control == 8:
        return TightKind.FILL, TightFilter.COPY, 1, tpixel_bytes
    if control == 9:
        if pixel_bytes == 1:
            raise WireError("Tight JPEG with 8 bits per pixel")
        return TightKind.JPEG, TightFilter.COPY, 1, 0
    if png:
        if control != 10:
            raise WireError(f"TightPNG compression {control}")
        return TightKind.PNG, TightFilter.COPY, 1, 0
    if control > 9:
        raise WireError(f"Tight compression {control}")
    if not control & _EXPLICIT_FILTER:
        return TightKind.BASIC, TightFilter.COPY, 1, width * height * tpixel_bytes
    if have < 2:
        return -2
    number = buffer[at + 1]
    if number == 1:
        if have < 3:
            return -3
        colours = buffer[at + 2] + 1
        # A palette of one colour isn't in the specification; viewers read it as one bit a pixel.
        row = (width + 7) // 8 if colours <= 2 else width
        return TightKind.BASIC, TightFilter.PALETTE, 3 + colours * tpixel_bytes, row * height
    if number == 2 and pixel_bytes == 1:
        raise WireError("Tight gradient filter with 8 bits per pixel")
    if number > 2:
        raise WireError(f"Tight filter {number}")
    return TightKind.BASIC, TightFilter(number), 2, width * height * tpixel_bytes


def _compact(buffer: bytes | memoryview, at: int, have: int, length_at: int) -> tuple[int, int]:
    """Length and offset of what follows; or 0 and the bytes needed to know them."""
    if have <= length_at:
        return 0, length_at + 1
    byte = buffer[at + length_at]
    length = byte & 127
    data_at = length_at + 1
    if byte & 128:
        if have <= data_at:
            return 0, data_at + 1
        byte = buffer[at + data_at]
        length |= (byte & 127) << 7
        data_at += 1
        if byte & 128:
            if have <= data_at:
                return 0, data_at + 1
            length |= buffer[at + data_at] << 14
            data_at += 1
    if not length:
        raise WireError("Tight data of length 0")
    return length, data_at
