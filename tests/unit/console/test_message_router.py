"""Messages from viewers to the link and back, and the clock that keeps the link open."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator

import pytest

from tests.clock import ProcessClock
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
from tests.unit.console.surroundings import code_of
from vncproxy.console import message_router
from vncproxy.console.control import Control
from vncproxy.console.link import Link
from vncproxy.console.message_router import UPSTREAM_QUEUE_BYTES, MessageRouter
from vncproxy.console.viewer import Phase, Viewer, ViewerIdentity
from vncproxy.console.viewer_limits import ViewerLimits
from vncproxy.errors import UpstreamProtocolError, VncproxyError
from vncproxy.rfb import encodings as enc
from vncproxy.rfb.client_events import ClientEvent
from vncproxy.rfb.client_stream import work
from vncproxy.rfb.handshake_events import Ready
from vncproxy.rfb.held_input import HeldInput
from vncproxy.rfb.keepalive import Keepalive, KeepaliveClass, KeepaliveMemory
from vncproxy.rfb.liveness import FIRST_QUIET_S, Liveness
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


class ViewerClient:
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


class RouterHarness:
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
        link.read_on(self.router)
        if first:
            self.up.deliver(first)
        return self.up

    def joins(self, name: str, *, may_control: bool = True, take: bool = False) -> ViewerClient:
        """A viewer comes."""
        transport = FakeTransport()
        who = ViewerIdentity(name, name, "127.0.0.1", "local", may_control=may_control, take=take)
        viewer = Viewer(who, transport, ViewerLimits(0, 0, 60, QUEUE_BYTES))
        self.viewers.append(viewer)
        viewer.open(self)
        self.router.add(viewer)
        return ViewerClient(viewer, transport)

    def shows(self, name: str, encodings: bytes = USUAL, **who: bool) -> ViewerClient:
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

    def link_ended(self, link: Link, end: TransportEnd) -> None:
        """The link is gone."""
        self.router.link_down()

    def link_failed(self, link: Link, fault: VncproxyError) -> None:
        """It broke RFB; the daemon has no faults here."""
        assert isinstance(fault, UpstreamProtocolError)
        self.faults.append(fault)

    def viewer_ready(self, viewer: Viewer) -> None:
        """It wants ServerInit."""
        self.router.welcome(viewer)

    def viewer_sent(self, viewer: Viewer, events: list[ClientEvent]) -> None:
        """Messages."""
        self.router.viewer_sent(viewer, events)

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
async def harness() -> AsyncIterator[RouterHarness]:
    """An empty router."""
    harness = RouterHarness()
    yield harness
    await clear(harness)


async def clear(harness: RouterHarness) -> None:
    """Leave nothing behind."""
    harness.router.link_down()
    for viewer in harness.viewers:
        await viewer.abandon()


# Links and viewers


async def test_a_viewer_waits_for_the_first_link(harness: RouterHarness) -> None:
    """It is greeted when the link is up, and its wishes go upstream once it has ServerInit."""
    far = harness.joins("ann")
    assert far.transport.taken == b""
    await harness.link()
    assert far.transport.take() == b"RFB 003.008\n"
    far.shake()
    assert far.transport.take().endswith(b"guest")
    far.say(USUAL, request())
    assert harness.up.take() == AT_FIRST
    harness.up.deliver(update(FULL))
    assert far.look().painted.all()
    assert harness.up.take() == b""
    far.say(request(incremental=True))
    assert harness.up.take() == request(incremental=True)


async def test_a_viewer_that_shakes_hands_without_a_link_is_welcomed_by_the_next(
    harness: RouterHarness,
) -> None:
    """No ServerInit is sent of a link that is gone."""
    await harness.link()
    far = harness.joins("ann")
    harness.up.end()
    far.shake()
    assert far.viewer.phase is Phase.WELCOME
    far.transport.take()
    await harness.link()
    assert far.transport.take().endswith(b"guest")


async def test_a_lost_link_is_replaced_under_the_viewers(harness: RouterHarness) -> None:
    """The new one is sent the same encodings, and asked for everything."""
    await harness.link()
    far = harness.shows("ann")
    harness.up.deliver(update(FULL)[:2000])
    harness.up.end()
    far.say(request(incremental=True))
    await harness.link()
    assert harness.up.take() == AT_FIRST
    harness.up.deliver(update(raw(0, 0, 64, 48, 0xABCDEF)))
    assert (far.look().frame == (0xAB, 0xCD, 0xEF)).all()


async def test_a_new_size_reaches_every_viewer_or_ends_it(harness: RouterHarness) -> None:
    """One that can't follow is closed with its reason."""
    await harness.link()
    follows, stays = harness.shows("ann"), harness.shows("bob", set_encodings(enc.RAW))
    harness.up.deliver(update(rectangle(0, 0, 100, 80, enc.DESKTOP_SIZE)))
    assert follows.look().size == (100, 80)
    assert code_of(stays.viewer) == (4406, "pixel-format")
    assert list(harness.router.viewers) == ["ann"]


