"""One client of a console: its handshake, its messages, its end."""

from __future__ import annotations

import asyncio

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
from tests.unit.console.one_viewer import CHALLENGE, KICKED, LIMITS, QUEUE_BYTES, Make
from tests.unit.console.surroundings import code_of
from vncproxy.console.viewer import FAREWELL_TIMEOUT_S, Phase, Viewer, ViewerIdentity
from vncproxy.console.viewer_limits import HANDSHAKE_TIMEOUT_S
from vncproxy.errors import CloseCode, CloseReason, Side
from vncproxy.rfb.client_events import EncodingsSet, KeySent
from vncproxy.rfb.vnc_auth import response

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


async def test_a_viewer_greeted_ahead_is_waited_for_by_nobody(make: Make) -> None:
    """It gets everything up to ServerInit at once; its messages count after its answers."""
    setup = make(ahead=True)
    assert setup.transport.taken == b""
    setup.viewer.greet()
    assert setup.host.received == ["ready"]
    setup.viewer.welcome(server_init())
    assert setup.transport.take() == VERSION + b"\x01\x01" + bytes(4) + server_init()
    assert setup.viewer.phase.name == "HANDSHAKE"
    for piece in VIEWER_HANDSHAKE[:-1]:
        setup.transport.deliver(piece)
    assert setup.viewer.phase.name == "HANDSHAKE"
    setup.transport.deliver(VIEWER_HANDSHAKE[-1] + set_encodings(0, 1))
    await settle()
    assert setup.viewer.phase.name == "STREAMING"
    assert setup.host.received[0] == "ready"
    assert isinstance(setup.host.received[1], EncodingsSet)
    assert len(setup.host.received) == 2
    assert setup.transport.take() == b""


async def test_a_viewer_greeted_ahead_without_a_link(make: Make) -> None:
    """It is done before there is one: ServerInit comes later, as for every other."""
    setup = make(ahead=True)
    setup.viewer.greet()
    for piece in VIEWER_HANDSHAKE:
        setup.transport.deliver(piece)
    assert setup.viewer.phase.name == "WELCOME"
    assert setup.host.received == ["ready", "ready"]
    setup.transport.take()
    setup.viewer.welcome(server_init())
    assert setup.viewer.phase.name == "STREAMING"
    assert setup.transport.take() == server_init()


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


# Pace


async def test_it_is_behind_with_more_than_its_queue(make: Make) -> None:
    """The bound itself is allowed."""
    setup = make().stream()
    setup.transport.stuck = True
    setup.viewer.send([bytes(QUEUE_BYTES)])
    assert not setup.viewer.behind
    setup.viewer.send([b"1"])
    assert setup.viewer.behind
    assert setup.viewer.backlog_bytes == QUEUE_BYTES + 1


async def test_reading_can_be_paused(make: Make) -> None:
    """While the upstream takes no more input."""
    setup = make().stream()
    setup.viewer.pause()
    assert setup.transport.paused
    setup.viewer.resume()
    assert not setup.transport.paused


# Who


def test_an_identity_without_more_controls_and_is_not_recorded() -> None:
    """A program with the owner's token, as it comes through a door."""
    who = ViewerIdentity("v-1", "owner", "127.0.0.1", "local")
    assert (who.may_control, who.take, who.record) == (True, False, False)
    assert (who.kind, who.has_page, who.native) == ("token", False, False)
