"""When a recording's blocks begin, and what is asked for them.

That every block gives the right picture is tested in tests/property/test_recording.py.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from vncproxy.console import recorder as module
from vncproxy.console.recorder import BLOCK_PICTURES, KEY_INTERVAL_S, KEY_PATIENCE_S, Recorder
from vncproxy.console.shared_screen import SharedScreen
from vncproxy.console.viewer_updates import ViewerUpdates
from vncproxy.recording.file_format import GAP, LINK_LOST, LINK_REPLACED, Kind
from vncproxy.rfb import client_messages
from vncproxy.rfb import encodings as enc
from vncproxy.rfb.pixel_format import PixelFormat
from vncproxy.rfb.screen_state import ScreenState
from vncproxy.rfb.server_events import (
    BellRung,
    ColourMapSet,
    CutTextReceived,
    RectangleReceived,
    ServerEvent,
    UpdateEnded,
    UpdateStarted,
    plain_slices,
)
from vncproxy.rfb.viewer_messages import desktop_size, server_init

SIDE = 8
FORMAT = PixelFormat()
OTHER = PixelFormat(16, 16, False, True, 31, 63, 31, 11, 5, 0)
WHOLE = client_messages.update_request(incremental=False, x=0, y=0, width=SIDE, height=SIDE)
FRAME = client_messages.update_request(incremental=True, x=0, y=0, width=SIDE, height=SIDE)
FULL = RectangleReceived(0, 0, SIDE, SIDE, enc.RAW, b"full" * SIDE * SIDE)
DOT = RectangleReceived(1, 1, 1, 1, enc.RAW, b"dot!")
COPY = RectangleReceived(2, 2, 1, 1, enc.COPY_RECT, bytes(4))
CURSOR = RectangleReceived(0, 0, 1, 1, enc.CURSOR, b"curs\x80")


class RecordSink:
    """Keeps what it is given, one text for each call."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.data: list[bytes] = []
        self.has_room = True
        self.lost = False

    def begin(self, time_ms: int, opening: bytes, *, whole: bool, continues: bool) -> None:
        """A block."""
        self.lost = False
        flags = "whole" * whole + " continues" * continues
        self.calls.append(f"{time_ms} begin {flags}".strip())
        self.data.append(opening)

    def add(self, time_ms: int, kind: Kind, slices: Sequence[bytes]) -> None:
        """A record."""
        self.calls.append(f"{time_ms} {kind.name}")
        self.data.append(b"".join(slices))

    def note(self, time_ms: int, what: str) -> None:
        """A note."""
        self.calls.append(f"{time_ms} {what}")
        self.data.append(b"")

    def news(self) -> list[str]:
        """The calls since the last question."""
        calls, self.calls = self.calls, []
        return calls


class Console:
    """A fan-out with one viewer that reads at once, and one recorder."""

    def __init__(self) -> None:
        self.now = 0.0
        self.sink = RecordSink()
        memory = ScreenState(SIDE, SIDE, "guest", FORMAT)
        self.shared_screen = SharedScreen(memory, viewer_window_bytes=1 << 20)
        self.recorder = Recorder(memory, self.sink, lambda: self.now, began_at=-1.0)
        self.shared_screen.recorders["v1"] = self.recorder
        self.viewer = self.joins("v1")

    def joins(self, name: str) -> ViewerUpdates:
        """A viewer that has asked for everything."""
        screen = self.shared_screen.join(name)
        screen.set_encodings((enc.COPY_RECT, enc.RAW, enc.CURSOR, enc.DESKTOP_SIZE), self.now)
        self.asks(screen, incremental=False)
        return screen

    def asks(self, screen: ViewerUpdates, *, incremental: bool = True) -> None:
        """For the whole screen."""
        screen.requested(incremental=incremental, x=0, y=0, width=SIDE, height=SIDE)

    def update(self, *rects: RectangleReceived) -> None:
        """The upstream's."""
        picture = any(rect.encoding in enc.PICTURE for rect in rects)
        events: list[ServerEvent] = [UpdateStarted(len(rects)), *rects]
        for event in (*events, UpdateEnded(len(rects), picture)):
            self.shared_screen.upstream(event)
        self.asks(self.viewer)

    def requests(self) -> list[bytes]:
        """What goes upstream now, but for encodings."""
        return [raw for raw in self.shared_screen.requests.due(self.now) if raw[0] == 3]

    def begun(self) -> None:
        """As after the first picture."""
        assert self.requests() == [WHOLE]
        self.update(FULL)
        assert self.requests() == [FRAME]
        assert self.sink.news() == ["1000 begin", "1000 LIVE"]


