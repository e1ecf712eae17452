"""What a console lives among, in memory: cloud, gateway, ledger, viewers and a clock."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

from tests.current_budget import CurrentBudget
from tests.unit.console.fakes import FakeTransport, greeting
from vncproxy.aliyun.vncurl import VncUrl
from vncproxy.config.model import Limits
from vncproxy.console.console import Console
from vncproxy.console.dependencies import ConsoleDependencies
from vncproxy.console.viewer import Viewer, ViewerIdentity
from vncproxy.console.viewer_limits import ViewerLimits
from vncproxy.errors import CloseCode, CloseReason, LedgerError, Side, VncproxyError
from vncproxy.instances.instance_list import ConsoleInstance
from vncproxy.instances.keepalive_memory import LearnedStore
from vncproxy.observe.metrics import Metrics
from vncproxy.throttle.ledger_interface import Booking, TooLong
from vncproxy.throttle.memory_ledger import MemoryLedger
from vncproxy.throttle.reconnect_budget import Budget
from vncproxy.websocket.transport import BodyReceiver, Transport, TransportReceiver

TOKEN = "Dvh%2FIA%2BYc73gWO48"
INSTANCE = ConsoleInstance(id="i-one", region="cn-test", alias="one")
LEFT = CloseReason(CloseCode.VIEWER_LEFT, Side.VIEWER, "the viewer left")
KICKED = CloseReason(CloseCode.KICKED, Side.DAEMON, "an administrator ended it")
_WATCHES = ViewerLimits(idle_timeout_s=0, max_age_s=0, slow_timeout_s=60, queue_bytes=1 << 20)


class Notes(list[str]):
    """What happened around a console, in order."""


class NotingLedger(MemoryLedger):
    """Notes what is asked; fails at what is `broken`."""

    def __init__(self, notes: Notes, limit: int = 29) -> None:
        """An empty budget."""
        self.budget = CurrentBudget(Budget(limit=limit))
        super().__init__(self.budget, time.monotonic)
        self.broken: set[str] = set()
        self.keys: list[str] = []
        self._notes = notes

    def _note(self, what: str) -> None:
        self._notes.append(what)
        if what in self.broken:
            raise LedgerError("the reconnect ledger can't be written")

    async def book(self, key: str, max_wait_s: float) -> Booking | TooLong:
        """See `Ledger.book`."""
        self._note("book")
        self.keys.append(key)
        return await super().book(key, max_wait_s)

    async def spend(self, booking: Booking) -> bool:
        """See `Ledger.spend`."""
        self._note("spend")
        return await super().spend(booking)

    async def cancel(self, booking: Booking) -> None:
        """See `Ledger.cancel`."""
        self._note("cancel")
        await super().cancel(booking)


class Cloud:
    """The ECS API. `answers`: errors, or seconds for which the VncUrl is out already; 0 at the end.

    `states`: of the instance, the last one again and again. It hangs while `hanging`.
    """

    def __init__(self, notes: Notes) -> None:
        """An API in good health."""
        self.answers: deque[VncproxyError | Exception | float] = deque()
        self.states: list[str | VncproxyError] = ["Running"]
        self.hanging = False
        self.takes: Callable[[], Awaitable[None]] | None = None
        self.status_hangs = False
        self._notes = notes

    async def vnc_url(self, instance_id: str, region: str) -> VncUrl:
        """The next answer."""
        assert region == INSTANCE.region
        self._notes.append("call")
        if self.hanging:
            await asyncio.Event().wait()
        if self.takes is not None:
            await self.takes()
        answer = self.answers.popleft() if self.answers else 0.0
        if isinstance(answer, Exception):
            raise answer
        return VncUrl.decode(f"ws://gateway.test/websockify/?s={TOKEN}", time.monotonic() - answer)

    async def status(self, instance_id: str, region: str) -> str:
        """The next state."""
        assert region == INSTANCE.region
        self._notes.append("status")
        if self.status_hangs:
            await asyncio.Event().wait()
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        if isinstance(state, VncproxyError):
            raise state
        return state


class GatewayTransport(FakeTransport):
    """A link's far end: says `first` when somebody listens; notes when its close is complete.

    With `close_hangs` that is when it is `released`.
    """

    def __init__(self, first: bytes, notes: Notes) -> None:
        """Open."""
        super().__init__()
        self.close_hangs = False
        self.released = asyncio.Event()
        self._first = first
        self._notes = notes

    def attach(self, receiver: TransportReceiver, body: BodyReceiver | None = None) -> None:
        """Greet."""
        super().attach(receiver, body)
        if self._first:
            asyncio.get_running_loop().call_soon(self.deliver, self._first)

    async def close(self, reason: CloseReason | None = None) -> None:
        """Note it once it is done."""
        if self.close_hangs:
            await self.released.wait()
        if not self.closed:
            await super().close(reason)
            self._notes.append("link closed")


class Gateway:
    """The dialler. `faults` are raised first; every link says `first`.

    While `hanging`, dials wait until `released`.
    """

    def __init__(self, notes: Notes) -> None:
        """A gateway with a server behind it that wants no password."""
        self.first = greeting()
        self.faults: deque[VncproxyError] = deque()
        self.transports: list[GatewayTransport] = []
        self.timeouts_s: list[float] = []
        self.hanging = False
        self.released = asyncio.Event()
        self._notes = notes

    async def __call__(self, url: VncUrl, timeout_s: float) -> Transport:
        """A new link."""
        assert url.reveal().endswith(TOKEN)
        self._notes.append("dial")
        self.timeouts_s.append(timeout_s)
        if self.hanging:
            await self.released.wait()
        if self.faults:
            raise self.faults.popleft()
        transport = GatewayTransport(self.first, self._notes)
        self.transports.append(transport)
        return transport


class BrowserTransport(FakeTransport):
    """A viewer's far end: notes when it has to go."""

    def __init__(self, notes: Notes) -> None:
        """Open."""
        super().__init__()
        self._notes = notes

    async def close(self, reason: CloseReason | None = None) -> None:
        """Note it."""
        if not self.closed:
            self._notes.append("viewer told")
        await super().close(reason)


