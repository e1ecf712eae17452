"""One viewer's part of the upstream's updates; more in tests/property/test_shared_screen.py."""

from __future__ import annotations

import struct
import zlib

import pytest
from structlog.testing import capture_logs

from tests.decoder import Decoder
from vncproxy.console.rectangle_runs import TightPart
from vncproxy.console.viewer_updates import ViewerUpdates, union
from vncproxy.rfb import encodings as enc
from vncproxy.rfb import viewer_messages
from vncproxy.rfb.congestion_control import CongestionControl
from vncproxy.rfb.pixel_format import PixelFormat
from vncproxy.rfb.pixel_order import PixelOrder
from vncproxy.rfb.screen_state import ScreenState
from vncproxy.rfb.server_events import RawStarted, RectangleReceived, plain_slices
from vncproxy.rfb.tight import layout
from vncproxy.rfb.tight_streams import InflatedTight, StatelessTight
from vncproxy.rfb.update_writer import FILL_BYTES

WIDTH, HEIGHT = 64, 48
USUAL = (enc.COPY_RECT, enc.TIGHT, enc.RAW, enc.CURSOR, enc.DESKTOP_SIZE, enc.QEMU_LED_STATE)


def screen_on(
    memory: ScreenState, pace: CongestionControl | None = None, *, in_step: bool = True
) -> ViewerUpdates:
    """A new viewer's."""
    return ViewerUpdates(
        memory, pace or CongestionControl(1 << 20), hold_bytes=1 << 20, in_step=in_step
    )


class Seen:
    """A viewer screen, and a decoder that is sent what it gives."""

    def __init__(
        self, *encodings: int, in_step: bool = True, memory: ScreenState | None = None
    ) -> None:
        """A viewer that has chosen and asked for everything."""
        self.memory = memory or ScreenState(WIDTH, HEIGHT, "guest", PixelFormat())
        self.screen = screen_on(self.memory, in_step=in_step)
        self.decoder = Decoder(self.memory.width, self.memory.height)
        self.screen.set_encodings(encodings, 0.0)
        self.ask(incremental=False)
        self.look()

    def ask(self, *, incremental: bool = True) -> None:
        """A request for all of the screen."""
        self.screen.requested(
            incremental=incremental, x=0, y=0, width=self.memory.width, height=self.memory.height
        )

    def update(self, *rects: RectangleReceived, tight: TightPart | None = None) -> None:
        """One update of the upstream."""
        self.screen.update_started(len(rects))
        for rect in rects:
            self.screen.rectangle(rect, rect.message_bytes, tight)
        self.screen.update_ended()

    def look(self) -> Decoder:
        """What the viewer sees now; each time it stands between messages, and all has gone well."""
        assert not self.screen.broken
        self.decoder.feed(b"".join(plain_slices(self.screen.take(0.0))))
        assert self.decoder.at_boundary
        return self.decoder


def raw(x: int, y: int, width: int, height: int, grey: int = 1) -> RectangleReceived:
    """A Raw rectangle of one colour."""
    return RectangleReceived(x, y, width, height, enc.RAW, bytes((grey,)) * (4 * width * height))


def copy(x: int, y: int, width: int, height: int) -> RectangleReceived:
    """A CopyRect from 0, 0."""
    return RectangleReceived(x, y, width, height, enc.COPY_RECT, struct.pack(">HH", 0, 0))


FULL = raw(0, 0, WIDTH, HEIGHT)


class TightServer:
    """One persistent zlib stream, as servers have them."""

    def __init__(self) -> None:
        """Begin it."""
        self._deflater = zlib.compressobj()
        self._stateless = StatelessTight()

    def rectangle(self, grey: int) -> tuple[RectangleReceived, TightPart]:
        """All of the screen in one grey, on stream 0, with what viewers share of it."""
        pixels = bytes((grey,)) * (3 * WIDTH * HEIGHT)
        data = self._deflater.compress(pixels) + self._deflater.flush(zlib.Z_SYNC_FLUSH)
        assert len(data) < 128
        rect = RectangleReceived(
            0, 0, WIDTH, HEIGHT, enc.TIGHT, b"\x00" + bytes((len(data),)) + data
        )
        parts = layout(enc.TIGHT, WIDTH, HEIGHT, rect.data, PixelFormat())
        assert parts is not None
        return rect, TightPart(parts, self._stateless.take(rect.data, parts))


# Who is sent what


def test_a_viewer_gets_the_picture_it_asked_for() -> None:
    """In one update; then it has the whole of it."""
    viewer = Seen(*USUAL)
    assert not viewer.screen.synced
    viewer.update(raw(0, 0, WIDTH, 20), raw(0, 20, WIDTH, 28, grey=9))
    assert viewer.look().painted.all()
    assert viewer.decoder.updates == 1
    assert viewer.decoder.frame[20, 0, 0] == 9
    assert viewer.screen.synced
    assert not viewer.screen.wants


def test_nothing_is_sent_before_the_first_request() -> None:
    """A viewer that has not asked isn't sent a picture, and lacks it afterwards."""
    memory = ScreenState(WIDTH, HEIGHT, "guest", PixelFormat())
    screen = screen_on(memory)
    screen.set_encodings(USUAL, 0.0)
    screen.update_started(1)
    screen.rectangle(FULL, FULL.message_bytes, None)
    screen.update_ended()
    assert screen.take(0.0) == []
    assert screen.missing is None
    screen.requested(incremental=True, x=0, y=0, width=WIDTH, height=HEIGHT)
    assert screen.missing == (0, 0, WIDTH, HEIGHT)


def test_an_update_that_was_not_asked_for_is_missed() -> None:
    """Without continuous updates each needs a request of its own."""
    viewer = Seen(*USUAL)
    viewer.update(FULL)
    viewer.update(raw(3, 4, 5, 6))
    assert viewer.look().updates == 1
    assert viewer.screen.missing == (3, 4, 5, 6)


