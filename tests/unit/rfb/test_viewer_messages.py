"""Messages to viewers, against bytes written by hand from the tables of rfbproto."""

from __future__ import annotations

import pytest

from vncproxy.rfb import viewer_messages
from vncproxy.rfb.encodings import QEMU_EXTENDED_KEY
from vncproxy.rfb.pixel_format import PixelFormat
from vncproxy.rfb.viewer_messages import Screen


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (
            viewer_messages.server_init(800, 600, PixelFormat(), "é"),
            "0320 0258 20180001 00ff00ff00ff 100800 000000 00000002 c3a9",
        ),
        (viewer_messages.framebuffer_update(3), "00 00 0003"),
        (viewer_messages.framebuffer_update(None), "00 00 ffff"),
        (
            viewer_messages.rectangle_header(0, 0, 0, 0, QEMU_EXTENDED_KEY),
            "0000 0000 0000 0000 fffffefe",
        ),
        (viewer_messages.last_rect(), "0000 0000 0000 0000 ffffff20"),
        (viewer_messages.desktop_size(1024, 768), "0000 0000 0400 0300 ffffff21"),
        (
            viewer_messages.extended_desktop_size(1024, 768),
            "0000 0000 0400 0300 fffffecc 01 000000 00000000 0000 0000 0400 0300 00000000",
        ),
        (
            viewer_messages.extended_desktop_size(
                2, 1, [Screen(7, 0, 0, 1, 1, 9), Screen(8, 1, 0, 1, 1)], reason=1, status=3
            ),
            "0001 0003 0002 0001 fffffecc 02 000000"
            " 00000007 0000 0000 0001 0001 00000009"
            " 00000008 0001 0000 0001 0001 00000000",
        ),
        (viewer_messages.server_fence(0x80000001, b"x"), "f8 000000 80000001 01 78"),
        (viewer_messages.end_of_continuous_updates(), "96"),
        (viewer_messages.bell(), "02"),
    ],
)
def test_each_message_has_its_bytes(message: bytes, expected: str) -> None:
    """Every builder gives the layout that rfbproto prints."""
    assert message == bytes.fromhex(expected)
