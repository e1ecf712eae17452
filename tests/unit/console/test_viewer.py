"""One client of a console: its handshake, its messages, its time limits, its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from tests.clock import ProcessClock
from tests.unit.console.fakes import (
    VERSION,
    VIEWER_HANDSHAKE,
    FakeTransport,
    key,
    server_init,
    set_encodings,
    settle,
)
from tests.unit.console.surroundings import code_of
from vncproxy.console.viewer import FAREWELL_TIMEOUT_S, HANDSHAKE_TIMEOUT_S, Phase, Viewer
from vncproxy.console.viewer_identity import ViewerIdentity, ViewerLimits
from vncproxy.errors import CloseCode, CloseReason, Side
from vncproxy.rfb.client_events import ClientEvent, EncodingsSet, KeySent
from vncproxy.rfb.vnc_auth import PasswordVerifier, response

CHALLENGE = bytes(range(16))
QUEUE_BYTES = 1000
LIMITS = ViewerLimits(idle_timeout_s=0, max_age_s=0, slow_timeout_s=30, queue_bytes=QUEUE_BYTES)
KICKED = CloseReason(CloseCode.KICKED, Side.DAEMON, "an administrator ended it")


class Host:
    """A console that lets everybody in."""

    def __init__(self) -> None:
        """Nothing was reported."""
        self.received: list[object] = []

    def viewer_ready(self, viewer: Viewer) -> None:
        """Welcome it."""
        self.received.append("ready")

    def viewer_sent(self, viewer: Viewer, events: list[ClientEvent]) -> None:
        """Messages."""
        self.received += events

    def viewer_opaque(self, viewer: Viewer, data: bytes) -> None:
        """Bytes."""
        self.received.append(data)

    def viewer_caught_up(self, viewer: Viewer) -> None:
        """Drained."""
        self.received.append("caught up")

    def viewer_ended(self, viewer: Viewer) -> None:
        """The end."""
        self.received.append("ended")


class Setup:
    """A viewer, its far end, and its console."""

    def __init__(
        self,
        limits: ViewerLimits = LIMITS,
        password: str = "",
        *,
        opened: bool = True,
        **who: Any,
    ) -> None:
        """Waiting for a link, if it is `opened`."""
        self.transport, self.host = FakeTransport(), Host()
        verifier = PasswordVerifier(password, CHALLENGE) if password else None
        identity = ViewerIdentity("v-1", "ann", "127.0.0.1", "local", **who)
        self.viewer = Viewer(identity, self.transport, limits, verifier)
        if opened:
            self.viewer.open(self.host)

    def shake(self) -> None:
        """Up to the wish for ServerInit."""
        self.viewer.greet()
        for piece in VIEWER_HANDSHAKE:
            self.transport.deliver(piece)

    def stream(self) -> Setup:
        """Up to the first message."""
        self.shake()
        self.viewer.welcome(server_init())
        self.transport.take()
        self.host.received.clear()
        return self


Make = Callable[..., Setup]


@pytest.fixture
async def make() -> AsyncIterator[Make]:
    """Viewers that leave nothing behind."""
    setups: list[Setup] = []

    def one(*how: Any, **who: Any) -> Setup:
        setups.append(Setup(*how, **who))
        return setups[-1]

    yield one
    for setup in setups:
        await setup.viewer.abandon()
        assert setup.transport.is_shut


# The handshake


async def test_a_viewer_waits_for_a_link_then_shakes_hands(make: Make) -> None:
    """Nothing is sent before `greet`, and no ServerInit before `welcome`."""
    setup = make()
    assert setup.transport.taken == b""
    setup.viewer.greet()
    assert setup.transport.take() == VERSION
    for piece in VIEWER_HANDSHAKE:
        setup.transport.deliver(piece)
    assert setup.transport.take() == b"\x01\x01" + bytes(4)
    assert setup.host.received == ["ready"]
    assert setup.viewer.phase is Phase.WELCOME
    setup.viewer.welcome(server_init())
    assert setup.transport.take() == server_init()
    assert setup.viewer.bytes_out == 12 + 6 + len(server_init())
    assert setup.viewer.bytes_in == 14


async def test_messages_before_serverinit_are_taken_afterwards(make: Make) -> None:
    """A viewer may not wait for it."""
    setup = make()
    setup.shake()
    setup.transport.deliver(set_encodings(0, 1))
    assert setup.host.received == ["ready"]
    assert setup.transport.paused
    setup.viewer.welcome(server_init())
    await settle()
    assert isinstance(setup.host.received[-1], EncodingsSet)


async def test_a_viewer_that_speaks_first_breaks_rfb(make: Make) -> None:
    """There is nothing it could answer yet."""
    setup = make()
    setup.transport.deliver(VERSION)
    assert code_of(setup.viewer) == (4400, "viewer-protocol")


async def test_a_native_viewer_proves_itself_and_waits_for_a_link(
    make: Make, clock: ProcessClock
) -> None:
    """Only then is it let in, so that it can still be informed of a failure in RFB."""
    setup = make(LIMITS, "geheim", native=True, opened=False)
    proving = asyncio.create_task(setup.viewer.prove())
    await settle()
    setup.transport.deliver(VERSION + b"\x02")
    assert setup.transport.take().endswith(CHALLENGE)
    assert not proving.done()
    setup.transport.deliver(response("geheim", CHALLENGE))
    assert await proving
    assert setup.viewer.phase is Phase.ADMISSION
    await clock.forward(HANDSHAKE_TIMEOUT_S + 1)
    assert (setup.transport.take(), setup.viewer.end) == (b"", None)
    setup.viewer.open(setup.host)
    setup.viewer.admit()
    assert setup.transport.take() == bytes(4)
    setup.transport.deliver(b"\x01")
    assert setup.host.received == ["ready"]


async def test_a_native_viewer_that_proves_nothing(make: Make, clock: ProcessClock) -> None:
    """It says nothing, or goes: either way it is over."""
    silent, gone = (make(LIMITS, "geheim", native=True, opened=False) for _ in range(2))
    proving = [asyncio.create_task(one.viewer.prove()) for one in (silent, gone)]
    await settle()
    gone.transport.end(Side.VIEWER)
    await clock.forward(HANDSHAKE_TIMEOUT_S + 1)
    assert await asyncio.gather(*proving) == [False, False]
    assert code_of(silent.viewer) == (4400, "viewer-protocol")
    assert code_of(gone.viewer) == (1000, "viewer-left")


async def test_a_wrong_password_of_a_native_viewer_is_reported(make: Make) -> None:
    """In RFB's own words, then it is closed."""
    setup = make(LIMITS, "geheim", native=True)
    setup.viewer.greet()
    setup.transport.deliver(VERSION + b"\x02")
    setup.transport.take()
    setup.transport.deliver(bytes(16))
    assert setup.transport.take().startswith(b"\0\0\0\1")
    assert code_of(setup.viewer) == (4401, "vnc-password")
    assert setup.viewer.gave_wrong_password
    assert not await setup.viewer.prove()


