"""The life of a console's links: open one, serve it, learn from its end, replace it.

The loop runs as long as its console wants a link. What goes wrong is sorted here: what another try
may mend is retried with growing, scattered pauses inside the budget; the rest is handed back.
"""

from __future__ import annotations

import asyncio
import secrets
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import structlog

from vncproxy.console.control import Control
from vncproxy.console.dependencies import ConsoleDependencies
from vncproxy.console.fault_isolation import logged_faults
from vncproxy.console.keepalive_learning import KeepaliveLearning
from vncproxy.console.lifecycle import Lifecycle, State, Trigger
from vncproxy.console.link import Link
from vncproxy.console.link_opener import LinkOpener
from vncproxy.console.message_router import MessageRouter
from vncproxy.console.opaque_relay import OpaqueRelay
from vncproxy.console.page_messages import Pages
from vncproxy.console.retry_policy import ENDS_LINKS, Pause, Pauses, after_waiting, outcome_of
from vncproxy.console.viewer import Viewer
from vncproxy.errors import (
    CloseReason,
    CloudError,
    CloudErrorKind,
    LocalError,
    Side,
    Throttled,
    UpstreamLost,
    UpstreamProtocolError,
    UpstreamRefused,
    VncPasswordError,
    VncproxyError,
)
from vncproxy.instances.instance_list import ConsoleInstance
from vncproxy.instances.keepalive_memory import Learned
from vncproxy.observe.metrics import LinkOutcome
from vncproxy.observe.traffic import KeptBy, Saved, Traffic
from vncproxy.rfb.handshake_events import PasswordNeeded, Ready, UnknownSecurity
from vncproxy.rfb.held_input import HeldInput
from vncproxy.rfb.keepalive import KeepaliveClass, LinkEnd
from vncproxy.rfb.liveness import Liveness
from vncproxy.tasks import Flag, Tasks
from vncproxy.websocket.transport import Transport, TransportEnd

_log = structlog.get_logger("vncproxy.console")

HEALTHY_AGE_S = 30.0
"""A link that lived this long was no failure: the back-off begins anew."""


