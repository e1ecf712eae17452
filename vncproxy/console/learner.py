"""What a console learns of its instance from the ends of its links, and recalls the next time."""

from __future__ import annotations

import asyncio
import time

import structlog

from vncproxy.console.instance import ConsoleInstance
from vncproxy.console.lessons import to_lesson, to_memory
from vncproxy.console.parts import ConsoleParts
from vncproxy.errors import CloudError
from vncproxy.rfb.held_input import HeldInput
from vncproxy.rfb.keepalive import Keepalive, LinkEnd

_log = structlog.get_logger("vncproxy.console")

STATUS_TIMEOUT_S = 5.0
"""For the question what state an instance is in: the next try doesn't wait longer for an answer."""
_EXPLAIN = frozenset({"Stopped", "Stopping", "Starting", "Pending"})
"""Statuses of an instance that explain why its link was closed."""


class Learner:
    """Owns the keepalive, which is what learns; and whether the instance is opened opaque."""

    def __init__(self, instance: ConsoleInstance, parts: ConsoleParts, held: HeldInput) -> None:
        """Nothing is recalled yet. Args: held - what the keepalive must not disturb."""
        self.keepalive: Keepalive
        self.opaque = False
        self.status = instance.status
        """The instance's, as the cloud said it last; empty if it couldn't be asked."""
        self.is_asking = False
        """Whether the cloud is being asked for it."""
        self._instance = instance
        self._parts = parts
        self._held = held

    async def recall(self) -> None:
        """Take up what was learned; to be awaited before anything else."""
        learned = await self._parts.learned.get(self._instance.id)
        self.opaque = learned is not None and learned.opaque
        limits = self._parts.limits
        self.keepalive = Keepalive(
            self._held,
            interval_s=limits.keepalive_interval,
            idle_timeout_s=limits.idle_timeout,
            keysym=limits.keepalive_key,
            memory=to_memory(learned),
        )

    async def learn(
        self, end: LinkEnd | None, *, by_upstream: bool, explained: bool, had_screen: bool
    ) -> bool:
        """What a link's end says about which keepalive counts (design, rule 9).

        Args: end - the keepalive's word on it; explained - it is known why; had_screen - some link
        has shown a screen. Returns: whether anything was learned.
        """
        if by_upstream and not explained and had_screen:
            await self.ask_status()
            explained = self.status in _EXPLAIN
        if end is None:
            return False
        lesson = self.keepalive.learn(end, by_upstream=by_upstream, explained=explained)
        if lesson is None:
            return False
        _log.info("keepalive.learned", instance=self._instance.id, why=self.keepalive.why)
        await self._store()
        return True

    async def open_opaque_next(self, why: str) -> None:
        """Its upstream says what the daemon doesn't know: the next link is an opaque one."""
        _log.warning("console.opaque_next", instance=self._instance.id, why=why)
        await self.remember_opaque()

    async def remember_opaque(self) -> None:
        """From now on only opaque links make sense."""
        self.opaque = True
        await self._store()

    async def ask_status(self) -> None:
        """Ask the cloud what state the instance is in."""
        self.status = ""
        self.is_asking = True
        try:
            async with asyncio.timeout(STATUS_TIMEOUT_S):
                self.status = await self._parts.cloud.status(
                    self._instance.id, self._instance.region
                )
        except CloudError as error:
            _log.info("status.unknown", instance=self._instance.id, code=error.code)
        except TimeoutError:
            _log.info("status.unknown", instance=self._instance.id, code="timeout")
        finally:
            self.is_asking = False

    async def _store(self) -> None:
        lesson = to_lesson(self.keepalive.memory, opaque=self.opaque, learned_at=time.time())
        await self._parts.learned.put(self._instance.id, lesson)
