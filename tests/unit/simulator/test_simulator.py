"""The simulated cloud as a whole."""

from __future__ import annotations

import asyncio
from urllib.parse import unquote

import aiohttp
import pytest

from tests.authority import Authority
from tests.unit.simulator.conftest import StartCloud
from tests.unit.simulator.viewer import dialled
from vncproxy.simulator import Simulator, SimulatorSettings

pytestmark = pytest.mark.sockets


async def test_the_built_in_screen_is_seen_pixel_by_pixel(cloud: Simulator) -> None:
    """What a viewer decodes is what the simulator says it shows."""
    async with dialled(cloud) as viewer:
        await viewer.enter()
        await viewer.set_encodings([7, 1, -224, -239, -258, -308])
        await viewer.request()
        while not viewer.decoder.painted.all():
            await viewer.next_update()
        assert viewer.decoder.size == cloud.screen_size() == (1024, 768)
        assert viewer.decoder.frame.tobytes() == cloud.framebuffer()


async def test_what_is_typed_is_known_and_echoed(cloud: Simulator) -> None:
    """Keys and pointer are in the journals, and change the screen."""
    before = cloud.framebuffer()
    async with dialled(cloud) as viewer:
        await viewer.enter()
        await viewer.set_encodings([7])
        await viewer.request()
        await viewer.next_update()
        for character in "hi":
            await viewer.key(ord(character))
            await viewer.key(ord(character), down=False)
        await viewer.send(b"\5\1\1\2\0\x50")
        await viewer.request(incremental=True)
        await viewer.next_update()
        await viewer.request(incremental=True)
        while viewer.decoder.frame.tobytes() != cloud.framebuffer():
            await viewer.next_update()
            await viewer.request(incremental=True)
    assert cloud.typed_text == "hi"
    assert [(k.keysym, k.down) for k in cloud.typed][:2] == [(0x68, True), (0x68, False)]
    assert [(p.x, p.y, p.buttons) for p in cloud.pointed] == [(258, 80, 1)]
    assert cloud.framebuffer() != before
    assert cloud.breaches == {}


async def test_a_password_is_asked_for(cloud: Simulator) -> None:
    """A wrong one is refused with a reason, then the connection ends."""
    async with dialled(cloud, "i-two") as viewer:
        await viewer.enter("abc123")
    async with dialled(cloud, "i-two") as viewer:
        with pytest.raises(AssertionError):
            await viewer.enter("wrong1")
        assert b"failed" in await viewer.need(4 + 21)
        assert await viewer.ended() is None


async def test_a_size_change_reaches_the_viewer(cloud: Simulator) -> None:
    """By ExtendedDesktopSize, then the picture again."""
    async with dialled(cloud) as viewer:
        await viewer.enter()
        await viewer.set_encodings([7, -308])
        await viewer.request()
        await viewer.next_update()
        assert cloud.resize(800, 600)
        assert not cloud.resize(9, 9)
        while viewer.decoder.size != (800, 600):
            await viewer.next_update()
        await viewer.request()
        while not viewer.decoder.painted.all():
            await viewer.next_update()
        assert viewer.decoder.frame.tobytes() == cloud.framebuffer()


async def test_a_still_screen_is_still_and_a_moving_one_moves(start_cloud: StartCloud) -> None:
    """Only an animated screen sends updates without input."""
    cloud = await start_cloud(animated=False)
    async with dialled(cloud) as viewer:
        await viewer.enter()
        await viewer.request()
        await viewer.next_update()
        await viewer.request(incremental=True)
        with pytest.raises(TimeoutError):
            await viewer.websocket.receive(1.3)
    cloud = await start_cloud(animated=True)
    async with dialled(cloud) as viewer:
        await viewer.enter()
        await viewer.request()
        await viewer.next_update()
        await viewer.request(incremental=True)
        await viewer.next_update()


async def test_tls_serves_https_and_wss(start_cloud: StartCloud, authority: Authority) -> None:
    """With a certificate the endpoint and the VncUrl are of the secure kind."""
    issued = authority.issue()
    cloud = await start_cloud(
        certificate=issued.certificate, key=issued.key, gateway_host="localhost"
    )
    assert cloud.endpoint.startswith("https://")
    url = unquote(cloud.make_url("i-one"))
    assert url.startswith(f"wss://localhost:{cloud.port}/")
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(url, ssl=authority.client_context()) as websocket,
    ):
        assert await websocket.receive_bytes() == b"RFB 003.008\n"


async def test_closing_ends_sessions_and_frees_the_port() -> None:
    """Viewers see a close frame; a second close does nothing; nothing listens any more."""
    async with Simulator(SimulatorSettings()) as cloud, dialled(cloud) as viewer:
        await viewer.enter()
        ended = asyncio.ensure_future(viewer.ended())
        await cloud.close()
        assert await ended == 1000
        await cloud.close()
        with pytest.raises(OSError, match="onnect"):
            await asyncio.open_connection("127.0.0.1", cloud.port)


async def test_a_bell_reaches_the_viewer(cloud: Simulator) -> None:
    """So that a test can send any server message."""
    async with dialled(cloud) as viewer:
        await viewer.enter()
        cloud.broadcast(b"\2")
        assert await viewer.need(1) == b"\2"


async def test_a_taken_port_is_an_error(cloud: Simulator) -> None:
    """And leaves nothing behind."""
    second = Simulator(SimulatorSettings(port=cloud.port))
    with pytest.raises(OSError, match="in use"):
        await second.__aenter__()
