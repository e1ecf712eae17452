"""A fault with one viewer or one link, wherever it is raised, and what the neighbours notice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import pytest

from tests.unit.console.fakes import (
    VIEWER_HANDSHAKE,
    key,
    raw,
    request,
    set_encodings,
    settle,
    until,
    update,
)
from tests.unit.console.surroundings import INSTANCE, LEFT, BrowserTransport, Surroundings, code_of
from vncproxy.aliyun.vncurl import VncUrl
from vncproxy.console.console import Console
from vncproxy.console.control import Control
from vncproxy.console.fault_isolation import contained
from vncproxy.console.lifecycle import State
from vncproxy.console.link_supervisor import LinkSupervisor
from vncproxy.console.message_router import MessageRouter
from vncproxy.console.registry import Registry
from vncproxy.console.session_recordings import SessionRecordings
from vncproxy.console.shared_screen import SharedScreen
from vncproxy.console.viewer import Viewer, ViewerIdentity
from vncproxy.console.viewer_limits import TimeLimits, ViewerLimits
from vncproxy.console.viewer_updates import ViewerUpdates
from vncproxy.errors import CloseCode, CloseReason, Side
from vncproxy.rfb import encodings as enc
from vncproxy.rfb.client_stream import ClientStream
from vncproxy.rfb.keepalive import Keepalive
from vncproxy.rfb.server_stream import ServerStream
from vncproxy.rfb.viewer_handshake import ViewerHandshake
from vncproxy.websocket.transport import Transport

OTHER = replace(INSTANCE, id="i-two", alias="two")
RESTARTING = CloseReason(CloseCode.RESTARTING, Side.DAEMON, "the daemon is restarting")
LEG = ("attach", "send", "pause", "resume", "close", "shut", "backlog_bytes")
FAULT = RuntimeError("planted")


class Planted:
    """A transport whose `name` raises, from when it is `armed`."""

    def __init__(self, transport: BrowserTransport, name: str) -> None:
        """Everything else is `transport`'s."""
        self.transport = transport
        self.name = name
        self.raised = 0

    def __getattr__(self, name: str) -> Any:
        """The real one's, but a RuntimeError where it is the one that fails."""
        if name == self.name:
            self.raised += 1
            raise FAULT
        return getattr(self.transport, name)


def always_raises(
    patch: pytest.MonkeyPatch, of: type, name: str, meant: Callable[..., bool]
) -> list[str]:
    """Let a method raise where it is `meant`; notes each time."""
    raised: list[str] = []
    usual = getattr(of, name)

    def method(self: Any, *args: Any, **how: Any) -> Any:
        if meant(self, *args):
            raised.append(name)
            raise FAULT
        return usual(self, *args, **how)

    patch.setattr(of, name, method)
    return raised


class TwoConsoles:
    """Two consoles: one with a viewer that goes wrong and one that doesn't, and another one."""

    def __init__(self, around: Surroundings) -> None:
        """Nothing is open."""
        self.around = around
        self.registry = Registry(around.parts)
        self.good: Viewer
        self.good_transport: BrowserTransport
        self.other: Viewer

    async def enter(self, viewer: Viewer, instance: Any = INSTANCE) -> Console:
        """Let a viewer in as a door does."""
        async with self.registry.hold(instance, viewer.id) as hold:
            assert await hold.console.enter(viewer)
            return hold.console

    async def open(self) -> None:
        """Both consoles run, with a good viewer on each."""
        self.good, self.good_transport = self.around.viewer()
        console = await self.enter(self.good)
        await until(lambda: console.state is State.RUNNING)
        talk(self.good_transport, *VIEWER_HANDSHAKE, set_encodings(0), request())
        self.other, _ = self.around.viewer()
        other = await self.enter(self.other, OTHER)
        await until(lambda: other.state is State.RUNNING)

    def bad(self, transport: Any, slow_timeout_s: float = 60) -> Viewer:
        """A viewer behind this transport, that may have little waiting for it."""
        limits = ViewerLimits(
            idle_timeout_s=0, max_age_s=0, slow_timeout_s=slow_timeout_s, queue_bytes=1
        )
        return Viewer(ViewerIdentity("bad", "eve", "127.0.0.1", "local"), transport, limits)

    async def leaves(self, viewer: Viewer) -> None:
        """As the session ends it."""
        viewer.close(LEFT)
        async with asyncio.timeout(60):
            await viewer.closed()
            await viewer.abandon()

    @property
    def console(self) -> Console:
        """The one that something goes wrong on."""
        console = self.registry.get(INSTANCE.id)
        assert console is not None
        return console

    async def next_viewer_is_served(self) -> None:
        """Who comes now gets a console that runs, and its picture."""
        viewer, transport = self.around.viewer()
        console = await self.enter(viewer)
        await until(lambda: console.state is State.RUNNING)
        talk(transport, *VIEWER_HANDSHAKE, set_encodings(0), request())
        transport.take()
        gateway = cast(Any, console.supervisor.link)._transport
        getattr(gateway, "transport", gateway).deliver(update(raw(0, 0, 64, 48)))
        assert len(transport.taken) > 64 * 48 * 4
        assert viewer.end is None

    async def drains(self) -> None:
        """All ends, in time; the other console's viewer had noticed nothing until then."""
        assert self.other.end is None
        await self.registry.drain(RESTARTING, 5.0)
        assert code_of(self.other) == (1012, "restarting")
        assert self.registry.consoles == []


