"""What the ledger of reconnections offers: permits to dial, in order, over all processes.

The way of a permit::

    answer = await ledger.book(id, max_wait_s)     # TooLong: nothing was booked
    await asyncio.sleep(answer.wait_s)
    url = await client.vnc_url(...)                # failed: await ledger.cancel(answer)
    if await ledger.spend(answer):                 # False: the permit lapsed; book again
        ...                                        # dial now; from here on it has counted

Only the booking waits for the disk or the server: it covers the dial. That a permit was spent or
given back is recorded in the background, and what can't be recorded counts until it lapses.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Protocol

from vncproxy.errors import LedgerError
from vncproxy.throttle.reconnect_budget import Usage


@dataclass(frozen=True, slots=True)
class Booking:
    """A permit to dial once, `wait_s` seconds from when it was given, for `Budget.hold_s`.

    `key` is what it counts for: the instance, or the whole account.
    """

    id: str
    key: str
    wait_s: float


@dataclass(frozen=True, slots=True)
class TooLong:
    """No permit was booked: the wait would be `wait_s` seconds."""

    wait_s: float


@dataclass(frozen=True, slots=True)
class Dial:
    """A dial as another ledger may take it over: made `age_s` seconds ago, on the permit `id`.

    Below zero it may still be made until then.
    """

    id: str
    key: str
    age_s: float


class Ledger(Protocol):
    """Permits to dial the upstream. What waits raises LedgerError if the record can't be kept.

    The budget is asked for at each use, since a reload may change it, but for its window and
    margin: see reconnect_budget.py on what then holds.
    """

    def key_of(self, instance_id: str) -> str:
        """What the dials of an instance are counted for just now; a key's key is itself."""
        ...

    async def book(self, instance_id: str, max_wait_s: float) -> Booking | TooLong:
        """Take the next free permit, first come first served, unless it is too far off.

        The booking is on record before this returns. If the caller is cancelled meanwhile, it is
        given back. One whose process dies stays booked and lapses.
        """
        ...

    async def spend(self, booking: Booking) -> bool:
        """Whether the dial may begin now; if so, it has counted and must begin at once.

        False: the permit has lapsed (later than `Budget.hold_s` after its time), was spent or
        cancelled, or isn't due yet: book again.

        Raises:
            LedgerError: The store that gave the permit isn't in use any more: book again too.
        """
        ...

    async def cancel(self, booking: Booking) -> None:
        """Give back a permit that wasn't spent; nothing happens if it was, or is unknown.

        Raises nothing: one that can't be given back lapses.
        """
        ...

    async def usages(self, instance_ids: Collection[str]) -> dict[str, Usage]:
        """How full these instances' budgets are, by one question however many; changes nothing."""
        ...

    async def check_writable(self) -> None:
        """Prove that bookings can be recorded, by recording; raises LedgerError if not."""
        ...

    async def close(self) -> None:
        """Release what the ledger holds; bookings stay on record."""
        ...


TIMEOUT_S = 1.0
"""For the answer: an incomplete list is of more use than a late one."""
LATE = "the reconnect ledger didn't answer in time"


async def usages(
    ledger: Ledger, keys: Iterable[str], timeout_s: float = TIMEOUT_S
) -> dict[str, Usage | str]:
    """For each key how full its budget is, or in words why that isn't known."""
    wanted = set(keys)
    if not wanted:
        return {}
    try:
        async with asyncio.timeout(timeout_s):
            return dict(await ledger.usages(wanted))
    except LedgerError as fault:
        return dict.fromkeys(wanted, fault.public_text)
    except TimeoutError:
        return dict.fromkeys(wanted, LATE)
