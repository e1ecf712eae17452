"""All that goes upstream: the one writer, and which input goes there in what form.

An upstream is sent only what it announced: QEMU drops the connection on anything else.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Sequence
from typing import TypeAlias, get_args

from vncproxy.console.link import Link
from vncproxy.console.retry_policy import OffenderWatch
from vncproxy.rfb.client_events import (
    ClientEvent,
    CutTextSent,
    DesktopSizeSet,
    KeySent,
    PointerSent,
    QemuKeySent,
)
from vncproxy.rfb.client_messages import key_event
from vncproxy.rfb.held_input import HeldInput
from vncproxy.rfb.keepalive import CLASSES, Keepalive, KeepaliveClass, class_of
from vncproxy.rfb.screen_state import ScreenState

_QEMU_KEY = struct.Struct(">BBHII")
_POINTER_BYTES = 6
_POINTER, _QEMU = 5, 255
"""Types of messages. Source: RFC 6143, section 7.5.5; rfbproto, QEMU Client Message."""
_SETTINGS = frozenset({0, 2})
"""SetPixelFormat and SetEncodings."""


InputEvent: TypeAlias = KeySent | PointerSent | QemuKeySent | CutTextSent | DesktopSizeSet
INPUT = frozenset(get_args(InputEvent))
"""What only the controller may send."""


class UpstreamWriter:
    """Everything for the upstream passes `send`, which keeps what has to be known of it.

    That is the keepalive's clock, what the guest believes to be held, and which viewer's settings
    the upstream was sent last.

    Attributes:
        held: The keys and buttons that are pressed in the guest.
        keepalive: Hears of each message.
        offenders: Hears of each SetPixelFormat and SetEncodings.
        chooser: The viewer whose messages are being heeded; None: nobody's.
    """

    def __init__(self, held: HeldInput, keepalive: Keepalive) -> None:
        """There is no link."""
        self.held = held
        self.keepalive = keepalive
        self.offenders = OffenderWatch()
        self.chooser: str | None = None
        self._link: Link | None = None

    def link_up(self, link: Link, now: float) -> None:
        """Send to this link from now on.

        Args:
            link: It was sent nothing yet.
            now: Monotonic seconds.
        """
        self._link = link
        self.keepalive.link_started(now)
        self.offenders.link_started()

    def link_down(self) -> None:
        """The link is gone: what is sent is dropped."""
        self._link = None

    def send(self, messages: Sequence[bytes]) -> None:
        """Send whole messages, in the form that this upstream reads."""
        if self._link is None or not messages:
            return
        now = time.monotonic()
        noted = None
        for raw in messages:
            if raw[0] in _SETTINGS:
                self.offenders.chosen_by = self.chooser or self.offenders.chosen_by
                self.offenders.settings_sent(now)
            kind = CLASSES.get(raw[0]) or class_of(raw)
            if kind is not KeepaliveClass.ANY:
                self.held.track(raw)
            if kind is not noted:
                # Of several in a row one is enough: all are sent now.
                noted = kind
                self.keepalive.sent(kind, now)
        self._link.send(messages)

    def release_all(self, screen: ScreenState) -> None:
        """Release everything that is held in the guest.

        Args:
            screen: What this upstream said.
        """
        self.send([form for raw in self.held.release() if (form := _released(raw, screen))])
        self.held.clear()


def _released(raw: bytes, screen: ScreenState) -> bytes | None:
    """What releases a key or buttons, in a form that this upstream understands."""
    if raw[0] == _QEMU:
        return raw if screen.qemu_keys else plain_key(raw)
    return plain_pointer(raw) if raw[0] == _POINTER else raw


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
