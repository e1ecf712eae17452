"""How full many keys' budgets are, for people to look at, and never at the cost of a dial."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from vncproxy.errors import LedgerError
from vncproxy.throttle.budget import Usage
from vncproxy.throttle.ledger import Ledger

TIMEOUT_S = 1.0
"""For the answer: a list that says less is of more use than one that comes late."""
LATE = "the reconnect ledger didn't answer in time"


async def usages(
    ledger: Ledger, keys: Iterable[str], timeout_s: float = TIMEOUT_S
) -> dict[str, Usage | str]:
    """Of each key how full its budget is, or in words why that isn't known."""
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
