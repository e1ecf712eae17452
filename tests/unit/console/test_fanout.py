"""The requests that drive the upstream; the rest is in tests/property/test_fanout.py."""

from __future__ import annotations

import pytest

from vncproxy.console.fanout import Fanout
from vncproxy.console.screen_memory import ScreenMemory
from vncproxy.rfb import client_messages
from vncproxy.rfb import encodings as enc
from vncproxy.rfb.pixel_format import PixelFormat
from vncproxy.rfb.server_events import RectangleReceived, UpdateEnded, UpdateStarted

FORMAT = PixelFormat(32, 24, False, True, 255, 255, 255, 16, 8, 0)
RAW_PIXEL = RectangleReceived(0, 0, 1, 1, enc.RAW, bytes(4))
CURSOR_SHAPE = RectangleReceived(0, 0, 1, 1, enc.CURSOR, bytes(5))
NEXT_FRAME = client_messages.update_request(incremental=True, x=0, y=0, width=1, height=1)


@pytest.mark.parametrize("rectangle", [RAW_PIXEL, CURSOR_SHAPE], ids=["picture", "cursor"])
def test_the_next_frame_is_asked_for_after_any_update(rectangle: RectangleReceived) -> None:
    """A cursor's shape alone is an answer, too: TigerVNC's server sends nothing more unasked."""
    fanout = Fanout(ScreenMemory(1, 1, "one pixel", FORMAT), viewer_window_bytes=65536)
    screen = fanout.join("v-1")
    screen.set_encodings((enc.RAW, enc.CURSOR), 0.0)
    screen.requested(incremental=False, x=0, y=0, width=1, height=1)
    fanout.requests(0.0)
    for event in (UpdateStarted(1), RAW_PIXEL, UpdateEnded(1, picture=True)):
        fanout.upstream(event, 0.0)
    screen.requested(incremental=True, x=0, y=0, width=1, height=1)
    assert fanout.requests(0.0) == [NEXT_FRAME]
    assert fanout.requests(0.0) == []

    picture = rectangle is RAW_PIXEL
    for event in (UpdateStarted(1), rectangle, UpdateEnded(1, picture=picture)):
        fanout.upstream(event, 0.0)
    screen.requested(incremental=True, x=0, y=0, width=1, height=1)
    assert fanout.requests(0.0) == [NEXT_FRAME]
