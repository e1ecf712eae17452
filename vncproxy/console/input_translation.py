"""Which of the controller's messages go upstream, and in what form.

An upstream is sent only what it announced: QEMU drops the connection on anything else.
"""

from __future__ import annotations

import struct

from vncproxy.console.screen_state import ScreenState
from vncproxy.rfb.client_events import (
    ClientEvent,
    CutTextSent,
    DesktopSizeSet,
    KeySent,
    PointerSent,
    QemuKeySent,
)
from vncproxy.rfb.client_messages import key_event

_QEMU_KEY = struct.Struct(">BBHII")
_POINTER_BYTES = 6


def upstream_form(event: ClientEvent, screen: ScreenState) -> bytes | None:
    """The message to send upstream for this input, or None if it isn't for the upstream."""
    match event:
        case KeySent(raw):
            return raw
        case PointerSent(raw):
            return pointer_form(raw, screen)
        case QemuKeySent(raw):
            return raw if screen.qemu_keys else plain_key(raw)
        case CutTextSent(raw, extended=False):
            return raw
        case DesktopSizeSet(raw):
            return raw if screen.layout is not None else None
        case _:
            return None


def is_input(event: ClientEvent) -> bool:
    """Whether only the controller may send this."""
    return isinstance(event, KeySent | PointerSent | QemuKeySent | CutTextSent | DesktopSizeSet)


def is_key_press(event: ClientEvent) -> bool:
    """Whether a keystroke is lost if this isn't passed on; its release types nothing.

    Source: RFC 6143, section 7.5.4; rfbproto, QEMU Extended Key Event.
    """
    match event:
        case KeySent(raw):
            return raw[1] != 0
        case QemuKeySent(raw):
            return raw[2:4] != b"\0\0"
        case _:
            return False


def is_press(event: ClientEvent) -> bool:
    """Whether this presses something, a key or a button: the user means to do something."""
    return is_key_press(event) or (isinstance(event, PointerSent) and event.raw[1] != 0)


def plain_key(raw: bytes) -> bytes | None:
    """A QEMU extended key event as a KeyEvent; None if it names no keysym."""
    _, _, down, keysym, _ = _QEMU_KEY.unpack(raw)
    return key_event(bool(down), keysym) if keysym else None


def pointer_form(raw: bytes, screen: ScreenState) -> bytes:
    """A pointer event as this upstream reads it.

    Bit 7 of the mask is the eighth button where extended buttons weren't agreed on, as with a
    viewer that doesn't know them, and else the mark of a seventh byte, whose lowest bit is that
    button. Source: rfbproto, Extended Mouse Buttons.
    """
    if not screen.extended_buttons:
        return plain_pointer(raw)
    return raw + b"\1" if len(raw) == _POINTER_BYTES and raw[1] & 0x80 else raw


def plain_pointer(raw: bytes) -> bytes:
    """A pointer event without the extended buttons."""
    if len(raw) == _POINTER_BYTES:
        return raw
    return bytes((raw[0], raw[1] & 0x7F)) + raw[2:_POINTER_BYTES]
