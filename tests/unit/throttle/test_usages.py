"""How full many budgets are, without holding anybody up."""

from __future__ import annotations

import asyncio
import time

from vncproxy.errors import LedgerError
from vncproxy.throttle.budget import Budget
from vncproxy.throttle.ledger import Usage
from vncproxy.throttle.memory import MemoryLedger
from vncproxy.throttle.usages import AT_ONCE, LATE, usages


class SlowLedger(MemoryLedger):
    """Counts who asks at once; fails for "broken", and hangs for "hanging"."""

    def __init__(self) -> None:
        """An empty budget."""
        super().__init__(Budget(), time.monotonic)
        self.asked: list[str] = []
        self.most = 0
        self._asking = 0

    async def usage(self, key: str) -> Usage:
        """See `Ledger.usage`."""
        self.asked.append(key)
        self._asking += 1
        self.most = max(self.most, self._asking)
        try:
            await asyncio.sleep(0)
            if key == "broken":
                raise LedgerError("the disk is full")
            if key == "hanging":
                await asyncio.Event().wait()
            return await super().usage(key)
        finally:
            self._asking -= 1


async def test_every_key_is_asked_once_and_few_at_a_time() -> None:
    """However many consoles share one."""
    ledger = SlowLedger()
    await ledger.book("i-3", 0.0)
    keys = [f"i-{number}" for number in range(40)]
    found = await usages(ledger, [*keys, "i-3", "i-3"])
    assert sorted(ledger.asked) == sorted(keys) == sorted(found)
    assert ledger.most == AT_ONCE
    used = {key: usage.used for key, usage in found.items() if isinstance(usage, Usage)}
    assert used == dict.fromkeys(keys, 0) | {"i-3": 1}


async def test_nothing_to_ask() -> None:
    """No console, no question."""
    assert await usages(SlowLedger(), []) == {}


async def test_a_fault_is_told_in_words() -> None:
    """And the others are told all the same."""
    found = await usages(SlowLedger(), ["broken", "i-1"])
    assert found["broken"] == "the disk is full"
    assert isinstance(found["i-1"], Usage)


async def test_a_ledger_that_hangs_is_waited_for_no_longer_than_said() -> None:
    """What has come by then is told, and nothing goes on asking."""
    ledger = SlowLedger()
    found = await usages(ledger, ["i-1", "hanging", "i-2"], timeout_s=0.05)
    assert found["hanging"] == LATE
    assert isinstance(found["i-1"], Usage)
    assert isinstance(found["i-2"], Usage)
    assert ledger._asking == 0
