"""RefusalLog for the audit: the same again is recorded once a minute, with its count.

Whoever knocks at a door without end must not fill the disk, from however many addresses and under
however many names; and none of the knocks may be missing from the sum.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace

from vncproxy.audit.record import Entry, Event

WINDOW_S = 60.0
LOOK_INTERVAL_S = 10.0
"""How often it is looked whether a count is due."""
MAX_KINDS = 1024
"""The one recorded longest ago is recorded at once when there are more."""
MAX_TOLD = 60
"""Records of all kinds together in a minute; what comes beyond is one more, with its count."""
BEYOND = "more"
"""The reason in that record."""


@dataclass(slots=True)
class _Again:
    """What came since a kind was recorded.

    Args: entry - the newest; told_at - when that was, monotonic seconds.
    """

    entry: Entry
    told_at: float
    count: int = 0


class RefusalLog:
    """Counts refusals of one kind: of the same user, from the same place, for the same reason."""

    def __init__(self) -> None:
        """Nothing was refused yet."""
        self._again: OrderedDict[Hashable, _Again] = OrderedDict()
        self._minute_at = float("-inf")
        self._told = 0
        self._beyond = 0

    def note(self, entry: Entry, now: float, source: str = "") -> list[Entry]:
        """What is to be recorded of another refusal.

        Args: now - monotonic seconds; source - whom it counts for; default: the entry's address.
        """
        kind = (
            *(entry.user, entry.identity, entry.door, source or entry.address, entry.rule),
            *(entry.instance, entry.code, entry.reason),
        )
        known = self._again.get(kind)
        if known is not None:
            known.entry, known.count = entry, known.count + 1
            return []
        told = self._within_limit([replace(entry, count=1)], now)
        if not told:
            return []
        self._again[kind] = _Again(entry, now)
        if len(self._again) > MAX_KINDS:
            _, oldest = self._again.popitem(last=False)
            told += self._within_limit(_told(oldest), now)
        return told

    def due(self, now: float) -> list[Entry]:
        """The counts of those recorded a minute ago; what hasn't come again is forgotten."""
        told = self._next_minute(now)
        for kind, known in list(self._again.items()):
            if now < known.told_at + WINDOW_S:
                continue
            told += self._within_limit(_told(known), now)
            if known.count:
                known.told_at, known.count = now, 0
                self._again.move_to_end(kind)
            else:
                del self._again[kind]
        return told

    def rest(self) -> list[Entry]:
        """All counts that aren't recorded yet, for the end."""
        self._told = 0
        outstanding = [entry for known in self._again.values() for entry in _told(known)]
        told = self._within_limit(outstanding, self._minute_at)
        self._again.clear()
        return [*told, *self._sum_beyond()]

    def _within_limit(self, entries: list[Entry], now: float) -> list[Entry]:
        """Those for which the minute has room; the others count towards the sum."""
        told = self._next_minute(now)
        room = max(0, MAX_TOLD - self._told)
        self._told += len(entries[:room])
        self._beyond += sum(entry.count or 0 for entry in entries[room:])
        return [*told, *entries[:room]]

    def _next_minute(self, now: float) -> list[Entry]:
        """What the minute before didn't tell one by one, once that is over."""
        if now < self._minute_at + WINDOW_S:
            return []
        self._minute_at, self._told = now, 0
        return self._sum_beyond()

    def _sum_beyond(self) -> list[Entry]:
        count, self._beyond = self._beyond, 0
        text = f"more than {MAX_TOLD} in a minute: these aren't recorded one by one"
        return [Entry(event=Event.REFUSAL, reason=BEYOND, count=count, text=text)] if count else []

    async def watch(self, record: Callable[[Entry], None]) -> None:
        """Record the counts when they are due, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_INTERVAL_S)
            for entry in self.due(time.monotonic()):
                record(entry)


def _told(known: _Again) -> list[Entry]:
    return [replace(known.entry, count=known.count)] if known.count else []
