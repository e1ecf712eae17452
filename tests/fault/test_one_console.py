"""One console for an instance: however browsers and native viewers come, go and are kicked.

The simulator throws the first session out where a second one is dialled, and counts the dials. Who
stays is served whatever the others do, and nobody is dialled for who needn't be.
"""

from __future__ import annotations

import asyncio
import random
import struct
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
import uvloop

from tests.decoder import Decoder
from tests.fault.test_native import PASSWORD, instance, proved, reset
from tests.setup import (
    PIXELS,
    RAW,
    WAIT_S,
    Closed,
    Running,
    Viewer,
    running,
    set_encodings,
    until,
    vanish,
)
from vncproxy.audit.record import Entry
from vncproxy.audit.record import Event as AuditEvent
from vncproxy.config.model import Limits
from vncproxy.console import registry
from vncproxy.console.console import Console
from vncproxy.console.lifecycle import State
from vncproxy.rfb.vnc_auth import response
from vncproxy.simulator.record import Breach
from vncproxy.simulator.settings import DEMO_INSTANCE_ID, SimulatorSettings

LINGER_S = 0.05
KICKED = 4403
PLENTY = 100_000
CLOUD = SimulatorSettings(
    animated=False,
    width=160,
    height=120,
    second_session="throw-out",
    reconnects_per_minute=PLENTY,
)
LIMITS = Limits(linger=LINGER_S, reconnects_per_minute=PLENTY)
PARTS = ("held", "beside", "kick", "linger")


async def turns(count: int) -> None:
    """Let the loop turn so often."""
    for _ in range(count):
        await asyncio.sleep(0)


