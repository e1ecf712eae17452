"""What an upstream says."""

from __future__ import annotations

import pytest

from vncproxy.rfb import encodings as enc
from vncproxy.rfb.server_events import (
    BellRung,
    ColourMapSet,
    CutTextReceived,
    CutTextSkipped,
    FenceReceived,
    RawReceived,
    RectangleReceived,
    ServerEvent,
    UpdateEnded,
    idle_work,
)


def test_a_rectangle_goes_back_onto_the_wire() -> None:
    """The header is rebuilt, with a negative encoding as it should be."""
    rectangle = RectangleReceived(1, 2, 3, 0x1234, -260, b"data")
    assert rectangle.message_bytes == b"\0\1\0\2\0\3\x12\x34\xff\xff\xfe\xfcdata"


IDLE: dict[str, tuple[ServerEvent, int]] = {
    "a picture": (RectangleReceived(0, 0, 8, 8, enc.TIGHT, bytes(20_000)), 0),
    "an empty picture": (RectangleReceived(0, 0, 0, 8, enc.TIGHT, b""), 1),
    "a flat picture": (RectangleReceived(0, 0, 8, 0, enc.TIGHT, bytes(20_000)), 3),
    "a cursor": (RectangleReceived(0, 0, 8, 8, enc.CURSOR, bytes(20_000)), 3),
    "an update": (UpdateEnded(1, picture=True), 0),
    "an update without a picture": (UpdateEnded(1, picture=False), 1),
    "a text": (CutTextReceived(bytes(20_000)), 3),
    "a colour map": (ColourMapSet(bytes(100)), 1),
    "a bell": (BellRung(), 1),
    "a fence": (FenceReceived(0, b""), 1),
    "a skipped text": (CutTextSkipped(1 << 30), 1),
    "pixels": (RawReceived(bytes(20_000)), 0),
}


@pytest.mark.parametrize(("event", "work"), IDLE.values(), ids=IDLE)
def test_what_changes_no_picture_is_counted(event: ServerEvent, work: int) -> None:
    """As much as it costs; what does change one costs nothing, however large."""
    assert idle_work([event]) == work
    assert idle_work([event, event]) == 2 * work