async def test_broken_rfb_is_raised_after_what_was_whole(harness: RouterHarness) -> None:
    """And it is remembered whether it may be RFB that the daemon doesn't know."""
    await harness.link()
    far = harness.shows("ann")
    harness.up.deliver(b"\x02" + b"\x63")
    assert far.look().messages[2] == 1
    assert len(harness.faults) == 1
    assert harness.router.unknown_message


async def test_broken_tight_data_is_raised(harness: RouterHarness) -> None:
    """It is the upstream's fault, and RFB that the daemon knows."""
    await harness.link()
    far = harness.shows("ann")
    harness.up.deliver(update(rectangle(0, 0, 8, 8, enc.TIGHT, b"\x00\x04abcd")))
    assert len(harness.faults) == 1
    assert not harness.router.unknown_message
    assert far.look().encodings[enc.TIGHT] == 0


async def test_who_leaves_asks_for_nothing_any_more(harness: RouterHarness) -> None:
    """The encodings of those that stay are asked for."""
    await harness.link()
    harness.shows("ann")
    plain = harness.shows("bob", set_encodings(enc.RAW, enc.DESKTOP_SIZE))
    plain.transport.end()
    assert harness.up.take() == USUAL


# Input


async def test_only_the_controllers_input_goes_upstream(harness: RouterHarness) -> None:
    """By message type: keys, pointer, clipboard; requests of all are taken."""
    await harness.link()
    ann, bob = harness.shows("ann"), harness.shows("bob")
    text = b"\x06\0\0\0\0\0\0\2hi"
    bob.say(key(True, KEY_A), pointer(1, 2, 3), text)
    assert harness.up.take() == b""
    ann.say(key(True, KEY_A), pointer(1, 2, 3), text)
    assert harness.up.take() == key(True, KEY_A) + pointer(1, 2, 3) + text


async def test_what_the_old_controller_held_is_released_first(harness: RouterHarness) -> None:
    """The guest must not see the new one's letters with the old one's Shift."""
    await harness.link()
    ann, bob = harness.shows("ann"), harness.shows("bob")
    ann.say(key(True, SHIFT), pointer(1, 2, 3))
    harness.up.take()
    harness.control.take("bob")
    harness.router.controller_changed("ann")
    bob.say(key(True, KEY_A))
    assert harness.up.take() == key(False, SHIFT) + pointer(0, 2, 3) + key(True, KEY_A)
    assert harness.changes > 0
    ann.say(key(False, SHIFT))
    assert harness.up.take() == b""


async def test_what_a_leaving_controller_held_is_released(harness: RouterHarness) -> None:
    """Who leaves can't let go any more."""
    await harness.link()
    ann = harness.shows("ann")
    ann.say(key(True, SHIFT))
    harness.up.take()
    ann.transport.end()
    assert harness.up.take() == key(False, SHIFT)


