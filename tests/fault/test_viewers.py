"""What viewers do wrong, and that neither the upstream nor another viewer suffers from it."""

from __future__ import annotations

import asyncio
import os
import random
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import aiohttp
import pytest

from tests.fault.aftermath import dials, farewell, shows, under_fault
from tests.fault.serving import Served
from tests.setup import (
    PIXELS,
    USUAL,
    Closed,
    Running,
    Viewer,
    connect,
    key,
    pointer,
    set_encodings,
    until,
    vanish,
)
from vncproxy.config.model import Limits
from vncproxy.simulator.settings import SimulatorSettings
from vncproxy.simulator.simulator import Simulator

STILL = SimulatorSettings(animated=False, width=320, height=240)
MIB = 1 << 20
CUT_TEXT = b"\3\0\0\0" + MIB.to_bytes(4, "big") + bytes(MIB)
"""What an upstream may say at any time, as large as it may be."""
TEXTS = 64

BROKEN = {
    "a message of no type": b"\x63" + bytes(40),
    "a pixel of 24 bits": b"\0\0\0\0" + bytes([24, 24, 0, 1]) + bytes(12),
    "a colour map and 32 bits": b"\0\0\0\0" + bytes([32, 24, 0, 0]) + bytes(12),
    "a fence of 65 bytes": b"\xf8" + bytes(7) + b"\x41" + bytes(65),
    "a message of the upstream's": CUT_TEXT[:64],
    "a QEMU message of no type": b"\xff\x07" + bytes(10),
}


@pytest.mark.parametrize("bad", BROKEN.values(), ids=BROKEN)
async def test_broken_rfb_ends_the_viewer_and_stays_here(tmp_path: Path, bad: bytes) -> None:
    """What was whole before it arrives, nothing of the rest does, and the link goes on."""
    async with under_fault(tmp_path, cloud=STILL) as setup:
        viewer = await setup.connect()
        await viewer.shake_hands()
        await viewer.send(key(1, 0x61), key(0, 0x61), bad, key(1, 0x62))
        assert await farewell(viewer) == (4400, "viewer-protocol")
        assert await shows(await setup.connect())
        assert setup.cloud.typed_text == "a"
        assert dials(setup) == ["accepted"]


async def test_half_a_message_is_nobodys(tmp_path: Path) -> None:
    """A viewer leaves in the middle of a message, and the next one's begins where its own does."""
    async with under_fault(tmp_path, cloud=STILL) as setup:
        for _ in range(3):
            viewer = await setup.connect()
            await viewer.shake_hands()
            await viewer.send(key(1, 0x61), key(0, 0x61), key(1, 0x62)[:5])
            await viewer.close()
        await until(lambda: setup.cloud.typed_text == "aaa", "the whole keys")
        assert dials(setup) == ["accepted"]


async def test_a_text_frame_ends_the_viewer(tmp_path: Path) -> None:
    """Bytes are meant: a WebSocket text message breaks the rules."""
    async with under_fault(tmp_path, cloud=STILL) as setup:
        viewer = await setup.connect()
        await viewer.shake_hands()
        await viewer.socket.send_str("hello")
        assert await farewell(viewer) == (4400, "viewer-protocol")


async def test_a_cut_text_of_64_mib_is_refused_at_its_head(tmp_path: Path) -> None:
    """Its length says enough: it isn't waited for, and the upstream gets nothing of it."""
    async with under_fault(tmp_path, cloud=STILL) as setup:
        viewer = await setup.connect()
        await viewer.shake_hands()
        await viewer.send(b"\6\0\0\0" + (64 * MIB).to_bytes(4, "big") + bytes(1000))
        with suppress(ConnectionError):
            for _ in range(64):
                await viewer.send(bytes(MIB))
        assert await farewell(viewer) == (4400, "viewer-protocol")
        assert setup.cloud.messages["cut-text"] == 0
        assert await shows(await setup.connect())
        assert dials(setup) == ["accepted"]


@pytest.mark.usefixtures("idle_clock")
async def test_a_viewer_that_never_shakes_hands_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was greeted and says nothing: after its time it is closed, and others aren't held up."""
    monkeypatch.setattr("vncproxy.console.viewer_limits.HANDSHAKE_TIMEOUT_S", 0.5)
    async with under_fault(tmp_path, cloud=STILL) as setup:
        silent = await setup.connect()
        assert await shows(await setup.connect())
        assert await farewell(silent) == (4400, "viewer-protocol")


@pytest.mark.usefixtures("idle_clock")
async def test_a_half_open_viewer_is_noticed(tmp_path: Path) -> None:
    """It answers no ping, so it is gone, whatever TCP believes; its place is free again."""
    limits = Limits(ping_interval=0.2, ping_timeout=0.5, max_viewers=1)
    async with under_fault(tmp_path, cloud=STILL, limits=limits) as setup:
        dead = await setup.connect(autoping=False)
        await until(lambda: _closed(setup) == 1, "the end of the dead viewer")
        living = await setup.connect()
        assert await shows(living)
        await asyncio.sleep(1.0)
        assert _closed(setup) == 1
        await dead.close()


def _closed(setup: Running) -> int:
    return setup.log.getvalue().count('"viewer.closed"')


