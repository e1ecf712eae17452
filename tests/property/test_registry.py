"""However viewers come, go, are lost and come back: one console for an instance, and all served."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.clock import FakeClock, settle
from tests.unit.console.fakes import VIEWER_HANDSHAKE
from tests.unit.console.surroundings import INSTANCE, KICKED, BrowserTransport, Surroundings
from vncproxy.access.authority import Authority
from vncproxy.access.users import Users
from vncproxy.aliyun.vncurl import VncUrl
from vncproxy.audit.record import Entry
from vncproxy.cluster.ownership import Owner
from vncproxy.console import registry as registry_module
from vncproxy.console.console import Console
from vncproxy.console.lifecycle import State
from vncproxy.console.registry import Registry
from vncproxy.console.viewer import Viewer, ViewerIdentity
from vncproxy.console.viewer_limits import ViewerLimits
from vncproxy.errors import Side
from vncproxy.instances.keepalive_memory import Learned
from vncproxy.web.context import Services
from vncproxy.web.open_sockets import OpenSockets
from vncproxy.web.viewer_session import announce, serve
from vncproxy.websocket.frames import Slice
from vncproxy.websocket.transport import Transport

LINGER_S = 30.0
MAX_VIEWERS = 16
STEP_S, MOST_STEPS = 0.5, 200
"""How time passes while something is waited for, and how often at most."""
LIMITS = ViewerLimits(idle_timeout_s=0, max_age_s=0, slow_timeout_s=60, queue_bytes=1 << 20)


async def turns(count: int) -> None:
    """Let the loop turn so often."""
    for _ in range(count):
        await asyncio.sleep(0)


class SlowParts:
    """Audit, memory and other daemons, each answer of which takes a few turns of the loop."""

    problem: str | None = None

    def __init__(self, delays: Sequence[int]) -> None:
        """Nothing is kept.

        Args:
            delays: In turns of the loop, used in a circle.
        """
        self._delays = delays
        self._at = 0
        self.claimed: set[str] = set()

    async def _wait(self) -> None:
        self._at += 1
        await turns(self._delays[self._at % len(self._delays)])

    async def record(self, *entries: Entry) -> None:
        """See `Audit`."""
        await self._wait()

    def record_later(self, entry: Entry) -> None:
        """See `Audit`."""

    async def get(self, instance_id: str) -> Learned | None:
        """See `LearnedStore`."""
        await self._wait()
        return None

    async def put(self, instance_id: str, learned: Learned) -> None:
        """See `LearnedStore`."""

    async def claim(self, instance_id: str) -> Owner | None:
        """See `Ownership`."""
        await self._wait()
        self.claimed.add(instance_id)
        return None

    async def owner(self, instance_id: str) -> Owner | None:
        """See `Ownership`."""
        return None

    async def renew(self, instance_ids: Any) -> dict[str, Owner]:
        """See `Ownership`."""
        return {}

    async def release(self, instance_id: str) -> None:
        """See `Ownership`."""
        await self._wait()
        self.claimed.discard(instance_id)

    async def close(self) -> None:
        """See `Ownership`."""


class HandshakingTransport(BrowserTransport):
    """A viewer's far end that shakes hands."""

    _greeted = False

    def send(self, slices: Sequence[Slice]) -> None:
        """Answer the first line with all there is to say."""
        super().send(slices)
        if not self._greeted:
            self._greeted = True
            for data in VIEWER_HANDSHAKE:
                asyncio.get_running_loop().call_soon(self.deliver, data)


class Visit:
    """Somebody at a door, from the request to the end."""

    def __init__(self, setup: RegistrySetup) -> None:
        """It comes."""
        self.transport = HandshakingTransport(setup.around.notes)
        who = ViewerIdentity(
            f"v{len(setup.visits)}", "owner", "127.0.0.1", "local", how="bearer", kind="token"
        )
        self.viewer = Viewer(who, self.transport, LIMITS)
        self.leaves = self.kicked = False
        self.task = asyncio.create_task(self._come(setup))

    async def _come(self, setup: RegistrySetup) -> None:
        async with setup.registry.hold(INSTANCE, self.viewer.id) as hold:
            await announce(hold.console, self.viewer.identity)
            await serve(hold, self.viewer, setup.services)

    def go(self) -> None:
        """Its connection is lost, whether anybody listens already or not."""
        self.leaves = True
        if self.transport.is_attached:
            self.transport.end(Side.VIEWER)
        else:
            # As aiohttp cancels a request whose client has gone.
            self.task.cancel()