async def test_who_comes_and_takes_makes_the_old_one_let_go(harness: RouterHarness) -> None:
    """The same as with a wish from the page."""
    await harness.link()
    ann = harness.shows("ann")
    ann.say(key(True, SHIFT))
    harness.up.take()
    harness.joins("bob", take=True)
    assert harness.up.take() == key(False, SHIFT)
    assert harness.control.controller == "bob"


async def test_keys_without_a_link_are_discarded_and_counted(harness: RouterHarness) -> None:
    """Nothing is typed later, into the wrong place; a release isn't a keystroke."""
    await harness.link()
    ann = harness.shows("ann")
    bob = harness.shows("bob")
    harness.up.end()
    ann.say(key(True, KEY_A), key(False, KEY_A), pointer(0, 1, 1))
    bob.say(key(True, KEY_A))
    assert harness.router.discarded_keys == 1
    await harness.link()
    assert key(True, KEY_A) not in harness.up.take()


async def test_what_the_lost_link_left_pressed_is_released_first_of_all(
    harness: RouterHarness,
) -> None:
    """In a form that the new upstream understands: it hasn't announced QEMU's keys yet."""
    await harness.link()
    wishes = set_encodings(enc.RAW, enc.QEMU_EXTENDED_KEY)
    ann = harness.shows("ann", wishes)
    harness.up.deliver(update(rectangle(0, 0, 0, 0, enc.QEMU_EXTENDED_KEY)))
    ann.say(qemu_key(1, SHIFT, 42), pointer(1, 2, 3))
    assert harness.up.take().endswith(qemu_key(1, SHIFT, 42) + pointer(1, 2, 3))
    harness.up.end()
    await harness.link()
    assert harness.up.take().startswith(key(False, SHIFT) + pointer(0, 2, 3))
    harness.up.end()
    await harness.link()
    assert key(False, SHIFT) not in harness.up.take()