def test_who_asks_in_the_middle_of_an_update_gets_the_next() -> None:
    """A viewer takes part in the whole of an update or not at all."""
    viewer = Seen(*USUAL)
    viewer.update(FULL)
    viewer.screen.update_started(1)
    viewer.ask()
    viewer.screen.rectangle(FULL, FULL.message_bytes, None)
    viewer.screen.update_ended()
    assert viewer.look().updates == 1
    assert viewer.screen.wants


@pytest.mark.parametrize("encoding", [enc.TIGHT, enc.TIGHT_PNG, enc.HEXTILE, enc.RRE])
def test_an_encoding_that_it_did_not_ask_for_is_missed(encoding: int) -> None:
    """Raw excepted, which every viewer knows."""
    viewer = Seen(enc.COPY_RECT)
    viewer.update(FULL)
    viewer.ask()
    viewer.look()
    viewer.update(RectangleReceived(1, 1, 2, 2, encoding, b"?"))
    assert viewer.screen.take(0.0) == []
    assert viewer.screen.missing == (1, 1, 2, 2)
    assert viewer.screen.wants, "its request is still open"


def test_a_copy_goes_only_to_who_has_the_whole_picture() -> None:
    """Else it would copy what was never there."""
    viewer = Seen(*USUAL)
    viewer.update(raw(0, 0, WIDTH, HEIGHT - 1), copy(0, 40, 8, 8))
    assert viewer.look().encodings[enc.COPY_RECT] == 0
    viewer.ask()
    viewer.update(raw(0, 40, WIDTH, 8), copy(0, 40, 8, 8))
    assert viewer.look().encodings[enc.COPY_RECT] == 1


def test_a_viewer_that_is_behind_skips() -> None:
    """Once ready again it lacks what it has skipped."""
    viewer = Seen(*USUAL, enc.EXTENDED_DESKTOP_SIZE)
    viewer.update(FULL)
    viewer.ask()
    viewer.screen.fall_behind()
    assert not viewer.screen.drives, "nothing is asked of the upstream for it"
    viewer.update(raw(0, 0, 10, 10))
    viewer.screen.message(b"\x02")
    viewer.screen.resize_refused(
        RectangleReceived(1, 3, 9, 9, enc.EXTENDED_DESKTOP_SIZE, b"\0\0\0\0")
    )
    viewer.look()
    assert viewer.decoder.updates == 1
    assert viewer.decoder.messages[2] == 0
    assert viewer.screen.missing == (0, 0, 10, 10)


def test_what_is_asked_anew_is_lacked() -> None:
    """A full request means that the viewer threw the picture away; beyond the edge is nothing."""
    viewer = Seen(*USUAL)
    viewer.screen.take_asked_area()
    viewer.update(FULL)
    viewer.screen.requested(incremental=False, x=60, y=40, width=100, height=100)
    assert viewer.screen.missing == (60, 40, 4, 8)
    viewer.screen.requested(incremental=False, x=0, y=44, width=1, height=1)
    assert viewer.screen.take_asked_area() == (0, 40, 64, 8)
    assert viewer.screen.take_asked_area() is None
    for x, y in ((64, 48), (64, 0), (0, 48)):
        viewer.screen.requested(incremental=False, x=x, y=y, width=5, height=5)
        assert not viewer.screen.asks_for_area


def raw_start(x: int, y: int, width: int, height: int) -> RawStarted:
    """A Raw rectangle whose pixels follow."""
    return RawStarted(x, y, width, height, 4 * width * height)


ALL_RAW = raw_start(0, 0, WIDTH, HEIGHT)


def begin_raw(viewer: Seen, start: RawStarted = ALL_RAW, count: int | None = 1) -> None:
    """An update that begins with a Raw rectangle."""
    viewer.screen.update_started(count)
    viewer.screen.raw_started(start, start.header_bytes)


def test_pixels_of_raw_leave_as_they_come() -> None:
    """Long before the rectangle is whole, and in one update all the same."""
    viewer = Seen(*USUAL)
    begin_raw(viewer)
    sent = b"".join(plain_slices(viewer.screen.take(0.0)))
    for at in range(0, ALL_RAW.size_bytes, 1111):
        pixels = bytes((7,)) * min(1111, ALL_RAW.size_bytes - at)
        viewer.screen.raw((pixels,), len(pixels))
        assert viewer.screen.take(0.0) == [pixels]
        sent += pixels
    assert not viewer.screen.synced
    viewer.screen.raw_ended(ALL_RAW)
    viewer.screen.update_ended()
    viewer.decoder.feed(sent)
    assert viewer.look().updates == 1
    assert (viewer.decoder.frame == 7).all()
    assert viewer.screen.synced
    assert not viewer.screen.wants


def test_raw_that_is_not_for_the_viewer() -> None:
    """Nothing of it is sent, it is lacked, and what the viewer has besides isn't."""
    viewer = Seen(*USUAL)
    viewer.update(FULL)
    viewer.look()
    start = raw_start(3, 4, 5, 6)
    for asks in (True, False):
        if asks:
            viewer.ask()
        begin_raw(viewer, start)
        viewer.screen.raw((bytes(start.size_bytes),), start.size_bytes)
        viewer.screen.raw_ended(start)
        viewer.screen.update_ended()
        assert viewer.look().updates == 1 + 1
        assert viewer.screen.missing == (None if asks else (3, 4, 5, 6))


def test_pixels_of_raw_in_another_order() -> None:
    """However they are cut."""
    viewer = Seen(*USUAL)
    viewer.screen.reorder(PixelOrder((2, 1, 0, 3)))
    start = raw_start(0, 0, 5, 1)
    begin_raw(viewer, start)
    pixels = b"abc0def1ghi2jkl3mno4"
    for first, end in ((0, 1), (1, 7), (7, 8), (8, 11)):
        viewer.screen.raw((pixels[first:end],), len(pixels[first:end]))
    # In the middle of it another order is asked for; this rectangle keeps the old one.
    viewer.screen.reorder(None)
    viewer.screen.raw((pixels[11:],), len(pixels[11:]))
    viewer.screen.raw_ended(start)
    viewer.screen.update_ended()
    assert b"".join(plain_slices(viewer.screen.take(0.0))).endswith(b"cba0fed1ihg2lkj3onm4")


