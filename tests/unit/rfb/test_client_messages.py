"""Messages to the upstream, against bytes written by hand from the tables of rfbproto."""

from __future__ import annotations

import struct

import pytest

from vncproxy.rfb import client_messages
from vncproxy.rfb.client_stream import ClientStream
from vncproxy.rfb.pixel_format import PixelFormat

BUILT = [
    (
        client_messages.set_pixel_format(PixelFormat()),
        "00 000000 20180001 00ff00ff00ff 100800 000000",
    ),
    (client_messages.set_encodings([7, -223]), "02 00 0002 00000007 ffffff21"),
    (client_messages.update_request(True, 1, 2, 800, 600), "03 01 0001 0002 0320 0258"),
    (client_messages.update_request(False, 0, 0, 1, 1), "03 00 0000 0000 0001 0001"),
    (client_messages.key_event(True, 0xFF0D), "04 01 0000 0000ff0d"),
    (client_messages.key_event(False, 0x61), "04 00 0000 00000061"),
    (client_messages.qemu_key_event(True, 0xFF53, 0xCD), "ff 00 0001 0000ff53 000000cd"),
    (client_messages.pointer_event(1, 10, 0x102), "05 01 000a 0102"),
]


@pytest.mark.parametrize(("message", "expected"), BUILT)
def test_each_message_has_its_bytes(message: bytes, expected: str) -> None:
    """Every builder gives the layout that rfbproto prints."""
    assert message == bytes.fromhex(expected)


def test_the_parser_takes_all_of_them() -> None:
    """What the daemon builds is what it would let a viewer send."""
    stream = ClientStream()
    assert len(stream.feed(b"".join(message for message, _ in BUILT))) == len(BUILT)
    assert stream.at_boundary


def test_a_number_that_does_not_fit_is_refused() -> None:
    """A place beyond 16 bits is an error of the caller, not a wrapped number."""
    with pytest.raises(struct.error):
        client_messages.pointer_event(0, 70000, 0)
