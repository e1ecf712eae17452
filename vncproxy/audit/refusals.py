"""Refusals for the audit: repeated ones are recorded once a minute, with their count.

An attacker must not be able to fill the disk, from however many addresses and under however many
names; yet the recorded counts add up to all refusals.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace

from vncproxy.audit.record import Entry, Event

WINDOW_S = 60.0
CHECK_INTERVAL_S = 10.0
"""How often counts are checked for being due."""
MAX_KINDS = 1024
"""The one recorded longest ago is recorded at once when there are more."""
MAX_RECORDS = 60
"""Records of all kinds together in a minute; what comes beyond is one more, with its count."""
BEYOND = "more"
"""The reason in that record."""


@dataclass(slots=True)
class _Repeated:
    """Refusals of one kind since the last record of it.

    Args:
        entry: The newest.
        recorded_at: When the last record was made, monotonic seconds.
        count: How many came since.
    """

    entry: Entry
    recorded_at: float
    count: int = 0


class RefusalLog:
    """Counts refusals of one kind: of the same user, from the same place, for the same reason."""

    def __init__(self) -> None:
        self._repeated: OrderedDict[Hashable, _Repeated] = OrderedDict()
        self._minute_at = float("-inf")
        self._recorded = 0
        self._beyond = 0

    def note(self, entry: Entry, now: float, source: str = "") -> list[Entry]:
        """The entries to record because of one more refusal, often none.

        Args:
            entry: The refusal.
            now: Monotonic seconds.
            source: The address or account that it counts for; default: the entry's address.
        """
        kind = (
            *(entry.user, entry.identity, entry.door, source or entry.address, entry.rule),
            *(entry.instance, entry.code, entry.reason),
        )
        known = self._repeated.get(kind)
        if known is not None:
            known.entry, known.count = entry, known.count + 1
            return []
        entries = self._within_limit([replace(entry, count=1)], now)
        if not entries:
            return []
        self._repeated[kind] = _Repeated(entry, now)
        if len(self._repeated) > MAX_KINDS:
            _, oldest = self._repeated.popitem(last=False)
            entries += self._within_limit(_entries_of(oldest), now)
        return entries

    def due(self, now: float) -> list[Entry]:
        """The counts of kinds recorded a minute ago; a kind that hasn't come again is forgotten."""
        entries = self._next_minute(now)
        for kind, known in list(self._repeated.items()):
            if now < known.recorded_at + WINDOW_S:
                continue
            entries += self._within_limit(_entries_of(known), now)
            if known.count:
                known.recorded_at, known.count = now, 0
                self._repeated.move_to_end(kind)
            else:
                del self._repeated[kind]
        return entries

    def rest(self) -> list[Entry]:
        """All counts that aren't recorded yet, for the end."""
        self._recorded = 0
        outstanding = [entry for known in self._repeated.values() for entry in _entries_of(known)]
        entries = self._within_limit(outstanding, self._minute_at)
        self._repeated.clear()
        return [*entries, *self._sum_beyond()]

    def _within_limit(self, entries: list[Entry], now: float) -> list[Entry]:
        """Those for which the minute has room; the others count towards the sum."""
        sums = self._next_minute(now)
        room = max(0, MAX_RECORDS - self._recorded)
        self._recorded += len(entries[:room])
        self._beyond += sum(entry.count or 0 for entry in entries[room:])
        return [*sums, *entries[:room]]

    def _next_minute(self, now: float) -> list[Entry]:
        """Begin a new minute, if it is time: the sum of what went beyond the last one's limit."""
        if now < self._minute_at + WINDOW_S:
            return []
        self._minute_at, self._recorded = now, 0
        return self._sum_beyond()

    def _sum_beyond(self) -> list[Entry]:
        count, self._beyond = self._beyond, 0
        text = f"more than {MAX_RECORDS} in a minute: these aren't recorded one by one"
        return [Entry(event=Event.REFUSAL, reason=BEYOND, count=count, text=text)] if count else []

    async def watch(self, record: Callable[[Entry], None]) -> None:
        """Record the counts when they are due, until cancelled."""
        while True:
            await asyncio.sleep(CHECK_INTERVAL_S)
            for entry in self.due(time.monotonic()):
                record(entry)


def _entries_of(known: _Repeated) -> list[Entry]:
    return [replace(known.entry, count=known.count)] if known.count else []
