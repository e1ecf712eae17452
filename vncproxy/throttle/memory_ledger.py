"""The ledger for one process that never restarts: tests, the demo, `store = "memory"`."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Collection
from itertools import count

from vncproxy.throttle.ledger_interface import Booking, TooLong
from vncproxy.throttle.reconnect_budget import MAX_AHEAD_S, Budget, Claim, Usage, counting_for

SWEEP_INTERVAL_S = 1.0
"""What can't matter any more is dropped this often, not with each booking: there may be thousands
of claims."""
USAGES_PER_TURN = 64
"""Budgets that are looked at in one turn of the event loop."""


class MemoryLedger:
    """Keeps the claims in memory, so a restart may overrun the budget."""

    def __init__(self, budget: Callable[[], Budget], clock: Callable[[], float]) -> None:
        """Start with nothing booked.

        Args:
            budget: Gives the one in force.
            clock: Seconds of a clock that never jumps, such as time.monotonic.
        """
        self._budget = budget
        self._clock = clock
        self._ids = count(1)
        self._claims: dict[str, dict[str, Claim]] = {}
        self._swept_at = -math.inf

    def key_of(self, instance_id: str) -> str:
        """See `Ledger.key_of`."""
        return self._budget().key_of(instance_id)

    async def book(self, instance_id: str, max_wait_s: float) -> Booking | TooLong:
        """See `Ledger.book`."""
        now = self._clock()
        self._forget(now)
        budget = self._budget()
        key = budget.key_of(instance_id)
        at = budget.next_free(self._counting_for(key), now)
        if at - now > min(max_wait_s, MAX_AHEAD_S):
            return TooLong(at - now)
        booking = Booking(str(next(self._ids)), key, at - now)
        self._claims.setdefault(key, {})[booking.id] = budget.booked(at)
        return booking

    async def spend(self, booking: Booking) -> bool:
        """See `Ledger.spend`."""
        now = self._clock()
        claims = self._claims.get(booking.key, {})
        claim = claims.get(booking.id)
        if claim is None or not claim.may_be_spent(now):
            return False
        claims[booking.id] = Claim.dialled(now)
        return True

    async def cancel(self, booking: Booking) -> None:
        """See `Ledger.cancel`."""
        claims = self._claims.get(booking.key, {})
        claim = claims.get(booking.id)
        if claim is not None and not claim.spent:
            del claims[booking.id]

    async def usages(self, instance_ids: Collection[str]) -> dict[str, Usage]:
        """See `Ledger.usages`."""
        now, budget = self._clock(), self._budget()
        keys = {one: budget.key_of(one) for one in instance_ids}
        found: dict[str, Usage] = {}
        for at, key in enumerate(set(keys.values()), 1):
            found[key] = budget.usage(self._counting_for(key), now)
            if at % USAGES_PER_TURN == 0:
                await asyncio.sleep(0)
        return {one: found[key] for one, key in keys.items()}

    async def check_writable(self) -> None:
        """See `Ledger.check_writable`: memory always is."""

    async def close(self) -> None:
        """See `Ledger.close`: there is nothing to release."""

    def _counting_for(self, key: str) -> list[Claim]:
        return [one for claims in counting_for(key, self._claims) for one in claims.values()]

    def _forget(self, now: float) -> None:
        """Drop what can't matter any more, so that memory follows the rate of dials."""
        if now < self._swept_at + SWEEP_INTERVAL_S:
            return
        self._swept_at = now
        budget = self._budget()
        for key, claims in list(self._claims.items()):
            for booking_id, claim in list(claims.items()):
                if budget.is_forgettable(claim, now):
                    del claims[booking_id]
            if not claims:
                del self._claims[key]