async def test_a_native_viewer_is_reported_why_it_can_not_be_had(make: Make) -> None:
    """As soon as its handshake allows it, with the sentence for people."""
    setup = make(LIMITS, "", native=True)
    setup.viewer.greet()
    setup.viewer.close(KICKED)
    await settle()
    assert not setup.transport.closed
    setup.transport.deliver(VERSION)
    await setup.viewer.closed()
    assert setup.transport.take().endswith(b"an administrator ended it")
    assert setup.transport.closed_with == KICKED


async def test_a_native_viewer_that_says_nothing_is_closed_all_the_same(
    make: Make, clock: ProcessClock
) -> None:
    """After a time."""
    setup = make(LIMITS, "", native=True)
    setup.viewer.greet()
    setup.viewer.close(KICKED)
    await settle()
    assert not setup.transport.closed
    await clock.forward(FAREWELL_TIMEOUT_S + 0.1)
    await setup.viewer.closed()
    assert setup.transport.closed


async def test_a_browser_is_reported_by_the_close_frame(make: Make) -> None:
    """Nothing of RFB is sent to it."""
    setup = make()
    setup.viewer.greet()
    setup.transport.take()
    setup.viewer.close(KICKED)
    await setup.viewer.closed()
    assert (bytes(setup.transport.taken), setup.transport.closed_with) == (b"", KICKED)


