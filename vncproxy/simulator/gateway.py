"""The websockify endpoint: who may connect, and when not.

Source of the rules: ECS API reference, DescribeInstanceVncUrl (valid 15 s, at most 30 reconnections
a minute, closed after 60 s without interaction, one session).
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable
from urllib.parse import unquote_plus

from aiohttp import WSCloseCode, web

from vncproxy.simulator.faults import FaultQueue, GatewayFault, GatewayFaultKind
from vncproxy.simulator.record import Breach, Dial, Record
from vncproxy.simulator.sabotage import Ending, Sabotage
from vncproxy.simulator.screens import ScreenLink
from vncproxy.simulator.session import Session, cut
from vncproxy.simulator.settings import SimulatorSettings
from vncproxy.simulator.tickets import Tickets
from vncproxy.simulator.watch import ClientWatch

_MAX_CLIENT_FRAME_BYTES = 4 << 20
_END_TIMEOUT_S = 10.0
_STATUSES = {
    Breach.EXPIRED_URL: 403,
    Breach.REUSED_URL: 403,
    Breach.UNKNOWN_URL: 403,
    Breach.TOO_MANY_DIALS: 429,
    Breach.SECOND_SESSION: 409,
}

OpenScreen = Callable[[str, bool], Awaitable[ScreenLink]]
"""(instance id, whether to offer only an unknown security type) -> the way to its screen."""


class Gateway:
    """Holds the sessions; at most one for an instance."""

    def __init__(
        self,
        settings: SimulatorSettings,
        tickets: Tickets,
        record: Record,
        open_screen: OpenScreen,
        clock: Callable[[], float],
        randomness: random.Random,
    ) -> None:
        self.faults: FaultQueue[GatewayFault] = FaultQueue()
        self.sessions: dict[str, Session] = {}
        self._settings = settings
        self._tickets = tickets
        self._record = record
        self._open_screen = open_screen
        self._clock = clock
        self._random = randomness
        self._recent: dict[str, deque[float]] = {}
        self._blocked_until_s: dict[str, float] = {}
        self._closing = asyncio.Event()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one dial of a VncUrl."""
        now_s = self._clock()
        instance_id, breach = self._tickets.use(_token(request), now_s)
        breach = self._count_dial(instance_id, now_s) or breach
        fault = None if breach else self.faults.take(instance_id)
        if breach is None and fault is None:
            breach = self._check_slot(instance_id, now_s)
        outcome = breach or (fault.kind if fault else "accepted")
        self._record.dials.append(Dial(now_s, instance_id, str(outcome)))
        if breach is not None:
            self._record.breaches[breach] += 1
            return await self._refuse(request, _STATUSES[breach])
        if fault is not None and fault.kind is GatewayFaultKind.STATUS:
            return await self._refuse(request, fault.status)
        if fault is not None and fault.kind is GatewayFaultKind.HANG:
            return await self._hang(request, fault.delay_s)
        if len(self.sessions) >= self._settings.max_sessions or self._closing.is_set():
            return web.Response(status=503)
        return await self._serve(request, instance_id, fault)

    def drop(self, instance_id: str, ending: Ending = Ending.DROP) -> bool:
        """End the session of this instance now; whether there was one."""
        session = self.sessions.get(instance_id)
        if session is None or not session.alive:
            return False
        session.end("dropped", ending)
        return True

    def strike(self, instance_id: str, fault: GatewayFault) -> bool:
        """Let this befall the open session of this instance; whether there is one."""
        session = self.sessions.get(instance_id)
        if session is None or not session.alive:
            return False
        session.strike(Sabotage(fault, session.watch, self._random))
        return True

    async def close(self) -> None:
        """End all sessions, and wait for their end."""
        self._closing.set()
        sessions = list(self.sessions.values())
        for session in sessions:
            session.end("closing", Ending.CLOSE)
        async with asyncio.timeout(_END_TIMEOUT_S):
            for session in sessions:
                await session.over.wait()

    def _count_dial(self, instance_id: str, now_s: float) -> Breach | None:
        if not instance_id:
            return None
        recent = self._recent.setdefault(instance_id, deque())
        while recent and recent[0] <= now_s - self._settings.window_s:
            recent.popleft()
        if len(recent) >= self._settings.reconnects_per_minute:
            return Breach.TOO_MANY_DIALS
        recent.append(now_s)
        return None

    def _check_slot(self, instance_id: str, now_s: float) -> Breach | None:
        session = self.sessions.get(instance_id)
        if session is not None and session.alive:
            if self._settings.second_session == "refuse":
                return Breach.SECOND_SESSION
            self._record.breaches[Breach.SECOND_SESSION] += 1
            session.end("thrown-out", Ending.DROP)
        if now_s < self._blocked_until_s.get(instance_id, now_s):
            return Breach.SECOND_SESSION
        return None

    async def _refuse(self, request: web.Request, status: int) -> web.StreamResponse:
        if self._settings.refusal == "http":
            return web.Response(status=status)
        websocket = _websocket()
        await websocket.prepare(request)
        await websocket.close(code=WSCloseCode.POLICY_VIOLATION)
        return websocket

    async def _hang(self, request: web.Request, delay_s: float) -> web.StreamResponse:
        try:
            async with asyncio.timeout(delay_s):
                await self._closing.wait()
        except TimeoutError:
            pass
        if request.transport is not None:
            cut(request.transport, reset=True)
        return web.Response(status=503)

    async def _serve(
        self, request: web.Request, instance_id: str, fault: GatewayFault | None
    ) -> web.StreamResponse:
        odd_security = fault is not None and fault.kind is GatewayFaultKind.UNKNOWN_SECURITY
        websocket = _websocket()
        transport = request.transport
        if transport is None:
            return web.Response(status=400)
        watch = ClientWatch()
        session = Session(
            instance_id,
            websocket,
            transport,
            self._settings,
            self._record,
            watch,
            Sabotage(fault, watch, self._random),
        )
        self.sessions[instance_id] = session
        try:
            await websocket.prepare(request)
            link = await self._open_screen(instance_id, odd_security)
            await session.run(link)
        except OSError:
            # The client left during the upgrade, or the real screen can't be reached.
            session.end("screen-unreachable", Ending.DROP)
            self._record.endings.append((instance_id, session.ending_reason))
            cut(transport, reset=False)
        finally:
            session.over.set()
            if self.sessions.get(instance_id) is session:
                del self.sessions[instance_id]
            if self._settings.half_open_s and session.ending_reason == "client-vanished":
                until_s = self._clock() + self._settings.half_open_s
                self._blocked_until_s[instance_id] = until_s
        # One that isn't open can't be closed by aiohttp; nobody reads this answer.
        return websocket if websocket.prepared else web.Response(status=400)


def _token(request: web.Request) -> str:
    """The wire's `s=`, read as web servers read a query: a bare "+" is a space.

    So a client that has decoded the VncUrl twice, and sends the token as it is, isn't let in.
    """
    for part in request.raw_path.partition("?")[2].split("&"):
        if part.startswith("s="):
            return unquote_plus(part[2:])
    return ""


def _websocket() -> web.WebSocketResponse:
    return web.WebSocketResponse(
        protocols=("binary",),
        compress=False,
        autoclose=False,
        max_msg_size=_MAX_CLIENT_FRAME_BYTES,
        timeout=2.0,
    )
