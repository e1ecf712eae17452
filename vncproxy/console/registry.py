"""Which consoles are open."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import structlog

from vncproxy.audit.log import Audit
from vncproxy.cluster.ownership import RENEW_INTERVAL_S, LocalOwnership, Ownership
from vncproxy.config.model import Limits
from vncproxy.console.console import Console, Objection, has_room
from vncproxy.console.dependencies import ConsoleDependencies
from vncproxy.console.lifecycle import State
from vncproxy.console.page_messages import elsewhere
from vncproxy.console.session_recordings import check_recording
from vncproxy.console.viewer import ViewerIdentity
from vncproxy.errors import AccessError, CloseReason
from vncproxy.instances.instance_list import ConsoleInstance
from vncproxy.observe.traffic import SAMPLE_INTERVAL_S
from vncproxy.tasks import Tasks, in_turns, run_periodically
from vncproxy.throttle.ledger_interface import usages
from vncproxy.throttle.reconnect_budget import Usage

_log = structlog.get_logger("vncproxy.console")

_RETRY_AFTER_S = 10.0

SAMPLES_PER_TURN = 32
"""Consoles whose counters are sampled in one turn of the event loop."""
DRAIN_GROUP = 8
"""Consoles that a drain closes at once."""
DRAIN_PAUSE_S = 0.2
"""Between two groups, less if the time is short."""
CLOSING_PART = 0.8
"""Of a drain's time, for the consoles; the rest is for their claims and what else still runs."""


class Hold:
    """Somebody is being let in: till it joins or leaves, its console stays open, with a place."""

    def __init__(
        self, registry: Registry, instance: ConsoleInstance, viewer_id: str, *, watches: bool
    ) -> None:
        """Made by `Registry.take_hold`, which takes the same."""
        self.instance = instance
        self.viewer_id = viewer_id
        self.watches = watches
        self._registry = registry
        self._console: Console | None = None

    @property
    def is_held(self) -> bool:
        """Whether it has a console."""
        return self._console is not None

    @property
    def console(self) -> Console:
        """The console, until `release`."""
        assert self._console is not None, "a hold has a console from when the block begins"
        return self._console

    def take(self, console: Console) -> bool:
        """Hold this one; False if it is over already."""
        if not console.hold(self, self.viewer_id):
            return False
        self._console = console
        return True

    async def take_another(self) -> None:
        """Hold another console: the one that was held is over.

        Raises:
            AccessError, ConsoleElsewhere: As `Registry.hold`.
        """
        self.release()
        await self._registry.give_console(self)

    def release(self) -> None:
        """The viewer has joined, or won't."""
        if self._console is not None:
            self._console.let_go(self)
            self._console = None


@dataclass(slots=True)
class _Opening:
    """A console that is being made by a task, and who waits for it."""

    task: asyncio.Task[None]
    holds: set[Hold] = field(default_factory=set)
    failure: Exception | None = None


