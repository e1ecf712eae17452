"""One upstream connection: its handshake, its messages, its end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence

import pytest

from tests.unit.console.fakes import (
    PIXEL_FORMAT,
    VERSION,
    FakeTransport,
    greeting,
    raw,
    settle,
    update,
)
from vncproxy.console.link import TURN_WORK, Link, Outcome
from vncproxy.errors import (
    LocalError,
    Side,
    UpstreamLost,
    UpstreamProtocolError,
    VncPasswordError,
    VncproxyError,
)
from vncproxy.rfb.handshake_events import PasswordNeeded, Ready, UnknownSecurity
from vncproxy.rfb.pixel_format import PixelFormat
from vncproxy.rfb.server_events import (
    BellRung,
    RawEnded,
    RawReceived,
    ServerEvent,
    StreamBroken,
    plain_slices,
)
from vncproxy.rfb.vnc_auth import response
from vncproxy.websocket.frames import Slice
from vncproxy.websocket.transport import TransportEnd

CHALLENGE = bytes(range(16))
ASKS_FOR_PASSWORD = VERSION + b"\x01\x02" + CHALLENGE
REFUSED = b"\0\0\0\x01" + b"\0\0\0\x04" + b"busy"


class Host:
    """Notes what a link tells."""

    def __init__(self) -> None:
        """Nothing was reported."""
        self.received: list[object] = []

    def link_received(self, events: list[ServerEvent]) -> bool:
        """Messages."""
        self.received += events
        return False

    def link_passed(self, slices: Sequence[Slice], size_bytes: int) -> None:
        """Pixels."""
        self.received.append(RawReceived(b"".join(plain_slices(slices))))

    def from_link(self, data: bytes) -> None:
        """Bytes."""
        self.received.append(data)

    def link_caught_up(self) -> None:
        """Drained."""
        self.received.append("caught up")

    def link_ended(self, link: Link, end: TransportEnd) -> None:
        """The end."""
        self.received.append(end)

    def link_failed(self, link: Link, fault: VncproxyError) -> None:
        """A fault of the daemon's."""
        raise AssertionError("the daemon has a fault")


class BrokenHost(Host):
    """Has a fault whenever messages come; notes what of it is reported."""

    def __init__(self) -> None:
        super().__init__()
        self.faults: list[VncproxyError] = []

    def link_received(self, events: list[ServerEvent]) -> bool:
        """Messages."""
        raise RuntimeError("a fault")

    def link_failed(self, link: Link, fault: VncproxyError) -> None:
        """A fault of the daemon's."""
        self.faults.append(fault)


class FaultyTransport(FakeTransport):
    """Can't say how much it hasn't sent yet."""

    @property
    def backlog_bytes(self) -> int:
        raise RuntimeError("a fault")


class Setup:
    """A link, its far end, and who learns of it."""

    def __init__(
        self,
        password: str | None = None,
        *,
        opaque: bool = False,
        host: Host | None = None,
        transport: FakeTransport | None = None,
    ) -> None:
        """Open; the handshake begins with `shake`."""
        self.transport = transport or FakeTransport()
        self.host = host or Host()
        self.link = Link(self.transport, self.host, password, opaque=opaque)

    async def shake(self, *pieces: bytes, timeout_s: float = 5.0) -> Outcome:
        """The handshake's outcome after these bytes of the upstream."""
        outcome = asyncio.create_task(self.link.shake_hands(timeout_s))
        await settle()
        for piece in pieces:
            self.transport.deliver(piece)
        return await outcome

    async def run(self) -> Ready:
        """Until messages can come."""
        ready = await self.shake(greeting())
        assert isinstance(ready, Ready)
        self.link.read_on(self.host)
        return ready


async def test_a_handshake_leads_to_the_screen() -> None:
    """However its bytes are cut; the daemon asks to share."""
    setup = Setup()
    ready = await setup.shake(*[bytes((byte,)) for byte in greeting(100, 80, "büro")])
    assert isinstance(ready, Ready)
    assert (ready.width, ready.height, ready.name) == (100, 80, "büro")
    assert bytes(setup.transport.taken) == VERSION + b"\x01" + b"\x01"
    assert setup.link.bytes_in == len(greeting(100, 80, "büro"))
    assert setup.link.bytes_out == 14