def test_a_request_in_the_middle_of_an_update_is_for_the_next() -> None:
    """As TigerVNC's viewer sends it, once it has read an update's head."""
    viewer = Seen(*USUAL)
    begin_raw(viewer)
    viewer.ask()
    viewer.screen.raw((FULL.data,), len(FULL.data))
    viewer.screen.raw_ended(ALL_RAW)
    viewer.screen.update_ended()
    assert viewer.screen.wants
    viewer.update(FULL)
    assert not viewer.screen.wants
    assert viewer.look().updates == 2


def test_what_is_not_for_the_viewer_leaves_no_gap_in_the_count() -> None:
    """The update is one with the upstream's count; one that holds nothing for it isn't sent."""
    viewer = Seen(enc.COPY_RECT)
    tight = RectangleReceived(1, 1, 2, 2, enc.TIGHT, b"\x80abc")
    viewer.update(tight, tight)
    assert viewer.look().updates == 0
    viewer.update(tight, raw(0, 0, 9, 9), tight, raw(9, 9, 9, 9), tight)
    assert viewer.look().updates == 1
    # The first was left out before the count was reported.
    assert viewer.decoder.encodings[enc.RAW] == 4
    assert viewer.decoder.pictures == 1


def test_what_is_for_nobody_is_counted() -> None:
    """So that the rectangles after it keep their places; nothing has to be made up at the end."""
    refused = RectangleReceived(1, 3, 9, 9, enc.EXTENDED_DESKTOP_SIZE, b"\0\0\0\0")
    viewer = Seen(*USUAL)
    viewer.screen.update_started(3)
    viewer.screen.passed_over()
    viewer.screen.resize_refused(refused)
    viewer.screen.rectangle(FULL, FULL.message_bytes, None)
    viewer.screen.update_ended()
    assert viewer.look().updates == 1
    assert viewer.decoder.encodings.total() == 1


def test_what_is_asked_for_within_an_update_takes_no_place_in_it() -> None:
    """Also after something in it that isn't picture."""
    viewer = Seen(enc.RAW, enc.CURSOR)
    viewer.memory.take(RectangleReceived(0, 0, 1, 1, enc.QEMU_LED_STATE, b"\x04"))
    viewer.screen.update_started(2)
    viewer.memory.take(RectangleReceived(0, 0, 1, 1, enc.CURSOR, bytes(5)))
    viewer.screen.state_changed()
    viewer.screen.set_encodings((enc.RAW, enc.CURSOR, enc.QEMU_LED_STATE), 0.0)
    viewer.screen.raw_started(ALL_RAW, ALL_RAW.header_bytes)
    viewer.screen.raw((FULL.data,), len(FULL.data))
    viewer.screen.raw_ended(ALL_RAW)
    viewer.screen.update_ended()
    assert (viewer.look().frame == 1).all()
    assert viewer.decoder.leds == 4
    assert viewer.decoder.updates == 2


@pytest.mark.parametrize("knows_last_rect", [True, False])
def test_an_open_count(knows_last_rect: bool) -> None:
    """It stays open for who knows LastRect, and is counted first for who doesn't."""
    viewer = Seen(*USUAL, *((enc.LAST_RECT,) if knows_last_rect else ()))
    viewer.screen.update_started(None)
    half = raw(0, 0, WIDTH, 20)
    viewer.screen.rectangle(half, half.message_bytes, None)
    viewer.decoder.feed(b"".join(plain_slices(viewer.screen.take(0.0))))
    assert viewer.decoder.at_boundary is not knows_last_rect
    rest = raw(0, 20, WIDTH, HEIGHT - 20)
    viewer.screen.rectangle(rest, rest.message_bytes, None)
    viewer.screen.update_ended()
    assert viewer.look().updates == 1
    assert viewer.decoder.painted.all()
    assert viewer.decoder.encodings[enc.LAST_RECT] == knows_last_rect


def test_a_viewer_that_falls_behind_within_an_update() -> None:
    """What was announced is made up for, so that it stands between messages once it has read."""
    viewer = Seen(*USUAL)
    viewer.screen.update_started(3)
    viewer.screen.rectangle(FULL, FULL.message_bytes, None)
    viewer.screen.fall_behind()
    viewer.screen.rectangle(FULL, FULL.message_bytes, None)
    assert viewer.look().updates == 1
    viewer.ask()
    viewer.screen.rectangle(FULL, FULL.message_bytes, None)
    viewer.screen.update_ended()
    assert viewer.screen.wants, "what it has asked since is for the next"
    assert viewer.screen.missing is not None
    viewer.screen.caught_up()
    viewer.update(FULL)
    assert viewer.look().updates == 2
    assert viewer.screen.synced


def test_what_comes_within_an_update_waits_for_its_end() -> None:
    """Bells, fences, another colour map, a cursor: nothing of it stands among the pixels."""
    viewer = Seen(*CONTINUOUS, enc.CURSOR)
    viewer.ask()
    begin_raw(viewer)
    viewer.screen.message(b"\x02")
    viewer.screen.fence_asked(1 << 31, b"mark")
    viewer.memory.take(RectangleReceived(0, 0, 1, 1, enc.CURSOR, bytes(5)))
    viewer.screen.introduce()
    viewer.decoder.feed(b"".join(plain_slices(viewer.screen.take(0.0))))
    assert viewer.screen.probe(5.0) == []
    assert viewer.decoder.messages[2] == 0
    viewer.screen.raw((FULL.data,), len(FULL.data))
    viewer.screen.raw_ended(ALL_RAW)
    viewer.screen.update_ended()
    assert viewer.look().messages[2] == 1
    assert (0, b"mark") in viewer.decoder.fences
    assert viewer.decoder.cursor is not None
    assert viewer.decoder.painted.all()


# Tight


