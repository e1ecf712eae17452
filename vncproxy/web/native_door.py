"""The door for native viewers of one instance: a loopback port that asks for a VNC password.

VncAuth uses eight characters of the password and an old cipher, so wrong ones are counted: guessing
gets five tries a minute.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from collections import deque

import structlog

from vncproxy.config.model import Limits
from vncproxy.console.evidence import turned_away
from vncproxy.console.instance import ConsoleInstance
from vncproxy.console.registry import Registry
from vncproxy.console.tasks import Tasks
from vncproxy.console.viewer import Viewer, ViewerIdentity, ViewerLimits
from vncproxy.errors import (
    AccessError,
    AuditError,
    CloseCode,
    CloseReason,
    ConfigError,
    ConfigProblem,
    ConsoleElsewhere,
    RecordingError,
    Side,
)
from vncproxy.observe.metrics import Metrics
from vncproxy.observe.repeats import Repeats
from vncproxy.rfb.vnc_auth import CHALLENGE_BYTES, PasswordVerifier
from vncproxy.web.presence import Presence
from vncproxy.web.session import announce, serve
from vncproxy.web.tcp_leg import TcpLeg

_log = structlog.get_logger("vncproxy.native")

HOST = "127.0.0.1"
MAX_CONNECTIONS = 32
WRONG_LIMIT = 5
WRONG_WINDOW_S = 60.0


class NativeDoor:
    """Listens from `start` to `close`."""

    def __init__(
        self,
        instance: ConsoleInstance,
        port: int,
        password: str,
        registry: Registry,
        limits: Limits,
        metrics: Metrics,
        presence: Presence,
    ) -> None:
        """Args: password - of the native viewers, not of the instance."""
        self.port = port
        self._instance = instance
        self._password = password
        self._registry = registry
        self._limits = limits
        self._metrics = metrics
        self._presence = presence
        self._tasks = Tasks()
        self._connections = 0
        self._refusals = Repeats()
        self._wrong: deque[float] = deque(maxlen=WRONG_LIMIT)
        self._server: asyncio.Server | None = None

    def renew(self, instance: ConsoleInstance, password: str, limits: Limits) -> None:
        """Whoever comes from now on finds these."""
        self._instance, self._password, self._limits = instance, password, limits

    async def start(self) -> None:
        """Listen. Raises: ConfigError - the port can't be had."""
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(self._accept, HOST, self.port)
        except OSError as fault:
            raise ConfigError(
                [
                    ConfigProblem(
                        f"[[instance]] {self._instance.alias}",
                        "tcp_port",
                        f"{self.port} ({fault.strerror})",
                        "a port that is free and allowed here",
                    )
                ]
            ) from fault
        self.port = self._server.sockets[0].getsockname()[1]

    def stop_listening(self) -> None:
        """Take no new connections."""
        if self._server is not None:
            self._server.close()

    async def close(self) -> None:
        """End what is left."""
        self.stop_listening()
        await self._tasks.close()

    def _accept(self) -> TcpLeg:
        return TcpLeg(self._accepted)

    def _accepted(self, leg: TcpLeg) -> None:
        self._tasks.start(self._serve(leg), f"native-{self._instance.id}")

    async def _serve(self, leg: TcpLeg) -> None:
        verifier = PasswordVerifier(self._password, os.urandom(CHALLENGE_BYTES))
        viewer = Viewer(
            ViewerIdentity(
                id=f"v-{secrets.token_hex(5)}",
                user="native",
                address=HOST,
                door=f"tcp_port {self.port}",
                native=True,
                how="vnc-password",
            ),
            leg,
            ViewerLimits.of(self._limits),
            verifier,
        )
        self._connections += 1
        try:
            refusal = self._refusal()
            if refusal is None:
                console = await self._registry.console(self._instance, viewer.id)
                console.expect(viewer.id)
                try:
                    await announce(console, viewer.identity)
                    await serve(console, viewer, self._metrics, self._presence)
                finally:
                    console.unexpect(viewer.id)
                    self._registry.release(console)
            else:
                await self._turn_away(viewer, refusal)
        except ConsoleElsewhere as error:
            await self._turn_away(viewer, error.close_reason())
        except AccessError as error:
            reason = CloseReason(CloseCode.RESTARTING, Side.DAEMON, error.public_text)
            await self._turn_away(viewer, reason)
        except (AuditError, RecordingError) as error:
            await viewer.turn_away(error.close_reason())
        finally:
            self._connections -= 1
            if viewer.gave_wrong_password:
                self._wrong.append(time.monotonic())
                _log.warning("native.wrong_password", instance=self._instance.id)

    async def _turn_away(self, viewer: Viewer, reason: CloseReason) -> None:
        if count := self._refusals.seen(reason.code, time.monotonic()):
            entry = turned_away(self._instance, viewer.identity, reason, count)
            self._registry.audit.record_later(entry)
        await viewer.turn_away(reason)

    def _refusal(self) -> CloseReason | None:
        now = time.monotonic()
        if len(self._wrong) == WRONG_LIMIT and self._wrong[0] > now - WRONG_WINDOW_S:
            text = "Too many wrong passwords. Wait a minute."
            return CloseReason(CloseCode.VNC_PASSWORD, Side.VIEWER, text)
        if self._connections > MAX_CONNECTIONS:
            text = "Too many connections to this port."
            return CloseReason(CloseCode.IN_USE, Side.DAEMON, text)
        return None
