"""Messages from viewers to the link and back, and the clock that keeps the link open."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Sequence

import pytest

from tests.decoder import Decoder
from tests.unit.console.fakes import (
    PIXEL_FORMAT,
    VIEWER_HANDSHAKE,
    FakeTransport,
    greeting,
    key,
    pointer,
    raw,
    rectangle,
    request,
    set_encodings,
    settle,
    update,
)
from tests.unit.console.surroundings import Clock, code_of
from vncproxy.console.control import Control
from vncproxy.console.link import Link
from vncproxy.console.message_router import UPSTREAM_QUEUE_BYTES, MessageRouter
from vncproxy.console.viewer import Phase, Viewer
from vncproxy.console.viewer_identity import ViewerIdentity, ViewerLimits
from vncproxy.errors import UpstreamProtocolError
from vncproxy.rfb import encodings as enc
from vncproxy.rfb.client_events import ClientEvent
from vncproxy.rfb.handshake_events import Ready
from vncproxy.rfb.held_input import HeldInput
from vncproxy.rfb.keepalive import Keepalive, KeepaliveClass, KeepaliveMemory
from vncproxy.rfb.liveness import FIRST_QUIET_S, Liveness
from vncproxy.rfb.server_events import ServerEvent
from vncproxy.websocket.frames import Slice
from vncproxy.websocket.transport import TransportEnd

INTERVAL_S, QUIET_S, ANSWER_TIMEOUT_S = 20.0, 60.0, 15.0
QUEUE_BYTES = 20_000
SHIFT, KEY_A = 0xFFE1, 0x61
FULL = raw(0, 0, 64, 48)
OTHER_FORMAT = struct.pack(">BBBBHHHBBBxxx", 16, 16, 0, 1, 31, 63, 31, 11, 5, 0)
USUAL = set_encodings(enc.TIGHT, enc.RAW, enc.DESKTOP_SIZE, enc.LAST_RECT)
AT_FIRST = set_encodings(enc.TIGHT, enc.RAW, enc.DESKTOP_SIZE, enc.LAST_RECT) + request()


def qemu_key(down: int, keysym: int, keycode: int) -> bytes:
    """QEMU extended key event."""
    return struct.pack(">BBHII", 255, 0, down, keysym, keycode)


class Far:
    """A viewer's far end."""

    def __init__(self, viewer: Viewer, transport: FakeTransport) -> None:
        """Before its handshake."""
        self.viewer, self.transport = viewer, transport
        self.decoder = Decoder(64, 48)

    def shake(self) -> None:
        """Its part of the handshake."""
        for piece in VIEWER_HANDSHAKE:
            self.transport.deliver(piece)

    def say(self, *messages: bytes) -> None:
        """Whole messages at once."""
        self.transport.deliver(b"".join(messages))

    def look(self) -> Decoder:
        """What it sees."""
        self.decoder.feed(self.transport.take())
        assert self.decoder.at_boundary
        return self.decoder


