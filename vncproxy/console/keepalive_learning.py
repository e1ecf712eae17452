"""What a console learns of its instance from the ends of its links."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import structlog

from vncproxy.config.model import Limits
from vncproxy.errors import CloudError
from vncproxy.instances.instance_list import ConsoleInstance, StatusSource
from vncproxy.instances.keepalive_memory import Learned, LearnedStore, Opaque
from vncproxy.rfb.held_input import HeldInput
from vncproxy.rfb.keepalive import Keepalive, KeepaliveClass, KeepaliveMemory, LinkEnd

STATUS_TIMEOUT_S = 5.0
"""For the question what state an instance is in: the next try doesn't wait longer for an answer."""
OPAQUE_MAX_AGE_S = 3600.0
"""An opaque instance is tried as RFB again after so long. Source: design.md, rule 11."""
_EXPLAIN = frozenset({"Stopped", "Stopping", "Starting", "Pending"})
"""Statuses of an instance that explain why its link was closed."""

_log = structlog.get_logger("vncproxy.console")


class KeepaliveLearning:
    """Owns the keepalive, which is what learns; and whether the instance is opened opaque."""

    def __init__(
        self,
        instance: ConsoleInstance,
        limits: Limits,
        cloud: StatusSource,
        store: LearnedStore,
        learned: Learned | None,
        held: HeldInput,
    ) -> None:
        """Take up what was learned before.

        Args:
            instance: Of which it learns.
            limits: Of the console.
            cloud: Is asked what state the instance is in.
            store: Keeps what is learned.
            learned: What the store has of the instance.
            held: What the keepalive must not disturb.
        """
        self.keepalive = Keepalive(
            held,
            interval_s=limits.keepalive_interval,
            idle_timeout_s=limits.idle_timeout,
            keysym=limits.keepalive_key,
            memory=to_memory(learned),
        )
        self._opaque = learned.opaque if learned is not None else None
        self._unknown = learned.unknown if learned is not None else ""
        self._storing = asyncio.Lock()
        self.status = instance.status
        """The instance's, as the cloud showed it last; empty if it couldn't be asked."""
        self.is_asking = False
        """Whether the cloud is being asked for it."""
        self._instance = instance
        self._cloud = cloud
        self._store_of_all = store

    async def learn(
        self, end: LinkEnd | None, *, by_upstream: bool, explained: bool, had_screen: bool
    ) -> bool:
        """What a link's end shows about which keepalive counts (design.md, rule 9).

        Args:
            end: What the keepalive knows of it.
            by_upstream: The upstream ended it.
            explained: It is known why.
            had_screen: Some link has shown a screen.

        Returns:
            Whether anything was learned.
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

    @property
    def opaque(self) -> Opaque | None:
        """How the instance is opened opaque; None: it isn't, or that is to be tried again."""
        opaque = self._opaque
        # Either way, since the wall clock may have been set back.
        is_old = opaque is not None and abs(time.time() - opaque.since) >= OPAQUE_MAX_AGE_S
        return None if is_old else opaque

    async def found_unknown(self, message: str, greeting: bytes) -> None:
        """A link ended by a message that the daemon doesn't know. One alone may be a bad stream.

        Args:
            message: Which, in words.
            greeting: The upstream's version line and security types.
        """
        is_again, self._unknown = message == self._unknown, message
        if is_again:
            self._opaque = Opaque(greeting, time.time())
            _log.warning("console.opaque_next", instance=self._instance.id, why=message)
        await self._store()

    async def found_security(self, greeting: bytes) -> None:
        """The upstream has no security that the daemon knows."""
        self._opaque = Opaque(greeting, time.time())
        await self._store()

    async def found_other_version(self) -> None:
        """The viewer speaks another RFB version than the daemon: the next one begins by itself."""
        if self._opaque is not None:
            self._opaque = replace(self._opaque, untouched=True)
            await self._store()

    @property
    def was_opaque(self) -> bool:
        """Whether it is on record as opaque, however long ago."""
        return self._opaque is not None

    async def speaks_rfb(self) -> None:
        """The upstream greets otherwise than the one that had to be opaque, or is tried again."""
        if self._opaque is not None:
            self._opaque = None
            _log.info("console.opaque_no_more", instance=self._instance.id)
            await self._store()

    async def understood(self) -> None:
        """A link that spoke RFB ended, but not by an unknown message."""
        if self._unknown:
            self._unknown = ""
            await self._store()

    def forget(self) -> None:
        """Know nothing any more; what is stored is for the caller to forget."""
        self._opaque, self._unknown = None, ""
        self.keepalive.forget()

    async def ask_status(self) -> None:
        """Ask the cloud what state the instance is in."""
        self.is_asking = True
        status = ""
        try:
            async with asyncio.timeout(STATUS_TIMEOUT_S):
                status = await self._cloud.status(self._instance.id, self._instance.region)
        except CloudError as error:
            _log.info("status.unknown", instance=self._instance.id, code=error.code)
        except TimeoutError:
            _log.info("status.unknown", instance=self._instance.id, code="timeout")
        finally:
            # Until then the old one is shown: a page would go to and fro otherwise.
            self.status = status
            self.is_asking = False

    async def _store(self) -> None:
        # In order: what is stored last is what is known last.
        async with self._storing:
            lesson = to_lesson(
                self.keepalive.memory,
                unknown=self._unknown,
                opaque=self._opaque,
                learned_at=time.time(),
            )
            await self._store_of_all.put(self._instance.id, lesson)


def to_memory(learned: Learned | None) -> KeepaliveMemory | None:
    """The keepalive's memory in a lesson; None if there is none that this version knows."""
    if learned is None:
        return None
    try:
        kind = KeepaliveClass(learned.keepalive_class)
    except ValueError:
        return None
    return KeepaliveMemory(kind, learned.evidence, learned.earlier_s)


def to_lesson(
    memory: KeepaliveMemory, *, unknown: str, opaque: Opaque | None, learned_at: float
) -> Learned:
    """A lesson to store; `learned_at` is in seconds of the wall clock."""
    return Learned(
        memory.kind.value, memory.evidence, memory.earlier_ts, unknown, opaque, learned_at
    )
