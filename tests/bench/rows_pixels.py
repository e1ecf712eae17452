"""The cost of pixels: a full HD Raw screen that is always new, read as fast as it comes."""

from __future__ import annotations

import asyncio

from tests.bench.figures import FRAMES_BYTES, MODES, SECURE_FRAMES_BYTES, bytes_key
from tests.bench.measuring import Measuring
from tests.bench.relays import ALL, VNCPROXY, Relay, Wanted, relays
from tests.bench.viewers import Asking, viewing

_MEASURED_S = 0.9
_UNDER_WAY = 2
"""Requests: a relay that needn't wait for the next one works without pause."""
_LEAST_BYTES = 4 << 20
_WAIT_S = 0.3


async def pixels(run: Measuring) -> None:
    """CPU for a GiB, by ws and by wss, and how many updates one request is answered with."""
    for sizes, secure in ((FRAMES_BYTES, False), (SECURE_FRAMES_BYTES, True)):
        screens = tuple(f"pixels-{size}" for size in sizes)
        # A console is another one each time, so that its budget of connections lasts.
        wanted = Wanted(screens, consoles=2 * run.rounds + 1, secure=secure)
        async with relays(ALL, run.folder, run.cloud, wanted) as started:
            for _ in range(run.rounds):
                for size in sizes:
                    for relay in started.values():
                        await _at_all_costs(run, relay, size, secure=secure)
            if not secure:
                counted = (_updates(relay, screens[-1]) for relay in started.values())
                for name, updates in zip(started, await asyncio.gather(*counted), strict=True):
                    run.found.add("updates", name, updates)


async def _at_all_costs(run: Measuring, relay: Relay, size: int, *, secure: bool) -> None:
    """A byte pump doesn't know how its viewer asks: it is measured once for all modes."""
    screen = f"pixels-{size}"
    if relay.name == VNCPROXY:
        for mode in MODES:
            asking = Asking(under_way=_UNDER_WAY, continuous=mode == "continuous")
            cost = await _cost(run, relay, screen, asking, secure=secure)
            run.found.add(bytes_key(size, mode, secure=secure), relay.name, cost)
        return
    cost = await _cost(run, relay, screen, Asking(under_way=_UNDER_WAY), secure=secure)
    for mode in MODES:
        run.found.add(bytes_key(size, mode, secure=secure), relay.name, cost)


async def _cost(
    run: Measuring, relay: Relay, screen: str, asking: Asking, *, secure: bool
) -> float:
    """CPU seconds for a GiB."""
    async with viewing(relay, screen, asking) as (viewer,):
        before = viewer.payload_bytes
        with run.using(relay, f"pixels by {'wss' if secure else 'ws'}") as usage:
            await asyncio.sleep(run.seconds(_MEASURED_S))
            await viewer.until(lambda: viewer.payload_bytes >= before + _LEAST_BYTES)
        moved = viewer.payload_bytes - before
        return usage.relay_s / (moved / (1 << 30))


async def _updates(relay: Relay, screen: str) -> float:
    """Updates that one full request is answered with."""
    async with viewing(relay, screen, Asking(under_way=0)) as (viewer,):
        await asyncio.sleep(_WAIT_S)
        return float(viewer.updates)