class House:
    """A router, with the links and viewers on it; plays the console."""

    def __init__(self, kind: KeepaliveClass = KeepaliveClass.ANY) -> None:
        """Empty."""
        self.control, self.held = Control(), HeldInput()
        self.keepalive = Keepalive(
            self.held,
            interval_s=INTERVAL_S,
            idle_timeout_s=60,
            keysym=SHIFT,
            memory=KeepaliveMemory(kind),
        )
        self.liveness = Liveness(quiet_s=QUIET_S, answer_timeout_s=ANSWER_TIMEOUT_S)
        self.liveness.answers = True
        self.silences = 0
        self.kinds: list[str] = []
        self.changes = 0
        self.faults: list[UpstreamProtocolError] = []
        self.router = MessageRouter(
            self.control,
            self.held,
            self.keepalive,
            self.liveness,
            viewer_queue_bytes=1 << 20,
            changed=self._changed,
            keepalive_sent=self.kinds.append,
            silent=self._silent,
        )
        self.viewers: list[Viewer] = []
        self.up = FakeTransport()

    def _changed(self) -> None:
        self.changes += 1

    def _silent(self) -> None:
        self.silences += 1
        self.router.link_down()

    async def link(self, first: bytes = b"") -> FakeTransport:
        """A link comes up; what it sent in its handshake is forgotten."""
        self.up = FakeTransport()
        link = Link(self.up, self, None, opaque=False)
        shaking = asyncio.create_task(link.shake_hands(5))
        await settle()
        self.up.deliver(greeting())
        ready = await shaking
        assert isinstance(ready, Ready)
        self.up.take()
        self.router.link_up(link, ready)
        link.read_on()
        if first:
            self.up.deliver(first)
        return self.up

    def joins(self, name: str, *, may_control: bool = True, take: bool = False) -> Far:
        """A viewer comes."""
        transport = FakeTransport()
        who = ViewerIdentity(name, name, "127.0.0.1", "local", may_control=may_control, take=take)
        viewer = Viewer(who, transport, ViewerLimits(0, 0, 60, QUEUE_BYTES))
        self.viewers.append(viewer)
        viewer.open(self)
        self.router.add(viewer)
        return Far(viewer, transport)

    def shows(self, name: str, encodings: bytes = USUAL, **who: bool) -> Far:
        """A viewer that has the whole picture, and waits for the next frame."""
        far = self.joins(name, **who)
        far.shake()
        far.transport.take()
        far.say(encodings, request())
        self.up.deliver(update(FULL))
        assert far.look().painted.all()
        far.say(request(incremental=True))
        self.up.take()
        return far

    def link_said(self, link: Link, events: list[ServerEvent]) -> bool:
        """Messages of the upstream."""
        try:
            return self.router.link_said(events)
        except UpstreamProtocolError as fault:
            self.faults.append(fault)
            return False

    def link_passed(self, link: Link, slices: Sequence[Slice], size_bytes: int) -> None:
        """Pixels."""
        self.router.link_passed(slices, size_bytes)

    def link_opaque(self, link: Link, data: bytes) -> None:
        """Never."""
        raise AssertionError

    def link_caught_up(self, link: Link) -> None:
        """The upstream has taken all."""
        self.router.link_caught_up()

    def link_ended(self, link: Link, end: TransportEnd) -> None:
        """The link is gone."""
        self.router.link_down()

    def link_failed(self, link: Link) -> None:
        """A fault of the daemon's."""
        raise AssertionError("the daemon has a fault")

    def viewer_ready(self, viewer: Viewer) -> None:
        """It wants ServerInit."""
        self.router.welcome(viewer)

    def viewer_said(self, viewer: Viewer, events: list[ClientEvent]) -> None:
        """Messages."""
        self.router.said(viewer, events)

    def viewer_opaque(self, viewer: Viewer, data: bytes) -> None:
        """Never."""
        raise AssertionError

    def viewer_caught_up(self, viewer: Viewer) -> None:
        """It has taken all."""
        self.router.caught_up(viewer)

    def viewer_ended(self, viewer: Viewer) -> None:
        """It is gone."""
        self.router.remove(viewer)


@pytest.fixture
async def house() -> AsyncIterator[House]:
    """An empty router."""
    house = House()
    yield house
    await clear(house)


async def clear(house: House) -> None:
    """Leave nothing behind."""
    house.router.link_down()
    for viewer in house.viewers:
        await viewer.abandon()


# Links and viewers


async def test_a_viewer_waits_for_the_first_link(house: House) -> None:
    """It is greeted when the link is up, and its wishes go upstream once it has ServerInit."""
    far = house.joins("ann")
    assert far.transport.taken == b""
    await house.link()
    assert far.transport.take() == b"RFB 003.008\n"
    far.shake()
    assert far.transport.take().endswith(b"guest")
    far.say(USUAL, request())
    assert house.up.take() == AT_FIRST
    house.up.deliver(update(FULL))
    assert far.look().painted.all()
    assert house.up.take() == b""
    far.say(request(incremental=True))
    assert house.up.take() == request(incremental=True)


async def test_a_viewer_that_shakes_hands_without_a_link_is_welcomed_by_the_next(
    house: House,
) -> None:
    """No ServerInit is sent of a link that is gone."""
    await house.link()
    far = house.joins("ann")
    house.up.end()
    far.shake()
    assert far.viewer.phase is Phase.WELCOME
    far.transport.take()
    await house.link()
    assert far.transport.take().endswith(b"guest")


async def test_a_lost_link_is_replaced_under_the_viewers(house: House) -> None:
    """The new one is told the same encodings, and asked for everything."""
    await house.link()
    far = house.shows("ann")
    house.up.deliver(update(FULL)[:2000])
    house.up.end()
    far.say(request(incremental=True))
    await house.link()
    assert house.up.take() == AT_FIRST
    house.up.deliver(update(raw(0, 0, 64, 48, 0xABCDEF)))
    assert (far.look().frame == (0xAB, 0xCD, 0xEF)).all()


