"""Peers that flood: what one of them costs in a turn of the event loop, and how it ends.

Work is counted, not timed: bytes and messages for each turn. While each flood goes on, the keys of
a neighbour, on the same console or another, arrive.
"""

from __future__ import annotations

import asyncio
import struct
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest

from tests.fault.aftermath import farewell, under_fault
from tests.hostile_gateway import FRAMES, HEAVY, IDLE, HostileGateway, hostile_gateway
from tests.setup import (
    PIXELS,
    Running,
    Viewer,
    connect,
    fence,
    key,
    pointer,
    set_encodings,
    until,
    vanish,
)
from vncproxy.console.link import TURN_WORK as LINK_WORK
from vncproxy.console.link import Link
from vncproxy.console.message_router import MessageRouter
from vncproxy.console.viewer import TURN_WORK as VIEWER_WORK
from vncproxy.console.viewer import Viewer as ServedViewer
from vncproxy.simulator.settings import SimulatedInstance, SimulatorSettings
from vncproxy.simulator.simulator import Simulator
from vncproxy.websocket import input_flow_control
from vncproxy.websocket.input_flow_control import TURN_BYTES

STILL = SimulatorSettings(animated=False, width=320, height=240)
OTHER_PIXELS = struct.pack(">BBBBHHHBBBxxx", 32, 24, 0, 1, 255, 255, 255, 16, 8, 0)
FLOOD_BYTES = 512 << 10

FLOODS = {
    "xvp": b"\xfa\0\1\2",
    "requests": struct.pack(">BBHHHH", 3, 1, 0, 0, 320, 240),
    "full requests": b"".join(
        struct.pack(">BBHHHH", 3, 0, n * 7 % 300, n * 11 % 200, 3, 3) for n in range(99)
    ),
    "fences": fence(1 << 31, b"12345678"),
    "answers": fence(0, b"12345678"),
    "formats": b"\0\0\0\0" + PIXELS + b"\0\0\0\0" + OTHER_PIXELS,
    "encodings": set_encodings([n - 30000 for n in range(65535)]) + set_encodings([0, -239]),
    "continuous updates": struct.pack(">BBHHHH", 150, 1, 0, 0, 320, 240)
    + struct.pack(">BBHHHH", 150, 0, 0, 0, 320, 240),
    "sizes": struct.pack(">BxHHBx", 251, 640, 480, 1) + bytes(16),
    "keys": key(1, 97) + key(0, 97),
    "pointers": pointer(0, 3, 4),
    "texts": struct.pack(">BxxxI", 6, 1000) + bytes(1000),
    "audio": struct.pack(">BBH", 255, 1, 0),
}


PASSED_ON = {what: flood for what, flood in (IDLE | HEAVY).items() if what not in FRAMES}
"""Frames that carry nothing hold up the gateway's own goodbye, so each has a test of its own."""


class Turns:
    """The most that was done in one turn, for any one peer."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Count from now on."""
        self.most: Counter[str] = Counter()
        self._now: Counter[tuple[str, object]] = Counter()
        self._patch = monkeypatch
        for peer, kind in ((ServedViewer, "viewer"), (Link, "link")):
            self._count(peer, "transport_received", f"{kind} bytes", lambda args, got: got)
        self._count(MessageRouter, "viewer_sent", "viewer messages", lambda args, got: len(args[1]))
        self._count(MessageRouter, "link_received", "link events", lambda args, got: len(args[0]))

    def _count(
        self, owner: type, name: str, what: str, size: Callable[[tuple[Any, ...], Any], int]
    ) -> None:
        real = getattr(owner, name)

        def counted(this: object, *args: Any) -> Any:
            got = real(this, *args)
            if not self._now:
                asyncio.get_running_loop().call_soon(self._now.clear)
            of = args[0] if name == "viewer_sent" else this
            self._now[what, id(of)] += size(args, got)
            self.most[what] = max(self.most[what], self._now[what, id(of)])
            return got

        self._patch.setattr(owner, name, counted)

    def check(self) -> None:
        """Make sure that nobody had more than his share."""
        assert self.most["viewer bytes"] <= TURN_BYTES
        assert self.most["link bytes"] <= TURN_BYTES
        assert self.most["viewer messages"] <= VIEWER_WORK
        assert self.most["link events"] <= 3 * LINK_WORK