@pytest.fixture
async def consoles(around: Surroundings) -> TwoConsoles:
    """Both consoles run."""
    consoles = TwoConsoles(around)
    await consoles.open()
    return consoles


def talk(transport: BrowserTransport, *messages: bytes) -> None:
    """A viewer that is there says this."""
    for data in messages:
        if transport.is_attached:
            transport.deliver(data)


async def live(consoles: TwoConsoles, viewer: Viewer, transport: BrowserTransport) -> None:
    """All that happens to a viewer: it comes, works, is slow, sees a link replaced, and leaves."""
    await consoles.enter(viewer)
    chosen = set_encodings(enc.RAW, enc.FENCE, enc.CONTINUOUS_UPDATES)
    talk(transport, *VIEWER_HANDSHAKE, chosen, request(), key(True, 97), key(False, 97))
    gateway = consoles.around.gateway.transports[0]
    gateway.deliver(update(raw(0, 0, 64, 48)))
    transport.stuck = True
    talk(transport, request())
    gateway.deliver(update(raw(0, 0, 64, 48)))
    talk(transport, request())
    await settle(3)
    transport.drain()
    await settle()
    links = consoles.around.count("dial")
    gateway.end()
    await until(lambda: consoles.around.count("dial") == links + 1)
    await until(lambda: consoles.console.state is State.RUNNING)
    consoles.around.transport.deliver(update(raw(0, 0, 64, 48)))
    await settle()
    await consoles.leaves(viewer)


async def unharmed(consoles: TwoConsoles) -> None:
    """The good viewer on the same console goes on, the next one comes, and all can end."""
    assert consoles.good.end is None
    consoles.good_transport.take()
    talk(consoles.good_transport, request())
    consoles.around.transport.deliver(update(raw(0, 0, 64, 48)))
    assert len(consoles.good_transport.taken) > 64 * 48 * 4
    assert consoles.console.viewers == [consoles.good]
    await consoles.next_viewer_is_served()
    await consoles.drains()


@pytest.mark.parametrize("name", [*LEG, "sent_bytes"])
async def test_a_viewer_s_connection_that_raises(consoles: TwoConsoles, name: str) -> None:
    """Whatever is asked of it, that viewer alone ends."""
    transport = BrowserTransport(consoles.around.notes)
    planted = Planted(transport, name)
    bad = consoles.bad(planted)
    await live(consoles, bad, transport)
    assert planted.raised
    expected = (1000, "viewer-left") if name in ("close", "shut") else (1011, "internal")
    assert code_of(bad) == expected
    await unharmed(consoles)


@pytest.mark.parametrize(
    ("of", "name"),
    [
        (Console, "viewer_ready"),
        (Console, "viewer_sent"),
        (Console, "viewer_caught_up"),
        (MessageRouter, "welcome"),
        (MessageRouter, "viewer_sent"),
        (MessageRouter, "caught_up"),
        (Viewer, "_messages"),
        (Viewer, "_shake_hands"),
        (TimeLimits, "_check_progress"),
        (Control, "leave"),
        (SharedScreen, "leave"),
        (SessionRecordings, "end"),
    ],
)
async def test_a_viewer_s_callback_that_raises(
    consoles: TwoConsoles, monkeypatch: pytest.MonkeyPatch, of: type, name: str
) -> None:
    """Wherever in the daemon it is raised, that viewer alone ends."""
    transport = BrowserTransport(consoles.around.notes)
    bad = consoles.bad(transport, slow_timeout_s=0 if name == "_check_progress" else 60)
    its = (bad, bad.id, bad.time_limits)
    raised = always_raises(monkeypatch, of, name, lambda *given: any(one in its for one in given))
    await live(consoles, bad, transport)
    assert raised
    left = name in ("leave", "end")
    assert code_of(bad) == ((1000, "viewer-left") if left else (1011, "internal"))
    await unharmed(consoles)


@pytest.mark.parametrize("of", [ClientStream, ViewerHandshake])
async def test_a_viewer_s_parser_that_raises(
    consoles: TwoConsoles, monkeypatch: pytest.MonkeyPatch, of: type
) -> None:
    """What can't be parsed without a fault ends who sent it."""
    transport = BrowserTransport(consoles.around.notes)
    bad = consoles.bad(transport)
    raised = always_raises(
        monkeypatch, of, "feed", lambda self, *_: self in (bad.stream, bad._handshake)
    )
    await live(consoles, bad, transport)
    assert raised
    assert code_of(bad) == (1011, "internal")
    await unharmed(consoles)


