"""What only the ledger in memory does; test_ledger_interface.py has the contract."""

from __future__ import annotations

from tests.clock import FakeClock
from vncproxy.throttle.ledger_interface import Booking
from vncproxy.throttle.memory_ledger import MemoryLedger
from vncproxy.throttle.reconnect_budget import Budget


async def test_memory_is_given_back() -> None:
    """Keys that nobody dials any more leave nothing behind."""
    clock = FakeClock()
    ledger = MemoryLedger(Budget, clock)
    for number in range(100):
        answer = await ledger.book(f"i-{number}", 0.0)
        assert isinstance(answer, Booking)
    clock.seconds += 100.0
    await ledger.book("i-last", 0.0)
    assert list(ledger._claims) == ["i-last"]