def test_who_was_on_from_the_start_gets_tight_as_it_came() -> None:
    """Nothing is deflated afresh for a viewer in step."""
    viewer, server = Seen(*USUAL), TightServer()
    for grey in (10, 20, 30):
        rect, part = server.rectangle(grey)
        viewer.ask()
        viewer.update(rect, tight=part)
        assert rect.message_bytes in viewer.screen.take(0.0)


@pytest.mark.parametrize("missed", ["late", "behind", "not asked"])
def test_who_missed_a_part_of_a_stream_can_still_read_on(missed: str) -> None:
    """Whatever came out of order is deflated afresh with the reset bit, until the next link."""
    server = TightServer()
    viewer = Seen(*USUAL)
    rect, part = server.rectangle(10)
    if missed == "late":
        viewer = Seen(*USUAL, in_step=False)
    elif missed == "behind":
        viewer.screen.fall_behind()
        viewer.update(rect, tight=part)
        viewer.screen.caught_up()
    else:
        viewer.screen.wants = False
        viewer.update(rect, tight=part)
    for grey in (20, 30):
        rect, part = server.rectangle(grey)
        viewer.ask()
        viewer.update(rect, tight=part)
        assert (viewer.look().frame == grey).all()


@pytest.mark.parametrize("resets", [0, 1])
def test_of_a_missed_fill_only_its_resets_matter(resets: int) -> None:
    """It moves no stream; but a stream that it resets begins anew for everybody else."""
    viewer, server = Seen(*USUAL), TightServer()
    rect, part = server.rectangle(10)
    viewer.update(rect, tight=part)
    data = bytes((0x80 | resets,)) + b"abc"
    parts = layout(enc.TIGHT, WIDTH, HEIGHT, data, PixelFormat())
    assert parts is not None
    fill = RectangleReceived(0, 0, WIDTH, HEIGHT, enc.TIGHT, data)
    viewer.update(fill, tight=TightPart(parts, StatelessTight().take(data, parts)))
    assert (viewer.look().frame == 10).all(), "it hadn't asked for the fill"
    if resets:
        server = TightServer()
    rect, part = server.rectangle(20)
    viewer.ask()
    viewer.update(rect, tight=part)
    sent = viewer.screen.take(0.0)
    assert (rect.message_bytes in sent) == (not resets)
    viewer.decoder.feed(b"".join(plain_slices(sent)))
    assert (viewer.decoder.frame == 20).all()


def test_what_can_not_be_deflated_afresh_is_missed() -> None:
    """It is lacked, and its update goes on without it."""
    viewer, server = Seen(*USUAL, in_step=False), TightServer()
    viewer.update(FULL)
    viewer.ask()
    rect, part = server.rectangle(10)
    lost = TightPart(part.layout, InflatedTight(rect.data, part.layout, None, lost=True))
    viewer.screen.update_started(2)
    viewer.screen.rectangle(rect, rect.message_bytes, lost)
    corner = raw(0, 0, 9, 9, grey=5)
    viewer.screen.rectangle(corner, corner.message_bytes, None)
    viewer.screen.update_ended()
    assert viewer.look().updates == 2
    assert viewer.decoder.encodings == {enc.RAW: 2}
    assert viewer.screen.missing == (0, 0, WIDTH, HEIGHT)


def test_another_link_begins_each_stream_anew() -> None:
    """The first rectangle of a stream carries its reset bit, the next ones don't."""
    viewer, server = Seen(*USUAL), TightServer()
    rect, part = server.rectangle(10)
    viewer.update(rect, tight=part)
    assert (viewer.look().frame == 10).all()
    viewer.screen.link_replaced(ScreenState(WIDTH, HEIGHT, "guest", PixelFormat()))
    server = TightServer()
    controls = []
    for grey in (20, 30):
        rect, part = server.rectangle(grey)
        viewer.ask()
        viewer.update(rect, tight=part)
        sent = b"".join(plain_slices(viewer.screen.take(0.0)))
        controls.append(sent[4 + 12])
        viewer.decoder.feed(sent)
        assert (viewer.decoder.frame == grey).all()
    assert controls == [0x01, 0x00]


def test_who_was_out_of_step_is_in_step_on_another_link() -> None:
    """What was missed on the old link doesn't matter any more."""
    viewer = Seen(*USUAL, in_step=False)
    viewer.screen.link_replaced(ScreenState(WIDTH, HEIGHT, "guest", PixelFormat()))
    server = TightServer()
    server_rect, part = server.rectangle(7)
    viewer.update(server_rect, tight=part)
    viewer.ask()
    rect, part = server.rectangle(8)
    viewer.look()
    viewer.update(rect, tight=part)
    sent = viewer.screen.take(0.0)
    assert rect.message_bytes in sent
    viewer.decoder.feed(b"".join(plain_slices(sent)))
    assert (viewer.decoder.frame == 8).all()


# A link's end


@pytest.mark.parametrize("last_rect", [True, False])
@pytest.mark.parametrize("count", [3, None])
def test_a_viewer_stands_between_messages_when_a_link_breaks(
    last_rect: bool, count: int | None
) -> None:
    """What was announced is made up for; nothing that came before is lost."""
    viewer = Seen(*USUAL, *((enc.LAST_RECT,) if last_rect else ()))
    viewer.screen.update_started(count)
    some = raw(0, 0, WIDTH, 10)
    viewer.screen.rectangle(some, some.message_bytes, None)
    viewer.screen.link_lost()
    assert viewer.look().painted[:10].all()
    assert viewer.decoder.updates == 1
    viewer.screen.link_replaced(ScreenState(WIDTH, HEIGHT, "guest", PixelFormat()))
    assert viewer.screen.missing == (0, 0, WIDTH, HEIGHT), "nothing is known of the new screen"
    assert viewer.screen.wants
    viewer.update(FULL)
    assert viewer.look().updates == 2


