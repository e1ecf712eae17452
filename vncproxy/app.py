"""The one composition root: builds every part from the configuration, starts and stops them."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from functools import partial
from urllib.parse import urlsplit

import structlog

from vncproxy import __version__
from vncproxy.access.authority import Authority
from vncproxy.access.identity import BY_TOKEN
from vncproxy.access.login_sessions import Sessions, daemon_id
from vncproxy.access.tickets import Tickets
from vncproxy.aliyun.vncurl import VncUrl
from vncproxy.audit.log import AuditLog
from vncproxy.audit.record import Entry
from vncproxy.audit.record import Event as AuditEvent
from vncproxy.audit.refusals import RefusalLog
from vncproxy.cluster.cluster import Cluster, cluster_of
from vncproxy.config.model import Config, without_restart
from vncproxy.config.paths import audit_path, control_path, state_folder, token_path
from vncproxy.config.secrets import ensure_token
from vncproxy.config.users_file import User
from vncproxy.console.dependencies import ConsoleDependencies
from vncproxy.console.instances import ConsoleInstance, InstanceList
from vncproxy.console.keepalive_memory import FILE_NAME as LEARNED_FILE
from vncproxy.console.keepalive_memory import LearnedStore
from vncproxy.console.registry import Registry
from vncproxy.console.viewer_identity import ViewerIdentity
from vncproxy.errors import CloseCode, CloseReason, Side
from vncproxy.observe.lag import watch_lag
from vncproxy.observe.line_writer import LineWriter
from vncproxy.observe.logging import LogStream, capture_uncaught, configure
from vncproxy.observe.metrics import Metrics
from vncproxy.observe.redaction import WORD_MAX_LENGTH, Redactor
from vncproxy.observe.sd_notify import Notifier, watchdog_interval_s
from vncproxy.recording.recordings import Recordings
from vncproxy.service.activation import entrances
from vncproxy.service.cloud import CurrentCloud, budget_of, cloud_of, cloud_over, renewed
from vncproxy.service.doors import Doors
from vncproxy.service.hours import PassingHours
from vncproxy.service.loaded_config import LoadedConfig
from vncproxy.service.readiness import Readiness, check_ledger_at_start
from vncproxy.service.reload import Reloads, Source
from vncproxy.service.reload_guard import refuse_accidents, worth_saying
from vncproxy.service.rules_audit import rules_in_force, users_changed, users_in_force
from vncproxy.service.shutdown import (
    AUDIT_PART,
    CONSOLES_PART,
    FILES_PART,
    Shutdown,
    Stopped,
    threads_at_work,
)
from vncproxy.service.startup_warnings import tell_missing
from vncproxy.service.state import make_state_folder, recording_folder_of, recordings_of
from vncproxy.service.watchdog import beat, open_in_words, send_status
from vncproxy.tasks import Tasks, all_ended
from vncproxy.web.context import Services
from vncproxy.web.door import Token
from vncproxy.web.open_sockets import OpenSockets
from vncproxy.web.server import Server
from vncproxy.websocket.gateway_transport import dial
from vncproxy.websocket.transport import Transport

_log = structlog.get_logger("vncproxy.app")

_RESTARTING = CloseReason(CloseCode.RESTARTING, Side.DAEMON, "the daemon is restarting")

_UNSURE = (
    "this machine's directory of accounts doesn't answer, so nobody has to go yet for the groups "
    "they are in; they are looked at again once it does"
)

_CUT_OFF = "the daemon before recorded no stop: what was open then has no end here"


class Daemon:
    """`vncproxy serve`: everything, from start to stop."""

    def __init__(
        self,
        config: Config,
        environ: Mapping[str, str],
        *,
        log_to: LogStream | None = None,
        reread: Callable[[], Config] | None = None,
    ) -> None:
        """Build what has no effect yet.

        Args: log_to - default standard error; reread - gives the configuration once more, for
        reloads; called in a thread, raises ConfigError. Raises: ConfigError.
        """
        self.config = config
        self.state = state_folder(config, environ)
        self._log_to = log_to
        self.redactor: Redactor = configure(
            format=config.log.format, level=config.log.level, stream=log_to
        )
        self.metrics = Metrics(__version__)
        self._environ = environ
        self._doors = Doors(
            entrances(config.listen, environ), self.metrics, control_path(self.state)
        )
        self._given = LoadedConfig.of(config, self._doors.entrances)
        self._authority = Authority(config.rule, self._given.users)
        self._tasks = Tasks()
        self._presence = OpenSockets()
        self._refusals = RefusalLog()
        self._recordings: Recordings
        self._audit = AuditLog(audit_path(config, self.state), recorded=self._count_record)
        self.metrics.watch_audit(lambda: self._audit.problem is None)
        self._shutdown = Shutdown(lambda: self.config.limits.drain_timeout)
        self._notifier = Notifier.from_environ(environ)
        source = Source(reread, self._apply) if reread is not None else None
        self._reloads = Reloads(source, self._notifier, self._audit)
        self._cluster: Cluster
        self._cloud: CurrentCloud
        self._readiness: Readiness
        self._services: Services

    @property
    def servers(self) -> list[Server]:
        """The doors of [[listen]] that are open, in their order."""
        return self._doors.servers

    async def run(self, started: Callable[[], None] | None = None) -> None:
        """Serve until `stop` is called or a signal comes, then drain, within drain_timeout.

        Args: started - called once everything listens.

        Raises: ConfigError, CloudError, LedgerError, AuditError, LocalError - it can't start.
        """
        make_state_folder(self.state)
        self._recordings = recordings_of(self.config, self.state, self._audit)
        token = self._token(self.config)
        self._given.hide(self.redactor)
        bastion = self._cluster = cluster_of(
            self.config.throttle,
            budget_of(self.config),
            self.state,
            daemon_id=daemon_id(self.state),
            said=self.metrics.throttle_degraded,
        )
        ways = AsyncExitStack()
        # What the surroundings get wrong is found before anything is recorded.
        cloud = cloud_of(self.config, self._environ, self.metrics, self.redactor)
        self._cloud = CurrentCloud(await ways.enter_async_context(cloud))
        try:
            with suppress(Stopped):
                await self._shutdown.unless_begun(self._audit.open())
                self._record(self._beginning())
                await self._shutdown.unless_begun(check_ledger_at_start(bastion.ledger))
                await self._serve(token, bastion, started)
        finally:
            step = self._shutdown.step
            await asyncio.gather(
                step("the reconnect ledger", bastion.ledger.close(), FILES_PART),
                step("the connections to the API", ways.aclose(), FILES_PART),
            )
            self._record(self._refusals.rest())
            self._audit.record_later(Entry(event=AuditEvent.STOP))
            await step(
                "the audit", self._audit.close(self._shutdown.left_s(AUDIT_PART)), AUDIT_PART
            )
            left = self._shutdown.left_behind
            _log.info("daemon.stopped", not_waited_for=left, threads=threads_at_work())

    def _beginning(self) -> Iterator[Entry]:
        """What the audit has to know of this daemon: that it starts, and who may do what."""
        text = _CUT_OFF if self._audit.was_cut_off else None
        yield Entry(event=AuditEvent.START, version=__version__, text=text)
        if self.config.rule:
            yield from rules_in_force(self.config.rule)
        yield from users_in_force(self._given.users.all)

    async def _serve(
        self, token: Token, bastion: Cluster, started: Callable[[], None] | None
    ) -> None:
        config = self.config
        self._given.users.changed = self._users_changed
        learned = LearnedStore(self.state / LEARNED_FILE, time.time)
        registry = Registry(
            ConsoleDependencies(
                limits=config.limits,
                ledger=bastion.ledger,
                cloud=self._cloud,
                dial=self._dial,
                learned=learned,
                hide=self.redactor.hide_meanwhile,
                metrics=self.metrics,
                audit=self._audit,
                recordings=self._recordings,
            ),
            bastion.ownership,
        )
        self._readiness = Readiness(registry, bastion.ledger, self._cloud, self._audit)
        sessions = Sessions(self.state, config.access.session_lifetime, token.digest, self.redactor)
        services = self._services = Services(
            limits=config.limits,
            inventory=self._inventory(self._given),
            registry=registry,
            tickets=Tickets(self.redactor),
            sessions=sessions,
            metrics=self.metrics,
            tasks=self._tasks,
            presence=self._presence,
            problems=self._readiness.problems,
            degraded=lambda: bastion.degraded,
            metrics_open=config.metrics.access == "open",
            audit=self._audit,
            refusals=self._refusals,
            authority=self._authority,
        )
        try:
            await self._shutdown.unless_begun(self._doors.open(self._given, token, services))
            self._tasks.start(watch_lag(self.metrics.lagged), "lag")
            self._tasks.start(bastion.watch(), "bastion")
            self._tasks.start(self._readiness.watch(), "readiness")
            self._tasks.start(learned.load(), "learned")
            self._tasks.start(self._recordings.watch(), "recordings")
            self._tasks.start(registry.watch_claims(), "claims")
            self._tasks.start(self._refusals.watch(self._audit.record_later), "refusals")
            self._tasks.start(PassingHours(self._authority, registry).watch(), "hours")
            self._tasks.start(registry.watch_rates(), "rates")
            _log.info(
                "daemon.started",
                version=__version__,
                doors=[entrance.listen.address for entrance in self._doors.entrances],
                instances=len(self._given.instances),
            )
            self._tasks.start(tell_missing(config, self._cloud.now.credentials), "missing")
            self._notifier.ready(self._status())
            self._tell_service_manager()
            if started is not None:
                started()
            await self._shutdown.wait()
        finally:
            self._notifier.stopping("telling the viewers")
            await self._drain(registry)

    def _tell_service_manager(self) -> None:
        """Keep it told of life, of what is open, and of reloads."""
        if (interval_s := watchdog_interval_s(self._environ)) is not None:
            self._tasks.start(beat(self._notifier, interval_s), "watchdog")
        status = self._status()
        self._tasks.start(send_status(self._notifier, self._status, status), "status")
        self._tasks.start(self._reloads.watch(lambda: self.config, self._status), "reloads")

    def _status(self) -> str:
        """One line for `systemctl status`."""
        if self._shutdown.begun:
            return "telling the viewers"
        consoles = self._services.registry.consoles
        opened = open_in_words(len(consoles), sum(len(one.viewers) for one in consoles))
        return "; ".join([opened, *self._reloads.notes])

    async def _dial(self, url: VncUrl, timeout_s: float) -> Transport:
        """`dial`, with the VncUrl's secret hidden before anybody could repeat it."""
        for parameter in urlsplit(url.reveal()).query.split("&"):
            name, _, value = parameter.partition("=")
            # What else is short, such as a number, would only hide words of the log.
            if name == "s" or len(value) > WORD_MAX_LENGTH:
                self.redactor.register(value, short_lived=True)
        return await dial(url, timeout_s, settings=self._cloud.now.dial_settings)

    def _inventory(self, given: LoadedConfig) -> InstanceList:
        return InstanceList(given.instances, self._cloud, given.discover_in, self._tasks)

    async def _apply(self, read: Config) -> list[str]:
        """Go on by a new configuration; gives what couldn't be had, in words.

        Raises: ConfigError, CloudError, AuditError - all is as before.
        """
        config = without_restart(self.config, read)
        given = LoadedConfig.of(config, self._doors.entrances)
        refuse_accidents(self._given, given)
        make_state_folder(self.state)
        folder = recording_folder_of(config, self.state, self._audit)
        token = self._token(config)
        given.hide(self.redactor)
        build = partial(
            cloud_over,
            session=self._cloud.now.session,
            by_socks=self._cloud.now.by_socks,
            config=config,
            environ=self._environ,
            metrics=self.metrics,
            redactor=self.redactor,
        )
        cloud, notes = await renewed(self._cloud.now, build)
        notes += worth_saying(self._given, given)
        services = replace(
            self._services,
            limits=config.limits,
            inventory=self._inventory(given),
            metrics_open=config.metrics.access == "open",
        )
        await self._authority.learn_again(services.registry.present, config.rule)
        if self._authority.unsure:
            notes.append(_UNSURE)
        fresh = await self._doors.prepare(given, services)
        try:
            await self._audit.go_on_in(audit_path(config, self.state))
        except BaseException:
            await self._doors.give_up(fresh)
            raise
        # From here on nothing fails, and nobody else has a turn.
        configure(
            format=config.log.format,
            level=config.log.level,
            stream=self._log_to,
            redactor=self.redactor,
        )
        if config.rule != self.config.rule:
            self._record(rules_in_force(config.rule))
        self._users_changed(self._given.users.all, given.users.all)
        given.users.changed = self._users_changed
        self.config, self._given, self._services = config, given, services
        self._cloud.now = cloud
        self._cluster.ledger.renew(budget_of(config))
        self._readiness.look_again()
        self._recordings.folder = folder
        self._recordings.required = config.recording.required
        exchanged = services.sessions.renew(config.access.session_lifetime, token.digest)
        services.registry.set_limits(config.limits)
        self._authority.users = given.users
        self._authority.apply(config.rule)
        self._doors.renew(given, token, services, fresh)
        services.registry.recheck(self._authority.objection)
        if exchanged:
            services.registry.recheck(_by_the_old_token)
        return notes

    def _users_changed(self, before: Sequence[User], after: Sequence[User]) -> None:
        self._record(users_changed(before, after))

    def _count_record(self, entry: Entry) -> None:
        failed = entry.event is AuditEvent.RELOAD and entry.reason != "done"
        self.metrics.recorded(f"{entry.event}-{entry.reason}" if failed else entry.event)

    def _record(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            self._audit.record_later(entry)

    @property
    def left_s(self) -> float:
        """Of the time that the end may take; a moment where it has passed."""
        return self._shutdown.left_s()

    def stop(self) -> None:
        """Drain and end `run`; a start that is under way is given up."""
        self._shutdown.begin()

    def handle_signals(self) -> None:
        """SIGTERM and SIGINT drain; SIGHUP reloads, and goes on in a new audit file if the old one
        was moved.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        loop.add_signal_handler(signal.SIGHUP, self.reload)

    def reload(self) -> None:
        """Read the configuration again soon; while the daemon starts, once it has."""
        if not self._shutdown.begun:
            self._reloads.ask()

    def _token(self, config: Config) -> Token:
        token = ensure_token(token_path(config, self.state))
        self.redactor.register(token)
        return Token.of(token)

    async def _drain(self, registry: Registry) -> None:
        """Links are closed properly first, then viewers are told to come back."""
        step = self._shutdown.step
        await step("the listeners", self._doors.stop_listening(), CONSOLES_PART)
        await step("the consoles", self._farewells(registry), CONSOLES_PART)
        await asyncio.gather(
            step("the recordings", self._recordings_closed(), FILES_PART),
            step("the requests", self._ended(), FILES_PART),
        )

    async def _farewells(self, registry: Registry) -> bool:
        closed = True
        try:
            await registry.drain(_RESTARTING, self._shutdown.left_s(CONSOLES_PART))
        except TimeoutError:
            closed = False
        # They take as long as their readers do.
        await self._presence.nobody()
        return closed

    async def _recordings_closed(self) -> bool:
        closed = await self._recordings.close(self._shutdown.left_s(FILES_PART))
        if not closed:
            _log.error("recordings.unfinished", text="they can be played up to what is written")
        return closed

    async def _ended(self) -> None:
        await all_ended(self._tasks.close())
        await self._doors.close()


def _by_the_old_token(who: ViewerIdentity, _instance: ConsoleInstance) -> str | None:
    by_token = who.kind == "token" and who.how in BY_TOKEN
    return "The owner's token was exchanged." if by_token else None


async def serve(
    config: Config, environ: Mapping[str, str], reread: Callable[[], Config] | None = None
) -> None:
    """Run the daemon until it is told to stop. Args, Raises: as `Daemon`."""
    with LineWriter(sys.stderr) as log:
        daemon = Daemon(config, environ, log_to=log, reread=reread)
        capture_uncaught()
        daemon.handle_signals()
        try:
            await daemon.run()
        finally:
            log.close_timeout_s = daemon.left_s
