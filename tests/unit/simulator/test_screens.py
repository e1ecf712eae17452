"""A real VNC server behind the gateway; a desktop of our own plays it over TCP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.unit.simulator.conftest import StartCloud
from tests.unit.simulator.viewer import dialled
from vncproxy.simulator import SimulatedInstance
from vncproxy.simulator.screen.desktop import Desktop
from vncproxy.simulator.screen.scene import Caption
from vncproxy.simulator.screens import RealScreen

pytestmark = pytest.mark.sockets


@asynccontextmanager
async def real_server(desktop: Desktop, password: str | None = None) -> AsyncIterator[str]:
    """A VNC server on a TCP port; its address."""
    pumps: list[asyncio.Task[None]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = desktop.connect(password, bytes)

        async def pump() -> None:
            while data := await link.read():
                writer.write(data)
                await writer.drain()
            writer.close()

        pumps.append(asyncio.create_task(pump()))
        while data := await reader.read(4096):
            await link.write(data)
        pumps[-1].cancel()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    for task in pumps:
        task.cancel()
    await asyncio.gather(*pumps, return_exceptions=True)


def desktop(keys: list[int] | None = None) -> Desktop:
    """A small one."""
    pressed = [] if keys is None else keys
    caption = Caption("real", "i-real", "here", "test")
    return Desktop(caption, 400, 320, lambda k, d: pressed.append(k), lambda *_: None)


@pytest.mark.parametrize("password", [None, "abc123"])
async def test_a_real_server_is_relayed_and_watched(
    start_cloud: StartCloud, password: str | None
) -> None:
    """Its pixels arrive, keys reach it, and the gateway counts messages as they pass."""
    keys: list[int] = []
    screen = desktop(keys)
    async with real_server(screen, password) as address:
        cloud = await start_cloud(
            instances=(SimulatedInstance("i-real", screen=address),), idle_timeout_s=30
        )
        async with dialled(cloud) as viewer:
            await viewer.enter(password)
            await viewer.set_encodings([7, -224])
            await viewer.key(0x41)
            await viewer.request()
            await viewer.next_update()
            assert viewer.decoder.frame.tobytes() == screen.rgb()
    assert keys == [0x41]
    assert cloud.messages == {"set-encodings": 1, "key": 1, "update-request": 1}
    assert cloud.breaches == {}


async def test_a_server_that_hangs_up_ends_the_session(start_cloud: StartCloud) -> None:
    """By a bare end."""
    async with real_server(desktop(), "abc123") as address:
        cloud = await start_cloud(instances=(SimulatedInstance("i-real", screen=address),))
        async with dialled(cloud) as viewer:
            with pytest.raises(AssertionError):
                await viewer.enter("wrong1")
            assert await viewer.ended() is None
    assert list(cloud.endings) == [("i-real", "screen-ended")]


async def test_a_server_that_is_not_there_ends_the_session(
    start_cloud: StartCloud, port: int
) -> None:
    """After the upgrade, by a bare end."""
    cloud = await start_cloud(instances=(SimulatedInstance("i-real", screen=f"127.0.0.1:{port}"),))
    async with dialled(cloud) as viewer:
        assert await viewer.ended() is None
    assert list(cloud.endings) == [("i-real", "screen-unreachable")]


async def test_an_address_that_nobody_listens_on_is_an_error(port: int) -> None:
    """OSError, at once."""
    with pytest.raises(OSError, match="onnect"):
        await RealScreen.dial(f"127.0.0.1:{port}")
