"""What the list of consoles costs.

Run by hand: python -m tests.bench.bench_consoles [CONSOLES] [--valkey]

Opens so many consoles (1,000 unless said otherwise), and prints the milliseconds of
`GET /api/v1/consoles`, as `/admin` and `consoles --watch` ask for it: with the one dial that each
has made, and with 29 for each. Beside it how long a `GET /healthz`, asked without pause, took
at most meanwhile: what stands still for the list, stands still for it. Daemon, simulator
and client are processes of their own. With --valkey the reconnect budget is in a Valkey or Redis.
"""

from __future__ import annotations

import argparse
import asyncio
import sqlite3
import tempfile
import time
from contextlib import AsyncExitStack, closing, suppress
from pathlib import Path
from statistics import median

import aiohttp

from tests.bench.processes import cpu_s
from tests.fault.serving import Served, simulated
from tests.real.peers.valkey import ValkeyServer, valkey_server
from tests.setup import connect
from vncproxy.throttle.boot_clock import this_boot

ROUNDS = 40
AT_ONCE = 8
DIALS = 29


def _ids(consoles: int) -> list[str]:
    return [f"i-bp1many{n:04}" for n in range(consoles)]


async def _open(http: aiohttp.ClientSession, served: Served, console: str) -> None:
    viewer = await connect(http, served.base, console)
    await viewer.shake_hands()


def _fill_file(served: Served, ids: list[str]) -> None:
    """As if each console had been dialled for `DIALS` times within the last minute."""
    clock = this_boot()
    with closing(sqlite3.connect(served.folder / "state" / "ledger.sqlite")) as db:
        db.executemany(
            "INSERT OR REPLACE INTO booking VALUES (:id, :key, :epoch, :at, :at, 1)",
            [
                {"id": f"{one}-{n}", "key": one, "epoch": clock.epoch, "at": clock.now()}
                for one in ids
                for n in range(1, DIALS)
            ],
        )
        db.commit()


def _fill_server(server: ValkeyServer, ids: list[str]) -> None:
    now = time.time_ns() // 1000
    for one in ids:
        claims = [word for n in range(1, DIALS) for word in (f"v-{one}-{n}", f"{now} {now} 1")]
        server.command("HSET", f"vncproxy:claims:{one}", *claims)


async def _probe(http: aiohttp.ClientSession, served: Served, times_ms: list[float]) -> None:
    while True:
        began = time.perf_counter()
        async with http.get(f"{served.base}/healthz") as answer:
            await answer.read()
        times_ms.append((time.perf_counter() - began) * 1000)


async def _measure(
    http: aiohttp.ClientSession, served: Served, pid: int, what: str, used: int
) -> None:
    times_ms, beside_ms = [], list[float]()
    async with http.get(f"{served.base}/api/v1/consoles") as answer:
        rows = (await answer.json())["consoles"]
        size = len(await answer.read())
    assert all(row["budget"]["used"] == used for row in rows), "the budget isn't known"
    busy_before_s = cpu_s(pid)
    for _ in range(ROUNDS):
        began = time.perf_counter()
        async with http.get(f"{served.base}/api/v1/consoles") as answer:
            await answer.read()
        times_ms.append((time.perf_counter() - began) * 1000)
        await asyncio.sleep(0.01)
    spent_s = (cpu_s(pid) - busy_before_s) / ROUNDS
    probing = asyncio.create_task(_probe(http, served, beside_ms))
    for _ in range(ROUNDS):
        async with http.get(f"{served.base}/api/v1/consoles") as answer:
            await answer.read()
    probing.cancel()
    with suppress(asyncio.CancelledError):
        await probing
    print(
        f"{len(rows)} consoles, {what:16} {size / 1000:5.0f} kB   "
        f"median {median(times_ms):6.1f} ms   slowest {max(times_ms):6.1f} ms   "
        f"CPU {spent_s * 1000:5.1f} ms   "
        f"/healthz beside it: median {median(beside_ms):5.1f} ms, slowest {max(beside_ms):5.1f} ms",
        flush=True,
    )


async def main(consoles: int, *, valkey: bool) -> None:
    """Measure and print."""
    ids = _ids(consoles)
    cloud = (
        f"animated = false\nwidth = 320\nheight = 320\nmax_sessions = {consoles + 1}\n"
        + "".join(
            f'[[instance]]\ninstance_id = "{one}"\nname = "{one}"\n'
            for one in ("i-bp1demo0000000000001", *ids)
        )
    )
    sections = f"[limits]\nmax_consoles = {max(consoles, 1)}\n" + "".join(
        f'[[instance]]\nalias = "c{n}"\nid = "{one}"\n' for n, one in enumerate(ids)
    )
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bc")))
        if valkey:
            server = stack.enter_context(valkey_server(folder / "valkey"))
            sections += f'[throttle]\nstore = "{server.url}"\n'
        endpoint = await stack.enter_async_context(simulated(folder, cloud))
        served = Served(folder, endpoint, sections)
        process = await stack.enter_async_context(served.life())
        http = await stack.enter_async_context(
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        )
        began = time.perf_counter()
        for at in range(0, consoles, AT_ONCE):
            await asyncio.gather(*(_open(http, served, one) for one in ids[at : at + AT_ONCE]))
        print(f"{consoles} consoles open after {time.perf_counter() - began:.1f} s", flush=True)
        await _measure(http, served, process.pid, "1 dial each", 1)
        if valkey:
            _fill_server(server, ids)
        else:
            _fill_file(served, ids)
        await _measure(http, served, process.pid, f"{DIALS} dials each", DIALS)


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    arguments.add_argument("consoles", type=int, nargs="?", default=1000)
    arguments.add_argument("--valkey", action="store_true")
    given = arguments.parse_args()
    asyncio.run(main(given.consoles, valkey=given.valkey))
