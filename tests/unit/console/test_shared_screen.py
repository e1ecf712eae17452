"""What the upstream says besides pictures; those are in tests/property/test_shared_screen.py."""

from __future__ import annotations

import pytest

from tests.unit.console.test_update_requests import ask, on, shared_screen
from vncproxy.rfb import encodings as enc
from vncproxy.rfb.server_events import (
    BellRung,
    ColourMapSet,
    CutTextReceived,
    CutTextSkipped,
    FenceReceived,
    RectangleReceived,
    UpdateStarted,
)


def test_bells_and_texts_go_to_all() -> None:
    """To those that are not behind."""
    console = shared_screen()
    screens = [on(console, f"v-{number}", enc.RAW) for number in range(3)]
    screens[2].ready = False
    text = b"\x03\0\0\0" + bytes((0, 0, 0, 2)) + b"hi"
    console.upstream(BellRung())
    console.upstream(CutTextReceived(text))
    assert [screen.take(0.0) for screen in screens] == [[b"\x02", text], [b"\x02", text], []]


def test_what_was_never_asked_for_goes_to_nobody() -> None:
    """The extended clipboard was never confirmed; fences of the upstream are the daemon's."""
    console = shared_screen()
    screen = on(console, "v-1", enc.RAW)
    extended = b"\x03\0\0\0" + b"\xff\xff\xff\xfc" + bytes(4)
    for event in (CutTextReceived(extended), CutTextSkipped(9), FenceReceived(0, b"x")):
        assert console.upstream(event) == []
    assert screen.take(0.0) == []


def test_a_colour_map_is_kept_for_who_comes_later() -> None:
    """It is reported to all at once, and to a newcomer."""
    console = shared_screen()
    screen = on(console, "v-1", enc.RAW)
    colours = b"\x01\0\0\0\0\1" + bytes(6)
    console.upstream(ColourMapSet(colours))
    assert screen.take(0.0) == [colours]
    assert on(console, "v-2", enc.RAW).take(0.0) == [colours]


def test_broken_tight_data_is_reported() -> None:
    """Nothing of it reaches a viewer."""
    console = shared_screen()
    screen = on(console, "v-1", enc.TIGHT)
    ask(screen)
    console.upstream(UpdateStarted(1))
    broken = RectangleReceived(0, 0, 8, 8, enc.TIGHT, b"\x00\x04abcd")
    with pytest.raises(ValueError, match="inflated"):
        console.upstream(broken)
    assert screen.take(0.0) == []
