"""A session: what counts as interaction, how it ends."""

from __future__ import annotations

import asyncio
import struct
from contextlib import suppress

import aiohttp
import pytest

from tests.clock import IdleClock
from tests.unit.simulator.conftest import StartCloud
from tests.unit.simulator.viewer import Viewer, dialled
from vncproxy.simulator import Breach, GatewayFault, Simulator

pytestmark = pytest.mark.sockets

IDLE_S = 2.0
INCREMENTAL = struct.pack(">BBHHHH", 3, 1, 0, 0, 8, 8)
POINTER = struct.pack(">BBHH", 5, 0, 10, 20)


async def ping(viewer: Viewer) -> None:
    """Every tenth of the idle time, until the session's end."""
    with suppress(aiohttp.ClientConnectionError):
        while not viewer.websocket.closed:
            await viewer.websocket.ping()
            await asyncio.sleep(IDLE_S / 10)


@pytest.mark.parametrize(("ending", "code"), [("drop", None), ("close", 1000)])
async def test_an_idle_session_is_closed(
    start_cloud: StartCloud, idle_clock: IdleClock, ending: str, code: int | None
) -> None:
    """Not before its time, and as configured; WebSocket pings don't help."""
    cloud = await start_cloud(idle_clock, idle_timeout_s=IDLE_S, idle_ending=ending)
    loop = asyncio.get_running_loop()
    started_s = loop.time()
    async with dialled(cloud) as viewer:
        await viewer.enter()
        pinging = asyncio.create_task(ping(viewer))
        assert await viewer.ended() == code
        await pinging
        assert loop.time() - started_s >= IDLE_S
    assert list(cloud.endings) == [("i-one", "idle")]


@pytest.mark.parametrize(
    ("counts", "message", "lives"),
    [
        ("rfb", INCREMENTAL, True),
        ("rfb", POINTER, True),
        ("input", INCREMENTAL, False),
        ("input", POINTER, True),
    ],
)
async def test_what_counts_keeps_a_session_open(
    start_cloud: StartCloud, idle_clock: IdleClock, counts: str, message: bytes, lives: bool
) -> None:
    """Any whole message, or only input, as is configured."""
    cloud = await start_cloud(idle_clock, idle_timeout_s=IDLE_S, counts=counts)
    async with dialled(cloud) as viewer:
        await viewer.enter()
        for _ in range(12):
            await idle_clock.forward(IDLE_S / 10)
            if not cloud.sessions:
                break
            await viewer.send(message)
        assert bool(cloud.sessions) is lives
    assert cloud.breaches == {}


async def test_half_a_message_is_no_interaction(
    start_cloud: StartCloud, idle_clock: IdleClock
) -> None:
    """Bytes that complete nothing don't keep a session open."""
    cloud = await start_cloud(idle_clock, idle_timeout_s=IDLE_S)
    text = struct.pack(">BxxxI", 6, 1000)
    async with dialled(cloud) as viewer:
        await viewer.enter()
        await viewer.send(text)
        for _ in range(12):
            await idle_clock.forward(IDLE_S / 10)
            if not cloud.sessions:
                break
            await viewer.send(b"x")
        assert cloud.sessions == []
    assert cloud.messages == {}


async def test_a_client_that_ends_within_a_message_is_noticed(cloud: Simulator) -> None:
    """The other rules count whole messages; this one counts the rest."""
    async with dialled(cloud) as viewer:
        await viewer.enter()
        await viewer.send(POINTER + POINTER[:3])
    assert cloud.breaches == {Breach.PARTIAL_MESSAGE: 1}
    assert cloud.messages == {"pointer": 1}


async def test_an_unknown_message_ends_the_session(cloud: Simulator) -> None:
    """As QEMU does; nothing of it reaches the screen."""
    async with dialled(cloud) as viewer:
        await viewer.enter()
        await viewer.send(b"\x63\0\0\0")
        assert await viewer.ended() is None
    assert cloud.breaches == {Breach.UNKNOWN_MESSAGE: 1}


async def test_a_text_frame_ends_the_session(cloud: Simulator) -> None:
    """RFB is binary."""
    async with dialled(cloud) as viewer:
        await viewer.enter()
        await viewer.websocket.send_str("hello")
        assert await viewer.ended() == 1000
    assert cloud.breaches == {Breach.TEXT_FRAME: 1}


async def test_frames_are_cut_as_configured(start_cloud: StartCloud) -> None:
    """They align with no message."""
    cloud = await start_cloud(frame_bytes=7)
    async with dialled(cloud) as viewer:
        assert await viewer.receive() == b"RFB 003"
        assert await viewer.receive() == b".008\n"


@pytest.mark.parametrize("after_bytes", [0, 5, 12, 100, 5000])
async def test_a_reset_comes_after_so_many_bytes(cloud: Simulator, after_bytes: int) -> None:
    """Those before it arrive, or are lost by the reset, but never more."""
    cloud.gateway_faults.next("i-one", GatewayFault.close_after(after_bytes))
    received = 0
    async with dialled(cloud) as viewer:
        await viewer.send(b"RFB 003.008\n\1\1" + struct.pack(">BBHHHH", 3, 0, 0, 0, 1024, 768))
        try:
            while True:
                received += len(await viewer.receive())
        except Exception as error:
            assert "1000" in str(error)
    assert received == after_bytes


async def test_a_stalled_stream_stays_open(cloud: Simulator) -> None:
    """No more bytes, but no end."""
    cloud.gateway_faults.next("i-one", GatewayFault.stall_after(5))
    async with dialled(cloud) as viewer:
        assert await viewer.receive() == b"RFB 0"
        await viewer.send(b"RFB 003.008\n")
        with pytest.raises(TimeoutError):
            await viewer.websocket.receive(0.2)
        assert cloud.sessions == ["i-one"]


async def test_a_client_that_reads_nothing_can_be_dropped(cloud: Simulator) -> None:
    """Its unread bytes hold nothing up."""
    async with dialled(cloud) as viewer:
        await viewer.enter()
        await viewer.set_encodings([0])
        for _ in range(20):
            await viewer.request()
            await asyncio.sleep(0)
        assert cloud.drop("i-one")
        async with asyncio.timeout(60):
            while cloud.sessions or len(cloud.endings) == 0:
                await asyncio.sleep(0.01)
