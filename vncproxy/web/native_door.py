"""The door for native viewers of one instance: a loopback port that asks for a VNC password.

The password comes first: till it is proved nothing is opened, dialled or kept free, and each
account has only a few connections that haven't proved it. Where there are rules, the kernel has to
say whose account connects, and a rule lets that account in; the password is asked for all the same.
VncAuth uses eight characters of it and an old cipher: guessing gets five tries a minute an account.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import structlog

from vncproxy.access.account_directory import Directory
from vncproxy.access.accounts import is_own
from vncproxy.access.identity import OWNER, UNKNOWN, Identity
from vncproxy.access.rules import Role
from vncproxy.console.audit_entries import turned_away
from vncproxy.console.viewer import Viewer, ViewerIdentity
from vncproxy.console.viewer_limits import ViewerLimits
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
from vncproxy.instances.instance_list import ConsoleInstance
from vncproxy.languages.text import Text
from vncproxy.rfb.vnc_auth import CHALLENGE_BYTES, PasswordVerifier
from vncproxy.tasks import Tasks
from vncproxy.web.api import new_viewer_id
from vncproxy.web.connection_limits import ConnectionLimits
from vncproxy.web.context import Services, find, outside_hours
from vncproxy.web.viewer_session import announce, serve
from vncproxy.websocket.tcp_transport import TcpTransport

_log = structlog.get_logger("vncproxy.native")

HOST = "127.0.0.1"
UNPROVED_MAX = 32
"""Connections that haven't proved the password; one more, and the oldest has to go."""
UNPROVED_PER_ACCOUNT_MAX = 4
WRONG_LIMIT = 5
"""Wrong passwords of one account in `WRONG_WINDOW_S`, tries that are under way included."""
WRONG_WINDOW_S = 60.0


async def identity_of(uid: int | None, directory: Directory) -> Identity:
    """Who connects, by the account that owns the other end; what remains to prove is the password.

    The daemon's own account can read the token, so it is the token's owner.

    Args:
        uid: The account's; None: the kernel doesn't say.
        directory: This machine's accounts.

    Raises:
        DirectoryAway: The directory of accounts doesn't answer.
    """
    if uid is not None and is_own(uid):
        return Identity(OWNER, "peer+vnc-password")
    if uid is None:
        return UNKNOWN
    await directory.learn_name(uid)
    name = directory.name(uid)
    return Identity(name, "peer+vnc-password", "peer") if name is not None else UNKNOWN


class Guesses:
    """Tries of the password by account; instants are monotonic seconds. Pure."""

    def __init__(self) -> None:
        self._under_way: Counter[str] = Counter()
        self._wrong: dict[str, deque[float]] = {}

    def begin(self, account: str, now: float) -> bool:
        """Whether this account may try once more; `end` says how that went."""
        for one in [one for one, at in self._wrong.items() if at[-1] <= now - WRONG_WINDOW_S]:
            del self._wrong[one]
        lately = [at for at in self._wrong.get(account, ()) if at > now - WRONG_WINDOW_S]
        if self._under_way[account] + len(lately) >= WRONG_LIMIT:
            return False
        self._under_way[account] += 1
        return True

    def end(self, account: str, now: float, *, wrong: bool) -> None:
        """The password was right or wrong, or none came."""
        self._under_way[account] -= 1
        if not self._under_way[account]:
            del self._under_way[account]
        if wrong:
            self._wrong.setdefault(account, deque(maxlen=WRONG_LIMIT)).append(now)


@dataclass(frozen=True, slots=True)
class NativeConsole:
    """What native viewers reach at one port."""

    instance: ConsoleInstance
    password: str = field(repr=False)
    """What they are asked for; not the instance's own."""


