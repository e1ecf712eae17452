"""The one composition root: builds every part from the configuration, starts and stops them."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TextIO
from urllib.parse import urlsplit

import structlog

from vncproxy import __version__
from vncproxy.aliyun.credentials import (
    CredentialsSource,
)
from vncproxy.aliyun.vncurl import VncUrl
from vncproxy.config.model import Config
from vncproxy.config.search import audit_path, state_folder, token_path
from vncproxy.config.secrets import ensure_token
from vncproxy.console.bastion import Bastion, bastion_of, store_password
from vncproxy.console.inventory import Inventory
from vncproxy.console.learned import FILE_NAME as LEARNED_FILE
from vncproxy.console.learned import LearnedStore
from vncproxy.console.leg import Leg
from vncproxy.console.registry import Registry
from vncproxy.console.runner import ConsoleParts
from vncproxy.console.tasks import Tasks
from vncproxy.console.upstream_leg import DialSettings, dial
from vncproxy.errors import (
    AuditError,
    CloseCode,
    CloseReason,
    CloudError,
    LedgerError,
    Side,
)
from vncproxy.observe.audit import Audit, AuditLog
from vncproxy.observe.audit_record import Entry
from vncproxy.observe.audit_record import Event as AuditEvent
from vncproxy.observe.lag import watch_lag
from vncproxy.observe.logging import capture_uncaught, configure
from vncproxy.observe.metrics import Metrics
from vncproxy.observe.notify import Notifier
from vncproxy.observe.redaction import Redactor
from vncproxy.recording.recordings import Recordings
from vncproxy.service.cloud import Cloud, budget_of, cloud_of
from vncproxy.service.instances import instances_of, native_passwords_of
from vncproxy.service.state import make_state_folder, recordings_of
from vncproxy.throttle.ledger import Ledger
from vncproxy.web import pages
from vncproxy.web.attempts import Attempts
from vncproxy.web.authority import Authority
from vncproxy.web.context import Services
from vncproxy.web.door import Door, Token
from vncproxy.web.header import header_secret_of
from vncproxy.web.native_door import NativeDoor
from vncproxy.web.presence import Presence
from vncproxy.web.server import Server, application, server_tls
from vncproxy.web.sessions import Sessions, daemon_id
from vncproxy.web.tickets import Tickets
from vncproxy.web.users import Users

_log = structlog.get_logger("vncproxy.app")

_RESTARTING = CloseReason(CloseCode.RESTARTING, Side.DAEMON, "the daemon is restarting")

RECORDINGS_CLOSE_TIMEOUT_S = 3.0
"""For the ends of recordings, once nobody is on any more."""
AUDIT_CLOSE_TIMEOUT_S = 2.0
"""For the records that still wait when all else has ended."""


class Daemon:
    """`vncproxy serve`: everything, from start to stop."""

    def __init__(
        self,
        config: Config,
        environ: Mapping[str, str],
        *,
        log_to: TextIO | None = None,
    ) -> None:
        """Args: log_to - default standard error. Raises: ConfigError before any effect."""
        self.config = config
        self.state = state_folder(config, environ)
        self.servers: list[Server] = []
        self.native_doors: list[NativeDoor] = []
        self.redactor: Redactor = configure(
            format=config.log.format, level=config.log.level, stream=log_to
        )
        self.metrics = Metrics(__version__)
        self._environ = environ
        self._instances = instances_of(config)
        self._native_passwords = native_passwords_of(config)
        self._tls = [server_tls(listen) for listen in config.listen]
        self._users = Users(config.access.users_file)
        self._header_secrets = [header_secret_of(listen) for listen in config.listen]
        self._authority = Authority(config.rule, self._users)
        self._tasks = Tasks()
        self._presence = Presence()
        self._recordings: Recordings
        self._audit = AuditLog(audit_path(config, self.state))
        self._stopping = asyncio.Event()

    async def run(self, started: Callable[[], None] | None = None) -> None:
        """Serve until `stop` is called or a signal comes, then drain.

        Args: started - called once everything listens.

        Raises: ConfigError, CloudError, LedgerError, AuditError, LocalError - it can't start.
        """
        make_state_folder(self.state)
        self._recordings = recordings_of(self.config, self.state)
        token = Token.of(self._token())
        for instance in self._instances:
            if instance.password:
                self.redactor.register(instance.password)
        if password := store_password(self.config.throttle):
            self.redactor.register(password)
        await self._audit.open()
        try:
            self._audit.record_later(Entry(event=AuditEvent.START, version=__version__))
            await self._run(token, started)
        finally:
            self._audit.record_later(Entry(event=AuditEvent.STOP))
            await self._audit.close(AUDIT_CLOSE_TIMEOUT_S)
            _log.info("daemon.stopped")

    async def _run(self, token: Token, started: Callable[[], None] | None) -> None:
        config = self.config
        bastion = bastion_of(
            config.throttle,
            budget_of(config),
            self.state,
            daemon_id=daemon_id(self.state),
            said=self.metrics.throttle_degraded,
        )
        try:
            async with cloud_of(config, self._environ, self.metrics, self.redactor) as cloud:
                await bastion.ledger.check_writable()
                await self._serve(token, bastion, cloud, started)
        finally:
            await bastion.ledger.close()

    async def _serve(
        self, token: Token, bastion: Bastion, cloud: Cloud, started: Callable[[], None] | None
    ) -> None:
        config = self.config
        notifier = Notifier.from_environ(self._environ)
        registry = Registry(
            ConsoleParts(
                limits=config.limits,
                ledger=bastion.ledger,
                cloud=cloud.client,
                dial=partial(self._dial, settings=cloud.dial_settings),
                learned=LearnedStore(self.state / LEARNED_FILE, time.time),
                metrics=self.metrics,
                audit=self._audit,
                recordings=self._recordings,
            ),
            bastion.ownership,
        )
        sessions = Sessions(self.state, config.access.session_lifetime, token.digest, self.redactor)
        services = Services(
            limits=config.limits,
            inventory=Inventory(self._instances, cloud.client, self._discover_in()),
            registry=registry,
            tickets=Tickets(self.redactor),
            sessions=sessions,
            metrics=self.metrics,
            tasks=self._tasks,
            presence=self._presence,
            problems=partial(_problems, registry, bastion.ledger, cloud.credentials, self._audit),
            degraded=lambda: bastion.degraded,
            hide=self.redactor.register,
            metrics_open=config.metrics.access == "open",
            audit=self._audit,
            authority=self._authority,
        )
        attempts = Attempts()
        try:
            parts = zip(config.listen, self._tls, self._header_secrets, strict=True)
            for listen, tls, header_secret in parts:
                self.redactor.register(header_secret)
                door = Door(
                    listen,
                    config.access,
                    token,
                    sessions,
                    users=self._users,
                    attempts=attempts,
                    header_secret=header_secret,
                )
                server = Server(listen, application(door, services), tls)
                self.servers.append(server)
                await server.start()
                _warn_of(door)
            for native in self._native(registry):
                self.native_doors.append(native)
                await native.start()
            self._tasks.start(watch_lag(self.metrics.lagged), "lag")
            self._tasks.start(bastion.watch(), "bastion")
            self._tasks.start(self._recordings.watch(), "recordings")
            self._tasks.start(registry.watch_claims(), "claims")
            _log.info(
                "daemon.started",
                version=__version__,
                doors=[listen.address for listen in config.listen],
                instances=len(self._instances),
            )
            notifier.ready(f"{len(self._instances)} instances may be opened")
            if started is not None:
                started()
            await self._stopping.wait()
        finally:
            notifier.stopping("telling the viewers")
            await self._drain(registry)

    async def _dial(self, url: VncUrl, timeout_s: float, *, settings: DialSettings) -> Leg:
        """`dial`, with the VncUrl's secret hidden before anybody could repeat it."""
        for parameter in urlsplit(url.reveal()).query.split("&"):
            self.redactor.register(parameter.partition("=")[2], short_lived=True)
        return await dial(url, timeout_s, settings=settings)

    def _native(self, registry: Registry) -> Iterator[NativeDoor]:
        by_id = {instance.id: instance for instance in self._instances}
        for one in self.config.instance:
            if one.tcp_port is not None:
                password = self._native_passwords[one.id]
                self.redactor.register(password)
                yield NativeDoor(
                    by_id[one.id],
                    one.tcp_port,
                    password,
                    registry,
                    self.config.limits,
                    self.metrics,
                    self._presence,
                )

    def stop(self) -> None:
        """Drain and end `run`."""
        self._stopping.set()

    def handle_signals(self) -> None:
        """SIGTERM and SIGINT drain; SIGHUP begins a new audit file if the old one was moved."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        loop.add_signal_handler(signal.SIGHUP, lambda: self._tasks.start(self._reload(), "reload"))

    async def _reload(self) -> None:
        _log.warning("reload.unavailable", text="restart to apply a configuration")
        try:
            await self._audit.reopen()
        except AuditError as error:
            _log.error("audit.not_reopened", text=error.public_text)

    def _token(self) -> str:
        token = ensure_token(token_path(self.config, self.state))
        self.redactor.register(token)
        return token

    def _discover_in(self) -> tuple[str, ...]:
        aliyun = self.config.aliyun
        return (aliyun.regions or (aliyun.region,)) if aliyun.discover else ()

    async def _drain(self, registry: Registry) -> None:
        """Links are closed properly first, then viewers are told to come back."""
        doors: list[Server | NativeDoor] = [*self.servers, *self.native_doors]
        for door in doors:
            await door.stop_listening()
        timeout_s = self.config.limits.drain_timeout
        try:
            async with asyncio.timeout(timeout_s):
                await registry.drain(_RESTARTING, timeout_s)
                # The farewells take as long as their readers do.
                await self._presence.nobody()
        except TimeoutError:
            _log.warning("drain.cut_short", seconds=timeout_s)
        if not await self._recordings.close(RECORDINGS_CLOSE_TIMEOUT_S):
            _log.error("recordings.unfinished", text="they can be played up to what is written")
        await self._tasks.close()
        await asyncio.gather(*(door.close() for door in doors))


def _warn_of(door: Door) -> None:
    if door.open:
        _log.warning("door.open", door=door.name, text="every account of this machine may enter")
    if not pages.is_complete():
        _log.error("page.incomplete", text="noVNC is missing from this installation")


async def _problems(
    registry: Registry, ledger: Ledger, credentials: CredentialsSource, audit: Audit
) -> list[str]:
    """Why no console could be opened right now."""
    problems = []
    if registry.draining:
        problems.append("The daemon is stopping.")
    if audit.problem is not None:
        problems.append(audit.problem)
    try:
        await ledger.check_writable()
    except LedgerError as error:
        problems.append(error.public_text)
    try:
        await credentials.get()
    except CloudError as error:
        problems.append(error.public_text)
    return problems


async def serve(config: Config, environ: Mapping[str, str]) -> None:
    """Run the daemon until it is told to stop. Raises: as `Daemon.run`."""
    daemon = Daemon(config, environ, log_to=sys.stderr)
    capture_uncaught()
    daemon.handle_signals()
    await daemon.run()
