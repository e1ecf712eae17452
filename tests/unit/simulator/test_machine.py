"""Switching a machine by QMP; a server of our own plays QEMU."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from vncproxy.simulator.machine import switch

pytestmark = pytest.mark.sockets


@asynccontextmanager
async def machine(path: Path, *answers: str) -> AsyncIterator[list[str]]:
    """The commands that it got. Args: answers - its lines for each command; none: it ends."""
    got: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'{"QMP": {}}\n')
        for answer in answers:
            got.append(json.loads(await reader.readline())["execute"])
            writer.write(answer.encode())
        writer.close()
        await writer.wait_closed()
        over.set()

    over = asyncio.Event()
    async with await asyncio.start_unix_server(serve, path):
        yield got
        await over.wait()


OK = '{"event": "RESET"}\n{"return": {}}\n'


async def test_a_restart_is_a_reset(tmp_path: Path) -> None:
    """Events in between are no answer."""
    async with machine(tmp_path / "qmp", OK, OK) as got:
        await switch(str(tmp_path / "qmp"), restarts=True)
    assert got == ["qmp_capabilities", "system_reset"]


async def test_a_stop_ends_it(tmp_path: Path) -> None:
    """It says so, or is gone before."""
    for number, last in enumerate((OK, "")):
        path = tmp_path / f"qmp-{number}"
        async with machine(path, OK, last) as got:
            await switch(str(path), restarts=False)
        assert got == ["qmp_capabilities", "quit"]


async def test_what_fails_is_told(tmp_path: Path) -> None:
    """A refusal, and nobody there."""
    async with machine(tmp_path / "qmp", OK, '{"error": {"desc": "no"}}\n'):
        with pytest.raises(OSError, match="system_reset"):
            await switch(str(tmp_path / "qmp"), restarts=True)
    with pytest.raises(FileNotFoundError):
        await switch(str(tmp_path / "nowhere"), restarts=True)
