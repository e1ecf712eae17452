"""Who controls a console: at most one viewer's keyboard and pointer are passed on.

`Control` knows who has it. Its laws:
1. Control moves only to a viewer that may have it.
2. A viewer that leaves gives it to the one that has asked for it longest; if nobody asked, it is
   free for the next that comes or asks. It isn't pushed onto a watcher: a page that reloads would
   lose it to one that never wanted it.

`ControlRequests` carries out what pages ask for. A change is recorded by the audit first and takes
effect afterwards; only one is on its way at a time. A viewer that leaves loses control at once,
also while a change is being recorded: so what was recorded is compared with what is the case by
then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from vncproxy.audit.log import Audit
from vncproxy.audit.record import Entry, Event
from vncproxy.console.audit_entries import got_control
from vncproxy.console.page_messages import Pages, notice
from vncproxy.console.viewer import ViewerIdentity
from vncproxy.errors import AuditError
from vncproxy.instances.instance_list import ConsoleInstance
from vncproxy.tasks import Tasks


class Control:
    """The controller of one console and those who asked to be it."""

    def __init__(self) -> None:
        """Nobody is here."""
        self._may: set[str] = set()
        self._asking: list[str] = []
        self.controller: str | None = None

    @property
    def asking(self) -> tuple[str, ...]:
        """Who asked for control, the longest waiting first."""
        return tuple(self._asking)

    def may(self, viewer_id: str) -> bool:
        """Whether this viewer is here and may have control."""
        return viewer_id in self._may

    def join(self, viewer_id: str, *, may_control: bool, take: bool) -> None:
        """A viewer came; it gets control if that is free, or if it takes it."""
        if may_control:
            self._may.add(viewer_id)
            if take or self.controller is None:
                self.controller = viewer_id

    def leave(self, viewer_id: str) -> None:
        """A viewer is gone."""
        self._may.discard(viewer_id)
        self._forget(viewer_id)
        if self.controller == viewer_id:
            self._pass_on()

    def take(self, viewer_id: str) -> bool:
        """Whether the viewer got control, from the one who had it."""
        if viewer_id not in self._may:
            return False
        self._forget(viewer_id)
        self.controller = viewer_id
        return True

    def ask(self, viewer_id: str) -> bool:
        """Whether the controller must be asked; if control is free the viewer gets it at once."""
        if viewer_id not in self._may or viewer_id == self.controller:
            return False
        if self.controller is None:
            self.take(viewer_id)
            return False
        if viewer_id not in self._asking:
            self._asking.append(viewer_id)
        return True

    def refuse(self, viewer_id: str) -> None:
        """The controller refused."""
        self._forget(viewer_id)

    def release(self, viewer_id: str) -> None:
        """The controller gives it back."""
        if self.controller == viewer_id:
            self._pass_on()

    def _pass_on(self) -> None:
        self.controller = self._asking.pop(0) if self._asking else None

    def _forget(self, viewer_id: str) -> None:
        if viewer_id in self._asking:
            self._asking.remove(viewer_id)


@dataclass(frozen=True, slots=True)
class ControlChange:
    """Control goes from one viewer to another.

    Attributes:
        before: The viewer that had it; None: nobody.
        after: The viewer that gets it; None: nobody.
        taken: From the one who had it, unasked.
        why: In words.
    """

    before: str | None
    after: str | None
    taken: bool = False
    why: str | None = None


class ControlAudit:
    """Writes to the audit who controls one console, before a change and when somebody left."""

    def __init__(
        self,
        instance: ConsoleInstance,
        audit: Audit,
        identity_of: Callable[[str], ViewerIdentity | None],
    ) -> None:
        """Write of this instance's console; `identity_of` gives None for a viewer that left."""
        self._instance = instance
        self._audit = audit
        self.identity_of = identity_of

    async def record(self, change: ControlChange) -> None:
        """Return once it is recorded.

        Raises:
            AuditError: It can't be recorded, and may not take effect.
        """
        entries = []
        if change.before is not None:
            entries.append(self._entry(Event.CONTROL_LOST, change.before, change.after, change.why))
        if change.after is not None:
            got = Event.CONTROL_TAKEN if change.taken else Event.CONTROL_GRANTED
            entries.append(self._entry(got, change.after, change.before, change.why))
        await self._audit.record(*entries)

    def failed(self, change: ControlChange) -> None:
        """A change was recorded, but didn't come about."""
        if change.after is not None:
            why = "it didn't come to that"
            self._audit.record_later(self._entry(Event.CONTROL_LOST, change.after, None, why))

    def left(self, who: ViewerIdentity, successor: str | None) -> None:
        """The controller is gone.

        Args:
            who: Was behind it.
            successor: The viewer that had asked for control and has it now; None: nobody has.
        """
        after = self.identity_of(successor) if successor is not None else None
        lost = got_control(Event.CONTROL_LOST, self._instance, who.id, who, after, "it left")
        self._audit.record_later(lost)
        if successor is not None:
            why = "the one who had it left"
            got = got_control(Event.CONTROL_GRANTED, self._instance, successor, after, who, why)
            self._audit.record_later(got)

    def _entry(self, event: Event, viewer_id: str, other: str | None, why: str | None) -> Entry:
        return got_control(
            event,
            self._instance,
            viewer_id,
            self.identity_of(viewer_id),
            self.identity_of(other) if other is not None else None,
            why,
        )