class Native:
    """A native viewer that has been let in, and decodes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Own a connection whose password was right."""
        self.reader = reader
        self.writer = writer
        self.decoder = Decoder(0, 0)
        self.ended = False
        self._reading: asyncio.Task[None] | None = None

    async def begin(self) -> bool:
        """Ask for the picture; False if it isn't let in, for which the daemon gives a reason."""
        async with asyncio.timeout(WAIT_S):
            if await self.reader.readexactly(4) != bytes(4):
                return False
            self.writer.write(b"\x01")
            head = await self.reader.readexactly(24)
            await self.reader.readexactly(int.from_bytes(head[20:], "big"))
        size = struct.unpack_from(">HH", head)
        self.decoder = Decoder(size[0], size[1], (0, 8, 16))
        request = struct.pack(">BBHHHH", 3, 0, 0, 0, *size)
        self.writer.write(b"\0\0\0\0" + PIXELS + set_encodings([RAW]) + request)
        self._reading = asyncio.create_task(self._read())
        return True

    async def _read(self) -> None:
        try:
            with suppress(ConnectionError):
                while data := await self.reader.read(1 << 16):
                    self.decoder.feed(data)
        finally:
            self.ended = True

    async def leave(self, *, by_reset: bool = False) -> None:
        """Go."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait([self._reading])
        if by_reset:
            reset(self.writer)
        else:
            self.writer.close()


class Consoles:
    """All that were made, and those that aren't over: the cloud has one slot for an instance."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        """Watch the registry's from now on."""
        self.made: list[Console] = []
        self.live: list[Console] = []
        self.most = 0
        consoles = self

        class Watched(Console):
            def __init__(
                self, what: Any, parts: Any, learned: Any, closed: Callable[[Console], None]
            ) -> None:
                def over(console: Console) -> None:
                    consoles.live.remove(console)
                    closed(console)

                super().__init__(what, parts, learned, over)
                consoles.made.append(self)
                consoles.live.append(self)
                consoles.most = max(consoles.most, len(consoles.live))

        patch.setattr(registry, "Console", Watched)


class Scenario:
    """What happens at one daemon; all that is left to chance comes from one seed."""

    def __init__(self, setup: Running, port: int, consoles: Consoles, seed: int) -> None:
        """Nobody is on.

        Args:
            setup: The daemon.
            port: Of the native viewers.
            consoles: All that it makes.
            seed: Of what is left to chance.
        """
        self.setup = setup
        self.port = port
        self.consoles = consoles
        self.chance = random.Random(seed)
        self.here: list[Viewer | Native] = []
        """Who is on and stays."""
        self.natives: list[Native] = []
        self.history: list[str] = []
        self.rows = 0
        self.announced: dict[str, str | None] = {}
        """By door: the last viewer that came."""
        self.gates: dict[str, asyncio.Event] = {}
        """By door: an audit record of somebody who comes waits for these."""
        self._later = setup.daemon._audit.record_later
        self._record = setup.daemon._audit.record
        self.ended: set[str | None] = set()
        """Viewers whose end is recorded."""
        setup.daemon._audit.record = self._recorded  # type: ignore[method-assign]
        setup.daemon._audit.record_later = self._recorded_later  # type: ignore[method-assign]

    async def _recorded(self, *entries: Entry) -> None:
        if entries[0].event is AuditEvent.OPEN:
            door = "native" if (entries[0].door or "").startswith("tcp_port") else "browser"
            self.announced[door] = entries[0].viewer
            if (gate := self.gates.get(door)) is not None:
                async with asyncio.timeout(WAIT_S):
                    await gate.wait()
            await self.a_while()
        await self._record(*entries)

    def _recorded_later(self, entry: Entry) -> None:
        if entry.event is AuditEvent.CLOSE:
            self.ended.add(entry.viewer)
        self._later(entry)

    async def a_while(self, most: int = 30) -> None:
        """Some turns of the loop."""
        await turns(self.chance.randrange(most))

    @property
    def dials(self) -> int:
        """How often the cloud's gateway was dialled."""
        return len(self.setup.cloud.dials)

    # Who comes

    async def browser(self, *, may_be_kicked: bool = False) -> None:
        """One comes and stays."""
        await self.a_while()
        while True:
            viewer = await self.setup.connect()
            try:
                await viewer.begin()
            except (Closed, aiohttp.ClientConnectionResetError):
                pass
            else:
                await until(
                    partial(self.served, viewer),
                    "a browser's picture",
                )
                if not is_over(viewer):
                    self.here.append(viewer)
                    return
            self.setup.viewers.remove(viewer)
            code = await ended(viewer)
            assert may_be_kicked, f"the daemon closed a browser with {code}"
            assert code == KICKED, f"not kicked, but closed with {code}"

    async def native(self, *, may_be_kicked: bool = False) -> None:
        """One with a native viewer comes and stays."""
        await self.a_while()
        while True:
            viewer = Native(*await proved(self.port, PASSWORD))
            self.natives.append(viewer)
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                if await viewer.begin():
                    await until(partial(self.served, viewer), "a native viewer's picture")
                    if not is_over(viewer):
                        self.here.append(viewer)
                        return
            await viewer.leave()
            assert may_be_kicked, "the daemon turned a native viewer away"

    async def passing_browser(self) -> None:
        """One asks for the upgrade, and leaves before it is done, or right after it."""
        await self.a_while()
        writer = await self.asking()
        await self.a_while()
        self.hang_up(writer)

    async def asking(self) -> asyncio.StreamWriter:
        """A browser that asks for the upgrade."""
        _, writer = await asyncio.open_connection("127.0.0.1", self.setup.daemon.servers[0].port)
        writer.write(
            f"GET /websockify/{self.setup.alias} HTTP/1.1\r\n"
            f"Host: {self.setup.base.removeprefix('http://')}\r\n"
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            "Sec-WebSocket-Protocol: binary\r\n\r\n".encode()
        )
        return writer

    def hang_up(self, writer: asyncio.StreamWriter) -> None:
        """One way or the other."""
        if self.chance.random() < 0.5:
            reset(writer)
        else:
            writer.close()

    async def passing_native(self) -> None:
        """One hangs up at some step of being let in."""
        await self.a_while()
        steps = self.chance.randrange(4)
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        async with asyncio.timeout(WAIT_S):
            if steps > 0:
                await reader.readexactly(12)
                writer.write(b"RFB 003.008\n")
            if steps > 1:
                await reader.readexactly(2)
                writer.write(b"\x02")
            if steps > 2:
                writer.write(response(PASSWORD, await reader.readexactly(16)))
                await self.a_while()
        self.hang_up(writer)

    async def one_leaves(self, at: int = -1) -> None:
        """Somebody who is on goes, in order or by a reset."""
        viewer = self.here.pop(at)
        await self.a_while()
        by_reset = self.chance.random() < 0.5
        if isinstance(viewer, Native):
            await viewer.leave(by_reset=by_reset)
            return
        self.setup.viewers.remove(viewer)
        if by_reset:
            vanish(viewer.socket)
        await viewer.close()

    async def all_leave(self) -> None:
        """Nobody stays."""
        async with asyncio.TaskGroup() as group:
            for _ in list(self.here):
                group.create_task(self.one_leaves(0))

    # What happens

    async def act(self, part: str) -> None:
        """One part of the story, and what must hold after it."""
        self.history.append(part)
        await getattr(self, part)()
        await self.check()

    async def held(self) -> None:
        """From nothing: a browser leaves before its upgrade while a native viewer is let in."""
        await self.all_leave()
        await until(lambda: not self.consoles.live, "the end of linger")
        before = self.dials, len(self.consoles.made)
        self.gates = {"native": asyncio.Event(), "browser": asyncio.Event()}
        self.announced.clear()
        async with asyncio.TaskGroup() as group:
            for door in self.chance.sample(list(self.gates), 2):
                if door == "native":
                    group.create_task(self.native())
                else:
                    passing = await self.asking()
                await until(
                    partial(self.announced.__contains__, door),
                    f"a {door} viewer that is being let in",
                )
            gone = self.announced["browser"]
            self.hang_up(passing)
            await self.a_while()
            self.gates.pop("browser").set()
            await until(lambda: gone in self.ended, "the end of the browser that left")
            await self.a_while()
            group.create_task(self.browser())
            await self.a_while()
            self.gates.pop("native").set()
        after = self.dials, len(self.consoles.made)
        assert after == (before[0] + 1, before[1] + 1), "more than one console was opened"

    async def beside(self) -> None:
        """Others come, go and are lost beside one who stays."""
        if not self.here:
            await self.native()
        before = self.dials, list(self.consoles.made)
        actions: list[Callable[[], Coroutine[Any, Any, None]]] = [self.browser, self.native]
        # No more natively: so many passwords at once are the most that an account may try.
        actions += [self.passing_browser] * 3 + [self.passing_native] * 2
        async with asyncio.TaskGroup() as group:
            for action in self.chance.sample(actions, len(actions)):
                group.create_task(action())
            for _ in range(len(self.here) - 1):
                group.create_task(self.one_leaves())
        assert (self.dials, self.consoles.made) == before, "a console was opened beside another"

    async def kick(self) -> None:
        """An administrator ends it while others come."""
        if not self.here:
            await self.native()
        before = self.dials
        sent_away, self.here = self.here, []
        async with asyncio.TaskGroup() as group:
            for comes in self.chance.sample([self.browser, self.native] * 2, 4):
                group.create_task(comes(may_be_kicked=True))
            group.create_task(self._kick())
        # The kick is over: those who are on now stay.
        await until(
            lambda: [is_over(viewer) for viewer in self.here].count(False) == self.on,
            "the ends of those who came before the kick",
        )
        again = [viewer for viewer in self.here if is_over(viewer)]
        self.here = [viewer for viewer in self.here if not is_over(viewer)]
        for viewer in [*sent_away, *again]:
            if isinstance(viewer, Native):
                await until(partial(is_over, viewer), "a native viewer's end")
                await viewer.leave()
            else:
                self.setup.viewers.remove(viewer)
                assert await ended(viewer) == KICKED
        async with asyncio.TaskGroup() as group:
            for _ in again:
                group.create_task(self.browser())
        assert self.dials <= before + 1, "more than one console was opened after a kick"

    async def _kick(self) -> None:
        await self.a_while(60)
        where = f"{self.setup.base}/api/v1/consoles/{self.setup.alias}"
        async with self.setup.http.delete(where, headers={"Origin": self.setup.base}) as answer:
            assert answer.status == 204

    async def linger(self) -> None:
        """All leave, and somebody comes back when linger ends."""
        if not self.here:
            await self.browser()
        before, console = self.dials, self.consoles.live[0]
        await self.all_leave()
        if self.chance.random() < 0.5:
            # It ends, but its link may have the cloud's slot still.
            async with asyncio.timeout(WAIT_S):
                while console.state is not State.CLOSED:
                    await asyncio.sleep(0)
        else:
            await asyncio.sleep(self.chance.uniform(0.6, 1.0) * LINGER_S)
        async with asyncio.TaskGroup() as group:
            for comes in self.chance.sample([self.browser, self.native], self.chance.randint(1, 2)):
                group.create_task(comes())
        assert self.dials <= before + 1, "more than one console was opened after linger"

    # What must hold

    @property
    def on(self) -> int:
        """How many viewers are on."""
        return sum(len(console.viewers) for console in self.consoles.live)

    def served(self, viewer: Viewer | Native) -> bool:
        """Whether it has the picture, or has been ended."""
        return is_over(viewer) or self.shows(viewer)

    def shows(self, viewer: Viewer | Native) -> bool:
        """Whether it has the whole picture."""
        decoder, cloud = viewer.decoder, self.setup.cloud
        width, height = cloud.screen_size()
        if decoder.size != (width, height) or not decoder.at_boundary:
            return False
        truth = np.frombuffer(cloud.framebuffer(), np.uint8).reshape(height, width, 3)
        return bool(decoder.painted.all() and np.array_equal(decoder.frame, truth))

    async def list_on(self) -> None:
        """Read the list again and again; it never shows two."""
        while True:
            await self.listed()
            self.rows += 1
            await asyncio.sleep(0.005)

    async def listed(self) -> list[dict[str, Any]]:
        """The list of open consoles."""
        async with self.setup.http.get(f"{self.setup.base}/api/v1/consoles") as answer:
            rows: list[dict[str, Any]] = (await answer.json())["consoles"]
        assert len(rows) <= 1, "the list shows two"
        return rows

    async def check(self) -> None:
        """Everybody who stays is on one and the same console, which the list shows."""
        consoles, cloud = self.consoles, self.setup.cloud
        await until(
            lambda: len(consoles.live) == 1 and self.on == len(self.here),
            f"one console with {len(self.here)} viewers",
        )
        assert consoles.most == 1, f"{consoles.most} consoles at once"
        assert self.setup.daemon.components.registry.consoles == consoles.live
        (row,) = await self.listed()
        assert len(row["viewers"]) == len(self.here)
        assert all(self.shows(viewer) for viewer in self.here)
        assert cloud.sessions == [DEMO_INSTANCE_ID]
        assert not cloud.breaches[Breach.SECOND_SESSION], "the cloud threw a session out"
        assert all(why != "thrown-out" for _, why in cloud.endings)
        assert all(dial.outcome == "accepted" for dial in cloud.dials)
        assert self.dials <= len(consoles.made)