@pytest.mark.parametrize("count", [2, None])
@pytest.mark.parametrize("last_rect", [True, False])
@pytest.mark.parametrize("had", [0, 1, 5000, 12287])
def test_a_link_that_breaks_within_raw(count: int | None, last_rect: bool, had: int) -> None:
    """Pixels that won't come are made up, and are known to be missing."""
    viewer = Seen(*USUAL, *((enc.LAST_RECT,) if last_rect else ()))
    begin_raw(viewer, count=count)
    viewer.screen.raw((FULL.data[:had],), len(FULL.data[:had]))
    viewer.decoder.feed(b"".join(plain_slices(viewer.screen.take(0.0))))
    viewer.screen.link_lost()
    assert viewer.look().updates == (count is not None or last_rect)
    assert viewer.screen.missing == (0, 0, WIDTH, HEIGHT)
    viewer.screen.link_replaced(ScreenState(WIDTH, HEIGHT, "guest", PixelFormat()))
    viewer.update(FULL)
    assert (viewer.look().frame == 1).all()
    assert viewer.screen.synced


def test_another_link_s_screen_is_told_and_wanted() -> None:
    """Whether or not the viewer's last request was answered by the old link."""
    viewer = Seen(*USUAL, enc.DESKTOP_NAME)
    viewer.update(FULL)
    viewer.look()
    viewer.screen.link_replaced(ScreenState(20, 10, "other", PixelFormat()))
    assert viewer.screen.drives
    viewer.update(raw(0, 0, 20, 10, grey=5))
    assert viewer.look().size == (20, 10)
    assert (viewer.decoder.frame == 5).all()
    assert viewer.decoder.name == b"other"


@pytest.mark.parametrize("behind", [False, True])
def test_updates_that_come_while_pixels_are_made_up(behind: bool) -> None:
    """They are missed; one that is behind isn't ready before it has read all."""
    viewer = Seen(*USUAL)
    begin_raw(viewer)
    viewer.screen.raw((FULL.data[:100],), 100)
    if behind:
        viewer.screen.fall_behind()
    viewer.screen.link_lost()
    viewer.screen.link_replaced(ScreenState(WIDTH, HEIGHT, "guest", PixelFormat()))
    assert not viewer.screen.drives
    viewer.update(FULL)
    viewer.decoder.feed(b"".join(plain_slices(viewer.screen.take(0.0))))
    assert viewer.look().updates == 1
    assert viewer.screen.missing == (0, 0, WIDTH, HEIGHT)
    assert viewer.screen.ready is not behind
    viewer.screen.caught_up()
    viewer.update(FULL)
    assert (viewer.look().frame == 1).all()
    assert viewer.decoder.updates == 2


def test_pixels_are_made_up_only_as_there_is_room() -> None:
    """A viewer that reads slowly isn't sent 16 MiB of nothing at once; all else waits for it."""
    side = 2048
    viewer = Seen(*USUAL, memory=ScreenState(side, side, "guest", PixelFormat()))
    begin_raw(viewer, raw_start(0, 0, side, side))
    viewer.screen.take(0.0)
    viewer.screen.link_lost()
    viewer.screen.link_replaced(ScreenState(side, side, "other", PixelFormat()))
    assert viewer.screen.take(0.0, room=False) == []
    size = 0
    while viewer.screen.writer.is_filling:
        assert not viewer.screen.drives
        viewer.screen.message(b"\x02")
        sent = sum(map(len, viewer.screen.take(0.0)))
        assert sent <= FILL_BYTES
        size += sent
    assert size == 4 * side * side
    assert viewer.screen.drives


def test_of_raw_so_much_is_passed_on_to_a_viewer_that_is_behind() -> None:
    """Beyond that the rest is made up, once there is room for it."""
    viewer = Seen(*USUAL)
    viewer.screen = ViewerUpdates(
        viewer.memory, CongestionControl(1 << 20), hold_bytes=3000, in_step=True
    )
    viewer.screen.set_encodings(USUAL, 0.0)
    viewer.ask(incremental=False)
    begin_raw(viewer)
    viewer.screen.raw((FULL.data[:4000],), len(FULL.data[:4000]))
    viewer.screen.fall_behind()
    for at in range(4000, len(FULL.data), 1000):
        viewer.screen.raw((FULL.data[at : at + 1000],), len(FULL.data[at : at + 1000]))
        viewer.screen.fall_behind()
    sent = b"".join(plain_slices(viewer.screen.take(0.0, room=False)))
    assert len(sent) == 4 + 12 + 7000
    viewer.screen.raw_ended(ALL_RAW)
    viewer.screen.update_ended()
    assert viewer.screen.missing == (0, 27, WIDTH, HEIGHT - 27), "27 whole rows were sent"
    viewer.decoder.feed(sent)
    viewer.screen.caught_up()
    assert not viewer.screen.ready
    assert viewer.look().updates == 1
    assert viewer.screen.ready
    viewer.ask()
    viewer.update(FULL)
    assert (viewer.look().frame == 1).all()


def test_a_viewer_that_never_asked_wants_nothing_of_the_new_link() -> None:
    """It would not know what to do with an update."""
    memory = ScreenState(WIDTH, HEIGHT, "guest", PixelFormat())
    screen = screen_on(memory)
    screen.link_replaced(ScreenState(WIDTH, HEIGHT, "guest", PixelFormat()))
    assert (screen.wants, screen.take(0.0)) == (False, [])


def test_a_fault_of_the_daemon_is_logged_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """With its traceback; what follows isn't for this viewer, however often it fails again."""
    viewer = Seen(*USUAL)
    monkeypatch.setattr(viewer.screen.writer, "put_whole", lambda *_, **__: 1 / 0)
    with capture_logs() as events:
        viewer.update(FULL)
        viewer.update(FULL)
    assert viewer.screen.broken
    assert [(event["event"], event["exc_info"]) for event in events] == [("screen.fault", True)]


# What isn't picture


def test_size_is_reported_in_the_way_the_viewer_asked_for() -> None:
    """With the layout if it knows layouts, else plain; and all of the picture is lacked."""
    layout_rect = RectangleReceived(
        0, 0, 100, 80, enc.EXTENDED_DESKTOP_SIZE, b"\1\0\0\0" + bytes(16)
    )
    for asked in (enc.EXTENDED_DESKTOP_SIZE, enc.DESKTOP_SIZE):
        viewer = Seen(enc.RAW, asked)
        viewer.update(FULL)
        viewer.memory.take(layout_rect)
        viewer.screen.introduce()
        assert viewer.look().size == (100, 80)
        assert viewer.decoder.encodings[asked] == 1
        assert not viewer.screen.synced
        assert not viewer.screen.lost


