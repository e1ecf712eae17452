"""Messages from a server to a client, as the daemon sends them to its viewers.

Every function raises struct.error for a number that doesn't fit its field. Source: RFC 6143,
sections 7.3.2, 7.6 and 7.8; rfbproto, Server to Client Messages and Pseudo-encodings.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from vncproxy.rfb.encodings import DESKTOP_SIZE, EXTENDED_DESKTOP_SIZE, LAST_RECT
from vncproxy.rfb.pixel_format import PixelFormat

_COUNTS_KEPT = 64
"""Nearly all updates have so few rectangles."""
OPEN_COUNT = 0xFFFF
"""The rectangle count of an update that LastRect ends."""


@dataclass(frozen=True, slots=True)
class Screen:
    """One head of a multi-head layout."""

    id: int
    x: int
    y: int
    width: int
    height: int
    flags: int = 0

    def pack(self) -> bytes:
        """The 16 bytes of a SCREEN."""
        return struct.pack(">IHHHHI", self.id, self.x, self.y, self.width, self.height, self.flags)


def server_init(width: int, height: int, pixel_format: PixelFormat, name: str) -> bytes:
    """ServerInit: the size, format and name of the desktop."""
    text = name.encode("utf-8", "replace")
    size = struct.pack(">HH", width, height)
    return size + pixel_format.pack() + struct.pack(">I", len(text)) + text


@lru_cache(_COUNTS_KEPT)
def framebuffer_update(count: int | None) -> bytes:
    """The start of a FramebufferUpdate of `count` rectangles; None: any number, then LastRect."""
    return struct.pack(">BxH", 0, OPEN_COUNT if count is None else count)


def rectangle_header(x: int, y: int, width: int, height: int, encoding: int) -> bytes:
    """The 12 bytes before a rectangle's data; all there is of most confirmations."""
    return struct.pack(">HHHHi", x, y, width, height, encoding)


def last_rect() -> bytes:
    """The pseudo-rectangle that ends an update; only to viewers that asked for it."""
    return rectangle_header(0, 0, 0, 0, LAST_RECT)


def desktop_size(width: int, height: int) -> bytes:
    """The pseudo-rectangle with a new size."""
    return rectangle_header(0, 0, width, height, DESKTOP_SIZE)


def extended_desktop_size(
    width: int, height: int, screens: Sequence[Screen] = (), *, reason: int = 0, status: int = 0
) -> bytes:
    """The pseudo-rectangle with a new size and layout.

    Args:
        width: Of the desktop, in pixels.
        height: Of the desktop, in pixels.
        screens: Empty: one that fills the desktop.
        reason: 0 the server, 1 this viewer, 2 another viewer.
        status: 0 done, 1 prohibited, 2 out of resources, 3 invalid layout.
    """
    heads = screens or (Screen(0, 0, 0, width, height),)
    return (
        rectangle_header(reason, status, width, height, EXTENDED_DESKTOP_SIZE)
        + struct.pack(">Bxxx", len(heads))
        + b"".join(screen.pack() for screen in heads)
    )


def server_fence(flags: int, payload: bytes = b"") -> bytes:
    """ServerFence: a request (bit 31) or the answer to one; at most 64 bytes of payload."""
    return struct.pack(">BxxxIB", 248, flags, len(payload)) + payload


def end_of_continuous_updates() -> bytes:
    """EndOfContinuousUpdates: also the confirmation that continuous updates are offered."""
    return b"\x96"


def bell() -> bytes:
    """Bell."""
    return b"\x02"