def is_over(viewer: Viewer | Native) -> bool:
    """Whether the daemon has ended it."""
    return viewer.ended if isinstance(viewer, Native) else viewer.socket.closed


async def ended(viewer: Viewer) -> int:
    """How the daemon closed it; what it asked for meanwhile may have found it closed."""
    with suppress(aiohttp.ClientConnectionResetError):
        await viewer.ended()
    while not viewer.socket.closed:
        await viewer.socket.receive()
    return viewer.socket.close_code or 0


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_one_console(tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """At most one console and one session at any time, a dial for each, and all are served."""
    consoles = Consoles(monkeypatch)
    # The loop that `vncproxy serve` runs on: its closed transports raise when they are written to.
    uvloop.run(_scenario(tmp_path, port, consoles, seed))


async def _scenario(folder: Path, port: int, consoles: Consoles, seed: int) -> None:
    async with running(
        folder, cloud=CLOUD, limits=LIMITS, instance=instance(folder, port)
    ) as setup:
        scenario = Scenario(setup, port, consoles, seed)
        listing = asyncio.create_task(scenario.list_on())
        parts = [*PARTS, *scenario.chance.choices(PARTS, k=6)]
        try:
            for part in scenario.chance.sample(parts, len(parts)):
                await scenario.act(part)
            assert not listing.done()
        except BaseException as fault:
            fault.add_note(f"seed {seed}, after {', '.join(scenario.history)}")
            raise
        finally:
            listing.cancel()
            await asyncio.wait([listing])
            for viewer in scenario.natives:
                await viewer.leave()
        if not listing.cancelled():
            listing.result()
        assert scenario.rows
        assert "Traceback" not in setup.log.getvalue()
