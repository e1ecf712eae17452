"""The built-in RFB server, spoken to in bytes."""

from __future__ import annotations

import struct

import pytest

from tests.decoder import Decoder
from tests.real.rfb_client import PIXELS_16
from vncproxy.simulator.screen import palette
from vncproxy.simulator.screen.canvas import Area, Canvas
from vncproxy.simulator.screen.server import RfbServer

KEY = struct.pack(">BBxxI", 4, 1, 0x41)
FULL = struct.pack(">BBHHHH", 3, 0, 0, 0, 80, 40)
INCREMENTAL = struct.pack(">BBHHHH", 3, 1, 0, 0, 80, 40)


class Display:
    """Keeps what it is called with."""

    name = "a desktop"

    def __init__(self) -> None:
        """80 by 40 pixels."""
        self.canvas = Canvas(80, 40)
        self.canvas.fill(Area(0, 0, 40, 40), palette.index("white"))
        self.calls: list[object] = []

    def key(self, keysym: int, *, down: bool) -> None:
        """Keep."""
        self.calls.append((keysym, down))

    def pointer(self, x: int, y: int, buttons: int) -> None:
        """Keep."""
        self.calls.append((x, y, buttons))

    def resize(self, width: int, height: int, asked_by: RfbServer | None = None) -> bool:
        """Only as wide as 100."""
        self.calls.append((width, height))
        if width > 100:
            return False
        self.canvas = Canvas(width, height)
        if asked_by is not None:
            asked_by.resized(reason=1)
        return True

    def throw_out_others(self, but: RfbServer) -> None:
        """Keep."""
        self.calls.append(but)


def entered(*encodings: int, shared: bytes = b"\1") -> tuple[Display, RfbServer, Decoder]:
    """After the handshake and SetEncodings."""
    display = Display()
    server = RfbServer(display, None, bytes)
    assert server.take() == b"RFB 003.008\n"
    server.receive(b"RFB 003.008\n\1" + shared)
    first = server.take()
    width, height = struct.unpack(">HH", first[6:10])
    assert first[-9:] == b"a desktop"
    if encodings:
        server.receive(struct.pack(f">BxH{len(encodings)}i", 2, len(encodings), *encodings))
    return display, server, Decoder(width, height)


def pull(server: RfbServer, decoder: Decoder) -> None:
    """Decode all that is due."""
    while data := server.take():
        decoder.feed(data)


def test_input_reaches_the_display_however_it_is_cut() -> None:
    """Keys, QEMU's keys, and the pointer."""
    display, server, _ = entered(-258)
    server.take()
    stream = KEY + struct.pack(">BBHII", 255, 0, 0, 0x42, 48) + struct.pack(">BBHH", 5, 3, 7, 9)
    for byte in stream:
        server.receive(bytes((byte,)))
    assert display.calls == [(0x41, True), (0x42, False), (7, 9, 3)]


def test_extensions_are_confirmed_when_asked_for_as_qemu_does() -> None:
    """At once, without a request; what wasn't asked for isn't."""
    _, server, decoder = entered(7, -258, -261, -239, -307)
    pull(server, decoder)
    assert set(decoder.encodings) == {-258, -261, -239, -307}
    assert decoder.leds == 0
    assert decoder.name == b"a desktop"
    assert decoder.cursor is not None
    assert server.announced == {-258}
    _, server, _ = entered(7)
    assert server.take() == b""
    assert server.announced == frozenset()


def test_the_picture_comes_on_request() -> None:
    """Then changes only."""
    display, server, decoder = entered(7)
    server.receive(FULL)
    pull(server, decoder)
    assert decoder.frame.tobytes() == palette.to_rgb(display.canvas.pixels)
    server.receive(INCREMENTAL * 30)
    assert server.take() == b""
    display.canvas.drain()
    display.canvas.fill(Area(1, 1, 3, 3), palette.index("marker"))
    server.note(display.canvas.drain())
    pull(server, decoder)
    assert decoder.frame.tobytes() == palette.to_rgb(display.canvas.pixels)
    assert server.sent_updates == 2


