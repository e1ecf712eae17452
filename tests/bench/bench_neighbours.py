"""What somebody hostile costs a neighbour's key.

Run by hand: python -m tests.bench.bench_neighbours [KEYS]

A neighbour asks for one pixel and waits for it, through the daemon to a console of its own:
the daemon's part of a key and its echo. Meanwhile another viewer floods its console, or 64
connections post bodies that are compressed. Milliseconds, p50 and p99, beside an undisturbed run.
"""

from __future__ import annotations

import asyncio
import gzip
import struct
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from statistics import quantiles

import aiohttp

from tests.fault.serving import Served
from tests.setup import Viewer
from vncproxy.simulator.settings import SimulatedInstance, SimulatorSettings
from vncproxy.simulator.simulator import Simulator

CLIENTS = 64
_OTHER = SimulatedInstance(instance_id="i-bp1other000000000001", name="other")
_SECTIONS = f'[[instance]]\nalias = "other"\nid = "{_OTHER.instance_id}"\n'
_FLOODS = {
    "xvp messages": b"\xfa\0\1\2",
    "full requests": struct.pack(">BBHHHH", 3, 0, 7, 11, 3, 3),
    "65,535 encodings": struct.pack(">BxH65535i", 2, 65535, *range(65535)),
}
Disturbance = Callable[[Served], AbstractAsyncContextManager[None]]


async def _opened(http: aiohttp.ClientSession, served: Served, console: str) -> Viewer:
    url = f"{served.base}/websockify/{console}"
    viewer = Viewer(await http.ws_connect(url, protocols=("binary",), max_msg_size=0))
    await viewer.shake_hands()
    return viewer


@asynccontextmanager
async def _nothing(served: Served) -> AsyncIterator[None]:
    yield


def _flood(messages: bytes) -> Disturbance:
    whole = messages * max(1, (1 << 20) // len(messages))

    @asynccontextmanager
    async def flooding(served: Served) -> AsyncIterator[None]:
        async with aiohttp.ClientSession() as http:
            hostile = await _opened(http, served, "other")

            async def send() -> None:
                with suppress(aiohttp.ClientError):
                    while True:
                        await hostile.socket.send_bytes(whole)

            task = asyncio.create_task(send())
            try:
                yield
            finally:
                task.cancel()
                await asyncio.wait([task])
                connection = hostile.socket._response.connection
                if connection is not None and connection.transport is not None:
                    connection.transport.abort()

    return flooding


@asynccontextmanager
async def _compressed(served: Served) -> AsyncIterator[None]:
    body = gzip.compress(bytes(200 << 20))

    async def post(http: aiohttp.ClientSession) -> None:
        while True:
            with suppress(aiohttp.ClientError):
                headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
                url = f"{served.base}/api/v1/session"
                async with http.post(url, data=body, headers=headers) as answer:
                    await answer.read()

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        tasks = [asyncio.create_task(post(http)) for _ in range(CLIENTS)]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)


async def _times_ms(served: Served, keys: int) -> list[float]:
    pixel = struct.pack(">BBHHHH", 3, 0, 0, 0, 1, 1)
    times = []
    async with aiohttp.ClientSession() as http:
        viewer = await _opened(http, served, "demo")
        for _ in range(keys):
            began = time.perf_counter()
            await viewer.send(pixel)
            async with asyncio.timeout(60):
                await viewer.socket.receive_bytes()
            times.append((time.perf_counter() - began) * 1000)
            await asyncio.sleep(0.01)
    return times


async def _measure(keys: int) -> None:
    settings = SimulatorSettings(animated=False, width=320, height=240)
    instances = (*settings.instances, _OTHER)
    disturbances: dict[str, Disturbance] = {"nothing": _nothing}
    disturbances |= {what: _flood(messages) for what, messages in _FLOODS.items()}
    disturbances[f"{CLIENTS} gzip clients"] = _compressed
    for what, disturbance in disturbances.items():
        cloud = SimulatorSettings(animated=False, width=320, height=240, instances=instances)
        with tempfile.TemporaryDirectory() as folder:
            async with Simulator(cloud) as simulator:
                served = Served(Path(folder), simulator.endpoint, _SECTIONS)
                async with served.life(), disturbance(served):
                    cuts = quantiles(await _times_ms(served, keys), n=100)
                    print(f"{what:20} p50 {cuts[49]:7.1f} ms   p99 {cuts[98]:7.1f} ms", flush=True)


if __name__ == "__main__":
    asyncio.run(_measure(int(sys.argv[1]) if len(sys.argv) > 1 else 200))