async def test_no_byte_overtakes_the_setting_up() -> None:
    """Reading is paused from ServerInit on; what came with it follows once the console is ready."""
    setup = Setup()
    ready = await setup.shake(greeting() + b"\x02" + update(raw(0, 0, 2, 2)))
    assert isinstance(ready, Ready)
    assert setup.transport.paused
    assert setup.host.received == []
    setup.link.read_on(setup.host)
    assert not setup.transport.paused
    await settle()
    assert setup.host.received[0] == BellRung()
    assert any(isinstance(event, RawEnded) for event in setup.host.received)


async def test_messages_are_reported_and_whole_ones_sent() -> None:
    """Both directions are counted."""
    setup = Setup()
    await setup.run()
    setup.transport.take()
    before = setup.link.bytes_in, setup.link.bytes_out
    setup.transport.deliver(b"\x02\x02")
    setup.transport.deliver(memoryview(b"\x02"))
    setup.link.send([b"one", b"two"])
    setup.link.send([])
    assert setup.host.received == [BellRung()] * 3
    assert setup.transport.take() == b"onetwo"
    assert (setup.link.bytes_in, setup.link.bytes_out) == (before[0] + 3, before[1] + 6)


async def test_broken_rfb_is_reported_as_such() -> None:
    """The console decides what to do."""
    setup = Setup()
    await setup.run()
    setup.transport.deliver(b"\x63")
    assert isinstance(setup.host.received[-1], StreamBroken)


async def test_the_pixel_format_is_followed() -> None:
    """From the next rectangle on."""
    setup = Setup()
    await setup.run()
    setup.link.set_pixel_format(PixelFormat(8, 8, False, True, 7, 7, 3, 0, 3, 6))
    setup.transport.deliver(update(raw(0, 0, 2, 2)[:12] + bytes(4)) + b"\x02")
    assert setup.host.received[-1] == BellRung()


async def test_the_password_is_used_when_it_is_asked_for() -> None:
    """And only then."""
    setup = Setup("geheim")
    await setup.shake(ASKS_FOR_PASSWORD, bytes(4), greeting()[18:])
    assert response("geheim", CHALLENGE) in bytes(setup.transport.taken)
    assert b"geheim" not in bytes(setup.transport.taken)


async def test_a_password_that_nobody_gave_is_an_outcome() -> None:
    """The page is asked."""
    assert await Setup().shake(ASKS_FOR_PASSWORD) == PasswordNeeded(CHALLENGE)


async def test_security_that_nobody_knows_is_an_outcome() -> None:
    """The console becomes opaque, with all that was sent."""
    setup = Setup()
    found = await setup.shake(VERSION, b"\x01\x13")
    assert found == UnknownSecurity((0x13,), VERSION + b"\x01\x13", VERSION)
    assert setup.transport.paused
    setup.link.relay(setup.host)
    assert setup.link.opaque
    assert not setup.transport.paused
    setup.transport.deliver(b"whatever")
    assert setup.host.received == [b"whatever"]


async def test_an_opaque_link_says_nothing_by_itself() -> None:
    """Not even its version line."""
    setup = Setup(opaque=True)
    setup.link.relay(setup.host)
    setup.transport.deliver(VERSION)
    assert setup.host.received == [VERSION]
    assert setup.transport.taken == b""
    setup.link.send([b"anything"])
    assert setup.transport.taken == b"anything"


async def fails(outcome: Awaitable[Outcome], fault: type[Exception]) -> str:
    """The words of the failure."""
    with pytest.raises(fault) as caught:
        await outcome
    return str(caught.value)


async def test_a_wrong_password_is_reported() -> None:
    """The upstream's own words are for the log only."""
    setup = Setup("falsch")
    text = await fails(setup.shake(ASKS_FOR_PASSWORD, REFUSED), VncPasswordError)
    assert text == "the VNC password is wrong"
    assert setup.link.refusal == "busy"


async def test_a_refusal_may_be_tried_again() -> None:
    """The server may be free the next time."""
    setup = Setup()
    text = await fails(setup.shake(VERSION + b"\x01\x01" + REFUSED), UpstreamLost)
    assert "refused" in text
    assert setup.link.refusal == "busy"


async def test_something_else_than_rfb_is_reported() -> None:
    """Another try would be no use."""
    await fails(Setup().shake(b"HTTP/1.1 400"), UpstreamProtocolError)


