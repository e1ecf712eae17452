"""What the upstream says besides pictures; those are in tests/property/test_shared_screen.py."""

from __future__ import annotations

import struct

import msgspec
import pytest

from tests.decoder import Decoder
from tests.unit.console.test_rectangle_runs import COPY, DOT, update, words
from tests.unit.console.test_update_requests import ask, on, shared_screen
from vncproxy.console.shared_screen import SharedScreen
from vncproxy.rfb import encodings as enc
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


def each_way(events: list[ServerEvent], console: SharedScreen, *, together: bool) -> None:
    """What the upstream sent is taken, together where that goes, or one by one."""
    left = list(events)
    while left:
        if together:
            console.take_next(left)
        else:
            console.upstream(left.pop(0))


@pytest.mark.parametrize("cut", [False, True])
@pytest.mark.parametrize(
    "wires",
    [words(8), [COPY, *words(5), DOT], [DOT], [DOT, COPY], words(1)],
    ids=["text", "all", "dot", "dot and copy", "colour"],
)
def test_what_is_taken_together_is_what_it_is_one_by_one(wires: list[bytes], cut: bool) -> None:
    """For one from the beginning, one that joined late, one that waits, knows little, is away."""
    sent: list[list[bytes]] = []
    whole = update(*wires)
    for together in (True, False):
        console = shared_screen()
        known = (enc.TIGHT, enc.COPY_RECT)
        screens = [on(console, f"v-{number}", *known) for number in range(5)]
        screens.append(on(console, "v-5", enc.RAW))
        for place in (0, 1, 2, 5):
            ask(screens[place])
        for screen in screens[:2]:
            screen._uncovered.cover(0, 0, 64, 48)
        screens[1].in_step = False
        screens[2].writer.add(DOT)
        screens[4].lost = True
        for events in (whole[:-2], whole[-2:]) if cut else (whole,):
            each_way(events, console, together=together)
        sent.append([b"".join(plain_slices(screen.take(0.0))) for screen in screens])
        # In a row its zlib streams are reset at their first use only.
        late = Decoder(64, 48)
        late.painted[:] = True
        late.feed(sent[-1][1])
        sent[-1][1] = late.frame.tobytes() + repr(late.encodings).encode()
        sent[-1] += [repr((s.in_step, s.wants, s.missing)).encode() for s in screens]
        sent[-1].append(repr(on(console, "late", *known).in_step).encode())
    assert sent[0] == sent[1]
    assert sent[0][0] == struct.pack(">BxH", 0, len(wires)) + b"".join(wires)
    assert not sent[0][3]


@pytest.mark.parametrize("cut", [False, True])
def test_what_came_before_broken_data_is_shown(cut: bool) -> None:
    """In whichever packets it came."""
    events = update(*words(4))
    third = events[3]
    assert isinstance(third, RectangleReceived)
    events[3] = msgspec.structs.replace(third, data=third.data[:2] + bytes(8))
    console = shared_screen()
    screen = on(console, "v-1", enc.TIGHT)
    ask(screen)
    if cut:
        console.upstream(events.pop(0))
    with pytest.raises(ValueError, match="inflate"):
        console.take_next(events)
    sent = b"".join(plain_slices(screen.take(0.0)))
    assert sent == struct.pack(">BxH", 0, 4) + b"".join(words(4)[:2])
