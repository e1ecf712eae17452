"""The one composition root: builds every part from the configuration, starts and stops them."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from functools import partial
from urllib.parse import urlsplit

import structlog

from vncproxy import __version__
from vncproxy.access.account_directory import Directory
from vncproxy.access.authority import Authority, Policy
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
from vncproxy.console.registry import Registry
from vncproxy.console.viewer import ViewerIdentity
from vncproxy.errors import CloseCode, CloseReason, Side
from vncproxy.instances.instance_list import ConsoleInstance, InstanceList
from vncproxy.instances.keepalive_memory import FILE_NAME as LEARNED_FILE
from vncproxy.instances.keepalive_memory import LearnedStore
from vncproxy.instances.power import Power
from vncproxy.instances.screenshot_cache import ScreenshotCache
from vncproxy.observe.event_loop_lag import watch_lag
from vncproxy.observe.line_writer import LineWriter
from vncproxy.observe.logging import LogStream, capture_uncaught, configure
from vncproxy.observe.metrics import Metrics
from vncproxy.observe.redaction import WORD_MAX_LENGTH, Redactor
from vncproxy.observe.sd_notify import Notifier, watchdog_interval_s
from vncproxy.recording.folder import RecordingFolder
from vncproxy.recording.recordings import Recordings
from vncproxy.service.cloud_client import Cloud, CurrentCloud, budget_of, cloud_after, cloud_of
from vncproxy.service.hours_watch import PassingHours
from vncproxy.service.listeners import Doors, control_listener
from vncproxy.service.loaded_config import Current, LoadedConfig, Snapshot
from vncproxy.service.readiness import Readiness, check_ledger_at_start, warn_of_missing
from vncproxy.service.reload import Reloads, Source, refuse_accidents, worth_a_warning
from vncproxy.service.rules_audit import rules_in_force, users_changed, users_in_force
from vncproxy.service.shutdown import (
    AUDIT_PART,
    CONSOLES_PART,
    FILES_PART,
    Shutdown,
    Stopped,
    threads_at_work,
)
from vncproxy.service.socket_activation import entrances
from vncproxy.service.state_folder import make_state_folder, recording_folder_of
from vncproxy.service.watchdog import beat, open_in_words, send_status
from vncproxy.tasks import Tasks, all_ended
from vncproxy.web.context import Services
from vncproxy.web.door import DoorSettings, Token
from vncproxy.web.native_door import NativeDoor
from vncproxy.web.open_sockets import OpenSockets
from vncproxy.web.past_lists import past_lists
from vncproxy.web.server import Server
from vncproxy.websocket.gateway_dial import dial
from vncproxy.websocket.transport import Transport

_log = structlog.get_logger("vncproxy.app")

_RESTARTING = CloseReason(CloseCode.RESTARTING, Side.DAEMON, "the daemon is restarting")

_UNSURE = (
    "this machine's directory of accounts doesn't answer, so nobody has to go yet for the groups "
    "they are in; they are looked at again once it does"
)

_CUT_OFF = "the daemon before recorded no stop: what was open then has no end here"


@dataclass(frozen=True, slots=True)
class Components:
    """What a daemon is made of while it runs, complete once it is made."""

    current: Current[Snapshot]
    """The configuration in force, which all others read."""
    cluster: Cluster
    cloud: CurrentCloud
    recordings: Recordings
    learned: LearnedStore
    registry: Registry
    authority: Authority
    readiness: Readiness
    services: Services
    doors: Doors


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
        """Read what the configuration names; nothing has an effect yet but on the log.

        Args:
            config: The settings.
            environ: The environment's variables.
            log_to: Default: standard error.
            reread: Gives the configuration once more, for reloads; called in a thread, raises
                ConfigError. None: there is no file to read again.

        Raises:
            ConfigError: A file can't be used, or a socket that was passed.
        """
        self.state = state_folder(config, environ)
        self._environ = environ
        self._log_to = log_to
        self.redactor: Redactor = configure(
            format=config.log.format, level=config.log.level, stream=log_to
        )
        self.metrics = Metrics(__version__)
        self._entrances = entrances(config.listen, environ)
        self._control = control_listener(control_path(self.state))
        self._first = self._loaded(config)
        self._tasks = Tasks()
        self._open_sockets = OpenSockets()
        self._directory = Directory()
        self._refusals = RefusalLog()
        self._audit = AuditLog(audit_path(config, self.state), recorded=self._count_record)
        self.metrics.watch_audit(lambda: self._audit.problem is None)
        self._shutdown = Shutdown(lambda: self.config.limits.drain_timeout)
        self._notifier = Notifier.from_environ(environ)
        source = Source(reread, self._apply) if reread is not None else None
        self._reloads = Reloads(source, self._notifier, self._audit)
        self._components: Components | None = None

    @property
    def config(self) -> Config:
        """The settings in force."""
        return (
            self._first.config if self._components is None else self._components.current.now.config
        )

    @property
    def components(self) -> Components:
        """What runs; there once `run` has found that it can start."""
        assert self._components is not None, "`run` makes them"
        return self._components

    @property
    def servers(self) -> list[Server]:
        """The listeners of [[listen]], in their order."""
        return self.components.doors.servers

    async def run(self, started: Callable[[], None] | None = None) -> None:
        """Serve until `stop` is called or a signal comes, then drain, within drain_timeout.

        Args:
            started: Called once everything listens.

        Raises:
            ConfigError, CloudError, LedgerError, AuditError, LocalError: it can't start.
        """
        config = self.config
        make_state_folder(self.state)
        folder = recording_folder_of(config, self.state, self._audit)
        token = self._token(config)
        self._first.hide(self.redactor)
        cluster = cluster_of(
            config.throttle,
            lambda: budget_of(self.config),
            self.state,
            daemon_id=daemon_id(self.state),
            on_degraded=self.metrics.throttle_degraded,
        )
        ways = AsyncExitStack()
        # What the surroundings get wrong is found before anything is recorded.
        cloud = cloud_of(config, self._environ, self.metrics, self.redactor)
        first = self._snapshot(self._first, token, await ways.enter_async_context(cloud), folder)
        components = self._components = self._components_of(first, cluster)
        try:
            with suppress(Stopped):
                await self._shutdown.unless_begun(self._audit.open())
                self._record(self._beginning(first))
                await self._shutdown.unless_begun(check_ledger_at_start(cluster.ledger))
                await self._serve(components, started)
        finally:
            step = self._shutdown.step
            await asyncio.gather(
                step("the reconnect ledger", cluster.ledger.close(), FILES_PART),
                step("the connections to the API", ways.aclose(), FILES_PART),
            )
            self._record(self._refusals.rest())
            self._audit.record_later(Entry(event=AuditEvent.STOP))
            await step(
                "the audit", self._audit.close(self._shutdown.left_s(AUDIT_PART)), AUDIT_PART
            )
            left = self._shutdown.left_behind
            _log.info("daemon.stopped", not_waited_for=left, threads=threads_at_work())

    def _loaded(self, config: Config) -> LoadedConfig:
        listeners = [entrance.listen for entrance in self._entrances]
        return LoadedConfig.of(config, listeners, self._users_changed)

    def _token(self, config: Config) -> Token:
        """The owner's, made where there is none.

        Raises:
            ConfigError: The file can't be read or made.
        """
        token = ensure_token(token_path(config, self.state))
        self.redactor.register(token)
        return Token.of(token)

    def _snapshot(
        self, loaded: LoadedConfig, token: Token, cloud: Cloud, folder: RecordingFolder
    ) -> Snapshot:
        """What comes into force at once, at the start or by a reload."""
        config, users = loaded.config, loaded.users
        doors = [
            DoorSettings.of(entrance.listen, config.access, token, users, secret)
            for entrance, secret in zip(self._entrances, loaded.header_secrets, strict=True)
        ]
        return Snapshot(
            loaded=loaded,
            token=token,
            doors=tuple(doors),
            control=DoorSettings.of(self._control, config.access, token, users),
            policy=Policy(config.rule, users, self._directory, owner_power=config.aliyun.power),
            cloud=cloud,
            inventory=InstanceList(
                loaded.instances, cloud.client, config.aliyun.discover_in, self._tasks
            ),
            recording_folder=folder,
        )

    def _components_of(self, first: Snapshot, cluster: Cluster) -> Components:
        """Everything above the cluster: cloud, consoles, who may do what, listeners."""
        current = Current(first)
        cloud = CurrentCloud(lambda: current.now.cloud)
        recordings = Recordings(
            lambda: current.now.recording_folder,
            version=__version__,
            required=lambda: current.now.config.recording.required,
        )
        learned = LearnedStore(self.state / LEARNED_FILE, time.time)
        registry = Registry(
            ConsoleDependencies(
                limits=first.limits,
                ledger=cluster.ledger,
                cloud=cloud,
                dial=partial(self._dial, cloud),
                learned=learned,
                hide=self.redactor.hide_meanwhile,
                metrics=self.metrics,
                audit=self._audit,
                recordings=recordings,
            ),
            cluster.ownership,
            lambda: current.now.limits,
        )
        authority = Authority(lambda: current.now.policy, self._directory)
        readiness = Readiness(registry, cluster.ledger, cloud, self._audit)
        services = Services(
            settings=lambda: current.now,
            registry=registry,
            tickets=Tickets(self.redactor),
            sessions=Sessions(
                self.state,
                lambda: current.now.config.access.session_lifetime,
                lambda: current.now.token.digest,
                self.redactor,
            ),
            metrics=self.metrics,
            tasks=self._tasks,
            open_sockets=self._open_sockets,
            problems=readiness.problems,
            degraded=lambda: cluster.degraded,
            audit=self._audit,
            refusals=self._refusals,
            authority=authority,
            screenshots=ScreenshotCache(cloud, self._tasks),
            power=Power(cloud, self._tasks),
            past=past_lists(
                self.state, lambda: self._audit.path, lambda: current.now.recording_folder
            ),
        )
        return Components(
            current=current,
            cluster=cluster,
            cloud=cloud,
            recordings=recordings,
            learned=learned,
            registry=registry,
            authority=authority,
            readiness=readiness,
            services=services,
            doors=Doors(self._entrances, self._control, current, services),
        )

    async def _dial(self, cloud: CurrentCloud, url: VncUrl, timeout_s: float) -> Transport:
        """`dial`, with the VncUrl's secret hidden before anybody could repeat it."""
        for parameter in urlsplit(url.reveal()).query.split("&"):
            name, _, value = parameter.partition("=")
            # What else is short, such as a number, would only hide words of the log.
            if name == "s" or len(value) > WORD_MAX_LENGTH:
                self.redactor.register(value, short_lived=True)
        return await dial(url, timeout_s, settings=cloud.now.dial_settings)

    def _beginning(self, first: Snapshot) -> Iterator[Entry]:
        """What the audit has to know of this daemon: that it starts, and who may do what."""
        text = _CUT_OFF if self._audit.was_cut_off else None
        yield Entry(event=AuditEvent.START, version=__version__, text=text)
        if first.config.rule:
            yield from rules_in_force(first.config.rule)
        yield from users_in_force(first.loaded.users.all)

    async def _serve(self, components: Components, started: Callable[[], None] | None) -> None:
        """Listen, until the end is asked for; then drain."""
        registry = components.registry
        try:
            await self._shutdown.unless_begun(components.doors.open())
            start = self._tasks.start
            start(watch_lag(self.metrics.lagged), "lag")
            start(components.cluster.watch(), "bastion")
            start(components.readiness.watch(), "readiness")
            start(components.learned.load(), "learned")
            start(components.recordings.watch(), "recordings")
            start(components.services.past.watch(), "past")
            start(registry.watch_claims(), "claims")
            start(self._refusals.watch(self._audit.record_later), "refusals")
            start(PassingHours(components.authority, registry).watch(), "hours")
            start(registry.watch_rates(), "rates")
            now = components.current.now
            _log.info(
                "daemon.started",
                version=__version__,
                doors=[entrance.listen.address for entrance in self._entrances],
                instances=len(now.loaded.instances),
            )
            start(warn_of_missing(now.config, now.cloud.credentials), "missing")
            self._notifier.ready(self._status())
            self._notify_service_manager()
            if started is not None:
                started()
            await self._shutdown.wait()
        finally:
            self._notifier.stopping("telling the viewers")
            await self._drain(components)

    def _notify_service_manager(self) -> None:
        """Send it signs of life, what is open, and reloads."""
        if (interval_s := watchdog_interval_s(self._environ)) is not None:
            self._tasks.start(beat(self._notifier, interval_s), "watchdog")
        if self._notifier.has_manager:
            sending = send_status(self._notifier, self._status, self._status())
            self._tasks.start(sending, "status")
        self._tasks.start(self._reloads.watch(lambda: self.config, self._status), "reloads")

    def _status(self) -> str:
        """One line for `systemctl status`."""
        if self._shutdown.begun:
            return "telling the viewers"
        consoles = self.components.registry.consoles
        opened = open_in_words(len(consoles), sum(len(one.router.viewers) for one in consoles))
        return "; ".join([opened, *self._reloads.notes])

    async def _apply(self, read: Config) -> list[str]:
        """Go on by a new configuration, for `Reloads`.

        Returns:
            What couldn't be had, in sentences without a full stop.

        Raises:
            ConfigError, CloudError, AuditError: all is as before.
        """
        components, old = self.components, self.components.current.now
        config = without_restart(old.config, read)
        loaded = self._loaded(config)
        refuse_accidents(old.loaded, loaded)
        make_state_folder(self.state)
        folder = recording_folder_of(config, self.state, self._audit)
        token = self._token(config)
        loaded.hide(self.redactor)
        cloud, notes = await cloud_after(
            old.cloud, config, self._environ, self.metrics, self.redactor
        )
        notes += worth_a_warning(old.loaded, loaded)
        new = self._snapshot(loaded, token, cloud, folder)
        await components.authority.learn_again(components.registry.present, config.rule)
        if components.authority.unsure:
            notes.append(_UNSURE)
        fresh = await components.doors.open_native(new)
        try:
            await self._audit.go_on_in(audit_path(config, self.state))
        except BaseException:
            await components.doors.close_native(fresh)
            raise
        self._go_on_by(new, fresh)
        return notes

    def _go_on_by(self, new: Snapshot, fresh: list[NativeDoor]) -> None:
        """Swap the configuration, and do what doesn't follow from reading the new one.

        Nothing here fails, and nobody else has a turn meanwhile.

        Args:
            new: The configuration to go on by.
            fresh: As `Doors.open_native` gave them.
        """
        components = self.components
        configure(
            format=new.config.log.format,
            level=new.config.log.level,
            stream=self._log_to,
            redactor=self.redactor,
        )
        old = components.current.swap(new)
        if new.config.rule != old.config.rule:
            self._record(rules_in_force(new.config.rule))
        self._users_changed(old.loaded.users.all, new.loaded.users.all)
        components.readiness.check_soon()
        components.doors.take_native(fresh)
        components.authority.settle()
        components.registry.recheck(components.authority.objection)
        if new.token != old.token:
            components.registry.recheck(_by_the_old_token)

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

    async def _drain(self, components: Components) -> None:
        """Links are closed properly first, then viewers, by a code on which pages come back."""
        step = self._shutdown.step
        await step("the listeners", components.doors.stop_listening(), CONSOLES_PART)
        await step("the consoles", self._farewells(components.registry), CONSOLES_PART)
        await asyncio.gather(
            step("the recordings", self._recordings_closed(components.recordings), FILES_PART),
            step("the requests", self._ended(components.doors), FILES_PART),
        )

    async def _farewells(self, registry: Registry) -> bool:
        closed = True
        try:
            await registry.drain(_RESTARTING, self._shutdown.left_s(CONSOLES_PART))
        except TimeoutError:
            closed = False
        # They take as long as their readers do.
        await self._open_sockets.all_closed()
        return closed

    async def _recordings_closed(self, recordings: Recordings) -> bool:
        closed = await recordings.close(self._shutdown.left_s(FILES_PART))
        if not closed:
            _log.error("recordings.unfinished", text="they can be played up to what is written")
        return closed

    async def _ended(self, doors: Doors) -> None:
        await all_ended(self._tasks.close())
        await doors.close()


def _by_the_old_token(who: ViewerIdentity, _instance: ConsoleInstance) -> str | None:
    by_token = who.kind == "token" and who.how in BY_TOKEN
    return "The owner's token was exchanged." if by_token else None


async def serve(
    config: Config,
    environ: Mapping[str, str],
    reread: Callable[[], Config] | None = None,
    started: Callable[[], None] | None = None,
) -> None:
    """Run the daemon until it is asked to stop; arguments and errors as of `Daemon` and `run`."""
    with LineWriter(sys.stderr) as log:
        daemon = Daemon(config, environ, log_to=log, reread=reread)
        capture_uncaught()
        daemon.handle_signals()
        try:
            await daemon.run(started)
        finally:
            log.close_timeout_s = daemon.left_s