async def test_a_new_size_reaches_every_viewer_or_ends_it(house: House) -> None:
    """One that can't follow is closed with its reason."""
    await house.link()
    follows, stays = house.shows("ann"), house.shows("bob", set_encodings(enc.RAW))
    house.up.deliver(update(rectangle(0, 0, 100, 80, enc.DESKTOP_SIZE)))
    assert follows.look().size == (100, 80)
    assert code_of(stays.viewer) == (4406, "pixel-format")
    assert list(house.router.viewers) == ["ann"]


async def test_broken_rfb_is_raised_after_what_was_whole(house: House) -> None:
    """And it is remembered whether it may be RFB that the daemon doesn't know."""
    await house.link()
    far = house.shows("ann")
    house.up.deliver(b"\x02" + b"\x63")
    assert far.look().messages[2] == 1
    assert len(house.faults) == 1
    assert house.router.unknown_message


async def test_broken_tight_data_is_raised(house: House) -> None:
    """It is the upstream's fault, and RFB that the daemon knows."""
    await house.link()
    far = house.shows("ann")
    house.up.deliver(update(rectangle(0, 0, 8, 8, enc.TIGHT, b"\x00\x04abcd")))
    assert len(house.faults) == 1
    assert not house.router.unknown_message
    assert far.look().encodings[enc.TIGHT] == 0


async def test_who_leaves_asks_for_nothing_any_more(house: House) -> None:
    """The encodings of those that stay are asked for."""
    await house.link()
    house.shows("ann")
    plain = house.shows("bob", set_encodings(enc.RAW, enc.DESKTOP_SIZE))
    plain.transport.end()
    assert house.up.take() == USUAL


# Input


async def test_only_the_controllers_input_goes_upstream(house: House) -> None:
    """By message type: keys, pointer, clipboard; requests of all are heard."""
    await house.link()
    ann, bob = house.shows("ann"), house.shows("bob")
    text = b"\x06\0\0\0\0\0\0\2hi"
    bob.say(key(True, KEY_A), pointer(1, 2, 3), text)
    assert house.up.take() == b""
    ann.say(key(True, KEY_A), pointer(1, 2, 3), text)
    assert house.up.take() == key(True, KEY_A) + pointer(1, 2, 3) + text


async def test_what_the_old_controller_held_is_released_first(house: House) -> None:
    """The guest must not see the new one's letters with the old one's Shift."""
    await house.link()
    ann, bob = house.shows("ann"), house.shows("bob")
    ann.say(key(True, SHIFT), pointer(1, 2, 3))
    house.up.take()
    house.control.take("bob")
    house.router.controller_changed("ann")
    bob.say(key(True, KEY_A))
    assert house.up.take() == key(False, SHIFT) + pointer(0, 2, 3) + key(True, KEY_A)
    assert house.changes > 0
    ann.say(key(False, SHIFT))
    assert house.up.take() == b""


async def test_what_a_leaving_controller_held_is_released(house: House) -> None:
    """Whoever leaves can't let go any more."""
    await house.link()
    ann = house.shows("ann")
    ann.say(key(True, SHIFT))
    house.up.take()
    ann.transport.end()
    assert house.up.take() == key(False, SHIFT)


async def test_who_comes_and_takes_makes_the_old_one_let_go(house: House) -> None:
    """The same as with a wish from the page."""
    await house.link()
    ann = house.shows("ann")
    ann.say(key(True, SHIFT))
    house.up.take()
    house.joins("bob", take=True)
    assert house.up.take() == key(False, SHIFT)
    assert house.control.controller == "bob"


async def test_keys_without_a_link_are_discarded_and_counted(house: House) -> None:
    """Nothing is typed later, into the wrong place; a release isn't a keystroke."""
    await house.link()
    ann = house.shows("ann")
    bob = house.shows("bob")
    house.up.end()
    ann.say(key(True, KEY_A), key(False, KEY_A), pointer(0, 1, 1))
    bob.say(key(True, KEY_A))
    assert house.router.discarded_keys == 1
    await house.link()
    assert key(True, KEY_A) not in house.up.take()


