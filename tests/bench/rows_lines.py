"""Lines that are slow or long: a viewer that reads little, and a screen far away."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from dataclasses import replace
from statistics import median

from tests.bench.figures import MODES
from tests.bench.measuring import Measuring
from tests.bench.processes import resident_kib
from tests.bench.relays import ALL, BYTE_PUMPS, VNCPROXY, Relay, Wanted, daemon, relays
from tests.bench.rows_keys import pressed_and_released
from tests.bench.viewers import Asking, Viewer, opened, viewing
from tests.line import line

_SLOW_S, _SLOW_BYTES_PER_S = 6.0, 100e3
_LOOK_INTERVAL_S = 0.05
_PIXELS, _STILL, _PACED = "pixels-8192", "keys-8192", "paced-8192"
_ONE_WAY_S, _FAR_BYTES_PER_S = 0.1, 10e6 / 8
_FAR_S, _FAR_SETTLED_S = 8.0, 2.0
_KEY_INTERVAL_S = 0.53
"""No whole number of pictures."""
_KEYSYM = 0x61


async def slow(run: Measuring) -> None:
    """How much a relay grows beside one viewer that reads little, for whom much would come.

    Each is new, and has had a viewer of a still screen before.
    """
    for _ in range(run.rounds):
        async with AsyncExitStack() as stack:
            wanted = Wanted((_PIXELS, _STILL))
            pumps = await stack.enter_async_context(
                relays(BYTE_PUMPS, run.folder, run.cloud, wanted)
            )
            daemons = [
                await stack.enter_async_context(daemon(run.folder, run.cloud, wanted))
                for _ in MODES
            ]
            looks = [_grown(run, relay, Asking(under_way=2)) for relay in pumps.values()]
            looks += [
                _grown(run, relay, Asking(under_way=2, continuous=mode == "continuous"))
                for relay, mode in zip(daemons, MODES, strict=True)
            ]
            grown = await asyncio.gather(*looks)
            for relay, grown_mib in zip(pumps, grown, strict=False):
                for mode in MODES:
                    run.found.add(f"slow-{mode}", relay, grown_mib)
            for mode, grown_mib in zip(MODES, grown[len(pumps) :], strict=True):
                run.found.add(f"slow-{mode}", VNCPROXY, grown_mib)


async def _grown(run: Measuring, relay: Relay, asking: Asking) -> float:
    """MiB, at most."""
    async with viewing(relay, _STILL, Asking()):
        pass
    base_kib = most_kib = resident_kib(relay.pid)
    viewer = Viewer(relay, relay.path(_PIXELS), asking)
    viewer.read_per_s = _SLOW_BYTES_PER_S
    try:
        await opened(viewer, relay, wait=False)
        end = time.monotonic() + run.seconds(_SLOW_S)
        while time.monotonic() < end:
            await asyncio.sleep(_LOOK_INTERVAL_S)
            most_kib = max(most_kib, resident_kib(relay.pid))
        await viewer.until(lambda: viewer.payload_bytes > 0)
    finally:
        viewer.close()
    return (most_kib - base_kib) / 1024


async def far(run: Measuring) -> None:
    """Pictures a second of a screen far away, and how long a key's echo takes."""
    for _ in range(run.rounds):
        async with AsyncExitStack() as stack:
            started = []
            for name in ALL:
                # Each has a line of its own.
                web, plain = [
                    await stack.enter_async_context(
                        line(port, delay_s=_ONE_WAY_S, bytes_per_s=_FAR_BYTES_PER_S)
                    )
                    for port in (run.cloud.web, run.cloud.plain["paced"])
                ]
                cloud = replace(run.cloud, web=web.port, plain={"paced": plain.port})
                started.append(
                    await stack.enter_async_context(
                        relays([name], run.folder, cloud, Wanted((_PACED,)))
                    )
                )
            looks = (_seen(run, relay) for one in started for relay in one.values())
            await asyncio.gather(*looks)


async def _seen(run: Measuring, relay: Relay) -> None:
    asking = Asking(tight=True, continuous=relay.name == VNCPROXY)
    async with viewing(relay, _PACED, asking) as (viewer,):
        await asyncio.sleep(run.seconds(_FAR_SETTLED_S))
        took_s = []
        scrolls, began = viewer.scrolls, time.monotonic()
        end = began + max(run.seconds(_FAR_S), 2 * _KEY_INTERVAL_S)
        while time.monotonic() < end:
            took_s.append(await _echoed_s(viewer))
            await asyncio.sleep(_KEY_INTERVAL_S)
        pictures = (viewer.scrolls - scrolls) / (time.monotonic() - began)
        run.found.add("far-rate", relay.name, pictures)
        run.found.add("far-key", relay.name, 1e3 * median(took_s))


async def _echoed_s(viewer: Viewer) -> float:
    """Press a key; gives the seconds until it is shown. Raises: as `Viewer.until`."""
    shown: list[float] = []
    viewer.echoed = lambda keysym: shown.append(time.monotonic())
    began = time.monotonic()
    viewer.write(pressed_and_released(_KEYSYM))
    await viewer.until(lambda: bool(shown))
    return shown[0] - began