def test_a_plain_size_is_reported_as_a_layout_of_one_screen() -> None:
    """To a viewer that knows nothing else."""
    viewer = Seen(enc.RAW, enc.EXTENDED_DESKTOP_SIZE)
    viewer.memory.take(RectangleReceived(0, 0, 20, 10, enc.DESKTOP_SIZE, b""))
    viewer.screen.introduce()
    assert viewer.look().size == (20, 10)
    assert viewer.decoder.screens == 1


def test_who_can_not_be_reported_of_a_size_is_lost() -> None:
    """It could not follow; the router closes it."""
    viewer = Seen(enc.RAW)
    viewer.memory.take(RectangleReceived(0, 0, 20, 10, enc.DESKTOP_SIZE, b""))
    viewer.screen.introduce()
    assert viewer.screen.lost
    viewer.update(raw(0, 0, 20, 10))
    assert viewer.screen.take(0.0) == []


def test_who_names_no_encodings_is_lost_once_it_asks() -> None:
    """For a size that has changed before: it can't be reported any more."""
    memory = ScreenState(WIDTH, HEIGHT, "guest", PixelFormat())
    screen = screen_on(memory)
    memory.take(RectangleReceived(0, 0, 20, 10, enc.DESKTOP_SIZE, b""))
    screen.introduce()
    assert not screen.lost
    screen.requested(incremental=False, x=0, y=0, width=WIDTH, height=HEIGHT)
    assert screen.lost


def test_who_names_other_encodings_is_lost_before_it_asks() -> None:
    """It has said that it knows no sizes."""
    memory = ScreenState(WIDTH, HEIGHT, "guest", PixelFormat())
    screen = screen_on(memory)
    screen.set_encodings((enc.RAW, enc.CURSOR), 0.0)
    memory.take(RectangleReceived(0, 0, 20, 10, enc.DESKTOP_SIZE, b""))
    screen.introduce()
    assert screen.lost


def test_another_layout_of_the_same_size_is_reported() -> None:
    """Once, in its place in the upstream's update."""
    viewer = Seen(enc.RAW, enc.EXTENDED_DESKTOP_SIZE)
    two_screens = b"\2\0\0\0" + bytes(32)
    viewer.screen.update_started(2)
    viewer.memory.take(
        RectangleReceived(0, 0, WIDTH, HEIGHT, enc.EXTENDED_DESKTOP_SIZE, two_screens)
    )
    viewer.screen.state_changed()
    viewer.screen.rectangle(FULL, FULL.message_bytes, None)
    viewer.screen.update_ended()
    assert viewer.look().screens == 2
    assert viewer.decoder.updates == 1
    assert viewer.screen.synced


def test_another_order_of_bytes_is_the_cursor_s_too() -> None:
    """It is sent again, once."""
    memory = ScreenState(WIDTH, HEIGHT, "guest", PixelFormat())
    memory.take(RectangleReceived(0, 0, 1, 1, enc.CURSOR, b"abcd\x80"))
    viewer = Seen(*USUAL, memory=memory)
    order = PixelOrder((2, 1, 0, 3))
    for _ in range(2):
        viewer.screen.reorder(order)
        assert viewer.look().encodings[enc.CURSOR] == 2
    assert viewer.decoder.cursor is not None
    assert viewer.decoder.cursor[5] == b"cbad\x80"


def test_a_size_that_changes_before_a_viewer_has_said_anything_is_reported_later() -> None:
    """Whether it can follow isn't known before its encodings are."""
    memory = ScreenState(WIDTH, HEIGHT, "guest", PixelFormat())
    screen = screen_on(memory)
    memory.take(RectangleReceived(0, 0, 20, 10, enc.DESKTOP_SIZE, b""))
    screen.introduce()
    assert not screen.lost
    screen.set_encodings((enc.RAW, enc.DESKTOP_SIZE), 0.0)
    assert viewer_messages.desktop_size(20, 10) in screen.take(0.0)
    assert not screen.lost


@pytest.mark.parametrize("last_rect", [True, False])
@pytest.mark.parametrize("count", [4, None])
@pytest.mark.parametrize("before", [0, 1])
def test_a_size_ends_its_update(last_rect: bool, count: int | None, before: int) -> None:
    """Rectangles before it are of the old screen, those after it of the new one."""
    viewer = Seen(enc.RAW, enc.DESKTOP_SIZE, *((enc.LAST_RECT,) if last_rect else ()))
    viewer.screen.update_started(count)
    for _ in range(before):
        viewer.screen.rectangle(FULL, FULL.message_bytes, None)
    viewer.memory.take(RectangleReceived(0, 0, 20, 10, enc.DESKTOP_SIZE, b""))
    viewer.screen.state_changed()
    small = raw(0, 0, 20, 10, grey=5)
    for _ in range(3 - before):
        viewer.screen.rectangle(small, small.message_bytes, None)
    viewer.screen.update_ended()
    assert (viewer.look().frame == 5).all()
    assert viewer.decoder.size == (20, 10)
    assert viewer.decoder.updates == 2


