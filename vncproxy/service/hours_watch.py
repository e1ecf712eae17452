"""The hours of rules as they pass: viewers are warned, and their sessions end in time."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime

from vncproxy.access.authority import Authority
from vncproxy.config.hours import zone_text
from vncproxy.console.page_messages import notice
from vncproxy.console.registry import Registry
from vncproxy.tasks import run_periodically

CHECK_INTERVAL_S = 1.0
UNSURE_INTERVAL_S = 30.0
"""How often groups are asked for that the directory of accounts didn't give."""
WARN_MINUTES = 5
"""How long before the end of their session viewers are warned."""


class PassingHours:
    """Compares the rules with the clock; does nothing while no rule has hours."""

    def __init__(
        self,
        authority: Authority,
        registry: Registry,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Nobody is warned yet.

        Args:
            authority: Knows the rules.
            registry: Knows the viewers.
            clock: Monotonic seconds.
        """
        self._authority = authority
        self._registry = registry
        self._warned: set[str] = set()
        self._looked_at: datetime | None = None
        self._clock = clock
        self._again_at_s = float("-inf")

    async def watch(self) -> None:
        """Check again and again, until cancelled."""
        await run_periodically("hours", CHECK_INTERVAL_S, self.check)

    async def check(self) -> None:
        """End the sessions whose hours are over (4403); warn those whose hours end soon.

        Viewers whose groups couldn't be looked up when it mattered are checked once more.
        """
        now_s = self._clock()
        if self._authority.unsure and now_s >= self._again_at_s:
            self._again_at_s = now_s + UNSURE_INTERVAL_S
            await self._recheck()
        if not self._authority.has_hours:
            return
        if self._authority.turned():
            await self._recheck()
        minute = self._authority.now().replace(second=0, microsecond=0)
        if minute != self._looked_at:
            # Each minute anew: viewers may have come since the last one.
            self._looked_at = minute
            self._warn()

    async def _recheck(self) -> None:
        await self._authority.learn_again(self._registry.present)
        self._registry.recheck(self._authority.objection)

    def _warn(self) -> None:
        turns = self._authority.turns_within(WARN_MINUTES)
        self._warned &= {one.id for console in self._registry.consoles for one in console.viewers}
        for console in self._registry.consoles if turns else ():
            for viewer in console.viewers:
                if viewer.id in self._warned:
                    continue
                for at in turns:
                    why = self._authority.objection(viewer.identity, console.instance, at)
                    if why is not None:
                        self._warned.add(viewer.id)
                        zone = zone_text(at)
                        text = (
                            f"Your session ends at {at:%H:%M} (time of the bastion, {zone}). {why}"
                        )
                        console.pages.notify(viewer.id, notice(text, "warning"))
                        break
