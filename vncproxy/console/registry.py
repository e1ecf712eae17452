"""Which consoles are open."""

from __future__ import annotations

import asyncio

from vncproxy.console.console import Console
from vncproxy.console.instance import ConsoleInstance
from vncproxy.console.lifecycle import State
from vncproxy.console.runner import ConsoleParts
from vncproxy.errors import AccessError, CloseReason
from vncproxy.observe.audit import Audit

_RETRY_AFTER_S = 10.0


class Registry:
    """The open consoles, by instance id: at most one for each, at most `max_consoles`."""

    def __init__(self, parts: ConsoleParts) -> None:
        """Nothing is open."""
        self._parts = parts
        self._open: dict[str, Console] = {}
        self._lock = asyncio.Lock()
        self._draining = False

    @property
    def consoles(self) -> list[Console]:
        """What is open."""
        return list(self._open.values())

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

    def admit(self, instance_id: str) -> None:
        """Check that a viewer may come to this instance now.

        Raises: AccessError - 503 while the daemon drains; 429 when a limit is reached.
        """
        if self._draining:
            raise AccessError(503, "draining", "The daemon is restarting. Try again in a moment.")
        console = self._open.get(instance_id)
        closing = console is not None and console.state is State.CLOSED
        if console is not None and console.is_full and not closing:
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

    async def console(self, instance: ConsoleInstance) -> Console:
        """The open console of an instance, or a new one that waits for its first viewer.

        Raises: AccessError as `admit`.
        """
        while True:
            async with self._lock:
                self.admit(instance.id)
                console = self._open.get(instance.id)
                if console is None:
                    console = await Console.prepared(instance, self._parts, self._closed)
                    # A drain may have begun meanwhile.
                    self.admit(instance.id)
                    self._open[instance.id] = console
                if console.state is not State.CLOSED:
                    return console
            # The cloud has one slot for each instance: the old link must have left it.
            await console.closed()

    def release(self, console: Console) -> None:
        """Forget a console that no viewer ever joined and no page waits for."""
        if console.is_forsaken:
            self._closed(console)

    def _closed(self, console: Console) -> None:
        # A newer console may own the place already.
        if self._open.get(console.instance.id) is console:
            del self._open[console.instance.id]

    async def drain(self, reason: CloseReason, timeout_s: float) -> None:
        """Close every console, and let in nobody any more; at most `timeout_s`."""
        self._draining = True
        async with asyncio.timeout(timeout_s):
            await asyncio.gather(*(console.close(reason) for console in self.consoles))
