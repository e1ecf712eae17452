"""The cost of small rectangles: text that scrolls, in Tight, for one viewer and for several."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from tests.bench.figures import LATE, MODES
from tests.bench.measuring import Measuring
from tests.bench.relays import ALL, VNCPROXY, Relay, Wanted, relays
from tests.bench.viewers import Asking, Viewer, opened, viewing

_SCREEN = "text-8192"
_MEASURED_S = 1.5
_APART = 3
"""Updates between the first viewer and those that join late."""


async def text(run: Measuring) -> None:
    """CPU for 1,000 rectangles."""
    wanted = Wanted((_SCREEN,), consoles=(len(MODES) + len(LATE)) * (run.rounds + 1))
    async with relays(ALL, run.folder, run.cloud, wanted) as started:
        for _ in range(run.rounds):
            costs: dict[tuple[str, str], float] = {}
            # vncproxy last, near those that join late, which are compared with it.
            for relay in reversed(started.values()):
                for mode in MODES:
                    if relay.name != VNCPROXY and mode == "continuous":
                        continue
                    cost = await _cost(run, relay, Asking(tight=True, continuous=mode != "request"))
                    for told in (mode,) if relay.name == VNCPROXY else MODES:
                        run.found.add(f"text-{told}", relay.name, cost)
                    costs[relay.name, mode] = cost
            for late in LATE:
                asking = Asking(tight=True, continuous=True)
                cost = await _cost(run, started[VNCPROXY], asking, late)
                run.found.add(f"late-{late}", VNCPROXY, cost / costs[VNCPROXY, "continuous"])


async def _cost(run: Measuring, relay: Relay, asking: Asking, late: int = 0) -> float:
    """CPU milliseconds for 1,000 rectangles at each viewer. Args: late - viewers that join late."""
    async with AsyncExitStack() as stack:
        (first,) = await stack.enter_async_context(viewing(relay, _SCREEN, asking))
        await first.has(_APART)
        viewers = [first]
        for _ in range(late):
            viewer = Viewer(relay, first.path, asking)
            stack.callback(viewer.close)
            await opened(viewer, relay)
            await viewer.has(_APART)
            viewers.append(viewer)
        before = sum(viewer.rectangles for viewer in viewers)
        with run.using(relay, "text" if not late else "") as usage:
            await asyncio.sleep(run.seconds(_MEASURED_S))
            for viewer in viewers:
                await viewer.has(viewer.updates + 1)
        seen = sum(viewer.rectangles for viewer in viewers) - before
        return usage.relay_s * 1e6 / (seen / len(viewers))
