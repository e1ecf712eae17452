"""The demo, in this process; `tests/unit/test_cli.py` runs it as a program."""

from __future__ import annotations

import asyncio
import fcntl
import os
import re
import signal
import socket
import tempfile
import time
from pathlib import Path

import aiohttp
import pytest

from tests.setup import Viewer, until
from vncproxy.commands.demo_daemon import FORGOTTEN_AFTER_S, demo
from vncproxy.errors import LocalError

pytestmark = pytest.mark.sockets


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
        with pytest.raises(LocalError, match=r"already in use; .*--port"):
            await demo(other.getsockname()[1], None, print)
    assert list(tmp_path.iterdir()) == []


async def test_what_killed_demos_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An old folder goes at the next start, unless a demo still runs there; nothing else does."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    old = time.time() - 2 * FORGOTTEN_AFTER_S
    for name in ("vncproxy-demo-old", "vncproxy-demo-busy", "vncproxy-demo-new", "another-old"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "audit.jsonl").touch()
        if name != "vncproxy-demo-new":
            os.utime(tmp_path / name, (old, old))
    (tmp_path / "vncproxy-demo-link").symlink_to(tmp_path / "another-old")
    lines: list[str] = []
    with (tmp_path / "vncproxy-demo-busy" / "audit.jsonl").open() as audit:
        fcntl.flock(audit, fcntl.LOCK_EX)
        running = asyncio.create_task(demo(0, None, lines.append))
        await until(lambda: len(lines) == 3 or running.done(), "the announcement")
    os.kill(os.getpid(), signal.SIGTERM)
    await running
    assert {one.name for one in tmp_path.iterdir()} == {
        "another-old",
        "vncproxy-demo-busy",
        "vncproxy-demo-link",
        "vncproxy-demo-new",
    }
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        asyncio.get_running_loop().remove_signal_handler(number)
