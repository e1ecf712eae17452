"""The probe of the event loop."""

from __future__ import annotations

import asyncio
import time

from vncproxy.observe.event_loop_lag import watch_lag


async def test_a_blocked_loop_is_noticed() -> None:
    """While something blocks the loop for 0.2 s, a lag of about that size is reported."""
    seen: list[float] = []
    probe = asyncio.create_task(watch_lag(seen.append, interval_s=0.01))
    try:
        async with asyncio.timeout(60):
            while not seen:
                await asyncio.sleep(0.01)
            time.sleep(0.2)
            while max(seen) < 0.1:
                await asyncio.sleep(0.01)
    finally:
        probe.cancel()
    assert min(seen) >= 0.0
