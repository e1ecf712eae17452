"""How full many keys' budgets are, for people to look at, and never at the cost of a dial."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from vncproxy.errors import LedgerError
from vncproxy.throttle.ledger import Ledger, Usage

AT_ONCE = 4
"""Questions at a time: who wants a permit meanwhile comes after so few."""
TIMEOUT_S = 2.0
"""For all answers together."""
LATE = "the reconnect ledger didn't answer in time"


async def usages(
    ledger: Ledger, keys: Iterable[str], timeout_s: float = TIMEOUT_S
) -> dict[str, Usage | str]:
    """Of each key how full its budget is, or in words why that isn't known."""
    wanted = dict.fromkeys(keys)
    found: dict[str, Usage | str] = {}
    rest = iter(wanted)

    async def ask() -> None:
        for key in rest:
            try:
                found[key] = await ledger.usage(key)
            except LedgerError as fault:
                found[key] = fault.public_text

    try:
        async with asyncio.timeout(timeout_s):
            await asyncio.gather(*(ask() for _ in range(min(AT_ONCE, len(wanted)))))
    except TimeoutError:
        # What has come by now is told; the rest isn't worth waiting for.
        pass
    return {key: found.get(key, LATE) for key in wanted}