async def test_a_handshake_has_a_time_limit(make: Make, clock: ProcessClock) -> None:
    """It ends with the handshake."""
    setup = make()
    setup.viewer.greet()
    await clock.forward(HANDSHAKE_TIMEOUT_S + 0.1)
    assert code_of(setup.viewer) == (4400, "viewer-protocol")
    other = make()
    other.shake()
    await clock.forward(HANDSHAKE_TIMEOUT_S + 0.1)
    assert other.viewer.end is None


# Messages


async def test_messages_are_reported(make: Make) -> None:
    """However they are cut."""
    setup = make().stream()
    wire = key(True, 97) + key(False, 97)
    setup.transport.deliver(wire[:11])
    setup.transport.deliver(memoryview(wire[11:]))
    assert setup.host.received == [KeySent(key(True, 97)), KeySent(key(False, 97))]


async def test_a_broken_message_ends_it_after_the_whole_ones(make: Make) -> None:
    """Nothing of the bad one is passed on."""
    setup = make().stream()
    setup.transport.deliver(key(True, 97) + b"\x63rubbish")
    assert setup.host.received == [KeySent(key(True, 97)), "ended"]
    assert code_of(setup.viewer) == (4400, "viewer-protocol")
    setup.transport.deliver(key(False, 97))
    assert setup.host.received == [KeySent(key(True, 97)), "ended"]


async def test_an_opaque_viewer_is_relayed(make: Make) -> None:
    """Without a handshake of the daemon's."""
    setup = make()
    setup.viewer.go_opaque([b"RFB 009.009\n"])
    setup.transport.deliver(b"anything")
    assert setup.transport.taken == b"RFB 009.009\n"
    assert setup.host.received == [b"anything"]


# The end


async def test_it_leaves(make: Make) -> None:
    """That is reported once, and nobody is blamed."""
    setup = make().stream()
    setup.transport.end(Side.VIEWER, 1001)
    setup.viewer.close(KICKED)
    assert setup.host.received == ["ended"]
    assert setup.viewer.end == CloseReason(CloseCode.VIEWER_LEFT, Side.VIEWER, "the viewer left")
    await setup.viewer.closed()


async def test_it_broke_websocket_rules(make: Make) -> None:
    """Its close code is the one for rules."""
    setup = make().stream()
    setup.transport.end(Side.VIEWER, broke_rules=True)
    assert code_of(setup.viewer) == (4400, "viewer-protocol")


async def test_a_leg_that_fails_is_the_daemons_fault(make: Make) -> None:
    """The viewer did nothing."""
    setup = make().stream()
    setup.transport.end(Side.DAEMON)
    assert code_of(setup.viewer)[0] == 1011


async def test_closing_says_why_and_waits_for_the_farewell(make: Make) -> None:
    """The first reason counts; nothing is sent afterwards."""
    setup = make().stream()
    setup.viewer.close(KICKED)
    setup.viewer.close(CloseReason(CloseCode.INTERNAL, Side.DAEMON))
    setup.viewer.send([b"late"])
    assert setup.viewer.ended.is_set()
    await setup.viewer.closed()
    assert setup.transport.closed_with == KICKED
    assert setup.transport.taken == b""
    assert setup.host.received == ["ended"]


async def test_who_is_turned_away_is_reported_and_forgotten() -> None:
    """No console sees it."""
    transport = FakeTransport()
    viewer = Viewer(ViewerIdentity("v-1", "ann", "127.0.0.1", "local"), transport, LIMITS)
    await viewer.turn_away(KICKED)
    assert transport.closed_with == KICKED
    assert transport.is_shut


# Limits


async def test_the_wait_for_a_link_ends_as_the_console_says(
    make: Make, clock: ProcessClock
) -> None:
    """With the reason of the moment at which it ends; a second wait doesn't lengthen the first."""
    setup = make()
    reasons = [CloseReason(CloseCode.UPSTREAM_LOST, Side.CLOUD)]
    setup.viewer.wait_at_most(100, lambda: reasons[-1])
    assert 99 < setup.viewer.patience_s <= 100
    await clock.forward(60)
    setup.viewer.wait_at_most(100, lambda: reasons[-1])
    assert 39 < setup.viewer.patience_s <= 40
    reasons.append(CloseReason(CloseCode.UPSTREAM_REFUSED, Side.CLOUD))
    await clock.forward(41)
    assert code_of(setup.viewer) == (4502, "upstream-refused")