def test_the_size_is_reported_with_every_full_request() -> None:
    """In an update of its own, to a client that asked for ExtendedDesktopSize."""
    _, server, decoder = entered(7, -308)
    server.receive(FULL)
    first = server.take()
    decoder.feed(first)
    assert decoder.encodings == {-308: 1, 7: 1}
    assert decoder.updates == 2
    assert decoder.screens == 1


@pytest.mark.parametrize(("width", "status"), [(90, 0), (200, 1)])
def test_a_size_that_a_client_wishes_is_answered(width: int, status: int) -> None:
    """Granted, or refused with a status."""
    _, server, decoder = entered(7, -308)
    server.receive(struct.pack(">BxHHBx", 251, width, 50, 1) + bytes(16))
    data = server.take()
    reason, got_status = struct.unpack(">HH", data[4:8])
    assert (reason, got_status) == (1, status)
    decoder.feed(data)
    assert decoder.size == ((90, 50) if status == 0 else (80, 40))


@pytest.mark.parametrize(("encodings", "lives"), [((7, -223), True), ((7,), False)])
def test_an_older_client_is_reported_by_desktop_size(
    encodings: tuple[int, ...], lives: bool
) -> None:
    """One that can't follow is let go."""
    display, server, decoder = entered(*encodings)
    display.canvas = Canvas(64, 64)
    server.resized(reason=0)
    pull(server, decoder)
    assert server.ended is not lives
    assert (decoder.size == (64, 64)) is lives


def test_an_exclusive_request_throws_others_out() -> None:
    """The display learns by which client."""
    display, server, _ = entered(shared=b"\0")
    assert display.calls == [server]


@pytest.mark.parametrize(
    "raw",
    [
        b"\x63",
        struct.pack(">BxxxIB", 248, 0, 0),
        b"\xfa\0\1\2",
        bytes((150, 1)) + bytes(8),
        struct.pack(">Bxxxi", 6, -4) + bytes(4),
        struct.pack(">BxHHBx", 251, 64, 64, 1) + bytes(16),
        b"\0\0\0\0" + struct.pack(">BBBBHHHBBBxxx", 16, 16, 0, 1, 31, 63, 31, 16, 5, 0),
    ],
)
def test_what_is_unknown_or_not_agreed_on_ends_the_connection(raw: bytes) -> None:
    """Nothing after it is obeyed."""
    display, server, _ = entered()
    server.receive(raw + KEY)
    assert server.ended
    server.receive(KEY)
    assert display.calls == []


def test_another_pixel_format_is_obeyed() -> None:
    """16 bits in Raw; without true colour the palette comes first."""
    _, server, _ = entered(0)
    server.receive(b"\0\0\0\0" + PIXELS_16 + FULL)
    data = server.take()
    assert len(data) == 4 + 12 + 80 * 40 * 2
    assert data[16:18] == b"\xff\xff"
    server.receive(b"\0\0\0\0" + struct.pack(">BBBBHHHBBBxxx", 8, 8, 0, 0, 0, 0, 0, 0, 0, 0) + FULL)
    data = server.take()
    assert data[0] == 1
    assert server.take()[16:17] == bytes((palette.index("white"),))


def test_cut_text_changes_nothing() -> None:
    """It is taken and forgotten."""
    display, server, _ = entered()
    server.receive(struct.pack(">BxxxI", 6, 5) + b"hello" + KEY)
    assert display.calls == [(0x41, True)]


def test_a_raw_message_waits_for_the_handshake() -> None:
    """Before its end nothing of the kind is sent."""
    server = RfbServer(Display(), None, bytes)
    server.raw_message(b"\2")
    assert server.take() == b"RFB 003.008\n"
    _, server, _ = entered()
    server.raw_message(b"\2")
    assert server.take() == b"\2"