@pytest.mark.parametrize(
    "name",
    [
        *(
            "update_started",
            "update_ended",
            "raw_started",
            "introduce",
            "caught_up",
            "link_replaced",
        ),
        *("set_encodings", "requested", "probe", "take", "first_name"),
    ],
)
async def test_a_viewer_s_screen_that_raises(
    consoles: TwoConsoles, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """What the upstream sends reaches the others all the same, and the link stays."""
    transport = BrowserTransport(consoles.around.notes)
    bad = consoles.bad(transport)

    spared = list(cast(SharedScreen, consoles.console.router.shared_screen).viewers.values())
    spared += cast(
        SharedScreen, consoles.registry.consoles[1].router.shared_screen
    ).viewers.values()

    usual = getattr(ViewerUpdates, name)
    raised: list[str] = []

    def raises(self: Any, *args: Any, **how: Any) -> Any:
        if self not in spared:
            raised.append(name)
            raise FAULT
        return getattr(usual, "__wrapped__", usual)(self, *args, **how)

    guarded = contained(raises) if hasattr(usual, "__wrapped__") else raises
    monkeypatch.setattr(ViewerUpdates, name, guarded)
    await live(consoles, bad, transport)
    assert raised
    assert code_of(bad) == (1011, "internal")
    monkeypatch.setattr(ViewerUpdates, name, usual)
    await unharmed(consoles)


# Links


async def serve_one_link(consoles: TwoConsoles) -> None:
    """All that happens to a link: it opens, is used, is slow, brings pictures, and is lost."""
    transport = consoles.around.transport
    if transport.is_attached:
        await until(lambda: consoles.good.end or consoles.console.state is State.RUNNING)
        talk(consoles.good_transport, *VIEWER_HANDSHAKE, set_encodings(0), request())
        transport.stuck = True
        talk(consoles.good_transport, key(True, 97), key(False, 97), request())
        transport.drain()
        transport.deliver(update(raw(0, 0, 64, 48)))
        transport.end()
    await settle()


async def with_a_bad_link(consoles: TwoConsoles) -> None:
    """The console is served by a link that goes wrong; the neighbour runs."""
    consoles.good, consoles.good_transport = consoles.around.viewer()
    await consoles.enter(consoles.good)
    await until(lambda: consoles.around.gateway.transports[1:])
    await serve_one_link(consoles)
    console = consoles.registry.get(INSTANCE.id)
    await until(
        lambda: console is None or console.state in (State.RUNNING, State.CLOSED, State.RESUMING)
    )
    await consoles.next_viewer_is_served()
    await consoles.drains()


@pytest.fixture
async def neighbour(around: Surroundings) -> TwoConsoles:
    """Only the other console runs."""
    consoles = TwoConsoles(around)
    consoles.other, _ = around.viewer()
    console = await consoles.enter(consoles.other, OTHER)
    await until(lambda: console.state is State.RUNNING)
    return consoles


@pytest.mark.parametrize("name", LEG)
async def test_a_link_s_connection_that_raises(neighbour: TwoConsoles, name: str) -> None:
    """The link is replaced, or its console ends and the next viewer gets a new one."""
    usual = neighbour.around.gateway
    planted: list[Planted] = []

    async def dial(url: VncUrl, timeout_s: float) -> Transport:
        transport = await usual(url, timeout_s)
        if planted:
            return transport
        planted.append(Planted(cast(Any, transport), name))
        return cast(Transport, planted[0])

    neighbour.registry._dependencies = replace(neighbour.registry._dependencies, dial=dial)
    await with_a_bad_link(neighbour)
    assert planted[0].raised or name == "pause"


@pytest.mark.parametrize(
    ("of", "name"),
    [
        (LinkSupervisor, "link_ended"),
        (MessageRouter, "link_up"),
        (MessageRouter, "link_down"),
        (MessageRouter, "link_received"),
        (MessageRouter, "link_caught_up"),
        (ServerStream, "feed"),
        (Keepalive, "sent"),
    ],
)
async def test_a_link_s_callback_that_raises(
    neighbour: TwoConsoles, monkeypatch: pytest.MonkeyPatch, of: type, name: str
) -> None:
    """The first console ends, or gets another link; the next viewer finds one that works."""
    first = True
    raised = always_raises(monkeypatch, of, name, lambda *_: first)

    usual = neighbour.next_viewer_is_served

    async def next_viewer() -> None:
        nonlocal first
        first = False
        await usual()

    monkeypatch.setattr(neighbour, "next_viewer_is_served", next_viewer)
    await with_a_bad_link(neighbour)
    assert raised