def test_the_first_block_begins_with_the_first_thing_shown() -> None:
    """Its opening is the ServerInit of what follows; the same is sent to viewers."""
    console = Console()
    assert console.sink.news() == []
    console.begun()
    assert console.sink.data[0] == server_init(SIDE, SIDE, FORMAT, "guest")
    assert console.sink.data[1].endswith(FULL.message_bytes)


def test_a_key_picture_is_asked_for_after_some_time_of_news() -> None:
    """Once it is whole it is a block of its own, from which on everything goes on."""
    console = Console()
    console.begun()
    assert console.shared_screen.requests.next_at == KEY_INTERVAL_S
    console.now = KEY_INTERVAL_S - 0.1
    assert console.requests() == []
    console.now = KEY_INTERVAL_S
    assert console.requests() == [WHOLE]
    console.update(DOT)
    assert console.sink.news() == ["31000 LIVE"]
    console.update(CURSOR, FULL)
    assert console.sink.news() == ["31000 LIVE", "31000 begin whole continues", "31000 KEY"]
    key = console.sink.data[-1]
    assert key.endswith(FULL.message_bytes)
    assert CURSOR.message_bytes in key
    assert DOT.message_bytes in key
    console.update(DOT)
    assert console.sink.news() == ["31000 LIVE"]


def test_a_screen_that_rests_costs_nothing() -> None:
    """After a key picture none is asked for before there is something new."""
    console = Console()
    console.begun()
    console.now = 100.0
    assert console.requests() == [WHOLE]
    console.update(FULL)
    console.now = 1000.0
    assert console.requests() == [FRAME]
    assert console.shared_screen.requests.next_at is None
    console.update(DOT)
    assert console.requests() == [FRAME]
    assert console.shared_screen.requests.next_at == 1000.0 + KEY_INTERVAL_S