class Surroundings:
    """All of it; `console` makes one that waits for its first viewer."""

    def __init__(self, folder: Path, limit: int = 29, **limits: Any) -> None:
        """Nothing is open.

        Args:
            folder: For what is learned.
            limit: Of the budget.
            **limits: In [limits].
        """
        self.notes = Notes()
        self.ledger = NotingLedger(self.notes, limit)
        self.cloud = Cloud(self.notes)
        self.gateway = Gateway(self.notes)
        self.metrics = Metrics()
        self.closed: list[Console] = []
        self.parts = ConsoleDependencies(
            limits=Limits(**limits),
            ledger=self.ledger,
            cloud=self.cloud,
            dial=self.gateway,
            learned=LearnedStore(folder / "learned.json", time.time),
            metrics=self.metrics,
            handshake_timeout_s=10.0,
            first_pause_s=0.001,
            scatter=lambda: 0.5,
        )
        self._viewers: list[Viewer] = []
        self._consoles: list[Console] = []
        self._ids = count(1)

    async def console(self, password: str | None = None, **parts: Any) -> Console:
        """A new console.

        Args:
            password: From a file.
            **parts: Of `ConsoleDependencies`, other than usual.
        """
        instance = replace(INSTANCE, password=password)
        learned = await self.parts.learned.get(instance.id)
        console = Console(instance, replace(self.parts, **parts), learned, self.closed.append)
        self._consoles.append(console)
        return console

    def viewer(
        self,
        *,
        page: bool = False,
        may_control: bool = True,
        user: str = "ann",
        native: bool = False,
    ) -> tuple[Viewer, BrowserTransport]:
        """A viewer that has joined nothing yet, and its far end."""
        transport = BrowserTransport(self.notes)
        identity = ViewerIdentity(
            f"v{next(self._ids)}",
            user,
            "127.0.0.1",
            "local",
            has_page=page,
            may_control=may_control,
            native=native,
        )
        viewer = Viewer(identity, transport, _WATCHES)
        self._viewers.append(viewer)
        return viewer, transport

    def join(self, console: Console, **viewer: Any) -> Viewer:
        """A viewer that joins."""
        joining, _ = self.viewer(**viewer)
        console.join(joining)
        return joining

    @property
    def transport(self) -> GatewayTransport:
        """The newest link's far end."""
        return self.gateway.transports[-1]

    def count(self, what: str) -> int:
        """How often this was noted."""
        return self.notes.count(what)

    def links(self, outcome: str) -> float:
        """The metric of this outcome."""
        wanted = f'vncproxy_links_total{{outcome="{outcome}"}} '
        lines = self.metrics.render().decode().splitlines()
        return next(float(line.removeprefix(wanted)) for line in lines if line.startswith(wanted))

    async def leave(self) -> None:
        """End whatever runs."""
        for transport in self.gateway.transports:
            transport.close_hangs = False
        for console in self._consoles:
            await console.close(KICKED)
        for viewer in self._viewers:
            await viewer.abandon()


@asynccontextmanager
async def surroundings(folder: Path, **how: Any) -> AsyncIterator[Surroundings]:
    """Surroundings, as long as the block lasts."""
    around = Surroundings(folder, **how)
    try:
        yield around
    finally:
        await around.leave()


def ended(viewer: Viewer) -> Callable[[], object]:
    """For `until`: the viewer has been closed."""
    return viewer.ended.is_set


def code_of(viewer: Viewer) -> tuple[int, str]:
    """How a viewer was closed: code and reason."""
    assert viewer.end is not None
    return int(viewer.end.code), viewer.end.reason
