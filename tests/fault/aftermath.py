"""The daemon under a fault, and what must hold once it is over, whatever the fault was."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import aiohttp

from tests.setup import WAIT_S, Running, Viewer, running
from vncproxy.console.dependencies import HANDSHAKE_TIMEOUT_S, ConsoleDependencies
from vncproxy.errors import REASON_MAX_BYTES


@asynccontextmanager
async def under_fault(
    folder: Path,
    *,
    tolerated: Collection[str] = (),
    first_pause_s: float = 0.05,
    handshake_timeout_s: float = HANDSHAKE_TIMEOUT_S,
    **how: Any,
) -> AsyncIterator[Running]:
    """`running`, which leaves nothing behind.

    Args:
        folder: For the state directory.
        tolerated: Breaches of the cloud's rules that the fault itself causes.
        first_pause_s: Of the back-off, short to save the tests' time.
        handshake_timeout_s: The upstream's.
        **how: As of `running`.

    Raises:
        AssertionError: A rule of the cloud was broken, the daemon logged a fault of its own, or a
            task is left.
    """
    before = asyncio.all_tasks()
    parts = partial(
        ConsoleDependencies, first_pause_s=first_pause_s, handshake_timeout_s=handshake_timeout_s
    )
    with patch("vncproxy.app.ConsoleDependencies", parts):
        async with running(folder, **how) as setup:
            yield setup
            assert set(setup.cloud.breaches) <= set(tolerated)
    assert set(setup.cloud.breaches) <= set(tolerated)
    own_faults = [
        e for e in setup.events if e["level"] in ("error", "critical") or "exception" in e
    ]
    assert own_faults == []
    left = {task for task in asyncio.all_tasks() - before if not task.done()}
    assert not left, left


async def farewell(viewer: Viewer) -> tuple[int, str]:
    """Close code and reason, once the daemon has closed a viewer that nobody reads otherwise."""
    async with asyncio.timeout(WAIT_S):
        while True:
            message = await viewer.socket.receive()
            if message.type is aiohttp.WSMsgType.CLOSE:
                assert isinstance(message.extra, str)
                assert len(message.extra.encode()) <= REASON_MAX_BYTES
                return int(message.data), message.extra
            assert message.type is aiohttp.WSMsgType.BINARY, message


async def shows(viewer: Viewer) -> bool:
    """Whether the console has come: the handshake goes through, and the picture is painted."""
    await viewer.begin()
    async with asyncio.timeout(WAIT_S):
        while not viewer.decoder.painted.all():
            await asyncio.sleep(0.01)
    return True


def url_calls(setup: Running) -> list[str]:
    """How each call for a VncUrl ended at the cloud, oldest first."""
    return [c.outcome for c in setup.cloud.calls if c.action == "DescribeInstanceVncUrl"]


def dials(setup: Running) -> list[str]:
    """How each dial ended at the cloud, oldest first."""
    return [dial.outcome for dial in setup.cloud.dials]
