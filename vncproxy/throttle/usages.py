"""How full many keys' budgets are, for lists on pages; a slow store never delays a dial for it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from vncproxy.errors import LedgerError
from vncproxy.throttle.budget import Usage
from vncproxy.throttle.ledger import Ledger

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
