"""What an upstream says."""

from __future__ import annotations

from vncproxy.rfb.server_events import RectangleReceived


def test_a_rectangle_goes_back_onto_the_wire() -> None:
    """The header is rebuilt, with a negative encoding as it should be."""
    rectangle = RectangleReceived(1, 2, 3, 0x1234, -260, b"data")
    assert rectangle.message_bytes == b"\0\1\0\2\0\3\x12\x34\xff\xff\xfe\xfcdata"