async def test_a_handshake_has_a_time_limit() -> None:
    """An upstream that says nothing is as good as lost."""
    text = await fails(Setup().shake(VERSION, timeout_s=0.01), UpstreamLost)
    assert "in time" in text or "handshake" in text


@pytest.mark.parametrize(
    "broken_off", [b"", VERSION, VERSION + b"\x01", VERSION + b"\x01\x01\0\0\0\0"]
)
async def test_a_handshake_may_break_off_anywhere(broken_off: bytes) -> None:
    """That is a loss, and reported once."""
    setup = Setup()
    outcome = asyncio.create_task(setup.link.shake_hands(5.0))
    await settle()
    setup.transport.deliver(broken_off)
    setup.transport.end()
    await fails(outcome, UpstreamLost)
    assert setup.host.received == []
    assert setup.link.end == TransportEnd(Side.CLOUD)


async def test_a_gateway_that_breaks_websocket_rules_is_reported() -> None:
    """It isn't a mere loss."""
    setup = Setup()
    outcome = asyncio.create_task(setup.link.shake_hands(5.0))
    await settle()
    setup.transport.end(broke_rules=True)
    await fails(outcome, UpstreamProtocolError)


async def test_the_end_is_reported_and_nothing_is_sent_afterwards() -> None:
    """With side and code."""
    setup = Setup()
    await setup.run()
    setup.transport.take()
    setup.transport.end(Side.CLOUD, 1001)
    assert setup.host.received == [TransportEnd(Side.CLOUD, 1001)]
    sent = setup.link.bytes_out
    setup.link.send([b"late"])
    assert setup.link.bytes_out == sent


async def test_an_end_before_the_console_is_set_up_is_reported() -> None:
    """Between ServerInit and the reading on."""
    setup = Setup()
    await setup.shake(greeting())
    setup.transport.end()
    assert setup.host.received == [TransportEnd(Side.CLOUD)]


async def test_closing_frees_the_clouds_slot() -> None:
    """The transport is closed and what ran for it has ended."""
    setup = Setup()
    await setup.run()
    await setup.link.close()
    assert setup.transport.closed
    assert setup.transport.is_shut
    assert setup.link.end is not None
    assert setup.link.end.side is Side.DAEMON


async def test_backlog_and_pauses_are_the_legs() -> None:
    """The link hands them through."""
    setup = Setup()
    await setup.run()
    setup.transport.stuck = True
    setup.link.send([PIXEL_FORMAT])
    assert setup.link.backlog_bytes == 16
    setup.transport.drain()
    assert setup.host.received == ["caught up"]
    setup.link.pause()
    assert setup.transport.paused
    setup.link.resume()
    assert not setup.transport.paused
    assert 0 <= setup.link.age_s < 60


PIXELS = bytes(range(48))
"""Of a Raw rectangle of 4 by 3."""
WITH_PIXELS = update(raw(0, 0, 4, 3)[:12])


