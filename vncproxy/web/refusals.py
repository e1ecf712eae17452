"""Refusals for the audit: the same again is recorded once a minute, with its count.

Whoever knocks at a door without end must not fill the disk; and none of the knocks may be missing
from the sum.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace

from vncproxy.observe.audit_record import Entry

WINDOW_S = 60.0
LOOK_INTERVAL_S = 10.0
"""How often it is looked whether a count is due."""
MAX_KINDS = 1024
"""The one recorded longest ago is recorded at once when there are more."""


@dataclass(slots=True)
class _Again:
    """What came since a kind was recorded.

    Args: entry - the newest; told_at - when that was, monotonic seconds.
    """

    entry: Entry
    told_at: float
    count: int = 0


class Refusals:
    """Counts refusals of one kind: of the same user, from the same place, for the same reason."""

    def __init__(self) -> None:
        """Nothing was refused yet."""
        self._again: OrderedDict[Hashable, _Again] = OrderedDict()

    def note(self, entry: Entry, now: float) -> list[Entry]:
        """What is to be recorded of another refusal. Args: now - monotonic seconds."""
        kind = (
            *(entry.user, entry.identity, entry.door, entry.address, entry.rule),
            *(entry.instance, entry.code, entry.reason),
        )
        known = self._again.get(kind)
        if known is not None:
            known.entry, known.count = entry, known.count + 1
            return []
        self._again[kind] = _Again(entry, now)
        told = [replace(entry, count=1)]
        if len(self._again) > MAX_KINDS:
            _, oldest = self._again.popitem(last=False)
            told += _told(oldest)
        return told

    def due(self, now: float) -> list[Entry]:
        """The counts of those recorded a minute ago; what hasn't come again is forgotten."""
        told: list[Entry] = []
        for kind, known in list(self._again.items()):
            if now < known.told_at + WINDOW_S:
                continue
            told += _told(known)
            if known.count:
                known.told_at, known.count = now, 0
                self._again.move_to_end(kind)
            else:
                del self._again[kind]
        return told

    def rest(self) -> list[Entry]:
        """All counts that aren't recorded yet, for the end."""
        told = [entry for known in self._again.values() for entry in _told(known)]
        self._again.clear()
        return told

    async def watch(self, record: Callable[[Entry], None]) -> None:
        """Record the counts when they are due, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_INTERVAL_S)
            for entry in self.due(time.monotonic()):
                record(entry)


def _told(known: _Again) -> list[Entry]:
    return [replace(known.entry, count=known.count)] if known.count else []
