"""Messages from a client to a server, as the daemon sends them upstream.

Every function gives one whole message and raises struct.error for a number that doesn't fit its
field. Source: RFC 6143, section 7.5; rfbproto, Client to Server Messages.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from vncproxy.rfb.pixel_format import PixelFormat


def set_pixel_format(pixel_format: PixelFormat) -> bytes:
    """SetPixelFormat. No update request may be outstanding when it is sent."""
    return b"\0\0\0\0" + pixel_format.pack()


def set_encodings(encodings: Sequence[int]) -> bytes:
    """SetEncodings, most wanted first."""
    return struct.pack(f">BxH{len(encodings)}i", 2, len(encodings), *encodings)


def update_request(incremental: bool, x: int, y: int, width: int, height: int) -> bytes:
    """FramebufferUpdateRequest."""
    return struct.pack(">BBHHHH", 3, incremental, x, y, width, height)


def key_event(down: bool, keysym: int) -> bytes:
    """KeyEvent."""
    return struct.pack(">BBxxI", 4, down, keysym)


def qemu_key_event(down: bool, keysym: int, keycode: int) -> bytes:
    """QEMU extended key event; the server must have confirmed it."""
    return struct.pack(">BBHII", 255, 0, down, keysym, keycode)


def pointer_event(buttons: int, x: int, y: int) -> bytes:
    """PointerEvent of 6 bytes; bit 7 of `buttons` is the back button, or, where extended buttons
    were confirmed, a marker that must not be set here.
    """
    return struct.pack(">BBHH", 5, buttons, x, y)