async def test_the_wait_is_over_when_the_console_runs(make: Make, clock: ProcessClock) -> None:
    """Then there is no limit."""
    setup = make()
    setup.viewer.wait_at_most(100, lambda: KICKED)
    setup.viewer.waiting_is_over()
    assert setup.viewer.patience_s == 0
    await clock.forward(1000)
    assert setup.viewer.end is None


async def test_a_viewer_may_stay_so_long(make: Make, clock: ProcessClock) -> None:
    """Whatever it does."""
    setup = make(ViewerLimits(0, 100, 30, QUEUE_BYTES)).stream()
    await clock.forward(99)
    setup.viewer.touched()
    assert setup.viewer.end is None
    await clock.forward(2)
    assert code_of(setup.viewer) == (4410, "session-limit")
    assert 100 < setup.viewer.age_s < 110


async def test_a_viewer_without_input_is_idle(make: Make, clock: ProcessClock) -> None:
    """What its user does begins the time anew."""
    setup = make(ViewerLimits(100, 0, 30, QUEUE_BYTES)).stream()
    for _ in range(3):
        await clock.forward(60)
        setup.viewer.touched()
    assert setup.viewer.end is None
    await clock.forward(99)
    assert setup.viewer.end is None
    await clock.forward(2)
    assert code_of(setup.viewer) == (4408, "idle")


async def test_how_long_ago_its_user_did_something(make: Make, clock: ProcessClock) -> None:
    """Nothing is reported before the first time."""
    viewer = make().viewer
    await clock.forward(5.0)
    assert viewer.input_age_s is None
    viewer.touched()
    await clock.forward(7.0)
    age_s = viewer.input_age_s
    assert age_s is not None
    assert 7.0 <= age_s < 12.0


async def test_an_opaque_viewers_bytes_count_as_input(make: Make, clock: ProcessClock) -> None:
    """They can't be distinguished."""
    setup = make(ViewerLimits(100, 0, 30, QUEUE_BYTES))
    setup.viewer.go_opaque([])
    await clock.forward(60)
    setup.transport.deliver(b"?")
    await clock.forward(60)
    assert setup.viewer.end is None


async def test_a_viewer_that_reads_nothing_is_too_slow(make: Make, clock: ProcessClock) -> None:
    """One that reads a little is only slow."""
    setup = make().stream()
    setup.transport.stuck = True
    setup.viewer.send([bytes(500)])
    for _ in range(3):
        await clock.forward(29)
        setup.transport.drain(1)
        await clock.forward(2)
    assert setup.viewer.end is None
    await clock.forward(62)
    assert code_of(setup.viewer) == (4413, "too-slow")


async def test_a_viewer_that_has_read_all_has_time_again(make: Make, clock: ProcessClock) -> None:
    """The console is informed that it has caught up."""
    setup = make().stream()
    setup.transport.stuck = True
    setup.viewer.send([bytes(500)])
    await clock.forward(29)
    setup.transport.drain()
    assert setup.host.received == ["caught up"]
    await clock.forward(100)
    assert setup.viewer.end is None


async def test_it_is_behind_with_more_than_its_queue(make: Make) -> None:
    """The bound itself is allowed."""
    setup = make().stream()
    setup.transport.stuck = True
    setup.viewer.send([bytes(QUEUE_BYTES)])
    assert not setup.viewer.behind
    setup.viewer.send([b"1"])
    assert setup.viewer.behind
    assert setup.viewer.behind_by(QUEUE_BYTES)
    assert not setup.viewer.behind_by(QUEUE_BYTES + 1)


async def test_reading_can_be_paused(make: Make) -> None:
    """While the upstream takes no more input."""
    setup = make().stream()
    setup.viewer.pause()
    assert setup.transport.paused
    setup.viewer.resume()
    assert not setup.transport.paused


async def test_nothing_runs_on_after_the_end(make: Make, clock: ProcessClock) -> None:
    """No timer closes it a second time."""
    setup = make(ViewerLimits(10, 10, 10, QUEUE_BYTES)).stream()
    setup.viewer.wait_at_most(10, lambda: KICKED)
    setup.transport.end(Side.VIEWER)
    before = setup.viewer.end
    await clock.forward(100)
    assert setup.viewer.end == before
    assert asyncio.all_tasks() == {asyncio.current_task()}