def test_who_joins_is_reported_all_that_it_asks_for_and_no_more() -> None:
    """Cursor, name, LEDs, confirmations: once each; with a new one, again."""
    memory = ScreenState(WIDTH, HEIGHT, "guest", PixelFormat())
    memory.take(RectangleReceived(1, 2, 1, 1, enc.CURSOR, bytes(5)))
    memory.take(RectangleReceived(0, 0, 1, 1, enc.QEMU_LED_STATE, b"\x04"))
    memory.take(RectangleReceived(0, 0, 0, 0, enc.QEMU_EXTENDED_KEY, b""))
    memory.take(RectangleReceived(0, 0, 0, 0, enc.EXTENDED_MOUSE_BUTTONS, b""))
    wishes = (enc.CURSOR, enc.QEMU_LED_STATE, enc.QEMU_EXTENDED_KEY, enc.EXTENDED_MOUSE_BUTTONS)
    viewer = Seen(*wishes, enc.DESKTOP_NAME, memory=memory)
    assert dict(viewer.decoder.encodings) == dict.fromkeys(wishes, 1)
    assert viewer.screen.told_state.extended_buttons
    viewer.screen.introduce()
    viewer.screen.update_ended()
    assert viewer.look().encodings.total() == len(wishes)
    memory.take(RectangleReceived(0, 0, 0, 0, enc.DESKTOP_NAME, struct.pack(">I", 3) + b"new"))
    viewer.screen.introduce()
    viewer.screen.update_ended()
    assert viewer.look().name == b"new"

    plain = Seen(enc.RAW, memory=memory)
    assert plain.decoder.encodings.total() == 0
    assert not plain.screen.told_state.extended_buttons


def test_a_cursor_alone_answers_no_request() -> None:
    """The viewer's request stays open, for the picture."""
    viewer = Seen(*USUAL)
    viewer.screen.update_started(1)
    viewer.memory.take(RectangleReceived(0, 0, 1, 1, enc.CURSOR, bytes(5)))
    viewer.screen.state_changed()
    viewer.screen.update_ended()
    assert viewer.look().updates == 1
    assert viewer.screen.wants


def test_what_a_viewer_was_not_sent_while_behind_is_reported_once_it_caught_up() -> None:
    """The last of each, not all of them."""
    viewer = Seen(*USUAL)
    viewer.screen.fall_behind()
    for x in (1, 2, 3):
        viewer.memory.take(RectangleReceived(x, 0, 1, 1, enc.CURSOR, bytes(5)))
        viewer.screen.introduce()
    viewer.memory.take(RectangleReceived(0, 0, 30, 20, enc.DESKTOP_SIZE, b""))
    viewer.screen.introduce()
    assert viewer.screen.take(0.0) == []
    viewer.screen.caught_up()
    assert viewer.look().size == (30, 20)
    assert viewer.decoder.encodings[enc.CURSOR] == 1
    assert viewer.decoder.cursor is not None
    assert viewer.decoder.cursor[1] == 3


def test_what_is_due_once_made_up_pixels_are_sent_comes_with_the_last_of_them() -> None:
    """Nothing else may come for a while that would bring it."""
    viewer = Seen(*USUAL)
    begin_raw(viewer)
    viewer.screen.fall_behind()
    viewer.screen.link_lost()
    viewer.memory.take(RectangleReceived(0, 0, 1, 1, enc.CURSOR, bytes(5)))
    viewer.screen.caught_up()
    assert not viewer.screen.ready
    assert viewer.look().updates == 2
    assert viewer.decoder.cursor is not None


def test_a_colour_map_stands_between_updates() -> None:
    """It is a message of its own, reported once."""
    viewer = Seen(*USUAL)
    viewer.screen.update_started(1)
    viewer.screen.rectangle(FULL, FULL.message_bytes, None)
    viewer.memory.colour_map = b"\x01\x00\x00\x00\x00\x01" + bytes(6)
    viewer.screen.introduce()
    viewer.screen.introduce()
    viewer.screen.update_ended()
    assert viewer.look().messages[1] == 1
    assert viewer.decoder.painted.all()


def test_a_refused_resize_is_reported_to_who_knows_layouts() -> None:
    """Its status and layout as they came."""
    refused = RectangleReceived(1, 3, 9, 9, enc.EXTENDED_DESKTOP_SIZE, b"\0\0\0\0")
    for asked, times in ((enc.EXTENDED_DESKTOP_SIZE, 1), (enc.DESKTOP_SIZE, 0)):
        viewer = Seen(enc.RAW, asked)
        viewer.screen.update_started(1)
        viewer.screen.resize_refused(refused)
        viewer.screen.update_ended()
        assert viewer.look().encodings[enc.EXTENDED_DESKTOP_SIZE] == times
        assert viewer.decoder.size == (WIDTH, HEIGHT)


def test_another_format_forgets_the_picture() -> None:
    """Nothing that was drawn counts any more."""
    viewer = Seen(*USUAL)
    viewer.update(FULL)
    viewer.screen.forget_picture()
    assert viewer.screen.missing == (0, 0, WIDTH, HEIGHT)
    assert viewer.screen.wants


# Continuous updates and fences

CONTINUOUS = (enc.RAW, enc.FENCE, enc.CONTINUOUS_UPDATES)
FENCE_MESSAGE = 248
END = 150


def fence(viewer: Seen) -> bytes:
    """The payload of the last fence that asks for an answer."""
    flags, payload = viewer.look().fences[-1]
    assert flags >> 31
    return payload


def test_continuous_updates_are_offered_to_who_knows_fences_too() -> None:
    """The first fence and the first end of them say that the daemon has them; once."""
    viewer = Seen(*CONTINUOUS)
    viewer.screen.set_encodings(CONTINUOUS, 0.0)
    assert viewer.look().messages[248] == 1
    assert viewer.decoder.messages[END] == 1
    for some in ((enc.FENCE,), (enc.CONTINUOUS_UPDATES,), USUAL):
        assert not {248, END} & set(Seen(*some).decoder.messages)


def test_continuous_updates_come_unasked_until_the_line_is_full() -> None:
    """Then the viewer skips, until it has answered the fence after what is under way."""
    memory = ScreenState(WIDTH, HEIGHT, "guest", PixelFormat())
    viewer = Seen(*CONTINUOUS, memory=memory)
    viewer.screen = screen_on(memory, CongestionControl(20_000))
    viewer.screen.set_encodings(CONTINUOUS, 0.0)
    viewer.screen.enable_continuous(enable=True)
    updates = 0
    while viewer.screen.drives:
        viewer.update(FULL)
        updates += 1
        assert viewer.look().updates == updates
    assert 1 < updates < 4
    viewer.update(FULL)
    assert viewer.look().updates == updates
    assert not viewer.screen.synced
    viewer.screen.fence_answered(fence(viewer), 0.1)
    assert viewer.screen.drives
    viewer.update(FULL)
    assert viewer.look().updates == updates + 1