class RegistrySetup:
    """A registry with one instance, and all who come for it."""

    def __init__(self, folder: Path, clock: FakeClock, delays: Sequence[int]) -> None:
        """Nothing is open."""
        self.around = Surroundings(folder, limit=100_000, linger=LINGER_S, max_viewers=MAX_VIEWERS)
        self.clock = clock
        self.slow = SlowParts(delays)
        self.made: list[Console] = []
        parts = replace(
            self.around.parts, audit=self.slow, learned=cast(Any, self.slow), dial=self._dial
        )
        self.registry = Registry(parts, self.slow)
        self.services = cast(
            Services,
            Simple(
                authority=Authority.of((), Users(None)),
                audit=self.slow,
                open_sockets=OpenSockets(),
                metrics=self.around.metrics,
            ),
        )
        self.visits: list[Visit] = []
        self.kicks: list[asyncio.Task[None]] = []

    async def _dial(self, url: VncUrl, timeout_s: float) -> Transport:
        assert self.links_open <= 0, "a dial beside an open link throws that out"
        return await self.around.gateway(url, timeout_s)

    @property
    def links_open(self) -> int:
        """How many hold the cloud's slot."""
        return sum(
            not transport.closed and not transport._ended
            for transport in self.around.gateway.transports
        )

    def check(self) -> None:
        """At most one console, and nobody is informed of an end that isn't his."""
        live = [console for console in self.made if console.state is not State.CLOSED]
        assert len(live) <= 1
        assert self.links_open <= 1
        assert not live or self.slow.claimed == {INSTANCE.id}
        assert [console for console in live if console in self.registry.consoles] == live
        for visit in self.visits:
            end = visit.viewer.end
            visit.kicked = visit.kicked or end == KICKED
            assert end is None or visit.kicked or visit.leaves, end
            assert not visit.task.done() or visit.kicked or visit.leaves, visit.task

    async def do(self, what: str, number: int) -> None:
        """One thing that happens, then some turns of the loop."""
        match what:
            case "come" if len(self.here) < MAX_VIEWERS:
                self.visits.append(Visit(self))
            case "go" if self.here:
                self.here[number % len(self.here)].go()
            case "lose" if self.links_open:
                self.around.transport.end()
            case "slow close" if self.around.gateway.transports:
                self.around.transport.close_hangs = True
            case "closed":
                self.release()
            case "kick" if (console := self.registry.get(INSTANCE.id)) is not None:
                self.kicks.append(asyncio.create_task(console.close(KICKED)))
            case "linger":
                self.release()
                self.clock.forward(LINGER_S - 0.01)
            case "time":
                self.clock.forward(0.02)
            case _:
                pass
        await turns(number)
        self.check()

    @property
    def here(self) -> list[Visit]:
        """Who hasn't left."""
        return [visit for visit in self.visits if not visit.leaves and not visit.kicked]

    def release(self) -> None:
        """The gateway answers the closes."""
        for transport in self.around.gateway.transports:
            transport.close_hangs = False
            transport.released.set()

    async def pass_some_time(self) -> None:
        """What is due then runs."""
        self.clock.forward(STEP_S)
        await settle()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Let time pass until this is so."""
        self.release()
        for _ in range(MOST_STEPS):
            self.check()
            if condition():
                return
            await self.pass_some_time()
        raise AssertionError("it never came to that")

    def all_served(self) -> bool:
        """Whether everybody who wants to is on."""
        consoles = self.registry.consoles
        on = [viewer for console in consoles for viewer in console.viewers]
        return (
            all(kick.done() for kick in self.kicks)
            and all(visit.viewer in on for visit in self.here)
            and all(console.state is State.RUNNING for console in consoles if console.viewers)
        )

    def all_gone(self) -> bool:
        """Whether nothing is left."""
        return (
            self.registry.consoles == []
            and all(visit.task.done() for visit in self.visits)
            and (self.links_open, self.slow.claimed) == (0, set())
            and not self.registry._opening
            and not self.registry._returning
        )

    async def finish(self) -> None:
        """Everybody that wants to is served; then all leave, and nothing is left."""
        await self.until(self.all_served)
        for visit in self.here:
            visit.go()
        self.clock.forward(LINGER_S + 1)
        await settle()
        await self.until(self.all_gone)

    async def leave(self) -> None:
        """Leave nothing behind, also of a test that failed; time passes, but never without end."""
        self.release()
        leaving = asyncio.create_task(self._leave())
        for _ in range(MOST_STEPS):
            if leaving.done():
                break
            await self.pass_some_time()
        else:
            raise AssertionError("not everybody could leave")
        await leaving

    async def _leave(self) -> None:
        for visit in self.visits:
            visit.task.cancel()
        await asyncio.gather(*(visit.task for visit in self.visits), return_exceptions=True)
        await self.registry.drain(KICKED, 5.0)
        await asyncio.gather(*self.kicks)
        await self.around.leave()


class Simple:
    """Attributes."""

    def __init__(self, **given: Any) -> None:
        """Have these."""
        self.__dict__.update(given)


THINGS = (
    "come",
    "come",
    "come",
    "go",
    "go",
    "lose",
    "slow close",
    "closed",
    "kick",
    "linger",
    "time",
)


@settings(max_examples=60)
@given(
    delays=st.lists(st.integers(0, 12), min_size=1, max_size=6),
    things=st.lists(
        st.tuples(st.sampled_from(THINGS), st.integers(0, 40)), min_size=12, max_size=40
    ),
)
def test_one_console_at_any_time_and_all_are_served(
    delays: list[int], things: list[tuple[str, int]]
) -> None:
    """Joins, leaves, resets, slow audits, claims and closes, linger and kicks in any order."""

    async def scene(folder: Path, clock: FakeClock) -> None:
        setup = RegistrySetup(folder, clock, delays)

        class NotedConsole(Console):
            def __init__(self, *how: Any) -> None:
                super().__init__(*how)
                setup.made.append(self)

        patch.setattr(registry_module, "Console", NotedConsole)
        try:
            for what, number in things:
                await setup.do(what, number)
            await setup.finish()
        finally:
            await setup.leave()

    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        clock = FakeClock(time.monotonic())
        patch.setattr(time, "monotonic", clock)
        # Not `asyncio.run`, which waits for whatever a scene that failed has left behind.
        loop = asyncio.new_event_loop()
        try:
            loop.run_until_complete(scene(Path(folder), clock))
            assert not asyncio.all_tasks(loop)
        finally:
            loop.close()