class Registry:
    """The open consoles, by instance id: at most one for each, at most `max_consoles`.

    Nothing is locked while other daemons or the disk are asked: who comes meanwhile for the same
    instance waits for that one opening, and who comes for another one doesn't wait.
    """

    def __init__(
        self,
        dependencies: ConsoleDependencies,
        ownership: Ownership | None = None,
        limits: Callable[[], Limits] | None = None,
    ) -> None:
        """Nothing is open.

        Args:
            dependencies: Of the consoles.
            ownership: Default: no other daemon opens these consoles.
            limits: Gives those in force, which a console keeps as they were when it was opened.
                Default: those of `dependencies`.
        """
        self._dependencies = dependencies
        self._limits = limits or (lambda: dependencies.limits)
        self._ownership: Ownership = ownership or LocalOwnership()
        self._tasks = Tasks()
        self._open: dict[str, Console] = {}
        self._opening: dict[str, _Opening] = {}
        self._returning: dict[str, asyncio.Task[None]] = {}
        """Claims that are being given back."""
        self._draining = False

    @property
    def consoles(self) -> list[Console]:
        """What is open."""
        return list(self._open.values())

    @property
    def present(self) -> list[ViewerIdentity]:
        """Who is on any console."""
        return [viewer.identity for console in self.consoles for viewer in console.viewers]

    @property
    def audit(self) -> Audit:
        """Where the consoles' sessions are recorded."""
        return self._dependencies.audit

    @property
    def draining(self) -> bool:
        """Whether the daemon is about to stop."""
        return self._draining

    def get(self, instance_id: str) -> Console | None:
        """The open console of an instance."""
        return self._open.get(instance_id)

    def admit(self, instance_id: str, viewer_id: str = "", *, watches: bool = False) -> None:
        """Check that a viewer may come to this instance now.

        Args:
            instance_id: Whose console.
            viewer_id: The viewer's, if it may have a place already.
            watches: It only does; see `has_room`.

        Raises:
            AccessError: 503 while the daemon drains; 429 when a limit is reached.
        """
        self._check_draining()
        if not self._has_room(instance_id, viewer_id, watches=watches):
            raise AccessError(
                429,
                "too-many-viewers",
                "As many viewers as max_viewers allows are on this console already.",
                _RETRY_AFTER_S,
            )
        places = self._open.keys() | self._opening.keys()
        if instance_id not in places and len(places) >= self._limits().max_consoles:
            raise AccessError(
                429,
                "too-many-consoles",
                "As many consoles as max_consoles allows are open already.",
                _RETRY_AFTER_S,
            )

    def _check_draining(self) -> None:
        if self._draining:
            raise AccessError(503, "draining", "The daemon is restarting. Try again in a moment.")

    def _has_room(self, instance_id: str, viewer_id: str, *, watches: bool) -> bool:
        if (opening := self._opening.get(instance_id)) is not None:
            taken = {hold.viewer_id for hold in opening.holds}
            return has_room(taken, self._limits().max_viewers, viewer_id, watches=watches)
        console = self._open.get(instance_id)
        # One that is over makes room for another.
        return (
            console is None
            or console.state is State.CLOSED
            or console.has_room_for(viewer_id, watches=watches)
        )

    async def approach(self, instance_id: str, *, watches: bool = False) -> None:
        """Check as `admit` does, and that no other daemon has the console.

        Raises:
            AccessError: As `admit`.
            ConsoleElsewhere: Another daemon has it.
        """
        self.admit(instance_id, watches=watches)
        if instance_id in self._open or instance_id in self._opening:
            return
        if (owner := await self._ownership.owner(instance_id)) is not None:
            raise owner.refusal()

    async def check_recording(self, instance_id: str) -> None:
        """Find out whether a session that has to be recorded could begin on this console.

        Raises:
            RecordingError: It couldn't.
        """
        console = self._open.get(instance_id)
        opaque = console is not None and console.state is State.OPAQUE
        await check_recording(self._dependencies.recordings, opaque=opaque)

    async def take_hold(
        self, instance: ConsoleInstance, viewer_id: str = "", *, watches: bool = False
    ) -> Hold:
        """The console of an instance, open or opened for this, for somebody who is being let in.

        It is held until `Hold.release`; then its viewers keep it open.

        Args:
            instance: Whose console.
            viewer_id: Of the viewer that is let in.
            watches: It only does; see `has_room`.

        Raises:
            AccessError: As `admit`.
            ConsoleElsewhere: Another daemon has it.
        """
        hold = Hold(self, instance, viewer_id, watches=watches)
        try:
            await self.give_console(hold)
        except BaseException:
            # It may have been given as the caller was cancelled.
            hold.release()
            raise
        return hold

    @asynccontextmanager
    async def hold(
        self, instance: ConsoleInstance, viewer_id: str = "", *, watches: bool = False
    ) -> AsyncIterator[Hold]:
        """As `take_hold`; it ends with the block, if not before."""
        hold = await self.take_hold(instance, viewer_id, watches=watches)
        try:
            yield hold
        finally:
            hold.release()

    async def give_console(self, hold: Hold) -> None:
        """Let `hold` take a console that isn't over.

        Raises:
            AccessError, ConsoleElsewhere: As `hold`.
        """
        instance_id = hold.instance.id
        while True:
            self.admit(instance_id, hold.viewer_id, watches=hold.watches)
            if (console := self._open.get(instance_id)) is not None:
                if hold.take(console):
                    return
                # The cloud has one slot for each instance: the old link must have left it.
                await console.closed()
            elif await self._opened(hold):
                return

    async def _opened(self, hold: Hold) -> bool:
        """Whether `hold` took the console that is being opened, for it first or for others."""
        opening = self._opening.get(hold.instance.id)
        if opening is None:
            task = self._tasks.start(self._make(hold.instance), f"open-{hold.instance.id}")
            opening = self._opening[hold.instance.id] = _Opening(task)
        opening.holds.add(hold)
        try:
            # One that leaves meanwhile doesn't end it for the others.
            await asyncio.wait([opening.task])
        finally:
            opening.holds.discard(hold)
        if opening.failure is not None:
            raise opening.failure
        self._forget(hold.instance.id, opening)
        return hold.is_held

    async def _make(self, instance: ConsoleInstance) -> None:
        """Make a console for those who wait by then; it ends if nobody does."""
        # It is there: a task doesn't begin before the code that starts it has gone on.
        opening = self._opening[instance.id]
        try:
            console = await self._claimed(instance)
        except Exception as failure:
            opening.failure = failure
            return
        finally:
            # Also when a drain cuts it short.
            self._forget(instance.id, opening)
        self._open[instance.id] = console
        for hold in opening.holds:
            hold.take(console)
        console.end_if_deserted()

    async def _claimed(self, instance: ConsoleInstance) -> Console:
        """A console that no other daemon has. Raises: AccessError, ConsoleElsewhere."""
        if (returning := self._returning.get(instance.id)) is not None:
            # Or what is claimed now would be given back behind its back.
            await asyncio.wait([returning])
        if (owner := await self._ownership.claim(instance.id)) is not None:
            raise owner.refusal()
        try:
            learned = await self._dependencies.learned.get(instance.id)
            dependencies = replace(self._dependencies, limits=self._limits())
            console = Console(instance, dependencies, learned, self._closed)
            self._check_draining()
        except BaseException:
            self._give_back(instance.id)
            raise
        return console

    def _forget(self, instance_id: str, opening: _Opening) -> None:
        if self._opening.get(instance_id) is opening:
            del self._opening[instance_id]

    async def watch_rates(self) -> None:
        """Sample what the consoles count, until cancelled."""
        await run_periodically("rates", SAMPLE_INTERVAL_S, self._sample_rates)

    async def _sample_rates(self) -> None:
        sampling = self._dependencies.sampling
        still_s, sampling.at_s = sampling.at_s, time.monotonic()
        moved, at_s = list(sampling.moved), sampling.at_s
        sampling.moved.clear()
        async for instance_id in in_turns(moved, SAMPLES_PER_TURN):
            if (console := self._open.get(instance_id)) is not None:
                console.sample_rates(at_s, still_s)

    async def forget(self, instance_id: str) -> bool:
        """Know nothing of how an instance's VNC server behaves; whether anything was known."""
        known = await self._dependencies.learned.forget(instance_id)
        if (console := self._open.get(instance_id)) is not None:
            console.supervisor.forget()
        return known

    async def usages(self, consoles: Iterable[Console]) -> dict[str, Usage | str]:
        """How full these consoles' budgets are, by instance id; else as `throttle.usages`."""
        keys = {console.instance.id: console.supervisor.budget_key for console in consoles}
        found = await usages(self._dependencies.ledger, keys.values())
        return {instance_id: found[key] for instance_id, key in keys.items()}

    async def watch_claims(self) -> None:
        """Keep what is open this daemon's own, until cancelled."""
        await run_periodically("claims", RENEW_INTERVAL_S, self.renew_claims)

    async def renew_claims(self) -> None:
        """Renew the claims of what is open; close what another daemon has taken meanwhile."""
        held = list(self._open)
        lost = await self._ownership.renew(held)
        for instance_id in held:
            console = self._open.get(instance_id)
            if console is None:
                # Closed while it was renewed.
                self._give_back(instance_id)
            elif (owner := lost.get(instance_id)) is not None:
                _log.warning("console.taken_elsewhere", instance=instance_id, by=owner.name)
                refusal = owner.refusal()
                console.pages.notify_all(elsewhere(refusal))
                self._tasks.start(console.close(refusal.close_reason()), f"close-{instance_id}")

    def _closed(self, console: Console) -> None:
        # A newer console may own the place already.
        if self._open.get(console.instance.id) is console:
            del self._open[console.instance.id]
            self._give_back(console.instance.id)

    def _give_back(self, instance_id: str) -> None:
        before = self._returning.get(instance_id)
        work = self._return_claim(instance_id, before)
        self._returning[instance_id] = self._tasks.start(work, f"release-{instance_id}")

    async def _return_claim(self, instance_id: str, before: asyncio.Task[None] | None) -> None:
        try:
            if before is not None:
                await asyncio.wait([before])
            # Who opens it at this moment has claimed it, or waits for this and then claims it.
            if instance_id not in self._open and instance_id not in self._opening:
                await self._ownership.release(instance_id)
        finally:
            if self._returning.get(instance_id) is asyncio.current_task():
                del self._returning[instance_id]

    def recheck(self, objection: Objection) -> int:
        """End the sessions that aren't allowed any more (4403); gives how many."""
        ended = sum(console.recheck(objection) for console in self.consoles)
        if ended:
            _log.info("viewers.withdrawn", viewers=ended)
        return ended

    async def drain(self, reason: CloseReason, timeout_s: float) -> None:
        """Close every console, and let in nobody any more; at most `timeout_s`.

        In groups, spread over a part of that time, so that not all viewers come back at once. What
        one console raises, or how long it takes, keeps no other open, nor the claims of any.

        Args:
            reason: How viewers are closed.
            timeout_s: For all of it.

        Raises:
            TimeoutError: Once all that could be ended is.
        """
        self._draining = True
        places = [at // DRAIN_GROUP for at in range(len(self._open))]
        pause_s = min(DRAIN_PAUSE_S, timeout_s / 2 / (max(places, default=0) + 1))
        closing = [
            self._tasks.start(_close_after(place * pause_s, console, reason), "drain")
            for place, console in zip(places, self.consoles, strict=True)
        ]
        hanging: set[asyncio.Task[None]] = set()
        if closing:
            _, hanging = await asyncio.wait(closing, timeout=CLOSING_PART * timeout_s)
        late = bool(hanging)
        for end in (self._tasks.close, self._ownership.close):
            try:
                async with asyncio.timeout((1 - CLOSING_PART) / 2 * timeout_s):
                    await end()
            except TimeoutError:
                late = True
            except Exception as fault:
                _log.error("task.failed", task="drain", exc_info=fault)
        if late:
            raise TimeoutError


async def _close_after(pause_s: float, console: Console, reason: CloseReason) -> None:
    if pause_s:
        await asyncio.sleep(pause_s)
    await console.close(reason)