async def test_an_upstream_that_takes_no_input_stops_the_viewers(harness: RouterHarness) -> None:
    """Until it has taken it all."""
    await harness.link()
    ann = harness.shows("ann")
    harness.up.stuck = True
    many = key(True, KEY_A) * (UPSTREAM_QUEUE_BYTES // 8)
    ann.say(many)
    assert not ann.transport.paused
    ann.say(key(True, KEY_A))
    assert ann.transport.paused
    harness.up.drain()
    assert not ann.transport.paused


async def test_a_lost_link_lets_the_viewers_go_on(harness: RouterHarness) -> None:
    """They are read again, since there is nothing to wait for."""
    await harness.link()
    ann = harness.shows("ann")
    harness.up.stuck = True
    ann.say(key(True, KEY_A) * (UPSTREAM_QUEUE_BYTES // 8 + 1))
    assert ann.transport.paused
    harness.up.end()
    assert not ann.transport.paused


# Slow viewers


async def test_a_viewer_that_is_behind_skips_and_catches_up(
    harness: RouterHarness, clock: ProcessClock
) -> None:
    """It slows nobody; what it lacks is asked for once it has read what was sent."""
    await harness.link()
    slow, fast = harness.shows("ann"), harness.shows("bob")
    slow.transport.stuck = True
    for grey in range(4):
        harness.up.deliver(update(raw(0, 0, 64, 48, grey)))
        for far in (slow, fast):
            far.say(request(incremental=True))
    assert (fast.look().frame == (0, 0, 3)).all()
    assert not harness.up.paused
    assert slow.transport.backlog_bytes < QUEUE_BYTES + 2 * len(FULL)
    harness.up.take()
    slow.transport.drain()
    await clock.forward(1.1)
    assert request() in harness.up.take()
    harness.up.deliver(update(raw(0, 0, 64, 48, 9)))
    assert (slow.look().frame == (0, 0, 9)).all()


async def test_what_counts_against_a_ration(harness: RouterHarness) -> None:
    """All that a viewer sends, but for the controller's keys, pointer and text; not its sizes."""
    await harness.link()
    ann, bob = harness.shows("ann"), harness.shows("bob")
    size = struct.pack(">BxHHBx", 251, 64, 48, 1) + bytes(16)
    text = struct.pack(">BxxxI", 6, 1) + b"x"
    for far in (ann, bob):
        far.transport.wasted = 0
    ann.say(key(True, KEY_A), key(False, KEY_A), pointer(0, 1, 1), text)
    assert ann.transport.wasted == 0
    ann.say(size)
    assert ann.transport.wasted == work(size)
    bob.say(key(True, KEY_A))
    assert bob.transport.wasted == 1


async def test_what_waits_for_the_only_viewer_is_bounded(
    harness: RouterHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Long before it is behind: what nobody can take needn't be read."""
    monkeypatch.setattr(message_router, "LINK_PAUSE_BYTES", 10_000)
    await harness.link()
    far = harness.shows("ann")
    far.transport.stuck = True
    harness.up.deliver(update(FULL))
    assert 10_000 < far.transport.backlog_bytes < QUEUE_BYTES
    assert harness.up.paused
    other = harness.joins("bob")
    other.shake()
    other.say(USUAL, request())
    assert not harness.up.paused, "it waits for the fastest only"
    far.transport.drain()
    assert not harness.up.paused


async def test_if_all_are_behind_the_upstream_is_not_read(harness: RouterHarness) -> None:
    """Until the first has caught up."""
    await harness.link()
    viewers = harness.shows("ann"), harness.shows("bob")
    for far in viewers:
        far.transport.stuck = True
    for grey in range(4):
        harness.up.deliver(update(raw(0, 0, 64, 48, grey)))
        for far in viewers:
            far.say(request(incremental=True))
    assert harness.up.paused
    viewers[0].transport.drain()
    assert not harness.up.paused


async def test_an_upstream_that_nobody_watches_is_read(harness: RouterHarness) -> None:
    """The last viewer was behind when it went: nobody else would ever let the link flow again."""
    await harness.link()
    harness.up.deliver(update(FULL))
    assert not harness.up.paused
    far = harness.shows("ann")
    far.transport.stuck = True
    for grey in range(4):
        harness.up.deliver(update(raw(0, 0, 64, 48, grey)))
        far.say(request(incremental=True))
    assert harness.up.paused
    far.transport.end()
    assert not harness.up.paused
    harness.up.deliver(update(FULL))
    assert not harness.up.paused


# The pixel format


async def test_the_only_viewer_may_have_its_format(harness: RouterHarness) -> None:
    """Nothing was asked of the upstream yet: it gets the format at once."""
    await harness.link()
    ann = harness.joins("ann")
    ann.shake()
    ann.transport.take()
    ann.say(b"\0\0\0\0" + OTHER_FORMAT, set_encodings(enc.RAW), request())
    assert harness.up.take() == (b"\0\0\0\0" + OTHER_FORMAT + set_encodings(enc.RAW) + request())
    harness.up.deliver(update(rectangle(0, 0, 64, 48, enc.RAW, bytes(2 * 64 * 48))) + b"\x02")
    assert ann.transport.take().endswith(b"\x02")
    assert harness.faults == []


async def test_who_comes_second_must_have_the_same_format(harness: RouterHarness) -> None:
    """Its own words are compared with what the others decode."""
    await harness.link()
    harness.shows("ann")
    same, other = harness.shows("bob"), harness.shows("cid")
    same.say(b"\0\0\0\0" + PIXEL_FORMAT)
    assert same.viewer.end is None
    other.say(b"\0\0\0\0" + OTHER_FORMAT)
    assert code_of(other.viewer) == (4406, "pixel-format")
    assert harness.up.take() == b""


async def test_who_comes_while_the_format_changes_is_reported_the_new_one(
    harness: RouterHarness,
) -> None:
    """Since nothing of the old one will be sent any more."""
    await harness.link()
    ann = harness.shows("ann")
    ann.say(b"\0\0\0\0" + OTHER_FORMAT)
    assert OTHER_FORMAT not in harness.up.take()
    bob = harness.joins("bob")
    bob.shake()
    assert OTHER_FORMAT in bob.transport.take()


# Time


async def test_the_outstanding_request_is_repeated(
    harness: RouterHarness, clock: ProcessClock
) -> None:
    """Whole, when nothing else was sent for so long; and again, and again."""
    await harness.link()
    harness.shows("ann")
    await clock.forward(INTERVAL_S - 1)
    assert harness.up.take() == b""
    for _ in range(2):
        await clock.forward(INTERVAL_S)
        assert harness.up.take() == request(incremental=True)
    assert harness.kinds == ["any"] * 2


async def test_any_message_postpones_the_keepalive(
    harness: RouterHarness, clock: ProcessClock
) -> None:
    """While any message is believed to count."""
    await harness.link()
    ann = harness.shows("ann")
    await clock.forward(INTERVAL_S - 1)
    ann.say(key(False, KEY_A))
    harness.up.take()
    await clock.forward(INTERVAL_S - 1)
    assert harness.up.take() == b""


async def test_a_link_without_viewers_is_kept(harness: RouterHarness, clock: ProcessClock) -> None:
    """A request is sent all the same: the link lingers for who comes back."""
    await harness.link()
    await clock.forward(INTERVAL_S + 1)
    assert harness.up.take() == request(incremental=True)


async def test_the_pointers_place_is_repeated(clock: ProcessClock) -> None:
    """With its buttons, where only input counts; before it was moved, nothing is invented."""
    harness = RouterHarness(KeepaliveClass.POINTER)
    await harness.link()
    ann = harness.shows("ann")
    await clock.forward(INTERVAL_S + 1)
    assert harness.up.take() == request(incremental=True)
    ann.say(pointer(1, 2, 3))
    harness.up.take()
    await clock.forward(INTERVAL_S + 1)
    assert harness.up.take() == pointer(1, 2, 3)
    assert harness.kinds == ["any", "pointer"]
    await clear(harness)


async def test_a_key_is_pressed_and_released(clock: ProcessClock) -> None:
    """Two whole messages, so that nothing stays pressed."""
    harness = RouterHarness(KeepaliveClass.KEY)
    await harness.link()
    harness.shows("ann")
    await clock.forward(INTERVAL_S + 1)
    assert harness.up.take() == key(True, SHIFT) + key(False, SHIFT)
    assert harness.held.release() == []
    assert harness.kinds == ["key"]
    await clear(harness)


async def test_nothing_is_sent_when_the_link_is_gone(
    harness: RouterHarness, clock: ProcessClock
) -> None:
    """The clock stands until the next."""
    await harness.link()
    harness.shows("ann")
    harness.up.end()
    await clock.forward(10 * INTERVAL_S)
    await settle()
    assert harness.up.take() == b""
    assert harness.kinds == []


# Continuous updates


async def test_continuous_updates_come_as_fast_as_the_line_allows(harness: RouterHarness) -> None:
    """The next frame is asked for before the viewer has answered."""
    await harness.link()
    ann = harness.shows("ann", set_encodings(enc.RAW, enc.FENCE, enc.CONTINUOUS_UPDATES))
    ann.say(struct.pack(">BBHHHH", 150, 1, 0, 0, 64, 48))
    for grey in range(3):
        harness.up.take()
        harness.up.deliver(update(raw(0, 0, 64, 48, grey)))
        assert harness.up.take() == request(incremental=True)
    assert (ann.look().frame == (0, 0, 2)).all()


async def test_a_viewers_fence_is_answered(harness: RouterHarness) -> None:
    """In its place."""
    await harness.link()
    ann = harness.shows("ann", set_encodings(enc.RAW, enc.FENCE, enc.CONTINUOUS_UPDATES))
    ann.say(struct.pack(">BxxxIB", 248, 1 << 31 | 1, 4) + b"mark")
    assert ann.look().fences[-1] == (1, b"mark")
    assert harness.up.take() == b""


# Alive or not

ONE_PIXEL = request(width=1, height=1)


async def quiet(clock: ProcessClock, seconds: float) -> None:
    """Nothing comes for so long."""
    while seconds > 0:
        await clock.forward(min(seconds, 5.0))
        seconds -= 5.0


async def test_a_still_upstream_is_asked_for_a_pixel(
    clock: ProcessClock, harness: RouterHarness
) -> None:
    """Once nothing has come for long, and again after as long; any answer will do."""
    up = await harness.link()
    harness.shows("ann")
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
    assert harness.silences == 0
    await quiet(clock, ANSWER_TIMEOUT_S)
    assert harness.silences == 1


async def test_a_part_of_a_message_is_an_answer(
    clock: ProcessClock, harness: RouterHarness
) -> None:
    """A large rectangle on a slow line is no silence."""
    up = await harness.link()
    harness.shows("ann")
    await quiet(clock, QUIET_S)
    part = update(FULL)
    for at in range(0, 200, 20):
        up.deliver(part[at : at + 20])
        await quiet(clock, QUIET_S - 1.0)
    assert harness.silences == 0


async def test_an_upstream_that_is_not_read_is_not_judged(
    clock: ProcessClock, harness: RouterHarness
) -> None:
    """While all viewers are behind, the silence is the daemon's own."""
    up = await harness.link()
    ann = harness.shows("ann")
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


async def test_no_pixel_is_asked_for_while_the_format_changes(
    clock: ProcessClock, harness: RouterHarness
) -> None:
    """Such a question is under way; if it isn't answered, that is as good as any."""
    up = await harness.link()
    ann = harness.shows("ann")
    ann.say(b"\0\0\0\0" + OTHER_FORMAT)
    asked = up.take().count(ONE_PIXEL)
    assert asked == 1
    await quiet(clock, QUIET_S)
    # The keepalive repeats what is outstanding; the question adds nothing.
    assert set(up.take()) <= set(ONE_PIXEL)
    await quiet(clock, ANSWER_TIMEOUT_S)
    assert harness.silences == 1


async def test_the_pixel_is_drained_before_a_new_format(
    clock: ProcessClock, harness: RouterHarness
) -> None:
    """Two corners have to be answered after it, whatever else was outstanding."""
    up = await harness.link()
    ann = harness.shows("ann")
    await quiet(clock, QUIET_S)
    up.take()
    ann.say(b"\0\0\0\0" + OTHER_FORMAT)
    up.deliver(update(raw(0, 0, 1, 1)))
    assert b"\0\0\0\0" + OTHER_FORMAT not in up.take()
    up.deliver(update(raw(63, 47, 1, 1)))
    assert up.take().startswith(b"\0\0\0\0" + OTHER_FORMAT)


async def test_one_that_never_answered_is_dead(clock: ProcessClock, harness: RouterHarness) -> None:
    """It is asked for a pixel as soon as it is still, and for the whole screen after that."""
    harness.liveness.answers = False
    up = await harness.link()
    ann = harness.joins("ann")
    ann.shake()
    ann.say(USUAL, request())
    await clock.forward(FIRST_QUIET_S)
    assert up.take().count(ONE_PIXEL) == 1
    await quiet(clock, ANSWER_TIMEOUT_S)
    assert up.take().count(request()) == 1
    assert harness.silences == 0
    await quiet(clock, ANSWER_TIMEOUT_S)
    assert harness.silences == 1


async def test_one_that_answers_no_pixel_is_asked_for_the_screen(
    clock: ProcessClock, harness: RouterHarness
) -> None:
    """Which it has shown before; only where that doesn't come either it is dead."""
    harness.liveness.answers = False
    up = await harness.link()
    ann = harness.shows("ann")
    for quiet_s in (FIRST_QUIET_S, QUIET_S):
        for _ in range(int(quiet_s + ANSWER_TIMEOUT_S)):
            await clock.forward(1.0)
        assert up.take().count(request()) == 1
        up.deliver(update(FULL))
        ann.say(request(incremental=True))
    assert harness.silences == 0
    for _ in range(int(QUIET_S + 2 * ANSWER_TIMEOUT_S)):
        await clock.forward(1.0)
    assert harness.silences == 1
