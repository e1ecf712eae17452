"""A picture of a real VNC server's screen; a desktop of our own plays it over TCP."""

from __future__ import annotations

import asyncio
import io

import pytest
from PIL import Image

from tests.unit.simulator.test_screens import desktop, real_server
from vncproxy.simulator.snapshot import NoPictureError, snapshot

pytestmark = pytest.mark.sockets


@pytest.mark.parametrize("password", [None, "abc123"])
async def test_the_picture_is_the_screen(password: str | None) -> None:
    """Pixel for pixel."""
    shown = desktop()
    async with real_server(shown, password) as address:
        taken = await snapshot(address, password)
    with Image.open(io.BytesIO(taken)) as picture:
        assert picture.size == (400, 320)
        assert picture.tobytes() == shown.rgb()


async def test_a_server_that_refuses_shows_nothing() -> None:
    """Without a password, and with a wrong one."""
    async with real_server(desktop(), "abc123") as address:
        with pytest.raises(NoPictureError, match="without a password"):
            await snapshot(address, None)
        with pytest.raises(NoPictureError, match="refused"):
            await snapshot(address, "wrong1")


async def test_a_server_that_is_not_there_shows_nothing() -> None:
    """Nor does one that hangs up."""
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        with pytest.raises(NoPictureError, match=address):
            await snapshot(address, None)
    with pytest.raises(NoPictureError, match=address):
        await snapshot(address, None)