@asynccontextmanager
async def flooding(viewer: Viewer, messages: bytes) -> AsyncIterator[None]:
    """The viewer sends these again and again."""
    whole = messages * max(1, FLOOD_BYTES // len(messages))

    async def send() -> None:
        with suppress(aiohttp.ClientError):
            while True:
                await viewer.socket.send_bytes(whole)
                await asyncio.sleep(0)

    task = asyncio.create_task(send())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def types(setup: Running, viewer: Viewer) -> None:
    """A key of this viewer reaches its guest."""
    before = len(setup.cloud.typed)
    await viewer.type("z")
    await until(lambda: len(setup.cloud.typed) >= before + 2, "the key")


async def stranger(setup: Running, console: str) -> Viewer:
    """A viewer that nobody waits for at the end, once its handshake is done."""
    viewer = await connect(setup.http, setup.base, console)
    await viewer.shake_hands()
    return viewer


async def test_a_viewer_that_floods(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it sends, a turn does little of it, and its neighbour's keys arrive meanwhile."""
    turns = Turns(monkeypatch)
    async with under_fault(tmp_path, cloud=STILL) as setup:
        neighbour = await setup.viewer()
        await until(lambda: setup.shows(neighbour), "the picture")
        for what, messages in FLOODS.items():
            hostile = await stranger(setup, "demo?view=1")
            async with flooding(hostile, messages):
                for _ in range(3):
                    await types(setup, neighbour)
            vanish(hostile.socket)
            turns.check()
            assert turns.most["viewer messages"] > 1, what
            turns.most.clear()
        await until(lambda: setup.shows(neighbour), "the picture still")
        assert len(setup.cloud.dials) == 1


@pytest.mark.parametrize("what", ["xvp", "formats"])
async def test_a_viewer_that_never_stops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """It is paused, then ended with 4400; its neighbour stays."""
    monkeypatch.setattr(input_flow_control, "IDLE_WORK_PATIENCE_S", 0.2)
    async with under_fault(tmp_path, cloud=STILL) as setup:
        neighbour = await setup.viewer()
        hostile = await stranger(setup, "demo?view=1")
        async with flooding(hostile, FLOODS[what]):
            assert await farewell(hostile) == (4400, "viewer-protocol")
        await types(setup, neighbour)
        await until(lambda: "viewer.closed" in setup.log.getvalue(), "the log")
        (closed,) = [e for e in setup.events if e["event"] == "viewer.closed"]
        assert closed["text"] == "the viewer: it kept sending what means nothing"


@pytest.mark.parametrize("opcode", [aiohttp.WSMsgType.PING, aiohttp.WSMsgType.BINARY])
async def test_frames_that_carry_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opcode: aiohttp.WSMsgType
) -> None:
    """They are rationed like messages that mean nothing."""
    monkeypatch.setattr(input_flow_control, "IDLE_WORK_PATIENCE_S", 0.2)
    async with under_fault(tmp_path, cloud=STILL) as setup:
        neighbour = await setup.viewer()
        hostile = await stranger(setup, "demo?view=1")

        async def send() -> None:
            with suppress(aiohttp.ClientError):
                for number in range(1 << 20):
                    await hostile.socket.send_frame(b"", opcode)
                    if number % 500 == 0:
                        await asyncio.sleep(0)

        sending = asyncio.create_task(send())
        try:
            await types(setup, neighbour)
            assert await farewell(hostile) == (4400, "viewer-protocol")
        finally:
            sending.cancel()
            await asyncio.wait([sending])


class HostileCloud(Simulator):
    """A simulator, one of whose instances has a gateway that floods."""

    gateway: HostileGateway

    def make_url(self, instance_id: str) -> str:
        """See `Cloud`."""
        if instance_id == "i-hostile":
            return quote(self.gateway.url, safe="")
        return super().make_url(instance_id)


@asynccontextmanager
async def beside_a_hostile_gateway(tmp_path: Path) -> AsyncIterator[tuple[Running, HostileGateway]]:
    """A daemon with an instance whose gateway floods, and another."""
    hostile = SimulatedInstance(instance_id="i-hostile", name="hostile")
    cloud = HostileCloud(replace(STILL, instances=(*STILL.instances, hostile)))
    async with hostile_gateway() as gateway, cloud:
        cloud.gateway = gateway
        async with under_fault(tmp_path, cloud=cloud) as setup:
            yield setup, gateway


@pytest.mark.parametrize("beside", [0, 2])
async def test_a_gateway_that_floods(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, beside: int
) -> None:
    """Whatever it sends, a turn does little of it, however many watch; keys elsewhere arrive."""
    turns = Turns(monkeypatch)
    # However long it takes the watchers to come.
    monkeypatch.setattr(input_flow_control, "IDLE_WORK_PATIENCE_S", 600.0)
    async with beside_a_hostile_gateway(tmp_path) as (setup, gateway):
        neighbour = await setup.viewer()
        await until(lambda: setup.shows(neighbour), "the picture")
        for what, flood in PASSED_ON.items():
            gateway.flood, gateway.sent_bytes = flood, 0
            watchers = []
            for _ in range(1 + beside):
                watchers.append(await stranger(setup, "hostile"))
                await watchers[-1].send(set_encodings([7, 5, 0, -239, -223, -312, -313]))
                await watchers[-1].send(watchers[-1].request(0))
            await until(partial(gateway.has_sent, 2 * len(flood)), what)
            for _ in range(3):
                await types(setup, neighbour)
            for watcher in watchers:
                vanish(watcher.socket)
            await kicked(setup)
            turns.check()
        await until(lambda: setup.shows(neighbour), "the picture still")


async def kicked(setup: Running) -> None:
    """The hostile console is ended."""
    async with setup.http.delete(
        f"{setup.base}/api/v1/consoles/hostile", headers={"Origin": setup.base}
    ) as answer:
        assert answer.status in (200, 204, 404)


@pytest.mark.parametrize("what", ["bells", "empty rectangles", *FRAMES])
async def test_a_gateway_that_never_stops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """It is paused, then its viewers are ended with 4500."""
    monkeypatch.setattr(input_flow_control, "IDLE_WORK_PATIENCE_S", 0.2)
    async with beside_a_hostile_gateway(tmp_path) as (setup, gateway):
        gateway.flood, gateway.held = IDLE[what], True
        watcher = await stranger(setup, "hostile")
        gateway.held = False
        assert await farewell(watcher) == (4500, "upstream-protocol")
