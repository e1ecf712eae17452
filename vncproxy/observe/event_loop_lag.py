"""How late the event loop is: the first sign that something blocks it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

LAG_INTERVAL_S = 0.5
"""Rare enough to cost nothing, often enough to catch a block of a second."""


async def watch_lag(report: Callable[[float], None], interval_s: float = LAG_INTERVAL_S) -> None:
    """Report again and again how many seconds late the loop woke this task; runs until cancelled.

    Args:
        report: Called with seconds, 0 or more, in the loop.
        interval_s: Seconds between two looks.
    """
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + interval_s
        await asyncio.sleep(interval_s)
        report(max(0.0, loop.time() - due))
