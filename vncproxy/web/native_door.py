"""The door for native viewers of one instance: a loopback port that asks for a VNC password.

Where there are rules, the kernel has to say whose account connects, and a rule lets that account
in; the password is asked for all the same. VncAuth uses eight characters of it and an old cipher,
so wrong ones are counted: guessing gets five tries a minute.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import deque
from dataclasses import replace

import structlog

from vncproxy.console.evidence import turned_away
from vncproxy.console.instance import ConsoleInstance
from vncproxy.console.tasks import Tasks
from vncproxy.console.viewer import Viewer
from vncproxy.console.viewer_identity import ViewerIdentity, ViewerLimits
from vncproxy.errors import (
    AccessError,
    AuditError,
    CloseCode,
    CloseReason,
    ConfigError,
    ConfigProblem,
    RecordingError,
    Side,
)
from vncproxy.rfb.vnc_auth import CHALLENGE_BYTES, PasswordVerifier
from vncproxy.web.accounts import is_own
from vncproxy.web.api import new_viewer_id
from vncproxy.web.context import Services, find, outside_hours
from vncproxy.web.directory import Directory
from vncproxy.web.identity import OWNER, UNKNOWN, Identity
from vncproxy.web.rules import Role
from vncproxy.web.session import announce, serve
from vncproxy.web.tcp_leg import TcpLeg

_log = structlog.get_logger("vncproxy.native")

HOST = "127.0.0.1"
MAX_CONNECTIONS = 32
WRONG_LIMIT = 5
WRONG_WINDOW_S = 60.0


async def identity_of(uid: int | None, directory: Directory) -> Identity:
    """Who connects, by the account that owns the other end; what remains to prove is the password.

    The daemon's own account can read the token, so it is the token's owner. Args: uid - None: the
    kernel doesn't say. Raises: DirectoryAway - the directory doesn't.
    """
    if uid is not None and is_own(uid):
        return Identity(OWNER, "peer+vnc-password")
    if uid is None:
        return UNKNOWN
    await directory.learn_name(uid)
    name = directory.name(uid)
    return Identity(name, "peer+vnc-password", "peer") if name is not None else UNKNOWN


class NativeDoor:
    """Listens from `start` to `close`."""

    def __init__(
        self, instance: ConsoleInstance, port: int, password: str, parts: Services
    ) -> None:
        """Args: password - of the native viewers, not of the instance."""
        self.port = port
        self._instance = instance
        self._password = password
        self._parts = parts
        self._tasks = Tasks()
        self._connections = 0
        self._wrong: deque[float] = deque(maxlen=WRONG_LIMIT)
        self._server: asyncio.Server | None = None

    def renew(self, instance: ConsoleInstance, password: str, parts: Services) -> None:
        """Whoever comes from now on finds these."""
        self._instance, self._password, self._parts = instance, password, parts

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
        who = self._who(UNKNOWN)
        self._connections += 1
        try:
            try:
                identity = await identity_of(leg.peer_uid(), self._parts.authority.directory)
                who = self._who(identity)
                self._check_limits()
                instance, who = await self._permitted(identity, who)
            except AccessError as refusal:
                await self._turn_away(self._viewer(who, leg), refusal)
            else:
                await self._open(instance, self._viewer(who, leg))
        finally:
            self._connections -= 1

    def _who(self, identity: Identity) -> ViewerIdentity:
        return ViewerIdentity(
            id=new_viewer_id(),
            user=identity.user,
            address=HOST,
            door=f"tcp_port {self.port}",
            native=True,
            how=identity.how,
            kind=identity.kind,
        )

    def _check_limits(self) -> None:
        """Raises: AccessError."""
        now = time.monotonic()
        if len(self._wrong) == WRONG_LIMIT and self._wrong[0] > now - WRONG_WINDOW_S:
            raise AccessError(429, "too-many-attempts", "Too many wrong passwords. Wait a minute.")
        if self._connections > MAX_CONNECTIONS:
            raise AccessError(429, "too-many-connections", "Too many connections to this port.")

    async def _permitted(
        self, identity: Identity, who: ViewerIdentity
    ) -> tuple[ConsoleInstance, ViewerIdentity]:
        """The instance as it is now, and the viewer with what the rules give it.

        Raises: AccessError - nothing.
        """
        instance = await find(self._parts, self._instance.id) or self._instance
        authority = self._parts.authority
        if identity == UNKNOWN and authority.has_rules:
            raise AccessError(
                401,
                "no-account",
                "This port knows you by your account on this machine, and it sees none: root, "
                "services and proxies don't count.",
            )
        await authority.learn(identity)
        decision = authority.decide(identity, instance)
        if decision.role is None and decision.only:
            raise outside_hours(decision)
        if decision.role is None:
            text = f"No rule lets the account {identity.user} open this console."
            raise AccessError(403, "not-allowed", text)
        return instance, replace(
            who,
            may_control=decision.allows(Role.CONTROL),
            rule=decision.rule,
            record=decision.record,
        )

    def _viewer(self, who: ViewerIdentity, leg: TcpLeg) -> Viewer:
        verifier = PasswordVerifier(self._password, os.urandom(CHALLENGE_BYTES))
        return Viewer(who, leg, ViewerLimits.of(self._parts.limits), verifier)

    async def _open(self, instance: ConsoleInstance, viewer: Viewer) -> None:
        parts = self._parts
        try:
            async with parts.registry.hold(
                instance, viewer.id, watches=not viewer.identity.may_control
            ) as hold:
                await announce(hold.console, viewer.identity)
                await serve(hold, viewer, parts)
        except AccessError as refusal:
            await self._turn_away(viewer, refusal)
        except (AuditError, RecordingError) as error:
            await viewer.turn_away(error.close_reason())
        finally:
            if viewer.gave_wrong_password:
                self._wrong.append(time.monotonic())
                _log.warning(
                    "native.wrong_password", instance=instance.id, user=viewer.identity.user
                )

    async def _turn_away(self, viewer: Viewer, refusal: AccessError) -> None:
        who = viewer.identity
        self._parts.metrics.refused(refusal.word)
        _log.info("native.refused", word=refusal.word, instance=self._instance.id, user=who.user)
        entry = turned_away(self._instance, who, refusal)
        for one in self._parts.refusals.note(entry, time.monotonic()):
            self._parts.audit.record_later(one)
        # RFB has no codes: the text is what its user sees.
        await viewer.turn_away(CloseReason(CloseCode.KICKED, Side.DAEMON, refusal.public_text))
