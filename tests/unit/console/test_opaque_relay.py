"""Bytes relayed untouched between one viewer and an upstream that the daemon doesn't understand."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.unit.console.fakes import VERSION, FakeTransport
from vncproxy.console.link import Link
from vncproxy.console.opaque_relay import QUEUE_BYTES, OpaqueRelay
from vncproxy.console.viewer import Viewer, ViewerIdentity
from vncproxy.console.viewer_limits import ViewerLimits
from vncproxy.errors import CloseCode, CloseReason, Side, VncproxyError
from vncproxy.rfb.client_events import ClientEvent
from vncproxy.rfb.handshake_events import UnknownSecurity
from vncproxy.websocket.transport import TransportEnd

TYPES = b"\x01\x13"
FOUND = UnknownSecurity((0x13,), VERSION + TYPES, VERSION)
LIMITS = ViewerLimits(0, 0, 60, 1 << 20)
MANY = bytes(QUEUE_BYTES + 1)


class Setup:
    """A relay, a link that was found opaque or is opened so, and one viewer; plays the console."""

    def __init__(self, found: UnknownSecurity | None = FOUND) -> None:
        """Both sides are open."""
        self.up, self.down = FakeTransport(), FakeTransport()
        self.link = Link(self.up, self, None, opaque=True)
        self.mismatches = 0
        self.relay = OpaqueRelay(self.link, found, self._mismatch)
        self.viewer = self.another(self.down)
        self.link.relay(self.relay)

    def _mismatch(self) -> None:
        self.mismatches += 1

    def another(
        self, transport: FakeTransport, *, may_control: bool = True, native: bool = False
    ) -> Viewer:
        """A viewer that waits."""
        viewer = Viewer(
            ViewerIdentity(
                "v", "ann", "127.0.0.1", "local", may_control=may_control, native=native
            ),
            transport,
            LIMITS,
        )
        viewer.open(self)
        return viewer

    def link_ended(self, link: Link, end: TransportEnd) -> None:
        """Of no interest here."""

    def link_failed(self, link: Link, fault: VncproxyError) -> None:
        """Never: the daemon has no fault."""
        raise AssertionError

    def viewer_ready(self, viewer: Viewer) -> None:
        """Never: the daemon shakes no hands."""
        raise AssertionError

    def viewer_sent(self, viewer: Viewer, events: list[ClientEvent]) -> None:
        """Never: nothing is parsed."""
        raise AssertionError

    def viewer_opaque(self, viewer: Viewer, data: bytes) -> None:
        """Bytes of the viewer."""
        self.relay.from_viewer(data)

    def viewer_caught_up(self, viewer: Viewer) -> None:
        """The viewer has taken all."""
        self.relay.viewer_caught_up()

    def viewer_ended(self, viewer: Viewer) -> None:
        """Of no interest here."""


@pytest.fixture
async def found() -> AsyncIterator[Setup]:
    """A connection whose version lines the daemon has already exchanged."""
    setup = Setup()
    yield setup
    await setup.viewer.abandon()


@pytest.fixture
async def fresh() -> AsyncIterator[Setup]:
    """A connection on which the daemon has sent nothing."""
    setup = Setup(None)
    yield setup
    await setup.viewer.abandon()


async def test_a_viewer_takes_the_connection_over(found: Setup) -> None:
    """It sees the upstream's words as if they came first, and its version line is swallowed."""
    assert found.relay.take(found.viewer) is None
    assert found.down.take() == VERSION
    found.down.deliver(VERSION[:5])
    assert (found.down.take(), found.up.take()) == (b"", b"")
    found.down.deliver(VERSION[5:] + b"\x13more")
    assert found.down.take() == TYPES
    assert found.up.take() == b"\x13more"
    found.up.deliver(b"answer")
    found.down.deliver(b"question")
    assert (found.down.take(), found.up.take()) == (b"answer", b"question")
    assert found.mismatches == 0


async def test_what_comes_before_the_takeover_is_kept_in_order(found: Setup) -> None:
    """And the upstream is read no further meanwhile."""
    found.up.deliver(b"early")
    assert found.up.paused
    found.relay.take(found.viewer)
    found.up.deliver(b", too")
    found.down.deliver(VERSION)
    assert found.down.take() == VERSION + TYPES + b"early, too"


async def test_another_version_is_a_mismatch(found: Setup) -> None:
    """The connection is of no use then, and nothing of the viewer's goes upstream."""
    found.relay.take(found.viewer)
    found.down.deliver(b"RFB 003.003\n")
    assert found.mismatches == 1
    assert found.up.take() == b""


async def test_on_a_fresh_link_the_viewer_speaks_from_the_first_byte(fresh: Setup) -> None:
    """What the upstream sent before is the viewer's."""
    fresh.up.deliver(b"RFB 009.001\n")
    assert fresh.up.paused
    assert fresh.relay.take(fresh.viewer) is None
    assert not fresh.up.paused
    assert fresh.down.take() == b"RFB 009.001\n"
    fresh.down.deliver(b"RFB 009.001\n")
    assert fresh.up.take() == b"RFB 009.001\n"


@pytest.mark.parametrize(
    ("who", "code", "words"),
    [
        ({"may_control": False}, CloseCode.IN_USE, "watched"),
        ({"native": True}, CloseCode.UPSTREAM_PROTOCOL, "native viewers"),
    ],
    ids=str,
)
async def test_who_may_not_control_can_not_have_it(
    fresh: Setup, who: dict[str, bool], code: CloseCode, words: str
) -> None:
    """Nothing could be held back from it; a native viewer proves itself in RFB, unspoken here."""
    other = fresh.another(FakeTransport(), **who)
    refusal = fresh.relay.take(other)
    assert refusal is not None
    assert refusal.code is code
    assert words in refusal.text
    assert fresh.relay.take(fresh.viewer) is None
    await other.abandon()


async def test_there_is_one_viewer_only(fresh: Setup) -> None:
    """Bytes can't be shared."""
    assert fresh.relay.take(fresh.viewer) is None
    other = fresh.another(FakeTransport())
    refusal = fresh.relay.take(other)
    assert refusal is not None
    assert refusal.code is CloseCode.IN_USE
    await other.abandon()


async def test_the_wait_of_the_one_viewer_is_over(fresh: Setup) -> None:
    """It has what it waited for."""
    reason = CloseReason(CloseCode.UPSTREAM_LOST, Side.CLOUD)
    fresh.viewer.time_limits.wait_at_most(60, lambda: reason)
    fresh.relay.take(fresh.viewer)
    assert fresh.viewer.time_limits.patience_s == 0


async def test_a_viewer_that_reads_slowly_slows_the_upstream(fresh: Setup) -> None:
    """Nothing may be skipped: so it is read no further, until the viewer has caught up."""
    fresh.relay.take(fresh.viewer)
    fresh.down.stuck = True
    fresh.up.deliver(MANY[1:])
    assert not fresh.up.paused
    fresh.up.deliver(b"1")
    assert fresh.up.paused
    fresh.down.drain()
    assert not fresh.up.paused
    assert len(fresh.down.taken) == len(MANY)


async def test_an_upstream_that_reads_slowly_slows_the_viewer(fresh: Setup) -> None:
    """The other way round."""
    fresh.relay.take(fresh.viewer)
    fresh.up.stuck = True
    fresh.down.deliver(MANY)
    assert fresh.down.paused
    fresh.up.drain()
    assert not fresh.down.paused
    assert len(fresh.up.taken) == len(MANY)