async def test_what_the_lost_link_left_pressed_is_released_first_of_all(house: House) -> None:
    """In a form that the new upstream understands: it hasn't announced QEMU's keys yet."""
    await house.link()
    wishes = set_encodings(enc.RAW, enc.QEMU_EXTENDED_KEY)
    ann = house.shows("ann", wishes)
    house.up.deliver(update(rectangle(0, 0, 0, 0, enc.QEMU_EXTENDED_KEY)))
    ann.say(qemu_key(1, SHIFT, 42), pointer(1, 2, 3))
    assert house.up.take().endswith(qemu_key(1, SHIFT, 42) + pointer(1, 2, 3))
    house.up.end()
    await house.link()
    assert house.up.take().startswith(key(False, SHIFT) + pointer(0, 2, 3))
    house.up.end()
    await house.link()
    assert key(False, SHIFT) not in house.up.take()


async def test_an_upstream_that_takes_no_input_stops_the_viewers(house: House) -> None:
    """Until it has taken it all."""
    await house.link()
    ann = house.shows("ann")
    house.up.stuck = True
    many = key(True, KEY_A) * (UPSTREAM_QUEUE_BYTES // 8)
    ann.say(many)
    assert not ann.transport.paused
    ann.say(key(True, KEY_A))
    assert ann.transport.paused
    house.up.drain()
    assert not ann.transport.paused


async def test_a_lost_link_lets_the_viewers_go_on(house: House) -> None:
    """They are read again, since there is nothing to wait for."""
    await house.link()
    ann = house.shows("ann")
    house.up.stuck = True
    ann.say(key(True, KEY_A) * (UPSTREAM_QUEUE_BYTES // 8 + 1))
    assert ann.transport.paused
    house.up.end()
    assert not ann.transport.paused


# Slow viewers


async def test_a_viewer_that_is_behind_skips_and_catches_up(house: House, clock: Clock) -> None:
    """It slows nobody; what it lacks is asked for once it has read what was sent."""
    await house.link()
    slow, fast = house.shows("ann"), house.shows("bob")
    slow.transport.stuck = True
    for grey in range(4):
        house.up.deliver(update(raw(0, 0, 64, 48, grey)))
        for far in (slow, fast):
            far.say(request(incremental=True))
    assert (fast.look().frame == (0, 0, 3)).all()
    assert not house.up.paused
    assert slow.transport.backlog_bytes < QUEUE_BYTES + 2 * len(FULL)
    house.up.take()
    slow.transport.drain()
    await clock.forward(1.1)
    assert request() in house.up.take()
    house.up.deliver(update(raw(0, 0, 64, 48, 9)))
    assert (slow.look().frame == (0, 0, 9)).all()


async def test_if_all_are_behind_the_upstream_is_not_read(house: House) -> None:
    """Until the first has caught up."""
    await house.link()
    viewers = house.shows("ann"), house.shows("bob")
    for far in viewers:
        far.transport.stuck = True
    for grey in range(4):
        house.up.deliver(update(raw(0, 0, 64, 48, grey)))
        for far in viewers:
            far.say(request(incremental=True))
    assert house.up.paused
    viewers[0].transport.drain()
    assert not house.up.paused


# The pixel format


async def test_the_only_viewer_may_have_its_format(house: House) -> None:
    """Nothing was asked of the upstream yet: it is told at once."""
    await house.link()
    ann = house.joins("ann")
    ann.shake()
    ann.transport.take()
    ann.say(b"\0\0\0\0" + OTHER_FORMAT, set_encodings(enc.RAW), request())
    assert house.up.take() == (b"\0\0\0\0" + OTHER_FORMAT + set_encodings(enc.RAW) + request())
    house.up.deliver(update(rectangle(0, 0, 64, 48, enc.RAW, bytes(2 * 64 * 48))) + b"\x02")
    assert ann.transport.take().endswith(b"\x02")
    assert house.faults == []


async def test_who_comes_second_must_have_the_same_format(house: House) -> None:
    """Its own words are compared with what the others decode."""
    await house.link()
    house.shows("ann")
    same, other = house.shows("bob"), house.shows("cid")
    same.say(b"\0\0\0\0" + PIXEL_FORMAT)
    assert same.viewer.end is None
    other.say(b"\0\0\0\0" + OTHER_FORMAT)
    assert code_of(other.viewer) == (4406, "pixel-format")
    assert house.up.take() == b""


async def test_who_comes_while_the_format_changes_is_told_the_new_one(house: House) -> None:
    """Since nothing of the old one will be sent any more."""
    await house.link()
    ann = house.shows("ann")
    ann.say(b"\0\0\0\0" + OTHER_FORMAT)
    assert OTHER_FORMAT not in house.up.take()
    bob = house.joins("bob")
    bob.shake()
    assert OTHER_FORMAT in bob.transport.take()


# Time


async def test_the_outstanding_request_is_repeated(house: House, clock: Clock) -> None:
    """Whole, when nothing else was sent for so long; and again, and again."""
    await house.link()
    house.shows("ann")
    await clock.forward(INTERVAL_S - 1)
    assert house.up.take() == b""
    for _ in range(2):
        await clock.forward(INTERVAL_S)
        assert house.up.take() == request(incremental=True)
    assert house.kinds == ["any"] * 2


async def test_any_message_postpones_the_keepalive(house: House, clock: Clock) -> None:
    """While any message is believed to count."""
    await house.link()
    ann = house.shows("ann")
    await clock.forward(INTERVAL_S - 1)
    ann.say(key(False, KEY_A))
    house.up.take()
    await clock.forward(INTERVAL_S - 1)
    assert house.up.take() == b""


async def test_a_link_without_viewers_is_kept(house: House, clock: Clock) -> None:
    """A request is sent all the same: the link lingers for who comes back."""
    await house.link()
    await clock.forward(INTERVAL_S + 1)
    assert house.up.take() == request(incremental=True)


async def test_the_pointers_place_is_repeated(clock: Clock) -> None:
    """With its buttons, where only input counts; before it was moved, nothing is invented."""
    house = House(KeepaliveClass.POINTER)
    await house.link()
    ann = house.shows("ann")
    await clock.forward(INTERVAL_S + 1)
    assert house.up.take() == request(incremental=True)
    ann.say(pointer(1, 2, 3))
    house.up.take()
    await clock.forward(INTERVAL_S + 1)
    assert house.up.take() == pointer(1, 2, 3)
    assert house.kinds == ["any", "pointer"]
    await clear(house)


async def test_a_key_is_pressed_and_released(clock: Clock) -> None:
    """Two whole messages, so that nothing stays pressed."""
    house = House(KeepaliveClass.KEY)
    await house.link()
    house.shows("ann")
    await clock.forward(INTERVAL_S + 1)
    assert house.up.take() == key(True, SHIFT) + key(False, SHIFT)
    assert house.held.release() == []
    assert house.kinds == ["key"]
    await clear(house)


async def test_nothing_is_sent_when_the_link_is_gone(house: House, clock: Clock) -> None:
    """The clock stands until the next."""
    await house.link()
    house.shows("ann")
    house.up.end()
    await clock.forward(10 * INTERVAL_S)
    await settle()
    assert house.up.take() == b""
    assert house.kinds == []


# Continuous updates


async def test_continuous_updates_come_as_fast_as_the_line_allows(house: House) -> None:
    """The next frame is asked for before the viewer has answered."""
    await house.link()
    ann = house.shows("ann", set_encodings(enc.RAW, enc.FENCE, enc.CONTINUOUS_UPDATES))
    ann.say(struct.pack(">BBHHHH", 150, 1, 0, 0, 64, 48))
    for grey in range(3):
        house.up.take()
        house.up.deliver(update(raw(0, 0, 64, 48, grey)))
        assert house.up.take() == request(incremental=True)
    assert (ann.look().frame == (0, 0, 2)).all()


async def test_a_viewers_fence_is_answered(house: House) -> None:
    """In its place."""
    await house.link()
    ann = house.shows("ann", set_encodings(enc.RAW, enc.FENCE, enc.CONTINUOUS_UPDATES))
    ann.say(struct.pack(">BxxxIB", 248, 1 << 31 | 1, 4) + b"mark")
    assert ann.look().fences[-1] == (1, b"mark")
    assert house.up.take() == b""


# Alive or not

ONE_PIXEL = request(width=1, height=1)


async def quiet(clock: Clock, seconds: float) -> None:
    """Nothing comes for so long."""
    while seconds > 0:
        await clock.forward(min(seconds, 5.0))
        seconds -= 5.0


async def test_a_still_upstream_is_asked_for_a_pixel(clock: Clock, house: House) -> None:
    """Once nothing has come for long, and again after as long; any answer will do."""
    up = await house.link()
    house.shows("ann")
    await quiet(clock, QUIET_S - 1.0)
    assert ONE_PIXEL not in up.take()
    await quiet(clock, 1.0)
    assert up.take().count(ONE_PIXEL) == 1
    await quiet(clock, ANSWER_TIMEOUT_S - 1.0)
    up.deliver(b"\x02")
    await quiet(clock, QUIET_S - 1.0)
    assert ONE_PIXEL not in up.take()
    await quiet(clock, 1.0)
    assert up.take().count(ONE_PIXEL) == 1
    assert house.silences == 0
    await quiet(clock, ANSWER_TIMEOUT_S)
    assert house.silences == 1


async def test_a_part_of_a_message_is_an_answer(clock: Clock, house: House) -> None:
    """A large rectangle on a slow line is no silence."""
    up = await house.link()
    house.shows("ann")
    await quiet(clock, QUIET_S)
    part = update(FULL)
    for at in range(0, 200, 20):
        up.deliver(part[at : at + 20])
        await quiet(clock, QUIET_S - 1.0)
    assert house.silences == 0


async def test_an_upstream_that_is_not_read_is_not_judged(clock: Clock, house: House) -> None:
    """While all viewers are behind, the silence is the daemon's own."""
    up = await house.link()
    ann = house.shows("ann")
    ann.transport.stuck = True
    for _ in range(4):
        up.deliver(update(FULL))
        ann.say(request(incremental=True))
    assert up.paused
    up.take()
    for _ in range(3):
        await quiet(clock, 50.0)
        ann.transport.drain(10)
    assert ONE_PIXEL not in up.take()
    ann.transport.drain()
    await settle()
    assert not up.paused
    await quiet(clock, QUIET_S - 1.0)
    assert ONE_PIXEL not in up.take()
    await quiet(clock, 1.0)
    assert ONE_PIXEL in up.take()


async def test_no_pixel_is_asked_for_while_the_format_changes(clock: Clock, house: House) -> None:
    """Such a question is under way; if it isn't answered, that is as good as any."""
    up = await house.link()
    ann = house.shows("ann")
    ann.say(b"\0\0\0\0" + OTHER_FORMAT)
    asked = up.take().count(ONE_PIXEL)
    assert asked == 1
    await quiet(clock, QUIET_S)
    # The keepalive repeats what is outstanding; the question adds nothing.
    assert set(up.take()) <= set(ONE_PIXEL)
    await quiet(clock, ANSWER_TIMEOUT_S)
    assert house.silences == 1


async def test_the_pixel_is_drained_before_a_new_format(clock: Clock, house: House) -> None:
    """Two corners have to be answered after it, whatever else was outstanding."""
    up = await house.link()
    ann = house.shows("ann")
    await quiet(clock, QUIET_S)
    up.take()
    ann.say(b"\0\0\0\0" + OTHER_FORMAT)
    up.deliver(update(raw(0, 0, 1, 1)))
    assert b"\0\0\0\0" + OTHER_FORMAT not in up.take()
    up.deliver(update(raw(63, 47, 1, 1)))
    assert up.take().startswith(b"\0\0\0\0" + OTHER_FORMAT)


async def test_one_that_never_answered_is_not_judged(clock: Clock, house: House) -> None:
    """It is asked as soon as it is still, and then at long intervals, but never ended."""
    house.liveness.answers = False
    up = await house.link()
    ann = house.joins("ann")
    ann.shake()
    ann.say(USUAL, request())
    await clock.forward(FIRST_QUIET_S)
    assert up.take().count(ONE_PIXEL) == 1
    await quiet(clock, 10 * QUIET_S)
    assert 5 <= up.take().count(ONE_PIXEL) <= 10
    assert house.silences == 0


async def test_one_that_answers_no_pixel_is_asked_for_the_screen(
    clock: Clock, house: House
) -> None:
    """Which it has shown before; only where that doesn't come either it is dead."""
    house.liveness.answers = False
    up = await house.link()
    ann = house.shows("ann")
    for quiet_s in (FIRST_QUIET_S, QUIET_S):
        for _ in range(int(quiet_s + ANSWER_TIMEOUT_S)):
            await clock.forward(1.0)
        assert up.take().count(request()) == 1
        up.deliver(update(FULL))
        ann.say(request(incremental=True))
    assert house.silences == 0
    for _ in range(int(QUIET_S + 2 * ANSWER_TIMEOUT_S)):
        await clock.forward(1.0)
    assert house.silences == 1
