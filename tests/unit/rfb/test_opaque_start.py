"""A viewer taking over a connection that the daemon has begun."""

from __future__ import annotations

from vncproxy.rfb.handshake_events import UnknownSecurity
from vncproxy.rfb.opaque_start import Mismatch, OpaqueStart, Relay

FOUND = UnknownSecurity((19,), b"RFB 003.889\n\x01\x13", b"RFB 003.008\n")


def test_the_same_answer_is_swallowed() -> None:
    """A viewer that answers as the daemon did gets the rest, and only its further bytes go on."""
    start = OpaqueStart(FOUND)
    assert start.start() == b"RFB 003.889\n"
    assert start.feed(b"RFB 003") is None
    assert start.feed(b".008\n\x13more") == Relay(b"\x01\x13", b"\x13more")


def test_another_answer_cannot_have_this_connection() -> None:
    """A viewer of another version is distinguished, with all that it sent."""
    start = OpaqueStart(FOUND)
    assert start.feed(b"RFB 003.003\n\x01") == Mismatch(b"RFB 003.003\n\x01")