async def test_pixels_pass_by_and_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rectangle ends with the last of them, and what follows is read as a message."""
    setup = Setup()
    await setup.run()
    link = setup.link
    setup.transport.deliver(WITH_PIXELS)
    before = link.bytes_in
    assert link.body_bytes == 48
    monkeypatch.setattr("time.monotonic", lambda: 1e9)
    link.transport_passed([PIXELS[:40]], 40)
    assert (link.body_bytes, link.bytes_in, link.received_at) == (8, before + 40, 1e9)
    assert setup.host.received[-1] == RawReceived(PIXELS[:40])
    link.transport_passed([PIXELS[40:]], 8)
    assert link.body_bytes == 0
    assert setup.host.received[-3:-1] == [RawReceived(PIXELS[40:]), RawEnded()]
    setup.transport.deliver(b"\x02")
    assert setup.host.received.count(BellRung()) == 1


async def test_pixels_may_pass_by_and_be_read_in_turns() -> None:
    """The stream hears of those that passed by before it is fed, each of them once."""
    setup = Setup()
    await setup.run()
    setup.transport.deliver(WITH_PIXELS)
    for at in (0, 20):
        setup.link.transport_passed([PIXELS[at : at + 10]], 10)
        setup.transport.deliver(PIXELS[at + 10 : at + 20])
    assert setup.link.body_bytes == 8
    setup.transport.deliver(PIXELS[40:] + b"\x02")
    assert setup.link.body_bytes == 0
    assert setup.host.received[-1] == BellRung()
    assert setup.host.received.count(RawEnded()) == 1


async def test_a_link_that_was_let_go_of_gives_nothing() -> None:
    """What comes still counts as read, until it is closed; pixels come as frames again."""
    setup = Setup()
    await setup.run()
    setup.transport.deliver(WITH_PIXELS)
    before = setup.link.bytes_in, len(setup.host.received)
    setup.link.detach()
    assert setup.link.body_bytes == 0
    setup.link.transport_passed([PIXELS], 48)
    setup.transport.deliver(b"\x02")
    setup.link.transport_drained()
    assert (setup.link.bytes_in, len(setup.host.received)) == (before[0] + 49, before[1])


async def test_on_many_screens_a_turn_has_fewer_messages() -> None:
    """As many as cost what one screen's do, but never less than a few."""
    taken = []
    for screens in (0, 1, 4, 1_000_000):
        setup = Setup()
        await setup.run()
        setup.link.shown_to(screens)
        taken.append(setup.link.transport_received(b"\x02" * 1000))
    assert taken == [TURN_WORK, TURN_WORK, TURN_WORK // 4, 16]


async def test_a_fault_of_the_receiver_is_reported_once() -> None:
    """The link is what ends, not the transport's reading."""
    host = BrokenHost()
    setup = Setup(host=host)
    await setup.run()
    for _ in range(2):
        setup.transport.deliver(b"\x02")
    assert [type(fault) for fault in host.faults] == [LocalError]


async def test_a_fault_in_the_handshake_ends_it() -> None:
    """Who waits for its outcome gets the fault, at once."""
    setup = Setup(host=BrokenHost())
    shaking = asyncio.create_task(setup.link.shake_hands(60.0))
    await settle()
    setup.link.failed()
    await fails(shaking, LocalError)


async def test_a_transport_that_fails_ends_the_link() -> None:
    """Where only its backlog is asked for, too."""
    host = BrokenHost()
    setup = Setup(host=host, transport=FaultyTransport())
    assert setup.link.backlog_bytes == 0
    assert [type(fault) for fault in host.faults] == [LocalError]


class BusyHost(Host):
    """Can do only a part of what messages make due, for some calls."""

    def __init__(self, calls: int) -> None:
        super().__init__()
        self._left = calls

    def link_received(self, events: list[ServerEvent]) -> bool:
        """Messages; none: the next part."""
        self.received.append(list(events))
        self._left -= 1
        return self._left > 0


async def test_a_receiver_that_is_not_done_goes_on_before_more_comes() -> None:
    """At the next turn; pixels don't pass by meanwhile."""
    host = BusyHost(3)
    setup = Setup(host=host)
    await setup.run()
    link = setup.link
    setup.transport.deliver(WITH_PIXELS)
    assert (len(host.received), link.body_bytes) == (1, 0)
    setup.transport.deliver(PIXELS)
    assert (host.received[1:], setup.transport.held_bytes) == ([[]], 48)
    await settle()
    assert host.received[2] == []
    assert (setup.transport.held_bytes, link.body_bytes) == (0, 0)
    assert len(host.received) == 4
    setup.transport.deliver(b"\x02")
    assert host.received[-1] == [BellRung()]


async def test_what_means_nothing_is_rationed() -> None:
    """The transport hears how much of it came."""
    setup = Setup()
    await setup.run()
    assert setup.transport.wasted == 0
    setup.transport.deliver(update() * 3)
    assert setup.transport.wasted > 0


async def test_an_opaque_link_reports_room_and_end() -> None:
    """As any other."""
    setup = Setup(opaque=True)
    setup.link.relay(setup.host)
    setup.transport.stuck = True
    setup.link.send([b"key"])
    setup.transport.drain()
    setup.transport.end(Side.CLOUD, 1001)
    assert setup.host.received == ["caught up", TransportEnd(Side.CLOUD, 1001)]


async def test_an_end_right_behind_the_handshake_is_reported() -> None:
    """Before who waits for the outcome has had its turn: it would wait for messages for ever."""
    setup = Setup()
    outcome = asyncio.create_task(setup.link.shake_hands(5.0))
    await settle()
    setup.transport.deliver(greeting())
    setup.transport.end(Side.CLOUD, 1001)
    assert setup.host.received == [TransportEnd(Side.CLOUD, 1001)]
    assert isinstance(await outcome, Ready)