async def test_two_viewers_see_and_one_types(tmp_path: Path) -> None:
    """The second watches until it takes control; what the first held is let go of before that."""
    async with under_fault(tmp_path, cloud=STILL) as setup:
        first, second = await setup.viewer(), await setup.viewer()
        for viewer in (first, second):
            await until(partial(setup.shows, viewer), "the picture")
        await second.type("no")
        await first.send(key(1, 0x79), pointer(1, 5, 6))
        await until(lambda: setup.cloud.pointed, "the pointer")
        assert setup.cloud.typed_text == "y"
        for viewer in (first, second):
            await until(partial(setup.shows, viewer), "the echo")

        third = await setup.viewer("?take=1")
        await until(lambda: len(setup.cloud.typed) == 2, "the release")
        assert not setup.cloud.typed[-1].down
        await until(lambda: setup.cloud.pointed[-1].buttons == 0, "the button's release")
        await first.type("no")
        await third.type("es")
        await until(lambda: setup.cloud.typed_text == "yes", "the third's keys")
        await third.close()
        await first.type("!")
        await until(lambda: setup.shows(second), "the picture at the end")
        assert setup.cloud.typed_text == "yes"
        assert dials(setup) == ["accepted"]


async def test_a_hundred_viewers_come_and_go(tmp_path: Path) -> None:
    """At any moment, in any manner: one dial serves them all, and nothing of them is left."""
    chance = random.Random(20)
    limits = Limits(max_viewers=30)
    async with under_fault(tmp_path, cloud=STILL, limits=limits) as setup:
        steady = await setup.viewer()
        await until(lambda: setup.shows(steady), "the picture")
        assert (await setup.state())["state"] == "running"  # opens a connection that is kept
        files = _open_files()
        connector = aiohttp.TCPConnector(force_close=True)
        async with (
            aiohttp.ClientSession(connector=connector) as http,
            asyncio.TaskGroup() as crowd,
        ):
            for _ in range(100):
                work = _come_and_go(setup, http, random.Random(chance.random()))
                crowd.create_task(work)
        await until(lambda: _ended(setup) == _opened(setup) - 1, "the end of all but one")
        await until(lambda: setup.shows(steady), "the picture all the while")
        assert (await setup.state())["state"] == "running"
        await until(lambda: _open_files() <= files, "their sockets' end")
        await steady.type("z")
        await until(lambda: setup.cloud.typed_text.endswith("z"), "the controller's key")
        assert setup.cloud.typed_text == "z"
        assert dials(setup) == ["accepted"]


def _open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def _opened(setup: Running) -> int:
    return setup.log.getvalue().count('"what":"open"')


def _ended(setup: Running) -> int:
    return setup.log.getvalue().count('"what":"close"')


async def _come_and_go(setup: Running, http: aiohttp.ClientSession, chance: random.Random) -> None:
    await asyncio.sleep(chance.uniform(0, 1.5))
    try:
        viewer = await connect(http, setup.base, setup.alias)
    except aiohttp.WSServerHandshakeError as refused:
        assert refused.status == 429
        return
    with suppress(Closed, aiohttp.ClientConnectionResetError):
        if chance.random() < 0.8:
            await viewer.shake_hands()
            await viewer.send(b"\0\0\0\0" + PIXELS, set_encodings(USUAL), viewer.request(0))
            await viewer.send(*[key(chance.randrange(2), 0x78)] * chance.randrange(9))
            await asyncio.sleep(chance.uniform(0, 0.3))
            await viewer.send(pointer(1, 3, 3)[: chance.randrange(7)])
    if chance.random() < 0.5:
        await viewer.close()
    else:
        # As when a machine is switched off.
        assert viewer.socket.get_extra_info("socket") is not None
        vanish(viewer.socket)


def _has_texts(viewer: Viewer, count: int) -> bool:
    return len(viewer.decoder.cut_texts) == count


def _resident_bytes(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize("others", [0, 1])
async def test_a_viewer_that_reads_nothing_costs_its_queue(tmp_path: Path, others: int) -> None:
    """Of 64 MiB the daemon holds no more than viewer_queue and what buffers take, then lets go.

    Alone, it holds back the upstream; beside one that reads, it is passed over.
    """
    queue, buffers = MIB, 24 * MIB
    sections = f"[limits]\nviewer_queue = {queue}\nslow_viewer_timeout = 3.0\n"
    async with Simulator(replace(STILL, frame_bytes=65536)) as cloud:
        served = Served(tmp_path, cloud.endpoint, sections)
        async with served.life() as process, aiohttp.ClientSession() as http:
            stuck = await connect(http, served.base)
            await stuck.shake_hands()
            await stuck.send(b"\0\0\0\0" + PIXELS, set_encodings(USUAL), stuck.request(0))
            readers = []
            for _ in range(others):
                reader = await connect(http, served.base)
                await reader.begin()
                readers.append(reader)
            await asyncio.sleep(0.3)
            before = most = _resident_bytes(process.pid)
            for count in range(1, TEXTS + 1):
                cloud.broadcast(CUT_TEXT)
                await asyncio.sleep(0.01)
                for reader in readers:
                    await until(partial(_has_texts, reader, count), "each text, where it is read")
                most = max(most, _resident_bytes(process.pid))
            async with asyncio.timeout(60):
                while b'"too-slow"' not in served.log.read_bytes():
                    most = max(most, _resident_bytes(process.pid))
                    await asyncio.sleep(0.05)
            assert most - before < queue + buffers, (most - before) / MIB
            for reader in readers:
                await reader.close()
            late = await connect(http, served.base)
            await late.begin()
            await until(late.decoder.painted.all, "the picture for a later viewer")
            await late.close()
            await stuck.close()
        assert not cloud.breaches
        assert len(cloud.dials) == 1
