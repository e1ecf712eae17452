"""The live thing for one instance: at most one link, any number of viewers and pages.

It lives from its first viewer until nobody has been on for `linger`, or until it can't be had.
"""

from __future__ import annotations

import asyncio
import time
import weakref
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from contextlib import AbstractContextManager
from functools import partial
from typing import TypeAlias

import structlog

from vncproxy.audit.record import Event
from vncproxy.console.audit_entries import got_control, never_began, opened
from vncproxy.console.control import Control, ControlAudit, ControlChange, ControlRequests
from vncproxy.console.dependencies import ConsoleDependencies
from vncproxy.console.fault_isolation import logged_faults
from vncproxy.console.lifecycle import State, Trigger
from vncproxy.console.link_supervisor import LinkSupervisor
from vncproxy.console.opaque_relay import NOT_FOR_NATIVE
from vncproxy.console.page_messages import Pages, Subscriber
from vncproxy.console.session_recordings import SessionRecordings
from vncproxy.console.upstream_writer import is_press
from vncproxy.console.viewer import Viewer, ViewerIdentity
from vncproxy.errors import CloseCode, CloseReason, Side, UpstreamLost, VncproxyError
from vncproxy.instances.instance_list import ConsoleInstance
from vncproxy.instances.keepalive_memory import Learned
from vncproxy.rfb.client_events import ClientEvent
from vncproxy.tasks import Flag, Tasks

_log = structlog.get_logger("vncproxy.console")
LINK_CLOSE_TIMEOUT_S = 6.0
"""How long the viewers' farewell may wait for the link to be closed; less than drain_timeout."""
_LINGERS = frozenset({State.CONNECTING, State.HANDSHAKE, State.PASSWORD, State.RUNNING})
"""A dial was spent: who comes back soon, as a page that reloads, must not cost another one."""
_CLOSED = UpstreamLost("the console was closed just now; open it again").close_reason()


Objection: TypeAlias = Callable[[ViewerIdentity, ConsoleInstance], str | None]
"""Why a viewer may no longer stay on an instance's console, in a sentence; None: it may."""


def withdrawn(why: str) -> CloseReason:
    """The end of a session that isn't allowed any more."""
    return CloseReason(CloseCode.KICKED, Side.DAEMON, why)


def has_room(
    taken: AbstractSet[str], places: int, viewer_id: str, *, watches: bool = False
) -> bool:
    """Whether a viewer finds a place, or has one of those that are taken.

    Args:
        taken: The viewers that have a place.
        places: How many there are.
        viewer_id: The viewer's; "" stands for any other.
        watches: It only does: the last place is kept for those who may control.
    """
    kept = 1 if watches and places > 1 else 0
    return viewer_id in taken or len(taken) < places - kept