def test_continuous_updates_can_be_ended() -> None:
    """The end is reported, as the viewer waits for it; what follows must be asked for."""
    viewer = Seen(*CONTINUOUS)
    for _ in range(2):
        viewer.screen.enable_continuous(enable=True)
    viewer.update(FULL)
    assert viewer.look().messages[END] == 1
    viewer.screen.enable_continuous(enable=False)
    assert viewer.look().messages[END] == 2
    viewer.update(FULL)
    assert viewer.look().updates == 1
    viewer.screen.enable_continuous(enable=False)
    assert viewer.look().messages[END] == 2


@pytest.mark.parametrize("count", [1, 2, None])
def test_updates_that_are_pending_precede_the_end_of_continuous_ones(count: int | None) -> None:
    """The viewer may change its pixel format there: nothing of the old one may follow."""
    viewer = Seen(*CONTINUOUS)
    viewer.screen.enable_continuous(enable=True)
    viewer.screen.update_started(count)
    strip = raw(0, 0, WIDTH, 10)
    viewer.screen.rectangle(strip, strip.message_bytes, None)
    viewer.screen.enable_continuous(enable=False)
    sent = viewer.screen.take(0.0)
    end = sent.index(bytes((END,)))
    assert strip.message_bytes in sent[:end]
    assert {bytes(message)[0] for message in plain_slices(sent[end + 1 :])} <= {FENCE_MESSAGE}
    viewer.screen.rectangle(FULL, FULL.message_bytes, None)
    viewer.screen.update_ended()
    viewer.decoder.feed(b"".join(plain_slices(sent)))
    assert viewer.look().updates == 1
    assert viewer.screen.missing is not None


def test_the_line_is_measured_before_anything_is_under_way() -> None:
    """By a fence that stands alone, now and then; only of a viewer that has fences."""
    viewer = Seen(*CONTINUOUS)
    viewer.screen.enable_continuous(enable=True)
    viewer.screen.fence_answered(fence(viewer), 1.0)
    assert viewer.screen.probe(2.0) == []
    viewer.update(FULL)
    (probe,) = viewer.screen.probe(2.0)
    assert probe[0] == FENCE_MESSAGE
    assert viewer.screen.probe(2.0) == []
    viewer.look()
    plain = Seen(enc.RAW)
    plain.update(FULL)
    assert plain.screen.probe(2.0) == []


def test_the_line_is_not_measured_within_an_update() -> None:
    """A fence can't stand among the pixels."""
    viewer = Seen(*CONTINUOUS)
    viewer.screen.fence_answered(fence(viewer), 1.0)
    begin_raw(viewer)
    sent = b"".join(plain_slices(viewer.screen.take(2.0)))
    viewer.screen.raw((FULL.data,), len(FULL.data))
    assert viewer.screen.probe(2.0) == []
    viewer.screen.raw_ended(ALL_RAW)
    viewer.screen.update_ended()
    viewer.decoder.feed(sent)
    assert (viewer.look().frame == 1).all()


def test_an_update_is_measured_from_its_first_byte_to_the_answer() -> None:
    """As large as it is, and each by itself."""
    side = 512
    memory = ScreenState(side, side, "guest", PixelFormat())
    start = raw_start(0, 0, side, side)
    size = len(start.header_bytes) + start.size_bytes
    paces = [CongestionControl(8 << 20) for _ in range(2)]
    viewer = Seen(*CONTINUOUS, memory=memory)
    viewer.screen = screen_on(memory, paces[0])
    viewer.screen.set_encodings(CONTINUOUS, 0.0)
    paces[1].answered(paces[1].mark(0, 0.0), 1.0)
    viewer.screen.fence_answered(fence(viewer), 1.0)
    for pace in paces:
        probe = pace.probe(2.0)
        assert probe is not None
        assert pace.answered(probe, 2.1)
    for began in (11.0, 21.0):
        assert viewer.screen.take(began - 1) == []
        viewer.ask(incremental=False)
        begin_raw(viewer, start)
        viewer.decoder.feed(b"".join(plain_slices(viewer.screen.take(began))))
        viewer.screen.raw((bytes(start.size_bytes),), start.size_bytes)
        viewer.decoder.feed(b"".join(plain_slices(viewer.screen.take(began + 0.2))))
        viewer.screen.raw_ended(start)
        viewer.screen.update_ended()
        viewer.decoder.feed(b"".join(plain_slices(viewer.screen.take(began + 0.5))))
        assert paces[0].in_flight_bytes == size
        viewer.screen.fence_answered(viewer.decoder.fences[-1][1], began + 1.0)
        paces[1].answered(paces[1].mark(size, began + 0.5, since=began), began + 1.0)
        assert paces[0].window_bytes == paces[1].window_bytes
        assert paces[0].in_flight_bytes == 0


def test_a_fence_is_answered_with_the_flags_that_are_honoured() -> None:
    """Without the request bit, in its place, with its payload; not where fences weren't offered."""
    viewer = Seen(*CONTINUOUS)
    viewer.screen.fence_asked(1 << 31 | 0b111, b"mark")
    assert viewer.look().fences[-1] == (0b011, b"mark")
    plain = Seen(*USUAL)
    plain.screen.fence_asked(1 << 31 | 1, b"mark")
    plain.screen.enable_continuous(enable=True)
    assert plain.look().fences == []


def test_areas_are_joined_to_the_smallest_that_holds_both() -> None:
    """The first may be none."""
    assert union(None, (1, 2, 3, 4)) == (1, 2, 3, 4)
    assert union((0, 0, 1, 1), (5, 6, 1, 1)) == (0, 0, 6, 7)
    assert union((0, 0, 9, 9), (2, 2, 1, 1)) == (0, 0, 9, 9)
