"""The unit's memory limit: the kernel kills who takes more, and the next life has all it needs."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

import aiohttp

from tests.fault.memory_group import MemoryGroup, memory_group
from tests.fault.serving import VNCPROXY, Served, seen_by_cloud, simulated
from tests.setup import WAIT_S, Closed, Viewer, connect, until
from vncproxy.audit.verification import verify

MOST_VIEWERS = 200
CLOUD = "animated = false\nwidth = 1920\nheight = 1080\n"
DAEMON = f"[limits]\nmax_viewers = {MOST_VIEWERS}\nlinger = 0.0\n"
MARGIN = 8 * 2**20
"""What the first life gets beyond what one console takes; each viewer that reads nothing takes some
hundreds of kB."""


async def shown(http: aiohttp.ClientSession, served: Served) -> Viewer:
    """A viewer that has its picture."""
    viewer = await connect(http, served.base)
    await viewer.begin()
    await until(lambda: viewer.decoder.updates, "the picture")
    return viewer


def dials_on_record(folder: Path) -> int:
    """In the ledger; that a booking was dialled with is written up to a second later."""
    with closing(sqlite3.connect(folder / "state" / "ledger.sqlite")) as db:
        count: int = db.execute("SELECT count(*) FROM booking").fetchone()[0]
        return count


async def grow(
    http: aiohttp.ClientSession, served: Served, process: asyncio.subprocess.Process
) -> None:
    """Viewers that ask for all pixels and read none, until the kernel kills the daemon."""
    viewers: list[Viewer] = []
    while process.returncode is None and len(viewers) < MOST_VIEWERS - 1:
        with suppress(aiohttp.ClientError, OSError, Closed):
            viewers.append(await connect(http, served.base))
            await viewers[-1].shake_hands()
            await viewers[-1].send(viewers[-1].request(0))
    async with asyncio.timeout(WAIT_S):
        assert await process.wait() == -signal.SIGKILL
    for viewer in viewers:
        await viewer.close()


async def until_typed(http: aiohttp.ClientSession, endpoint: str, text: str) -> None:
    """Wait until this, and nothing else, has arrived at the instance."""
    async with asyncio.timeout(WAIT_S):
        while (await seen_by_cloud(http, endpoint))["typed_text"] != text:
            await asyncio.sleep(0.02)


async def ended_by_the_kernel(
    served: Served, group: MemoryGroup, http: aiohttp.ClientSession, endpoint: str
) -> None:
    """A life that has a console, a key typed on it, and then too little memory."""
    async with served.life() as process:
        viewer = await shown(http, served)
        await viewer.type("a")
        await until_typed(http, endpoint, "a")
        group.limit(group.used + MARGIN)
        assert group.kills == 0
        await grow(http, served, process)
        assert await viewer.ended() == aiohttp.WSCloseCode.ABNORMAL_CLOSURE
    assert group.kills == 1


async def test_who_takes_too_much_is_killed_and_goes_on(tmp_path: Path) -> None:
    """As `Restart=` does it, under the same limit: console, keys, ledger and audit are whole."""
    with memory_group() as group:
        async with simulated(tmp_path, CLOUD) as endpoint, aiohttp.ClientSession() as http:
            program = group.started_in(*VNCPROXY)
            served = Served(tmp_path, endpoint, DAEMON, program=program)
            await ended_by_the_kernel(served, group, http, endpoint)
            async with served.life() as process:
                viewer = await shown(http, served)
                await viewer.type("b")
                await until_typed(http, endpoint, "ab")
                await viewer.close()
                process.terminate()
                assert await process.wait() == 0
            state = await seen_by_cloud(http, endpoint)
    assert state["breaches"] == {}
    assert dials_on_record(tmp_path) == state["dial_count"] == 2
    with (tmp_path / "state" / "audit.jsonl").open("rb") as lines:
        found = verify(lines)
    assert found.intact
    assert "crashed or was killed" in " ".join(str(note) for note in found.notes)
