"""The demo, in this process; `tests/unit/test_cli.py` runs it as a program."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import tempfile
from pathlib import Path

import aiohttp
import pytest

from tests.setup import Viewer, until
from vncproxy.commands.demo import demo
from vncproxy.errors import LocalError


async def test_the_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It prints the address of a console that works, and leaves nothing behind."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    lines: list[str] = []
    running = asyncio.create_task(demo(0, None, lines.append))
    await until(lambda: len(lines) == 3 or running.done(), "the announcement")
    found = re.search(r"http://127\.0\.0\.1:\d+/console/demo\b", lines[0])
    assert found
    base = found[0].removesuffix("/console/demo")
    async with aiohttp.ClientSession() as http:
        async with http.get(found[0]) as page:
            assert page.status == 200
        async with http.get(f"{base}/api/v1/instances") as answer:
            rows = (await answer.json())["instances"]
        assert {row["alias"]: row["status"] for row in rows} == {
            "demo": "Running",
            "stopped": "Stopped",
        }
        viewer = Viewer(await http.ws_connect(f"{base}/websockify/demo"))
        await viewer.begin()
        await until(lambda: viewer.decoder.updates, "a picture")
        os.kill(os.getpid(), signal.SIGTERM)
        assert await viewer.ended() == 1012
        await viewer.close()
    await running
    assert list(tmp_path.iterdir()) == []
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        asyncio.get_running_loop().remove_signal_handler(number)


async def test_a_port_that_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says so, and leaves nothing behind either."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(LocalError, match="already"):
            await demo(other.getsockname()[1], None, print)
    assert list(tmp_path.iterdir()) == []
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        asyncio.get_running_loop().remove_signal_handler(number)