class NativeDoor:
    """Listens at one port of 127.0.0.1, from `start` to `close`."""

    def __init__(
        self,
        port: int,
        alias: str,
        console: Callable[[], NativeConsole | None],
        services: Services,
    ) -> None:
        """Nothing listens yet.

        Args:
            port: Of [[instance]] tcp_port.
            alias: Of the instance that names the port, for errors.
            console: Gives what is reached there by the configuration in force; a connection keeps
                what it found when it came. None: nothing.
            services: The daemon's services.
        """
        self.port = port
        self._alias = alias
        self._console = console
        self._services = services
        self._tasks = Tasks()
        self._limits = ConnectionLimits(
            most_pending=UNPROVED_MAX, most_pending_of_one=UNPROVED_PER_ACCOUNT_MAX
        )
        self._guesses = Guesses()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen.

        Raises:
            ConfigError: The port can't be had.
        """
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(self._accept, HOST, self.port)
        except OSError as fault:
            raise ConfigError(
                [
                    ConfigProblem(
                        f"[[instance]] {self._alias}",
                        "tcp_port",
                        f"{self.port} ({fault.strerror})",
                        Text("a port that is free and allowed here"),
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

    def _accept(self) -> TcpTransport:
        return TcpTransport(self._accepted)

    def _accepted(self, transport: TcpTransport) -> None:
        self._tasks.start(self._serve(transport), f"native-{self.port}")

    async def _serve(self, transport: TcpTransport) -> None:
        console = self._console()
        if console is None:
            await transport.shut()
            return
        uid = transport.peer_uid()
        # Clients whose account the kernel doesn't name count as one.
        account = str(uid)
        if (slot := self._limits.enter(account)) is None:
            await transport.shut()
            return
        slot.cut = transport.abort
        viewer = self._viewer(self._who(UNKNOWN), transport, console.password)
        try:
            identity = await identity_of(uid, self._services.authority.directory)
            viewer.identify(self._who(identity))
            if self._services.authority.has_rules:
                # The account is known: without a rule for it the password isn't even asked for.
                await self._permitted(identity, viewer.identity, console.instance)
            if await self._proves(viewer, account, console.instance):
                slot.activate()
                instance, who = await self._permitted(identity, viewer.identity, console.instance)
                viewer.identify(who)
                await self._open(instance, viewer)
        except AccessError as refusal:
            await self._turn_away(viewer, console.instance, refusal)
        except (AuditError, RecordingError) as error:
            await viewer.turn_away(error.close_reason())
        finally:
            slot.leave()
            await viewer.abandon()

    async def _proves(self, viewer: Viewer, account: str, instance: ConsoleInstance) -> bool:
        """Whether a viewer knows the password; if not, it was refused already.

        Raises:
            AccessError: 429; too many wrong passwords came from this account.
        """
        if not self._guesses.begin(account, time.monotonic()):
            raise AccessError(429, "too-many-attempts", "Too many wrong passwords. Wait a minute.")
        try:
            proved = await viewer.prove()
        finally:
            wrong = viewer.gave_wrong_password
            self._guesses.end(account, time.monotonic(), wrong=wrong)
        if wrong:
            _log.warning("native.wrong_password", instance=instance.id, user=viewer.identity.user)
            refusal = AccessError(401, "wrong-password", "The password is wrong.")
            self._refused(viewer, instance, refusal)
        if not proved:
            await viewer.closed()
        return proved

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

    async def _permitted(
        self, identity: Identity, who: ViewerIdentity, instance: ConsoleInstance
    ) -> tuple[ConsoleInstance, ViewerIdentity]:
        """The instance as it is now, and the viewer with what the rules give it.

        Raises:
            AccessError: The rules give it nothing.
        """
        instance = await find(self._services, instance.id) or instance
        authority = self._services.authority
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

    def _viewer(self, who: ViewerIdentity, transport: TcpTransport, password: str) -> Viewer:
        verifier = PasswordVerifier(password, os.urandom(CHALLENGE_BYTES))
        return Viewer(who, transport, ViewerLimits.of(self._services.limits), verifier)

    async def _open(self, instance: ConsoleInstance, viewer: Viewer) -> None:
        async with self._services.registry.hold(
            instance, viewer.id, watches=not viewer.identity.may_control
        ) as hold:
            await announce(hold.console, viewer.identity)
            await serve(hold, viewer, self._services)

    def _refused(self, viewer: Viewer, instance: ConsoleInstance, refusal: AccessError) -> None:
        who = viewer.identity
        self._services.metrics.refused(refusal.word)
        _log.info("native.refused", word=refusal.word, instance=instance.id, user=who.user)
        entry = turned_away(instance, who, refusal)
        for one in self._services.refusals.note(entry, time.monotonic()):
            self._services.audit.record_later(one)

    async def _turn_away(
        self, viewer: Viewer, instance: ConsoleInstance, refusal: AccessError
    ) -> None:
        self._refused(viewer, instance, refusal)
        # RFB has no codes: the text is what its user sees.
        await viewer.turn_away(CloseReason(CloseCode.KICKED, Side.DAEMON, refusal.public_text))
