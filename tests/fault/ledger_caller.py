"""A process that dials as often as the ledger lets it, until it is killed.

Usage: python -m tests.fault.ledger_caller LEDGER LOG. For each dial it appends one line to LOG: its
process id and the monotonic instants right before and right after the permit was spent.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
import time
from pathlib import Path

from vncproxy.throttle.ledger_interface import Booking
from vncproxy.throttle.reconnect_budget import Budget
from vncproxy.throttle.sqlite_ledger import SqliteLedger

BUDGET = Budget(limit=5, window_s=0.6, margin_s=0.2, hold_s=0.4)
CALLERS = 4


async def _call(ledger: SqliteLedger, log: int) -> None:
    while True:
        answer = await ledger.book("i-1", 30.0)
        if not isinstance(answer, Booking):
            await asyncio.sleep(0.1)
            continue
        await asyncio.sleep(answer.wait_s + random.uniform(0.0, 0.3))
        if random.random() < 0.1:
            await ledger.cancel(answer)
            continue
        before = time.monotonic()
        if await ledger.spend(answer):
            os.write(log, f"{os.getpid()} {before} {time.monotonic()}\n".encode())


async def main(ledger_path: Path, log_path: Path) -> None:
    """Run the callers for ever."""
    log = os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    ledger = SqliteLedger(ledger_path, lambda: BUDGET)
    async with asyncio.TaskGroup() as group:
        for _ in range(CALLERS):
            group.create_task(_call(ledger, log))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2])))
