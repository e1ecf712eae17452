"""How long a rectangle's data is, for every encoding but Hextile.

Source: RFC 6143, sections 7.7 and 7.8; rfbproto, Encodings and Pseudo-encodings.
"""

from __future__ import annotations

import struct

from vncproxy.rfb import tight
from vncproxy.rfb.encodings import (
    COPY_RECT,
    CURSOR,
    CURSOR_WITH_ALPHA,
    DESKTOP_NAME,
    DESKTOP_SIZE,
    EXTENDED_DESKTOP_SIZE,
    EXTENDED_MOUSE_BUTTONS,
    HEXTILE,
    QEMU_AUDIO,
    QEMU_EXTENDED_KEY,
    QEMU_LED_STATE,
    QEMU_POINTER_MOTION,
    RAW,
    RRE,
    TIGHT,
    TIGHT_PNG,
    VMWARE_CURSOR,
    X_CURSOR,
    ZLIB,
    ZRLE,
)
from vncproxy.rfb.wire_error import UnknownError, WireError

MAX_RECTANGLE_BYTES = 64 << 20
"""The longest rectangle that is held whole; a raw 4K screen has 32 MiB."""

MAX_CURSOR_SIDE = 1024
"""Cursors of QEMU have at most 512 pixels a side, TigerVNC takes at most 256."""

MAX_SIDE = 16384
MAX_PIXELS = 64 << 20

PICTURES = frozenset({RAW, COPY_RECT, RRE, HEXTILE, ZLIB, TIGHT, TIGHT_PNG, ZRLE})
"""Encodings that change pixels of the framebuffer, whether or not they are ever asked for."""

_NO_DATA = frozenset(
    {DESKTOP_SIZE, QEMU_POINTER_MOTION, QEMU_EXTENDED_KEY, QEMU_AUDIO, EXTENDED_MOUSE_BUTTONS}
)
_CURSORS = frozenset({CURSOR, X_CURSOR, CURSOR_WITH_ALPHA, VMWARE_CURSOR})
_U32 = struct.Struct(">I")
_S32 = struct.Struct(">i")
_POSITION = struct.Struct(">HH")


def check_framebuffer(width: int, height: int) -> None:
    """Refuse a framebuffer larger than the daemon follows.

    Raises:
        WireError: It is.
    """
    if width > MAX_SIDE or height > MAX_SIDE or width * height > MAX_PIXELS:
        raise WireError(f"a framebuffer of {width} by {height}")


def measure(
    encoding: int,
    width: int,
    height: int,
    pixel_bytes: int,
    tpixel_bytes: int,
    buffer: bytes | memoryview,
    at: int,
    end: int,
) -> int:
    """The length in bytes of the data that starts at `at`, or minus the bytes needed to know it.

    Raises:
        WireError: An unknown encoding, or what its rules don't allow.
    """
    if encoding in (TIGHT, TIGHT_PNG):
        png = encoding == TIGHT_PNG
        return tight.measure(buffer, at, end, width, height, pixel_bytes, tpixel_bytes, png)
    if encoding == RAW:
        return width * height * pixel_bytes
    if encoding == COPY_RECT:
        return 4
    if encoding in _NO_DATA:
        return 0
    if encoding == QEMU_LED_STATE:
        return 1
    if encoding in _CURSORS:
        return _cursor(encoding, width, height, pixel_bytes, buffer, at, end)
    if end - at < 4:
        if encoding not in (RRE, ZLIB, ZRLE, DESKTOP_NAME, EXTENDED_DESKTOP_SIZE):
            raise UnknownError(f"unknown encoding {encoding}")
        return -4
    return _counted(encoding, pixel_bytes, buffer, at)


def check_copy(
    data: bytes, width: int, height: int, framebuffer_width: int, framebuffer_height: int
) -> None:
    """Refuse a CopyRect from outside the framebuffer.

    Args:
        data: Of the rectangle: the position that it copies from.
        width: Of the rectangle, in pixels.
        height: The same.
        framebuffer_width: In pixels.
        framebuffer_height: In pixels.

    Raises:
        WireError: It is one.
    """
    x, y = _POSITION.unpack(data)
    if x + width > framebuffer_width or y + height > framebuffer_height:
        raise WireError("CopyRect from outside the framebuffer")


def check_cursor(width: int, height: int) -> None:
    """Refuse a cursor larger than any is.

    Raises:
        WireError: It is.
    """
    if width > MAX_CURSOR_SIDE or height > MAX_CURSOR_SIDE:
        raise WireError(f"a cursor of {width} by {height}")


def alpha_encoding(buffer: bytes | memoryview, at: int) -> int:
    """The encoding of a cursor with alpha, whose data follows it.

    Raises:
        WireError: It can't encode a picture of its own.
    """
    encoding: int = _S32.unpack_from(buffer, at)[0]
    if encoding not in PICTURES or encoding == COPY_RECT:
        raise WireError(f"a cursor in encoding {encoding}")
    return encoding


def _cursor(
    encoding: int,
    width: int,
    height: int,
    pixel_bytes: int,
    buffer: bytes | memoryview,
    at: int,
    end: int,
) -> int:
    check_cursor(width, height)
    mask = (width + 7) // 8 * height
    if encoding == CURSOR:
        return width * height * pixel_bytes + mask
    if encoding == X_CURSOR:
        return 6 + 2 * mask if mask else 0
    if encoding == VMWARE_CURSOR:
        if end - at < 1:
            return -1
        if buffer[at] > 1:
            raise WireError(f"VMware cursor type {buffer[at]}")
        return 2 + width * height * (4 if buffer[at] else 2 * pixel_bytes)
    if end - at < 4:
        return -4
    inner = alpha_encoding(buffer, at)
    alpha = tight.ALPHA_PIXEL_BYTES
    length = measure(inner, width, height, alpha, alpha, buffer, at + 4, end)
    return length + 4 if length >= 0 else length - 4


def _counted(encoding: int, pixel_bytes: int, buffer: bytes | memoryview, at: int) -> int:
    count: int = _U32.unpack_from(buffer, at)[0]
    if encoding in (ZLIB, ZRLE):
        return 4 + count
    if encoding == RRE:
        return 4 + pixel_bytes + count * (pixel_bytes + 8)
    if encoding == EXTENDED_DESKTOP_SIZE:
        return 4 + 16 * buffer[at]
    if encoding == DESKTOP_NAME:
        return 4 + count
    raise UnknownError(f"unknown encoding {encoding}")
