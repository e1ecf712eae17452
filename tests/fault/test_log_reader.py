"""Who reads the daemon's log hangs: as a stopped pager, or a log driver whose disk is away."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from tests.fault.serving import Served
from tests.setup import WAIT_S
from vncproxy.simulator import Simulator, SimulatorSettings

REFUSALS = 800
"""Each leaves a line or two in the log: more than a pipe holds (64 KiB)."""


@asynccontextmanager
async def with_a_log_that_nobody_reads(served: Served) -> AsyncIterator[int]:
    """The daemon, as long as the block lasts; gives the end at which its log could be read."""
    command, environ = served.prepare()
    reading, writing = os.pipe()
    try:
        process = await asyncio.create_subprocess_exec(*command, env=environ, stderr=writing)
    finally:
        os.close(writing)
    try:
        yield reading
    finally:
        process.terminate()
        os.set_blocking(reading, False)
        async with asyncio.timeout(WAIT_S):
            while process.returncode is None:
                _drain(reading)
                await asyncio.sleep(0.01)
        os.close(reading)


def _drain(reading: int) -> bytes:
    taken = b""
    try:
        while more := os.read(reading, 1 << 16):
            taken += more
    except BlockingIOError:
        pass
    return taken


async def test_the_daemon_goes_on(tmp_path: Path) -> None:
    """Requests are answered all the same, and the log is whole for a reader that comes back."""
    async with (
        Simulator(SimulatorSettings(animated=False)) as cloud,
        aiohttp.ClientSession() as http,
    ):
        served = Served(tmp_path, cloud.endpoint)
        async with with_a_log_that_nobody_reads(served) as reading, asyncio.timeout(WAIT_S):
            while True:
                try:
                    async with http.get(f"{served.base}/healthz"):
                        break
                except aiohttp.ClientConnectionError:
                    await asyncio.sleep(0.05)
            foreign = {"Host": "evil.example"}
            for _ in range(REFUSALS):
                async with http.get(f"{served.base}/", headers=foreign) as answer:
                    assert answer.status == 421
            async with http.get(f"{served.base}/healthz") as answer:
                assert answer.status == 200
            os.set_blocking(reading, False)
            log = b""
            while log.count(b'"request.refused"') < REFUSALS:
                log += _drain(reading)
                await asyncio.sleep(0.01)
        assert len(log) > 1 << 16
