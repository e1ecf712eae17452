"""How full many budgets are, by one question and without holding anybody up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection

from vncproxy.errors import LedgerError
from vncproxy.throttle.budget import Budget, Usage
from vncproxy.throttle.memory import MemoryLedger
from vncproxy.throttle.usages import LATE, usages


class AskedLedger(MemoryLedger):
    """Notes what it is asked; fails, or hangs."""

    def __init__(self) -> None:
        """An empty budget."""
        super().__init__(Budget, time.monotonic)
        self.asked: list[list[str]] = []
        self.fault: LedgerError | None = None
        self.hangs = False

    async def usages(self, instance_ids: Collection[str]) -> dict[str, Usage]:
        """See `Ledger.usages`."""
        self.asked.append(sorted(instance_ids))
        if self.hangs:
            await asyncio.Event().wait()
        if self.fault is not None:
            raise self.fault
        return await super().usages(instance_ids)


async def test_one_question_however_many_consoles_there_are() -> None:
    """Each key in it once, though many may share one."""
    ledger = AskedLedger()
    await ledger.book("i-3", 0.0)
    keys = [f"i-{number}" for number in range(1000)]
    found = await usages(ledger, [*keys, "i-3", "i-3"])
    assert ledger.asked == [sorted(keys)]
    used = {key: usage.used for key, usage in found.items() if isinstance(usage, Usage)}
    assert used == dict.fromkeys(keys, 0) | {"i-3": 1}


async def test_nothing_to_ask() -> None:
    """No console, no question."""
    ledger = AskedLedger()
    assert await usages(ledger, []) == {}
    assert ledger.asked == []


async def test_a_fault_is_reported_in_words() -> None:
    """Of every key."""
    ledger = AskedLedger()
    ledger.fault = LedgerError("the disk is full")
    assert await usages(ledger, ["i-1", "i-2"]) == dict.fromkeys(["i-1", "i-2"], "the disk is full")


async def test_a_ledger_that_hangs_is_waited_for_no_longer_than_said() -> None:
    """The list comes without it."""
    ledger = AskedLedger()
    ledger.hangs = True
    assert await usages(ledger, ["i-1"], timeout_s=0.05) == {"i-1": LATE}
