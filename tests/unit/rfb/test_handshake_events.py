"""What the handshakes' events hold and show."""

from __future__ import annotations

from vncproxy.rfb.handshake_events import PasswordNeeded, Ready, Send, UnknownSecurity
from vncproxy.rfb.pixel_format import PixelFormat


def test_what_went_over_the_wire_shows_in_no_repr() -> None:
    """Answers to challenges and the bytes that follow stay out of logs."""
    events = (
        Send(b"planted"),
        PasswordNeeded(b"planted"),
        UnknownSecurity((19,), b"planted", b"planted"),
        Ready(1, 1, PixelFormat(), "name", b"planted"),
    )
    assert "planted" not in repr(events)


def test_unknown_security_splits_what_came() -> None:
    """The version line and what followed it are given apart."""
    event = UnknownSecurity((19,), b"RFB 003.008\n\x01\x13", b"RFB 003.008\n")
    assert (event.greeting, event.rest) == (b"RFB 003.008\n", b"\x01\x13")
