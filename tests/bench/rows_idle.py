"""What consoles cost while nothing happens on them, and what it costs to open one."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import aiohttp

from tests.bench.figures import CONSOLES, MANY_CONSOLES
from tests.bench.measuring import Measuring, files_limit
from tests.bench.processes import cpu_s, resident_kib
from tests.bench.relays import ALL, VNCPROXY, WEBSOCKIFY, Relay, Wanted, daemon, relays
from tests.bench.viewers import Asking, viewing

_SCREEN = "keys-8192"
_KEEPALIVE_S = 20.0
_SETTLED_S = 1.5
_FORKED = 100
"""Consoles for a relay that takes a process for each."""
_OPENED = 100
_PROBE_INTERVAL_S = 0.004
_BUCKET = re.compile(r'event_loop_lag_seconds_bucket{le="([^"]+)"} (\S+)')


async def idle(run: Measuring) -> None:
    """Memory and CPU of many idle consoles, each after a picture of all of its screen."""
    for _ in range(run.rounds):
        wanted = Wanted((_SCREEN,), consoles=run.count(CONSOLES))
        async with (
            relays(ALL, run.folder, run.cloud, wanted) as started,
            AsyncExitStack() as stack,
        ):
            for relay in started.values():
                count = run.count(_FORKED if relay.name == WEBSOCKIFY else CONSOLES)
                base_kib = resident_kib(relay.pid)
                await stack.enter_async_context(viewing(relay, _SCREEN, Asking(), count=count))
                await asyncio.sleep(run.seconds(_SETTLED_S))
                grown_kib = resident_kib(relay.pid) - base_kib
                run.found.add("idle-memory", relay.name, grown_kib / count)
            before_s = {relay.name: cpu_s(relay.pid) for relay in started.values()}
            began = time.monotonic()
            # So long that each console is kept alive once.
            await asyncio.sleep(run.seconds(_KEEPALIVE_S))
            took_s = time.monotonic() - began
            for relay in started.values():
                if relay.name != WEBSOCKIFY:
                    share = 100 * (cpu_s(relay.pid) - before_s[relay.name]) / took_s
                    run.found.add("idle-cpu", relay.name, share)


async def opening(run: Measuring) -> None:
    """CPU for a console, from the request to its first picture, one after the other."""
    count = run.count(_OPENED)
    wanted = Wanted((_SCREEN,), consoles=count * (run.rounds + 1))
    async with relays(ALL, run.folder, run.cloud, wanted) as started:
        for relay in started.values():
            async with viewing(relay, _SCREEN, Asking()):
                pass
        for _ in range(run.rounds):
            for relay in started.values():
                async with AsyncExitStack() as stack:
                    with run.using(relay) as usage:
                        opened = viewing(relay, _SCREEN, Asking(), count=count, at_once=1)
                        await stack.enter_async_context(opened)
                    run.found.add("open", relay.name, usage.relay_s * 1e3 / count)


async def turn(run: Measuring) -> None:
    """The longest turn of the daemon's loop with many consoles, as a small request meets it.

    Once, since it takes long: the most that the daemon's CPU clock went on between a question and
    its answer, while every console is kept alive once. By that clock it isn't longer for what else
    the machine does.
    """
    # Two connections for each console, and some for the rest.
    count = min(run.count(MANY_CONSOLES), files_limit() // 2 - 500)
    wanted = Wanted((_SCREEN,), consoles=count)
    async with (
        daemon(run.folder, run.cloud, wanted) as relay,
        viewing(relay, _SCREEN, Asking(), count=count),
    ):
        await asyncio.sleep(run.seconds(_SETTLED_S))
        before = await _late(relay)
        async with _probing(relay) as probes:
            await asyncio.sleep(run.seconds(_KEEPALIVE_S))
        after = await _late(relay)
    run.found.add("turn", VNCPROXY, 1e3 * max(probe.cpu_s for probe in probes))
    least = max((le for le in after if after[le] > before.get(le, 0)), default=0.0)
    slowest_s = max(probe.wall_s for probe in probes)
    run.found.notes.append(
        f"{count:,} idle consoles: the slowest of {len(probes)} answers took {slowest_s * 1e3:.0f} "
        f"ms; by the daemon's own metric, the loop was late by at most {least} s"
    )


@dataclass(frozen=True)
class _Probe:
    """One question. Args: cpu_s - that the daemon worked until its answer."""

    wall_s: float
    cpu_s: float


@asynccontextmanager
async def _probing(relay: Relay) -> AsyncIterator[list[_Probe]]:
    """Ask for `/healthz` again and again."""
    reader, writer = await asyncio.open_connection("127.0.0.1", relay.port())
    probes: list[_Probe] = []

    async def probe() -> None:
        while True:
            cpu, wall = cpu_s(relay.pid), time.perf_counter()
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            head = await reader.readuntil(b"\r\n\r\n")
            size = int(head.lower().partition(b"content-length:")[2].split()[0])
            await reader.readexactly(size)
            probes.append(_Probe(time.perf_counter() - wall, cpu_s(relay.pid) - cpu))
            await asyncio.sleep(_PROBE_INTERVAL_S)

    probing = asyncio.create_task(probe())
    try:
        yield probes
    finally:
        probing.cancel()
        await asyncio.wait([probing])
        writer.close()


async def _late(relay: Relay) -> dict[float, float]:
    """How often the loop was late, as the daemon's histogram says: by the buckets' upper ends."""
    headers = dict([relay.headers.strip().split(": ", 1)])
    url = f"http://127.0.0.1:{relay.port()}/metrics"
    async with aiohttp.ClientSession(headers=headers) as http, http.get(url) as answer:
        text = await answer.text()
    counts, below = {}, 0.0
    for le, count in _BUCKET.findall(text):
        counts[float(le)] = float(count) - below
        below = float(count)
    return counts
