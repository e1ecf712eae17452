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
_FILL = 8
_PALETTE = 1
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


_BASIC, _COPY = TightKind.BASIC, TightFilter.COPY


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
    # In one piece: this is most of what a small rectangle costs.
    have = end - at
    if have < 1:
        return -1, None
    control = buffer[at]
    compression, resets, head_at = control >> 4, control & 15, control_at + 1
    if compression == _FILL:
        kind, plain, size = TightKind.FILL, TightFilter.COPY, tpixel_bytes
        found = TightLayout(kind, 0, resets, plain, control_at, head_at, head_at, size, False)
        return 1 + size, found
    kind, stream, tight_filter, length_at = _BASIC, compression & 3, _COPY, 1
    size = width * height * tpixel_bytes
    if compression > _FILL or png:
        kind, stream, size = _image(compression, pixel_bytes, png), 0, 0
    elif compression & _EXPLICIT_FILTER:
        if have < 2:
            return -2, None
        if buffer[at + 1] == _PALETTE:
            if have < 3:
                return -3, None
            colours = buffer[at + 2] + 1
            # One of a single colour isn't in the specification; viewers read it as a bit a pixel.
            row_bytes = (width + 7) // 8 if colours <= 2 else width
            tight_filter, length_at = TightFilter.PALETTE, 3 + colours * tpixel_bytes
            size = row_bytes * height
        else:
            tight_filter, length_at = _filter(buffer[at + 1], pixel_bytes), 2
    length_from = control_at + length_at
    if kind is _BASIC and size < _MIN_TO_COMPRESS:
        return length_at + size, TightLayout(
            kind, stream, resets, tight_filter, control_at, length_from, length_from, size, False
        )
    if have <= length_at:
        return -length_at - 1, None
    # The compact length: seven bits, seven more, and eight.
    length = buffer[at + length_at]
    data_at = length_at + 1
    if length & 128:
        if have <= data_at:
            return -data_at - 1, None
        byte = buffer[at + data_at]
        length = length & 127 | (byte & 127) << 7
        data_at += 1
        if byte & 128:
            if have <= data_at:
                return -data_at - 1, None
            length |= buffer[at + data_at] << 14
            data_at += 1
    if not length:
        raise WireError("Tight data of length 0")
    return data_at + length, TightLayout(
        kind,
        stream,
        resets,
        tight_filter,
        control_at,
        length_from,
        control_at + data_at,
        size,
        kind is _BASIC,
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


def _image(control: int, pixel_bytes: int, png: bool) -> TightKind:
    """The kind of a rectangle that isn't of one colour or, but in TightPNG, basic."""
    if control == 9:
        if pixel_bytes == 1:
            raise WireError("Tight JPEG with 8 bits per pixel")
        return TightKind.JPEG
    if png:
        if control != 10:
            raise WireError(f"TightPNG compression {control}")
        return TightKind.PNG
    raise WireError(f"Tight compression {control}")


def _filter(number: int, pixel_bytes: int) -> TightFilter:
    """The filter of this number, which isn't a palette."""
    if number == 2 and pixel_bytes == 1:
        raise WireError("Tight gradient filter with 8 bits per pixel")
    if number > 2:
        raise WireError(f"Tight filter {number}")
    return TightFilter(number)