def test_a_copy_from_what_is_not_there_yet() -> None:
    """It goes on in the old block, and the key picture waits for the real pixels."""
    console = Console()
    console.begun()
    console.now = 50.0
    assert console.requests() == [WHOLE]
    half = RectangleReceived(0, 0, SIDE, SIDE // 2, enc.RAW, bytes(2 * SIDE * SIDE))
    rest = RectangleReceived(0, SIDE // 2, SIDE, SIDE // 2, enc.RAW, bytes(2 * SIDE * SIDE))
    console.update(half, COPY, rest)
    assert console.sink.news() == ["51000 LIVE"]
    console.now = 52.0
    assert console.requests() == [
        client_messages.update_request(incremental=False, x=2, y=2, width=1, height=1)
    ]
    console.update(RectangleReceived(2, 2, 1, 1, enc.RAW, b"copy"))
    assert console.sink.news() == ["53000 LIVE", "53000 begin whole continues", "53000 KEY"]


def test_nothing_is_asked_for_a_recording_alone() -> None:
    """While no viewer waits for a picture, there is none to be recorded."""
    console = Console()
    console.begun()
    console.viewer.wants = False
    console.now = 1000.0
    assert console.requests() == []
    assert console.shared_screen.requests.next_at is None


def test_a_viewer_that_asks_for_a_part_only_does_not_work_unseen() -> None:
    """The first picture is whole all the same, and what changes elsewhere is recorded, too."""
    console = Console()
    corner = client_messages.update_request(incremental=False, x=0, y=0, width=1, height=1)
    console.viewer = screen = console.shared_screen.join("v1")
    screen.set_encodings((enc.RAW,), console.now)
    for expected in ([WHOLE], [corner, FRAME], [corner, FRAME]):
        screen.requested(incremental=False, x=0, y=0, width=1, height=1)
        assert console.requests() == expected
        events: list[ServerEvent] = [UpdateStarted(1), FULL, UpdateEnded(1, True)]
        for event in events:
            console.shared_screen.upstream(event)
    assert console.sink.news() == ["1000 begin", "1000 LIVE", "1000 LIVE", "1000 LIVE"]
    screen.requested(incremental=False, x=0, y=0, width=1, height=1)
    assert console.requests() == [corner, FRAME]
    screen.requested(incremental=False, x=0, y=0, width=1, height=1)
    assert console.requests() == [corner], "the other one is under way"


def test_a_key_picture_waits_for_those_who_would_miss_it() -> None:
    """A slow viewer would have to be sent another one; but it doesn't wait for ever."""
    console = Console()
    console.begun()
    slow = console.joins("v2")
    console.requests()
    console.update(FULL)
    console.requests()
    assert not slow.wants
    console.now = KEY_INTERVAL_S
    assert console.requests() == []
    assert console.shared_screen.requests.next_at == KEY_INTERVAL_S + KEY_PATIENCE_S
    console.now = KEY_INTERVAL_S + KEY_PATIENCE_S
    assert console.requests() == [WHOLE]


def test_much_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A block that holds as much as some pictures of the screen is followed by another sooner."""
    monkeypatch.setattr(module, "BLOCK_LEAST_BYTES", 0)
    console = Console()
    console.begun()
    for _ in range(BLOCK_PICTURES - 2):
        console.update(FULL)
        assert console.requests() == [FRAME]
    console.update(FULL)
    assert console.requests() == [WHOLE]


def test_much_at_once_beside_somebody_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who would miss the key picture is waited for, until the block is twice as long."""
    monkeypatch.setattr(module, "BLOCK_LEAST_BYTES", 0)
    console = Console()
    console.begun()
    slow = console.joins("v2")
    console.requests()
    console.update(FULL)
    console.requests()
    assert not slow.wants
    asked = []
    for _ in range(2 * BLOCK_PICTURES):
        console.update(FULL)
        asked.append(console.requests())
    first = asked.index([WHOLE])
    assert BLOCK_PICTURES <= first < 2 * BLOCK_PICTURES


def test_a_key_picture_that_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is given up, and tried again later."""
    monkeypatch.setattr(module, "KEY_MAX_BYTES", 10)
    console = Console()
    console.begun()
    console.now = 60.0
    assert console.requests() == [WHOLE]
    console.update(FULL)
    assert console.sink.news() == ["61000 LIVE"]
    assert console.requests() == [FRAME]
    assert console.shared_screen.requests.next_at == 60.0 + KEY_INTERVAL_S


def test_a_disk_without_room() -> None:
    """What is shown is left out; with room again a block begins that doesn't continue the last."""
    console = Console()
    console.begun()
    console.sink.has_room = False
    console.update(DOT)
    console.update(FULL)
    assert console.requests() == [FRAME]
    assert console.sink.news() == []
    console.sink.has_room = True
    console.now = 5.0
    assert console.requests() == [WHOLE]
    console.update(FULL)
    assert console.sink.news() == [f"6000 {GAP}", "6000 begin whole", "6000 KEY"]
    console.update(DOT)
    assert console.sink.news() == ["6000 LIVE"]


def test_what_was_lost_unseen() -> None:
    """The disk failed and recovered between two looks: a block begins anew all the same."""
    console = Console()
    console.begun()
    console.sink.lost = True
    console.update(DOT)
    assert console.sink.news() == []
    assert console.requests() == [WHOLE]
    console.update(FULL)
    assert console.sink.news() == [f"1000 {GAP}", "1000 begin whole", "1000 KEY"]


def test_another_pixel_format() -> None:
    """A block has one format: another begins, and a key picture is asked for at once."""
    console = Console()
    console.begun()
    console.shared_screen.requests.set_pixel_format(OTHER)
    for x, y in ((0, 0), (SIDE - 1, SIDE - 1)):
        console.update(RectangleReceived(x, y, 1, 1, enc.RAW, bytes(4)))
    assert console.shared_screen.memory.pixel_format == OTHER
    assert console.requests() == [WHOLE]
    full = RectangleReceived(0, 0, SIDE, SIDE, enc.RAW, bytes(2 * SIDE * SIDE))
    console.update(full)
    assert console.sink.news() == [
        "1000 begin  continues",
        "1000 LIVE",
        "1000 begin whole continues",
        "1000 KEY",
    ]
    assert console.sink.data[-2] == server_init(SIDE, SIDE, OTHER, "guest")


def test_a_format_before_anything_is_shown() -> None:
    """The first block begins with it, and one picture is enough."""
    console = Console()
    console.shared_screen.requests.set_pixel_format(OTHER)
    assert console.requests() == [WHOLE]
    console.update(RectangleReceived(0, 0, SIDE, SIDE, enc.RAW, bytes(2 * SIDE * SIDE)))
    assert console.sink.news() == ["1000 begin", "1000 LIVE"]
    assert console.sink.data[0] == server_init(SIDE, SIDE, OTHER, "guest")
    assert console.requests() == [FRAME]


def test_another_link() -> None:
    """It is noted, what came of the last update is kept, and a key picture follows."""
    console = Console()
    console.begun()
    console.shared_screen.upstream(UpdateStarted(2))
    console.shared_screen.upstream(DOT)
    console.shared_screen.link_lost()
    console.now = 3.0
    console.shared_screen.link_replaced(ScreenState(4, 4, "other", FORMAT))
    lost, renewed = f"1000 {LINK_LOST}", f"4000 {LINK_REPLACED}"
    assert console.sink.news() == [lost, "4000 LIVE", renewed, "4000 LIVE"]
    assert console.sink.data[-3].endswith(DOT.message_bytes)
    assert desktop_size(4, 4) in console.sink.data[-1]
    console.viewer.take(console.now)
    console.asks(console.viewer, incremental=False)
    whole = client_messages.update_request(incremental=False, x=0, y=0, width=4, height=4)
    assert console.requests() == [whole]
    console.update(RectangleReceived(0, 0, 4, 4, enc.RAW, bytes(64)))
    assert console.sink.news() == ["4000 LIVE", "4000 begin whole continues", "4000 KEY"]


def test_what_is_heard_and_what_is_not() -> None:
    """A bell is recorded; a text that was copied never is."""
    console = Console()
    console.begun()
    console.shared_screen.upstream(BellRung())
    console.shared_screen.upstream(CutTextReceived(b"\x03\0\0\0\0\0\0\6secret"))
    assert console.sink.news() == ["1000 LIVE"]
    assert console.sink.data[-1] == b"\x02"
    assert b"".join(plain_slices(console.viewer.take(console.now))).endswith(b"secret")
    refused = RectangleReceived(1, 1, SIDE, SIDE, enc.EXTENDED_DESKTOP_SIZE, bytes(4))
    console.update(refused)
    assert console.sink.news() == []


def test_a_colour_map() -> None:
    """It is part of what is seen."""
    console = Console()
    console.begun()
    raw = b"\x01\0\0\0\0\1\xff\xff\0\0\0\0"
    console.shared_screen.upstream(ColourMapSet(raw))
    assert console.sink.data[-1] == raw


def test_a_viewer_that_leaves_ends_it() -> None:
    """Nothing is given to its recording any more."""
    console = Console()
    console.begun()
    console.shared_screen.leave("v1")
    console.joins("v2")
    console.update(DOT)
    assert console.sink.news() == []


@pytest.mark.parametrize("lost", [False, True])
def test_an_end_while_there_is_no_room(lost: bool) -> None:
    """What was left out is noted, unless the sink knows better by itself."""
    console = Console()
    console.begun()
    console.recorder.session_ended()
    assert console.sink.news() == []
    console.sink.has_room = False
    console.sink.lost = lost
    console.update(DOT)
    console.recorder.session_ended()
    assert console.sink.news() == ([] if lost else [f"1000 {GAP}"])
