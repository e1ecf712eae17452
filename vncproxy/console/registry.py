"""Which consoles are open."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import replace

import structlog

from vncproxy.config.model import Limits
from vncproxy.console.console import Console, Objection
from vncproxy.console.instance import ConsoleInstance
from vncproxy.console.lifecycle import State
from vncproxy.console.ownership import RENEW_INTERVAL_S, LocalOwnership, Ownership
from vncproxy.console.parts import ConsoleParts
from vncproxy.console.rate import LOOK_INTERVAL_S
from vncproxy.console.recording_desk import check_recording
from vncproxy.console.report import elsewhere
from vncproxy.console.tasks import Tasks
from vncproxy.console.viewer_identity import ViewerIdentity
from vncproxy.errors import AccessError, CloseReason
from vncproxy.observe.audit import Audit
from vncproxy.throttle.ledger import Usage
from vncproxy.throttle.usages import usages

_log = structlog.get_logger("vncproxy.console")

_RETRY_AFTER_S = 10.0

DRAIN_GROUP = 8
"""Consoles that a drain closes at once."""
DRAIN_PAUSE_S = 0.2
"""Between two groups, less if the time is short."""


class Registry:
    """The open consoles, by instance id: at most one for each, at most `max_consoles`."""

    def __init__(self, parts: ConsoleParts, ownership: Ownership | None = None) -> None:
        """Nothing is open. Args: ownership - default: no other daemon opens these consoles."""
        self._parts = parts
        self._ownership: Ownership = ownership or LocalOwnership()
        self._tasks = Tasks()
        self._open: dict[str, Console] = {}
        self._lock = asyncio.Lock()
        self._draining = False

    @property
    def consoles(self) -> list[Console]:
        """What is open."""
        return list(self._open.values())

    @property
    def present(self) -> list[ViewerIdentity]:
        """Who is on, on whichever console."""
        return [viewer.identity for console in self.consoles for viewer in console.viewers]

    @property
    def audit(self) -> Audit:
        """Where the consoles' sessions are recorded."""
        return self._parts.audit

    @property
    def draining(self) -> bool:
        """Whether the daemon is about to stop."""
        return self._draining

    def get(self, instance_id: str) -> Console | None:
        """The open console of an instance."""
        return self._open.get(instance_id)

    def admit(self, instance_id: str, viewer_id: str = "", *, watches: bool = False) -> None:
        """Check that a viewer may come to this instance now.

        Args: viewer_id, watches - as `Console.has_room_for` takes them.
        Raises: AccessError - 503 while the daemon drains; 429 when a limit is reached.
        """
        if self._draining:
            raise AccessError(503, "draining", "The daemon is restarting. Try again in a moment.")
        console = self._open.get(instance_id)
        closing = console is not None and console.state is State.CLOSED
        if (
            console is not None
            and not closing
            and not console.has_room_for(viewer_id, watches=watches)
        ):
            raise AccessError(
                429,
                "too-many-viewers",
                "As many viewers as max_viewers allows are on this console already.",
                _RETRY_AFTER_S,
            )
        if console is None and len(self._open) >= self._parts.limits.max_consoles:
            raise AccessError(
                429,
                "too-many-consoles",
                "As many consoles as max_consoles allows are open already.",
                _RETRY_AFTER_S,
            )

    async def approach(self, instance_id: str, *, watches: bool = False) -> None:
        """Check as `admit` does, and that no other daemon has the console.

        Raises: AccessError as `admit`; ConsoleElsewhere.
        """
        self.admit(instance_id, watches=watches)
        if instance_id in self._open:
            return
        if (owner := await self._ownership.owner(instance_id)) is not None:
            raise owner.refusal()

    async def check_recording(self, instance_id: str) -> None:
        """Find out whether a session that has to be recorded could begin on this console.

        Raises: RecordingError - it couldn't.
        """
        console = self._open.get(instance_id)
        opaque = console is not None and console.state is State.OPAQUE
        await check_recording(self._parts.recordings, opaque=opaque)

    async def console(
        self, instance: ConsoleInstance, viewer_id: str = "", *, watches: bool = False
    ) -> Console:
        """The open console of an instance, or a new one that waits for its first viewer.

        Raises: AccessError as `admit`; ConsoleElsewhere.
        """
        while True:
            async with self._lock:
                self.admit(instance.id, viewer_id, watches=watches)
                console = self._open.get(instance.id)
                if console is None:
                    console = self._open[instance.id] = await self._new(instance)
                if console.state is not State.CLOSED:
                    return console
            # The cloud has one slot for each instance: the old link must have left it.
            await console.closed()

    async def _new(self, instance: ConsoleInstance) -> Console:
        if (owner := await self._ownership.claim(instance.id)) is not None:
            raise owner.refusal()
        try:
            console = await Console.prepared(instance, self._parts, self._closed)
            # A drain may have begun meanwhile.
            self.admit(instance.id)
        except BaseException:
            self._give_back(instance.id)
            raise
        return console

    async def watch_rates(self) -> None:
        """Look at what the consoles have counted, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_INTERVAL_S)
            at_s = time.monotonic()
            for console in self.consoles:
                console.look(at_s)

    async def usages(self, consoles: Iterable[Console]) -> dict[str, Usage | str]:
        """How full these consoles' budgets are, by instance id; else as `throttle.usages`."""
        keys = {console.instance.id: console.runner.budget_key for console in consoles}
        found = await usages(self._parts.ledger, keys.values())
        return {instance_id: found[key] for instance_id, key in keys.items()}

    async def watch_claims(self) -> None:
        """Keep what is open this daemon's own, until cancelled."""
        while True:
            await asyncio.sleep(RENEW_INTERVAL_S)
            await self.renew_claims()

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
                console.tell_all(elsewhere(refusal))
                self._tasks.start(console.close(refusal.close_reason()), f"close-{instance_id}")

    def release(self, console: Console) -> None:
        """Forget a console that no viewer ever joined and no page waits for."""
        if console.is_forsaken:
            self._closed(console)

    def _closed(self, console: Console) -> None:
        # A newer console may own the place already.
        if self._open.get(console.instance.id) is console:
            del self._open[console.instance.id]
            self._give_back(console.instance.id)

    def _give_back(self, instance_id: str) -> None:
        self._tasks.start(self._give_back_unless_open(instance_id), f"release-{instance_id}")

    async def _give_back_unless_open(self, instance_id: str) -> None:
        # Who opens it at this moment has the claim already, or will ask for it afterwards.
        async with self._lock:
            if instance_id not in self._open:
                await self._ownership.release(instance_id)

    def recheck(self, objection: Objection) -> int:
        """End the sessions that aren't allowed any more (4403); gives how many."""
        ended = sum(console.recheck(objection) for console in self.consoles)
        if ended:
            _log.info("viewers.withdrawn", viewers=ended)
        return ended

    def renew(self, limits: Limits) -> None:
        """For consoles opened from now on; those that are open keep theirs."""
        self._parts = replace(self._parts, limits=limits)

    async def drain(self, reason: CloseReason, timeout_s: float) -> None:
        """Close every console, and let in nobody any more; at most `timeout_s`.

        In groups, spread over a part of that time, so that not all viewers come back at once.
        """
        self._draining = True
        groups = [at // DRAIN_GROUP for at in range(len(self._open))]
        pause_s = min(DRAIN_PAUSE_S, timeout_s / 2 / (max(groups, default=0) + 1))
        async with asyncio.timeout(timeout_s):
            await asyncio.gather(
                *(
                    _close_after(group * pause_s, console, reason)
                    for group, console in zip(groups, self.consoles, strict=True)
                )
            )
            await self._tasks.close()
            await self._ownership.close()


async def _close_after(pause_s: float, console: Console, reason: CloseReason) -> None:
    if pause_s:
        await asyncio.sleep(pause_s)
    await console.close(reason)
