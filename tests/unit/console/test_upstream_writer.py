"""Which input goes upstream, and in what form."""

from __future__ import annotations

import struct

import pytest

from tests.unit.console.fakes import FakeTransport, key, pointer
from vncproxy.console.link import Link
from vncproxy.console.upstream_writer import (
    INPUT,
    UpstreamWriter,
    is_key_press,
    is_press,
    plain_key,
    plain_pointer,
    pointer_form,
    upstream_form,
)
from vncproxy.errors import VncproxyError
from vncproxy.rfb import encodings as enc
from vncproxy.rfb.client_events import (
    ClientEvent,
    ContinuousUpdatesEnabled,
    CutTextSent,
    DesktopSizeSet,
    EncodingsSet,
    FenceSent,
    KeySent,
    PixelFormatSet,
    PointerSent,
    QemuAudioSent,
    QemuKeySent,
    UpdateRequested,
    XvpSent,
)
from vncproxy.rfb.held_input import HeldInput
from vncproxy.rfb.keepalive import Keepalive
from vncproxy.rfb.pixel_format import PixelFormat
from vncproxy.rfb.screen_state import ScreenState
from vncproxy.rfb.server_events import RectangleReceived
from vncproxy.websocket.transport import TransportEnd

CUT_TEXT = b"\x06\0\0\0" + struct.pack(">I", 2) + b"hi"
SIZE = b"\xfb\0" + struct.pack(">HHBx", 64, 48, 0)
WIDE_POINTER = pointer(0x80, 5, 6) + b"\x01"


def qemu_key(down: int, keysym: int, keycode: int = 30) -> bytes:
    """QEMU extended key event."""
    return struct.pack(">BBHII", 255, 0, down, keysym, keycode)


def screen(*confirmed: int) -> ScreenState:
    """An upstream that has confirmed these."""
    memory = ScreenState(64, 48, "guest", PixelFormat())
    for encoding in confirmed:
        memory.take(RectangleReceived(0, 0, 64, 48, encoding, bytes(4)))
    return memory


PLAIN = screen()
RICH = screen(enc.QEMU_EXTENDED_KEY, enc.EXTENDED_MOUSE_BUTTONS, enc.EXTENDED_DESKTOP_SIZE)