class ControlRequests:
    """Who is asked for control, whose page shows what, and what happens without an answer."""

    def __init__(
        self,
        control: Control,
        audit: ControlAudit,
        pages: Pages,
        tasks: Tasks,
        *,
        controller_changed: Callable[[str | None], None],
        request_timeout_s: float,
    ) -> None:
        """Nobody asks yet.

        Args:
            control: Of the console; what is granted changes it.
            audit: Records a change before it takes effect.
            pages: Where requests and refusals are shown.
            tasks: Of the console; runs what is due when a request wasn't answered.
            controller_changed: Called with who had control before.
            request_timeout_s: An unanswered request is granted after it.
        """
        self._control = control
        self._audit = audit
        self._pages = pages
        self._tasks = tasks
        self._controller_changed = controller_changed
        self._request_timeout_s = request_timeout_s
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._turn = asyncio.Lock()

    async def admit(
        self,
        viewer_id: str,
        *,
        may_control: bool,
        take: bool,
        join: Callable[[], bool],
        recorded: ControlChange | None = None,
    ) -> bool:
        """Let a viewer join, once what it means for control is recorded.

        Args:
            viewer_id: The viewer's.
            may_control: Else it only watches.
            take: It takes control from the one who has it.
            join: Makes it join, with control if that is free or `take`; gives whether it has.
            recorded: The change that was foreseen, and is on record already.

        Returns:
            Whether it has joined.

        Raises:
            AuditError: It can't be recorded, and the viewer may not join.
        """

        def plan() -> ControlChange | None:
            before = self._control.controller
            if not may_control or not (take or before is None):
                return None
            return ControlChange(before, viewer_id, taken=before is not None)

        async with self._turn:
            change = await self._recorded(plan, recorded)
            joined = join()
            if change is not None and not joined:
                self._audit.failed(change)
            return joined

    async def request(self, viewer_id: str) -> None:
        """A watcher asks for control; it gets it at once if nobody has it."""

        def plan() -> ControlChange | None:
            free = self._control.controller is None and self._control.may(viewer_id)
            return ControlChange(None, viewer_id, why="nobody had it") if free else None

        if plan() is not None:
            await self._carry_out(viewer_id, plan)
            return
        waits = viewer_id in self._control.asking
        if not self._control.ask(viewer_id) or waits:
            return
        # One that is left is of a request that was settled when a controller left.
        self._forget(viewer_id)
        self._timers[viewer_id] = asyncio.get_running_loop().call_later(
            self._request_timeout_s, self._unanswered, viewer_id
        )
        who = self._audit.identity_of(viewer_id)
        self._pages.notify(
            self._control.controller,
            {
                "type": "control-request",
                "from": {"id": viewer_id, "user": who.user if who is not None else ""},
                "timeout_s": self._request_timeout_s,
            },
        )
        self._pages.changed()

    async def answer(self, controller: str, viewer_id: str, *, grant: bool) -> None:
        """The controller's answer; from anybody else it means nothing.

        Args:
            controller: The viewer that answers.
            viewer_id: The one that asked.
            grant: Also hands control to a viewer that hasn't asked for it, but may have it.
        """

        def plan() -> ControlChange | None:
            asks = viewer_id in self._control.asking
            if self._control.controller != controller or viewer_id == controller:
                return None
            if not self._control.may(viewer_id):
                return None
            return ControlChange(
                controller,
                viewer_id,
                why="its request was granted" if asks else "it was handed over",
            )

        if grant:
            await self._carry_out(controller, plan)
            return
        if self._control.controller != controller or viewer_id not in self._control.asking:
            return
        self._forget(viewer_id)
        self._control.refuse(viewer_id)
        self._pages.notify(viewer_id, notice("Your request for control was refused."))
        self._pages.changed()

    async def take(self, viewer_id: str) -> None:
        """Control goes to this viewer, if it may have it."""

        def plan() -> ControlChange | None:
            before = self._control.controller
            if before == viewer_id or not self._control.may(viewer_id):
                return None
            return ControlChange(before, viewer_id, taken=True)

        await self._carry_out(viewer_id, plan)

    async def release(self, viewer_id: str) -> None:
        """The controller gives control back."""

        def plan() -> ControlChange | None:
            if self._control.controller != viewer_id:
                return None
            return ControlChange(
                viewer_id, next(iter(self._control.asking), None), why="it was given back"
            )

        await self._carry_out(viewer_id, plan)

    def close(self) -> None:
        """Forget all requests."""
        for viewer_id in list(self._timers):
            self._forget(viewer_id)

    def _unanswered(self, viewer_id: str) -> None:
        self._timers.pop(viewer_id, None)
        self._tasks.start(self._grant_unanswered(viewer_id), f"control-{viewer_id}")

    async def _grant_unanswered(self, viewer_id: str) -> None:
        def plan() -> ControlChange | None:
            asks = viewer_id in self._control.asking
            why = "its request wasn't answered"
            return ControlChange(self._control.controller, viewer_id, why=why) if asks else None

        if not await self._carry_out(viewer_id, plan):
            # So that it can ask again.
            self._control.refuse(viewer_id)
            self._pages.changed()

    async def _carry_out(self, asker: str, plan: Callable[[], ControlChange | None]) -> bool:
        """Whether nothing stood in the way of what was planned; else the asker's page says so."""
        async with self._turn:
            try:
                change = await self._recorded(plan)
            except AuditError as error:
                self._pages.notify(asker, notice(error.public_text, "warning"))
                return False
            if change is not None:
                if change.after is None:
                    self._control.release(asker)
                else:
                    self._forget(change.after)
                    self._control.take(change.after)
                self._controller_changed(change.before)
            return True

    async def _recorded(
        self, plan: Callable[[], ControlChange | None], recorded: ControlChange | None = None
    ) -> ControlChange | None:
        """The change that is recorded and still to be made, if there is any. Raises: AuditError."""
        while (change := plan()) != recorded:
            if recorded is not None:
                self._audit.failed(recorded)
            if change is not None:
                await self._audit.record(change)
            recorded = change
        return recorded

    def _forget(self, viewer_id: str) -> None:
        if timer := self._timers.pop(viewer_id, None):
            timer.cancel()
