"""Encoding and pseudo-encoding numbers, and which of them the daemon can carry.

Source: RFC 6143, sections 7.7 and 7.8; rfbproto, Encodings and Pseudo-encodings.
"""

from __future__ import annotations

RAW = 0
COPY_RECT = 1
RRE = 2
HEXTILE = 5
ZLIB = 6
TIGHT = 7
ZLIB_HEX = 8
ZRLE = 16
JPEG = 21
H264 = 50
TIGHT_PNG = -260

DESKTOP_SIZE = -223
LAST_RECT = -224
CURSOR = -239
X_CURSOR = -240
QEMU_POINTER_MOTION = -257
QEMU_EXTENDED_KEY = -258
QEMU_AUDIO = -259
QEMU_LED_STATE = -261
GII = -305
DESKTOP_NAME = -307
EXTENDED_DESKTOP_SIZE = -308
XVP = -309
FENCE = -312
CONTINUOUS_UPDATES = -313
CURSOR_WITH_ALPHA = -314
EXTENDED_MOUSE_BUTTONS = -316
VMWARE_CURSOR = 0x574D5664
EXTENDED_CLIPBOARD = 0xC0A1E5CE - (1 << 32)

QUALITY_LEVELS = range(-32, -22)
COMPRESSION_LEVELS = range(-256, -246)
FINE_QUALITY_LEVELS = range(-512, -411)
SUBSAMPLING_LEVELS = range(-768, -762)

PICTURE = frozenset({RAW, COPY_RECT, RRE, HEXTILE, TIGHT, TIGHT_PNG})
"""Picture encodings that survive a change of link."""

CURSORS = frozenset({CURSOR, X_CURSOR, VMWARE_CURSOR})
"""Cursor shapes that stand alone. Cursor with alpha doesn't: its pixels may use any encoding, also
Tight's zlib streams, so it can't be repeated to a viewer that joins later."""

CARRIED_PSEUDO = frozenset(
    {
        DESKTOP_SIZE,
        LAST_RECT,
        CURSOR,
        X_CURSOR,
        VMWARE_CURSOR,
        DESKTOP_NAME,
        EXTENDED_DESKTOP_SIZE,
        QEMU_LED_STATE,
        QEMU_EXTENDED_KEY,
        EXTENDED_MOUSE_BUTTONS,
    }
)
"""Pseudo-encodings that the daemon understands and can repeat to a viewer that joins later."""


def may_be_asked(encoding: int) -> bool:
    """Whether the daemon may name this encoding to an upstream."""
    return (
        encoding in PICTURE
        or encoding in CARRIED_PSEUDO
        or encoding in QUALITY_LEVELS
        or encoding in COMPRESSION_LEVELS
        or encoding in FINE_QUALITY_LEVELS
        or encoding in SUBSAMPLING_LEVELS
    )
