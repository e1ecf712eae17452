"""How long a message of the upstream is, for all but FramebufferUpdate.

Source: RFC 6143, section 7.6; rfbproto, Server to Client Messages.
"""

from __future__ import annotations

import struct

from vncproxy.rfb.wire_error import UnknownError, WireError

UPDATE = 0
COLOUR_MAP = 1
BELL = 2
CUT_TEXT = 3
END_OF_CONTINUOUS_UPDATES = 150
FENCE = 248
XVP = 250
QEMU = 255

_QEMU_AUDIO = 1
_AUDIO_ENDS_OR_BEGINS = (0, 1)
_AUDIO_DATA = 2
_MAX_FENCE_BYTES = 64
_U16 = struct.Struct(">H")
_U32 = struct.Struct(">I")
_S32 = struct.Struct(">i")


def measure(buffer: bytes | memoryview, at: int, end: int) -> int:
    """The message's length in bytes, or minus the bytes needed to know it.

    Raises:
        WireError: An unknown message, or what its rules don't allow.
    """
    kind = buffer[at]
    have = end - at
    if kind in (BELL, END_OF_CONTINUOUS_UPDATES):
        return 1
    if kind == XVP:
        return 4
    if kind == COLOUR_MAP:
        return -6 if have < 6 else 6 + 6 * int(_U16.unpack_from(buffer, at + 4)[0])
    if kind == CUT_TEXT:
        # The extended clipboard's form says so by a negative length.
        return -8 if have < 8 else 8 + abs(_S32.unpack_from(buffer, at + 4)[0])
    if kind == FENCE:
        return -9 if have < 9 else 9 + _fence_payload(buffer[at + 8])
    if kind == QEMU:
        return _qemu(buffer, at, have)
    raise UnknownError(f"unknown message type {kind}")


def _fence_payload(length: int) -> int:
    if length > _MAX_FENCE_BYTES:
        raise WireError(f"a fence of {length} bytes")
    return length


def _qemu(buffer: bytes | memoryview, at: int, have: int) -> int:
    if have < 2:
        return -2
    if buffer[at + 1] != _QEMU_AUDIO:
        raise UnknownError(f"unknown QEMU message {buffer[at + 1]}")
    if have < 4:
        return -4
    operation: int = _U16.unpack_from(buffer, at + 2)[0]
    if operation in _AUDIO_ENDS_OR_BEGINS:
        return 4
    if operation != _AUDIO_DATA:
        raise UnknownError(f"unknown QEMU audio operation {operation}")
    return -8 if have < 8 else 8 + int(_U32.unpack_from(buffer, at + 4)[0])