class LinkSupervisor:
    """See the module. It is the links' host, and learns from the link opener how far it has come.

    Attributes:
        router: Where the messages of its links go.
        learning: What the ends of its links teach about the instance.
        traffic: What its links have carried.
        link: The one that is open, from its WebSocket on.
        relay: Of an opaque link.
        state_since: When the state began, in seconds of the wall clock.
        wait_until: When the next step may come, on the same clock, if that is known.
        may_hurry: Whether `hurry` would shorten that.
        attempt: The number of the try to get a link, from 1 on; 0 after a loss.
        failure: Why there is no link; None while there is one, and before the first try.
        links_opened: How many have worked.
        saved: What holding links saved this console.
    """

    # With more than 30 attributes each would have a dictionary, of a kilobyte.
    __slots__ = (
        "__weakref__",
        "_closing",
        "_dependencies",
        "_hurry",
        "_instance",
        "_is_wanted",
        "_kept_by",
        "_learning",
        "_link_fault",
        "_link_opener",
        "_link_over",
        "_links_name",
        "_metrics",
        "_offender",
        "_pages",
        "_password",
        "_password_given",
        "_patience_s",
        "_pauses",
        "_show_password",
        "_silent",
        "_tasks",
        "attempt",
        "failure",
        "learning",
        "life",
        "link",
        "links_opened",
        "may_hurry",
        "relay",
        "router",
        "saved",
        "state_since",
        "traffic",
        "wait_until",
    )

    def __init__(
        self,
        instance: ConsoleInstance,
        dependencies: ConsoleDependencies,
        learned: Learned | None,
        control: Control,
        pages: Pages,
        *,
        is_wanted: Callable[[], bool],
        patience_s: Callable[[], float],
    ) -> None:
        """Nothing is opened before `run`.

        Args:
            instance: Whose VNC server the links lead to.
            dependencies: Of the console.
            learned: What is known of the instance from before.
            control: Who controls the console.
            pages: Of the console; they hear of each change.
            is_wanted: Whether anybody is on, or being let in, who would wait for another link.
            patience_s: How long the most patient of them will still wait.
        """
        limits = dependencies.limits
        held = HeldInput()
        # The router calls this, but doesn't hold it; see `Console`.
        me = weakref.proxy(self)
        self.life = Lifecycle()
        self.learning = KeepaliveLearning(
            instance, limits, dependencies.cloud, dependencies.learned, learned, held
        )
        self.router = MessageRouter(
            control,
            held,
            self.learning.keepalive,
            Liveness(quiet_s=limits.idle_timeout, answer_timeout_s=limits.upstream_timeout),
            viewer_queue_bytes=limits.viewer_queue,
            changed=pages.changed,
            keepalive_sent=dependencies.metrics.keepalive_sent,
            silent=partial(LinkSupervisor.link_silent, me),
        )
        self.traffic = Traffic(
            time.monotonic(), dependencies.metrics, dependencies.sampling, instance.id
        )
        self.relay: OpaqueRelay | None = None
        self.link: Link | None = None
        self.state_since = round(time.time(), 3)
        self.wait_until: float | None = None
        self.may_hurry = False
        self.attempt = 0
        self.failure: VncproxyError | None = None
        self.links_opened = 0
        self.saved = Saved()
        self._links_name = secrets.token_hex(4)
        self._instance = instance
        self._dependencies = dependencies
        self._metrics = dependencies.metrics
        self._pages = pages
        self._is_wanted = is_wanted
        self._patience_s = patience_s
        self._password = instance.password
        self._password_given = Flag()
        self._show_password: Callable[[], object] | None = None
        """Ends that the one of the page is hidden."""
        self._hurry = Flag()
        self._link_over = Flag()
        self._link_fault: VncproxyError | None = None
        self._silent = False
        self._offender: Viewer | None = None
        self._tasks = Tasks()
        self._closing: asyncio.Task[None] | None = None
        self._learning: asyncio.Task[None] | None = None
        self._kept_by = KeptBy(dependencies.metrics, KeepaliveClass.ANY.value)
        self._pauses = Pauses(dependencies.first_pause_s, dependencies.scatter)
        self._link_opener = LinkOpener(instance, dependencies)

    async def run(self) -> VncproxyError:
        """Open links, one after the other, and serve them until cancelled.

        `leave` is to be awaited afterwards, however this ends.

        Returns:
            Why there is no further link: the console can't be had.
        """
        self.advance(Trigger.WANTED)
        while True:
            self.attempt += 1
            try:
                await self._one_link()
            except VncPasswordError as error:
                self.failure = error
                if not self.has_page():
                    return error
                await self._password_from_page(error)
                continue
            except VncproxyError as error:
                pause = self._pause_after(error)
                if pause is None or await self._is_unwanted():
                    return error
                self.advance(Trigger.ATTEMPT_FAILED)
                if isinstance(error, CloudError) and error.kind is CloudErrorKind.WAITS:
                    self._tasks.start(self._show_status(), f"status-{self._instance.id}")
            else:
                lost = self._lost()
                pause = self._pauses.after(lost)
                self._end_offender()
                if await self._is_unwanted():
                    return lost
            if pause is not None:
                await self._wait(pause)
            self.advance(Trigger.WANTED)

    async def leave(self) -> None:
        """Wait until the last link is closed and what it taught is stored; then nothing runs."""
        try:
            await self._slot_free()
            if self._learning is not None and not self.learning.is_asking:
                await asyncio.wait([self._learning])
        finally:
            self._drop_password()
            await self._tasks.close()
            # How they ended holds this.
            self._closing = self._learning = None

    async def _is_unwanted(self) -> bool:
        """Whether nobody is on; who comes while the last link is closed counts, too."""
        if self._is_wanted():
            return False
        await self._slot_free()
        if self._learning is not None:
            await asyncio.wait([self._learning])
        return not self._is_wanted()

    async def _slot_free(self) -> None:
        """Wait until the last link is closed: the cloud has one slot for each instance."""
        if self._closing is not None:
            # Not by itself: what waits may be cancelled, and that must not cut the close short.
            await asyncio.wait([self._closing])

    def has_page(self) -> bool:
        """Whether a page is on that could ask its user for a password."""
        who = (viewer.identity for viewer in self.router.viewers.values())
        return any(identity.has_page and identity.may_control for identity in who)

    def give_password(self, password: str) -> None:
        """The VNC password from the page; it stays in memory for the console's life only.

        Unasked it means nothing: it must not replace one that works.
        """
        if self.asks_password:
            self._drop_password()
            self._password = password
            self._show_password = self._dependencies.hide(password)
            self._password_given.set()

    @property
    def asks_password(self) -> bool:
        """Whether somebody has to give the VNC password."""
        return self.life.state is State.PASSWORD

    def _drop_password(self) -> None:
        """It is wrong, or isn't needed any more: nothing is kept of it."""
        self._password = None
        if self._show_password is not None:
            self._show_password()
            self._show_password = None

    def hurry(self) -> None:
        """Somebody doesn't want to wait for the next try; the budget still counts."""
        self._hurry.set()

    @property
    def budget_key(self) -> str:
        """The ledger's key of its dials."""
        return self._link_opener.key

    @property
    def encrypted(self) -> bool | None:
        """Whether nobody can read its link on the way to the cloud; None: there is none."""
        return None if self.link is None else not self._link_opener.exposed

    @property
    def next_link(self) -> int:
        """The number of the first link that serves a viewer which joins now."""
        is_up = self.life.state in (State.RUNNING, State.OPAQUE)
        return self.links_opened if is_up else self.links_opened + 1

    def links_since(self, first: int) -> tuple[str, ...]:
        """The names of the links from number `first` on, as in the log."""
        return tuple(map(self._link_name, range(first, self.links_opened + 1)))

    def _link_name(self, number: int) -> str:
        return f"{self._links_name}-{number}"

    def closing_failure(self) -> CloseReason:
        """How a viewer is closed that waited long enough."""
        return after_waiting(self.failure)

    def forget(self) -> None:
        """Know nothing of the instance; what is stored is for the caller to forget."""
        self.learning.forget()
        self._count_kind()
        self._pages.changed()

    def sample(self, at_s: float, still_s: float) -> None:
        """Note what was counted, for rates and metrics; arguments as of `Traffic.sample`."""
        self.traffic.sample(at_s, still_s)
        # A pointer's first move makes it one that can be repeated.
        self._count_kind()

    def _count_kind(self) -> None:
        """Count the console in the metrics by what keeps its link: a keepalive, or nothing."""
        state, keepalive = self.life.state, self.learning.keepalive
        kind = keepalive.kind.value if state is State.RUNNING else None
        if self._kept_by.count(kind, opaque=state is State.OPAQUE):
            _log.info("keepalive.kind", instance=self._instance.id, kind=kind, why=keepalive.why)

    def _begin_waiting(self, gave_up: Callable[[], CloseReason]) -> None:
        """The viewers wait for a link from now on, at most max_wait, then close so."""
        for viewer in list(self.router.viewers.values()):
            viewer.time_limits.waiting_is_over()
            viewer.time_limits.wait_at_most(self._dependencies.limits.max_wait, gave_up)

    # How far the link opener has come

    def advance(self, trigger: Trigger) -> None:
        """A step is done."""
        self.life.advance(trigger)
        self.state_since = round(time.time(), 3)
        before, self.wait_until = self.wait_until, None
        if trigger is Trigger.ENDED and isinstance(self.failure, Throttled):
            # When it makes sense to come back.
            self.wait_until = self.state_since + self.failure.wait_s
        elif (
            trigger is Trigger.ENDED and isinstance(self.failure, CloudError) and before is not None
        ):
            self.wait_until = before
        self._count_kind()
        self._pages.changed()

    def waiting(self, wait_s: float) -> None:
        """The permit's time is `wait_s` away."""
        self.wait_until = time.time() + wait_s
        self._metrics.budget_waited(wait_s)
        _log.info("budget.waiting", instance=self._instance.id, seconds=round(wait_s, 1))
        self._pages.changed()

    # The link's host

    def link_ended(self, link: Link, end: TransportEnd) -> None:
        """It is over."""
        if link is not self.link:
            # It was given up before, and closed since; another one may be about to open.
            return
        if end.breach:
            self._link_fault = UpstreamProtocolError(f"the cloud's VNC gateway {end.breach}")
        elif end.side is Side.DAEMON:
            # Nobody here closed it: the receiver of its bytes had a fault, which the log has.
            self._link_fault = LocalError("a fault of the daemon")
        self._link_over.set()

    def link_silent(self) -> None:
        """It is up, but the upstream left a question unanswered."""
        if self.link is not None and not self._link_over.is_set():
            _log.warning(
                "link.silent",
                instance=self._instance.id,
                link=self.link.name,
                seconds=round(time.monotonic() - self.link.received_at, 1),
            )
            self._silent = True
            self._link_over.set()

    def link_failed(self, link: Link, fault: VncproxyError) -> None:
        """It can't go on."""
        if link is self.link:
            self._break(fault)

    def _break(self, fault: VncproxyError) -> None:
        """The link ends by this."""
        if self.link is not None:
            self.link.detach()
        self._link_fault = fault
        self._link_over.set()

    # One link

    async def _one_link(self) -> None:
        """Open a link and serve it until it is lost.

        Raises: VncproxyError - it couldn't be opened, or broke the rules.
        """
        self._link_over = Flag()
        self._link_fault = None
        self._silent = False
        self._offender = None
        transport = await self._transport()
        known = self.learning.opaque
        # Who was greeted already can't take over what is opened opaque.
        greeting = known.greeting if known is not None and self.router.screen is None else None
        untouched = greeting is not None and known is not None and known.untouched
        link = self.link = Link(
            transport, self, self._password, opaque=untouched, opaque_greeting=greeting
        )
        self.traffic.begin(link)
        outcome: LinkOutcome = "unreachable"
        try:
            self.advance(Trigger.CONNECTED)
            if untouched:
                self._go_opaque(link, None)
            else:
                await self._shake_hands(link, greeting)
            self._metrics.link("opaque" if link.opaque else "running")
            outcome = "closed"
            self.links_opened += 1
            link.name = self._link_name(self.links_opened)
            _log.info(
                "link.opened",
                instance=self._instance.id,
                link=link.name,
                attempt=self.attempt,
                keepalive=None if link.opaque else self.learning.keepalive.kind.value,
            )
            if self._link_opener.exposed:
                _log.warning(
                    "link.not_encrypted",
                    instance=self._instance.id,
                    link=link.name,
                    text="the cloud gave a ws:// address: what is shown and typed can be read "
                    "on the way to it",
                )
            self.failure = None
            await self._link_over.wait()
            if self._link_fault is not None:
                raise self._link_fault
            outcome = "lost"
            if not self._silent:
                self._offender = self.router.offender(link.received_at)
            if self.life.state is State.OPAQUE:
                raise UpstreamLost("the connection to the cloud was lost")
        except (VncPasswordError, UpstreamProtocolError) as error:
            outcome = outcome_of(error)
            raise
        finally:
            self._metrics.link(outcome)
            self._retire(link)

    async def _transport(self) -> Transport:
        try:
            return await self._link_opener.open(self, self._patience_s, self._slot_free)
        except (CloudError, UpstreamLost, UpstreamProtocolError) as error:
            self._metrics.link(outcome_of(error))
            raise

    async def _shake_hands(self, link: Link, opaque_greeting: bytes | None) -> None:
        found = await link.shake_hands(self._dependencies.handshake_timeout_s)
        match found:
            case Ready():
                self.advance(Trigger.READY)
                resumed = self.router.screen is not None
                self.router.link_up(link, found)
                link.read_on(self.router)
                if resumed:
                    self._resumed()
                if self.learning.was_opaque:
                    speaking = self.learning.speaks_rfb()
                    self._learning = self._tasks.start(speaking, f"rfb-{link.name}")
            case UnknownSecurity(types=types):
                _log.warning(
                    "console.opaque", instance=self._instance.id, security_types=list(types)
                )
                if link.greeting != opaque_greeting:
                    await self.learning.found_security(link.greeting)
                if self.router.screen is not None:
                    raise UpstreamProtocolError(
                        "the cloud's VNC server asks for a security that vncproxy doesn't know"
                    )
                self._go_opaque(link, found)
            case PasswordNeeded():
                raise VncPasswordError("this instance asks for its VNC password")

    def _resumed(self) -> None:
        self.saved.losses_survived += 1
        self._metrics.resumed()

    def _go_opaque(self, link: Link, found: UnknownSecurity | None) -> None:
        self.relay = OpaqueRelay(link, found, self._mismatch)
        self.advance(Trigger.UNKNOWN_SECURITY)
        link.relay(self.relay)
        # One viewer has the relay, the others must go.
        for viewer in list(self.router.viewers.values()):
            self.relay_to(viewer)

    def relay_to(self, viewer: Viewer) -> None:
        """Give an opaque link to a viewer, or end the viewer's session; else do nothing."""
        if self.relay is not None and viewer.end is None:
            refusal = self.relay.take(viewer)
            if refusal is not None:
                self._pages.end_viewer(viewer, refusal)

    def _mismatch(self) -> None:
        found = self.learning.found_other_version()
        self._learning = self._tasks.start(found, f"version-{self._instance.id}")
        self._break(UpstreamLost("the viewer speaks another RFB version than the daemon"))

    def _retire(self, link: Link) -> None:
        """The link is over. Its close, and what is learned of it, hold up nothing but a dial."""
        link.detach()
        self.link = self.relay = None
        with logged_faults("a link's end", instance=self._instance.id):
            self.traffic.end(link)
            self.router.link_down()
        if link.age_s >= HEALTHY_AGE_S:
            self._pauses.reset()
        by_upstream = link.end is not None and link.end.side is Side.CLOUD
        side = Side.CLOUD if by_upstream or self._silent else Side.DAEMON
        self._closing = self._tasks.start(self._close(link, side), f"close-{link.name}")
        # One that hangs proves nothing by having been open meanwhile.
        ended_at = link.received_at if self._silent else time.monotonic()
        idle = self.learning.keepalive.link_ended(ended_at)
        if not link.opaque:
            unknown, self.router.unknown_message = self.router.unknown_message, ""
            learning = self._learn(
                self._learning,
                link,
                unknown,
                idle,
                by_upstream=by_upstream,
                explained=self._link_fault is not None,
            )
            self._learning = self._tasks.start(learning, f"learn-{link.name}")

    async def _close(self, link: Link, side: Side) -> None:
        await link.close()
        _log.info(
            "link.closed",
            instance=self._instance.id,
            link=link.name or None,
            side=side.value,
            code=link.end.code if link.end is not None else None,
            upstream_said=link.refusal,
            seconds=round(link.age_s, 1),
            bytes_down=link.bytes_in,
            bytes_up=link.bytes_out,
        )

    async def _learn(
        self,
        before: asyncio.Task[None] | None,
        link: Link,
        unknown: str,
        idle: LinkEnd | None,
        *,
        by_upstream: bool,
        explained: bool,
    ) -> None:
        if before is not None:
            await asyncio.wait([before])
        if unknown:
            await self.learning.found_unknown(unknown, link.greeting)
        elif link.name:
            await self.learning.understood()
        await self.learning.learn(
            idle,
            by_upstream=by_upstream,
            explained=explained,
            had_screen=self.router.screen is not None,
        )
        self._count_kind()
        self._pages.changed()

    async def _show_status(self) -> None:
        await self.learning.ask_status()
        self._pages.changed()

    def _lost(self) -> UpstreamLost:
        self.attempt = 0
        self.failure = lost = UpstreamLost(
            "the cloud's VNC server stopped answering"
            if self._silent
            else "the connection to the cloud was lost"
        )
        self.advance(Trigger.LINK_LOST)
        self._begin_waiting(self.closing_failure)
        return lost

    def _end_offender(self) -> None:
        if self._offender is not None:
            _log.warning("viewer.ends_links", instance=self._instance.id, viewer=self._offender.id)
            self._pages.end_viewer(self._offender, ENDS_LINKS)

    def _pause_after(self, error: VncproxyError) -> Pause | None:
        """How long to wait before another try; None: it would be no use."""
        self.failure = error
        _log.warning(
            "link.failed",
            instance=self._instance.id,
            error=error.public_text,
            code=error.code if isinstance(error, CloudError | UpstreamRefused) else "",
            attempt=self.attempt,
        )
        if self.life.state is State.OPAQUE:
            # No other link can take its place: what went over it isn't known here.
            return None
        if self.life.state is State.RUNNING:
            self.advance(Trigger.LINK_LOST)
        return self._pauses.after(error)

    async def _wait(self, pause: Pause) -> None:
        """Wait what the cloud asked for, then what is the daemon's own to cut short."""
        self.wait_until = time.time() + pause.asked_s + pause.own_s
        if pause.asked_s:
            self._pages.changed()
            await asyncio.sleep(pause.asked_s)
        self._hurry.clear()
        self.may_hurry = True
        self._pages.changed()
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(pause.own_s):
                    await self._hurry.wait()
        finally:
            self.may_hurry = False

    async def _password_from_page(self, error: VncPasswordError) -> None:
        """Wait for the password, as long as the viewers do: without any, the console ends."""
        self._drop_password()
        self._password_given.clear()
        self.advance(Trigger.PASSWORD_WANTED)
        self._begin_waiting(error.close_reason)
        await self._password_given.wait()
        self.advance(Trigger.PASSWORD_GIVEN)
        self._begin_waiting(self.closing_failure)