@pytest.mark.parametrize(
    ("event", "plain", "rich"),
    [
        (KeySent(key(True, 97)), key(True, 97), key(True, 97)),
        (PointerSent(pointer(1, 5, 6)), pointer(1, 5, 6), pointer(1, 5, 6)),
        (PointerSent(WIDE_POINTER), pointer(0, 5, 6), WIDE_POINTER),
        (QemuKeySent(qemu_key(1, 97)), key(True, 97), qemu_key(1, 97)),
        (QemuKeySent(qemu_key(0, 97)), key(False, 97), qemu_key(0, 97)),
        (QemuKeySent(qemu_key(1, 0)), None, qemu_key(1, 0)),
        (CutTextSent(CUT_TEXT, 2), CUT_TEXT, CUT_TEXT),
        (CutTextSent(CUT_TEXT, 2, extended=True), None, None),
        (DesktopSizeSet(SIZE), None, SIZE),
        (XvpSent(b"\xfa\0\1\2"), None, None),
        (FenceSent(b"", 0, b""), None, None),
        (QemuAudioSent(b""), None, None),
        (UpdateRequested(b"", True, 0, 0, 1, 1), None, None),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_upstream_gets_only_what_it_announced(
    event: ClientEvent, plain: bytes | None, rich: bytes | None
) -> None:
    """In the form that it understands, or not at all."""
    assert upstream_form(event, PLAIN) == plain
    assert upstream_form(event, RICH) == rich


def test_the_eighth_button_of_a_plain_viewer_is_not_taken_for_a_mark() -> None:
    """Where extended buttons are agreed on upstream, bit 7 promises a seventh byte."""
    eighth = pointer(0x81, 5, 6)
    assert pointer_form(eighth, RICH) == eighth + b"\x01"
    assert pointer_form(eighth, PLAIN) == eighth
    assert pointer_form(pointer(0x7F, 5, 6), RICH) == pointer(0x7F, 5, 6)


@pytest.mark.parametrize(
    ("event", "counts", "loses"),
    [
        (KeySent(key(True, 97)), True, True),
        (KeySent(key(False, 97)), True, False),
        (QemuKeySent(qemu_key(1, 97)), True, True),
        (QemuKeySent(qemu_key(0, 97)), True, False),
        (PointerSent(pointer(0, 5, 6)), True, False),
        (CutTextSent(CUT_TEXT, 2), True, False),
        (DesktopSizeSet(SIZE), True, False),
        (PixelFormatSet(b"", PixelFormat()), False, False),
        (EncodingsSet(b"", ()), False, False),
        (UpdateRequested(b"", True, 0, 0, 1, 1), False, False),
        (ContinuousUpdatesEnabled(b"", True, 0, 0, 1, 1), False, False),
        (FenceSent(b"", 0, b""), False, False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_counts_as_input(event: ClientEvent, counts: bool, loses: bool) -> None:
    """Only the controller may send it; a press that isn't passed on is a keystroke lost."""
    assert (type(event) in INPUT) == counts
    assert is_key_press(event) == loses


def test_what_shows_that_a_user_means_to_do_something() -> None:
    """A key or a button that goes down; no release, and no move."""
    assert is_press(KeySent(key(True, 0x61)))
    assert is_press(PointerSent(pointer(1, 2, 3)))
    assert not is_press(KeySent(key(False, 0x61)))
    assert not is_press(PointerSent(pointer(0, 2, 3)))


def test_a_qemu_key_without_a_keysym_has_no_plain_form() -> None:
    """Only the key's place on the keyboard is known."""
    assert plain_key(qemu_key(1, 0)) is None
    assert plain_key(qemu_key(1, 0xFFE1)) == key(True, 0xFFE1)


def test_a_plain_pointer_has_six_bytes_and_no_mark() -> None:
    """The extended buttons are left out."""
    assert plain_pointer(WIDE_POINTER) == pointer(0, 5, 6)
    assert plain_pointer(pointer(0x85, 5, 6)) == pointer(0x85, 5, 6)


def writer() -> UpstreamWriter:
    """Nothing is held yet."""
    held = HeldInput()
    return UpstreamWriter(held, Keepalive(held, interval_s=20, idle_timeout_s=60))


async def test_without_a_link_nothing_is_sent_nor_believed() -> None:
    """What is dropped doesn't press anything, and puts no keepalive off."""
    upstream = writer()
    upstream.send([key(True, 97)])
    assert upstream.held.release() == []
    assert upstream.keepalive.next_at is None


@pytest.mark.parametrize(("memory", "plain"), [(PLAIN, True), (RICH, False)])
async def test_what_is_held_is_released_as_the_upstream_reads_it(
    memory: ScreenState, plain: bool
) -> None:
    """A QEMU key as a plain one where that isn't known; nothing is held afterwards."""
    transport, upstream = FakeTransport(), writer()
    link = Link(transport, NoHost(), None, opaque=False)
    upstream.link_up(link, 0.0)
    upstream.send([qemu_key(1, 97)])
    transport.take()
    upstream.release_all(memory)
    assert transport.take() == (key(False, 97) if plain else qemu_key(0, 97))
    upstream.release_all(memory)
    assert transport.take() == b""
    upstream.link_down()
    upstream.send([key(True, 97)])
    assert transport.take() == b""


class NoHost:
    """Hears of no end."""

    def link_ended(self, link: Link, end: TransportEnd) -> None:
        """Never."""
        raise AssertionError

    def link_failed(self, link: Link, fault: VncproxyError) -> None:
        """Never."""
        raise AssertionError
