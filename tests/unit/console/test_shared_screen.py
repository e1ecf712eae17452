"""What the upstream says besides pictures; those are in tests/property/test_shared_screen.py."""

from __future__ import annotations

import struct
import zlib

import msgspec
import pytest

from tests.unit.console.test_update_requests import ask, on, shared_screen
from vncproxy.console.shared_screen import leading_run
from vncproxy.rfb import encodings as enc
from vncproxy.rfb.pixel_format import PixelFormat
from vncproxy.rfb.server_events import (
    BellRung,
    ColourMapSet,
    CutTextReceived,
    CutTextSkipped,
    FenceReceived,
    RectangleReceived,
    ServerEvent,
    UpdateStarted,
    plain_slices,
)
from vncproxy.rfb.server_stream import ServerStream
from vncproxy.rfb.tight import compact_length
from vncproxy.rfb.tight_streams import STEP_BYTES


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


def text(numbers: range) -> list[ServerEvent]:
    """An update of small Tight rectangles, as the stream gives it; every third is of one colour."""
    deflater = zlib.compressobj()
    wire = struct.pack(">BxH", 0, len(numbers))
    for number in numbers:
        wire += struct.pack(">HHHHi", number, 0, 8, 8, enc.TIGHT)
        if number % 3:
            data = deflater.compress(bytes([number]) * 192) + deflater.flush(zlib.Z_SYNC_FLUSH)
            wire += b"\0" + compact_length(len(data)) + data
        else:
            wire += b"\x80" + bytes([number]) * 3
    return ServerStream(64, 48, PixelFormat()).feed(wire)


def test_a_run_is_what_its_rectangles_are_one_by_one() -> None:
    """For a viewer from the beginning, one that joined late, and one that takes no part."""
    events = text(range(8))
    run = leading_run(events[1:])
    assert len(run) == 8
    sent: list[list[bytes]] = []
    for together in (True, False):
        console = shared_screen()
        screens = [on(console, f"v-{number}", enc.TIGHT) for number in range(3)]
        ask(screens[0])
        ask(screens[1])
        screens[1].in_step = False
        console.upstream(events[0])
        if together:
            console.tight_run(run)
        else:
            for rect in run:
                console.upstream(rect)
        console.upstream(events[-1])
        assert [screen.in_step for screen in screens] == [True, False, False]
        assert not on(console, "late", enc.TIGHT).in_step
        sent.append([b"".join(plain_slices(screen.take(0.0))) for screen in screens])
    assert sent[0] == sent[1]
    assert len(sent[0][0]) > 100
    assert not sent[0][2]


def test_what_came_before_broken_data_is_shown() -> None:
    """In whichever packets it came."""
    events = text(range(4))
    run = leading_run(events[1:])
    run[2] = msgspec.structs.replace(run[2], data=run[2].data[:2] + bytes(8))
    console = shared_screen()
    screen = on(console, "v-1", enc.TIGHT)
    ask(screen)
    console.upstream(events[0])
    with pytest.raises(ValueError, match="inflate"):
        console.tight_run(run)
    sent = b"".join(plain_slices(screen.take(0.0)))
    assert sent == struct.pack(">BxH", 0, 4) + run[0].wire + run[1].wire


def test_where_a_run_ends() -> None:
    """At what isn't a whole, small rectangle of Tight with something in it."""
    (_, first, *_) = text(range(1))
    assert isinstance(first, RectangleReceived)
    assert first.tight is not None
    others: list[ServerEvent] = [
        BellRung(),
        msgspec.structs.replace(first, tight=None),
        msgspec.structs.replace(first, width=0),
        msgspec.structs.replace(first, height=0),
        msgspec.structs.replace(
            first, tight=msgspec.structs.replace(first.tight, size=STEP_BYTES + 1)
        ),
    ]
    for other in others:
        assert leading_run([first, other, first]) == [first]
        assert leading_run([other, first]) == []