class Console:
    """See the module. None of its methods blocks the event loop.

    Attributes:
        instance: Whose console it is.
        since: When it was made, in seconds of the wall clock.
        limits: Its own.
        audit: Where its sessions are recorded.
        pages: The open pages of its viewers.
        supervisor: Its links.
        router: The screen, and the viewers that are on.
        control: Who controls it.
        control_requests: Who asks to.
        recordings: Of its sessions.
    """

    def __init__(
        self,
        instance: ConsoleInstance,
        dependencies: ConsoleDependencies,
        learned: Learned | None,
        closed: Callable[[Console], None],
    ) -> None:
        """Wait for the first viewer.

        Args:
            instance: Whose console it is.
            dependencies: What consoles share; `limits` are its own from now on.
            learned: What is known of the instance from before.
            closed: Called once, at its end.
        """
        self.instance = instance
        self.since = round(time.time(), 3)
        self.audit = dependencies.audit
        self.pages = Pages()
        self.control = Control()
        # Its parts call it, but don't hold it: a cycle, screen and all, would stay until the
        # collector comes.
        me = weakref.proxy(self)
        self.supervisor = LinkSupervisor(
            instance,
            dependencies,
            learned,
            self.control,
            self.pages,
            is_wanted=partial(Console._is_wanted, me),
            patience_s=partial(Console._patience_s, me),
        )
        self.router = self.supervisor.router
        self.recordings = SessionRecordings(
            instance, dependencies.recordings, dependencies.audit, self.router, self.pages
        )
        self._tasks = Tasks()
        who = partial(Console.identity_of, me)
        self._control_audit = ControlAudit(instance, dependencies.audit, who)
        self.control_requests = ControlRequests(
            self.control,
            self._control_audit,
            self.pages,
            self._tasks,
            controller_changed=self.router.controller_changed,
            request_timeout_s=dependencies.limits.control_request_timeout,
        )
        self.limits = dependencies.limits
        self._metrics = dependencies.metrics
        self._closed = closed
        self._holders: dict[object, str] = {}
        self._entering: dict[str, ViewerIdentity] = {}
        self._to_control: dict[str, ViewerIdentity] = {}
        """Who is on record as having control, and hasn't joined yet: one at most."""
        self._withdrawn: dict[str, str] = {}
        self._counted: AbstractContextManager[object] | None = None
        self._linger: asyncio.TimerHandle | None = None
        self._running: asyncio.Task[None] | None = None
        self._over = Flag()

    # Who is on

    @property
    def state(self) -> State:
        """Where it is."""
        return self.supervisor.life.state

    @property
    def viewers(self) -> list[Viewer]:
        """Who is on."""
        return list(self.router.viewers.values())

    def sample_rates(self, at_s: float, still_s: float) -> None:
        """Note what was counted, for the rates; arguments as of `Traffic.sample`."""
        self.supervisor.sample(at_s, still_s)
        for viewer in self.router.viewers.values():
            viewer.sample_rates(at_s, still_s)

    def hold(self, holder: object, viewer_id: str) -> bool:
        """Stay open, and keep a place, while a viewer is being let in; `let_go` ends that.

        Args:
            holder: Who lets it in; `let_go` takes the same.
            viewer_id: The viewer's.

        Returns:
            False if the console is over already.
        """
        if self.state is State.CLOSED:
            return False
        self._holders[holder] = viewer_id
        self._stop_lingering()
        return True

    def let_go(self, holder: object) -> None:
        """The viewer has joined, or won't."""
        if (viewer_id := self._holders.pop(holder, None)) is None:
            return
        if viewer_id not in {*self._holders.values(), *self.router.viewers}:
            # Its page may hold a place for it, too.
            self.recordings.discard(viewer_id)
            self._give_up_control(viewer_id)
        self.end_if_deserted()

    def end_if_deserted(self) -> None:
        """Without anybody on or being let in, the link is kept for `linger`, then all ends."""
        if self.state is State.CLOSED or self.router.viewers:
            return
        if self.state is State.OPAQUE:
            # No other viewer can take its link up: its RFB began with the one that left.
            self._deserted()
        elif self._holders or self._linger is not None:
            return
        elif self._running is not None:
            linger_s = self.limits.linger if self.state in _LINGERS else 0.0
            self._linger = asyncio.get_running_loop().call_later(linger_s, self._deserted)
        elif not self.pages:
            # Nobody ever joined it, and no page waits to see that.
            self._deserted()

    def has_room_for(self, viewer_id: str, *, watches: bool = False) -> bool:
        """Whether this viewer may join, or has joined; see `has_room`."""
        taken = {*self._holders.values(), *self.router.viewers}
        return has_room(taken, self.limits.max_viewers, viewer_id, watches=watches)

    async def announce(self, who: ViewerIdentity) -> None:
        """Record that a viewer comes, and by the same write that it will have control.

        That is foreseen where nobody has it; should it be otherwise by the time the viewer enters,
        that is recorded then.

        Raises:
            AuditError: It may not come.
        """
        granted = []
        if who.may_control and self.control.controller is None and not self._to_control:
            self._to_control[who.id] = who
            granted.append(got_control(Event.CONTROL_GRANTED, self.instance, who.id, who, None))
        await self.audit.record(opened(self.instance, who), *granted)

    def never_began(self, who: ViewerIdentity, end: CloseReason) -> None:
        """Record that a viewer which was announced doesn't come."""
        self._give_up_control(who.id)
        self.audit.record_later(never_began(self.instance, who, end))

    def _give_up_control(self, viewer_id: str) -> None:
        """Record that what was foreseen didn't come about."""
        if viewer_id in self._to_control:
            self._control_audit.failed(ControlChange(None, viewer_id))
            del self._to_control[viewer_id]

    async def enter(self, viewer: Viewer) -> bool:
        """A viewer comes, and joins once it is recorded if control moves with that.

        Returns:
            False if the console is over, and the viewer may join another one.

        Raises:
            AuditError, RecordingError: It can't be recorded, so the viewer may not join.
        """
        if self.state is State.CLOSED:
            return False
        who = viewer.identity
        self._entering[who.id] = who
        try:
            # Done already, unless the console that it was announced to is over.
            await self.recordings.begin(who)
            foreseen = ControlChange(None, who.id) if self._to_control.pop(who.id, None) else None
            joined = await self.control_requests.admit(
                who.id,
                may_control=who.may_control,
                take=who.take,
                join=lambda: self.join(viewer),
                recorded=foreseen,
            )
        finally:
            del self._entering[who.id]
            self._withdrawn.pop(who.id, None)
        return joined or viewer.end is not None

    def join(self, viewer: Viewer) -> bool:
        """A viewer is on; it is served until `viewer.ended`.

        Returns:
            False if it isn't: it has left already, or the console is over.
        """
        if self.state is State.CLOSED:
            return False
        viewer.moved = self.supervisor.traffic.moved
        viewer.open(self)
        if viewer.end is not None:
            return False
        if (why := self._withdrawn.get(viewer.id)) is not None:
            self.pages.end_viewer(viewer, withdrawn(why))
            return False
        is_known_opaque = self._running is None and self.supervisor.learning.opaque is not None
        if is_known_opaque and viewer.identity.native:
            # A dial would show no more than is known.
            self.pages.end_viewer(viewer, NOT_FOR_NATIVE)
            return False
        self._stop_lingering()
        if self.state is State.RUNNING:
            self.supervisor.saved.dials_avoided += 1
            self._metrics.dial_avoided()
        elif self.state is not State.OPAQUE:
            viewer.time_limits.wait_at_most(self.limits.max_wait, self.supervisor.closing_failure)
        self.router.add(viewer)
        self.recordings.joined(viewer.id)
        self.supervisor.relay_to(viewer)
        if self._running is None:
            self._counted = self._metrics.console()
            self._counted.__enter__()
            self._running = self._tasks.start(self._run(), f"console-{self.instance.id}")
        self.pages.changed()
        return True

    def recheck(self, objection: Objection) -> int:
        """End the sessions of those who may no longer stay; gives how many."""
        for who in self._entering.values():
            if (why := objection(who, self.instance)) is not None:
                self._withdrawn[who.id] = why
        ended = 0
        for viewer in self.viewers:
            if (why := objection(viewer.identity, self.instance)) is not None:
                self.pages.end_viewer(viewer, withdrawn(why))
                ended += 1
        return ended

    def subscribe(self, viewer_id: str) -> Subscriber:
        """A mailbox for the page of this viewer; `unsubscribe` gives it back."""
        return self.pages.subscribe(viewer_id)

    def unsubscribe(self, subscriber: Subscriber) -> None:
        """The page is gone."""
        self.pages.unsubscribe(subscriber)
        self.end_if_deserted()

    async def close(self, reason: CloseReason) -> None:
        """End it: first the link, or the cloud's one slot stays taken; then the viewers.

        Who asks for it again waits until it is done.
        """
        if self.state is State.CLOSED:
            await self.closed()
            return
        self._stop()
        if self._running is not None:
            self._running.cancel()
        await self._wind_up(reason)

    def _stop(self) -> None:
        """From here on nobody joins."""
        with self._cleanup("its state"):
            self.supervisor.advance(Trigger.ENDED)
        self._stop_lingering()
        with self._cleanup("the requests for control"):
            self.control_requests.close()

    async def _wind_up(self, reason: CloseReason) -> None:
        try:
            if self._running is not None:
                # The run loop closes its link properly on its way out.
                await asyncio.wait([self._running], timeout=LINK_CLOSE_TIMEOUT_S)
        finally:
            # Also when a drain is cut short.
            self._finish(reason)
        await self._tasks.close()
        # How it ended holds this console.
        self._running = None

    def _finish(self, reason: CloseReason) -> None:
        for viewer in self.viewers:
            viewer.close(reason)
        with self._cleanup("the screen"):
            self.router.link_down()
        with self._cleanup("the metrics"):
            if self._counted is not None:
                self._counted.__exit__(None, None, None)
        with self._cleanup("the pages"):
            self.pages.changed()
        with self._cleanup("its place"):
            self._closed(self)
        self._over.set()

    def _cleanup(self, what: str) -> AbstractContextManager[None]:
        return logged_faults(what, instance=self.instance.id)

    async def closed(self) -> None:
        """Wait for the end; once `state` is CLOSED that is a matter of seconds."""
        await self._over.wait()

    async def _run(self) -> None:
        try:
            # At once, so that a viewer that comes from now on isn't let in to a console that ends.
            self._end((await self.supervisor.run()).close_reason())
        except VncproxyError as fault:
            self._end(fault.close_reason())
            raise
        except Exception:
            self._end(CloseReason(CloseCode.INTERNAL, Side.DAEMON, "a fault of the daemon"))
            raise
        finally:
            await self.supervisor.leave()

    def _end(self, reason: CloseReason) -> None:
        """End it once its run loop has; who comes from now on gets another one."""
        if self.state is State.CLOSED:
            return
        self._stop()
        if self._running is None:
            self._finish(reason)
        else:
            self._tasks.start(self._wind_up(reason), f"close-{self.instance.id}")

    # The viewers' host

    def viewer_ready(self, viewer: Viewer) -> None:
        """Its handshake is done."""
        self.router.welcome(viewer)

    def viewer_sent(self, viewer: Viewer, events: list[ClientEvent]) -> None:
        """Messages came."""
        before = self.router.discarded_keys
        self.router.viewer_sent(viewer, events)
        if lost := self.router.discarded_keys - before:
            self._metrics.keys_discarded(lost)
        who = viewer.identity
        # One without a page has no button to ask for control with.
        may_ask = who.may_control and not who.has_page and self.control.controller is None
        if may_ask and any(map(is_press, events)):
            self._tasks.start(self.control_requests.request(who.id), f"control-{who.id}")

    def viewer_opaque(self, viewer: Viewer, data: bytes) -> None:
        """Bytes of the viewer of an opaque console."""
        if self.supervisor.relay is not None:
            self.supervisor.relay.from_viewer(data)

    def viewer_caught_up(self, viewer: Viewer) -> None:
        """All that was sent has been taken."""
        if self.supervisor.relay is not None:
            self.supervisor.relay.viewer_caught_up()
        else:
            self.router.caught_up(viewer)

    def viewer_ended(self, viewer: Viewer) -> None:
        """The viewer is gone."""
        if viewer.id not in self.router.viewers:
            return
        before = self.control.controller
        with self._cleanup("a viewer's part of the screen"):
            self.router.remove(viewer)
        with self._cleanup("a viewer's recording"):
            self.recordings.end(viewer.id)
        if before == viewer.id:
            with self._cleanup("a viewer's control"):
                self._control_audit.left(viewer.identity, self.control.controller)
        with self._cleanup("the pages"):
            self.pages.changed()
        self.end_if_deserted()

    def _stop_lingering(self) -> None:
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None

    def _deserted(self) -> None:
        self._linger = None
        if self._running is not None:
            self._running.cancel()
        self._end(_CLOSED)

    def _is_wanted(self) -> bool:
        """Whether anybody is on, or being let in, who would wait for another link."""
        return bool(self.router.viewers or self._holders)

    def _patience_s(self) -> float:
        """How long the most patient viewer will still wait."""
        if self._holders:
            return self.limits.max_wait
        return max((viewer.time_limits.patience_s for viewer in self.viewers), default=0.0)

    def identity_of(self, viewer_id: str) -> ViewerIdentity | None:
        """Who is behind a viewer that is on, or about to join; None: it has left."""
        viewer = self.router.viewers.get(viewer_id)
        if viewer is not None:
            return viewer.identity
        return self._entering.get(viewer_id) or self._to_control.get(viewer_id)
