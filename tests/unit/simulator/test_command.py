"""The simulator as a program."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from tests.unit.simulator.viewer import status_of
from vncproxy.simulator import AccessKey, SimulatedInstance, SimulatorSettings
from vncproxy.simulator.command import run

pytestmark = pytest.mark.sockets


async def test_it_tells_how_to_use_it_and_stops_on_a_signal() -> None:
    """Address, rules, keys; at the end, the rules that were broken."""
    lines: list[str] = []
    stop = asyncio.Event()
    settings = SimulatorSettings(
        keys=(AccessKey("an-id", "a-secret", security_token="a-token"),),
        instances=(SimulatedInstance("i-1", screen="127.0.0.1:5901"),),
    )
    async with asyncio.timeout(60):
        running = asyncio.ensure_future(run(settings, lines.append, stop))
        while not any("_simulator/state" in line for line in lines):
            await asyncio.sleep(0.01)
        endpoint = lines[0].rpartition(" ")[2]
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{endpoint}/_simulator/state") as answer,
        ):
            assert answer.status == 200
        assert await status_of(endpoint.replace("http", "ws") + "/websockify/?s=none") == 403
        stop.set()
        await running
    text = "\n".join(lines)
    for part in ("60 s", "an-id", "a-secret", "a-token", "i-1", "127.0.0.1:5901", "unknown-url"):
        assert part in text
    assert f"VNCPROXY_ALIYUN__ENDPOINT={endpoint}" in text
