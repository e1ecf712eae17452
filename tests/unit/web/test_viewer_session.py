"""One viewer from its first to its last byte."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.setup import Running, running, until
from vncproxy.console.console import Console

pytestmark = pytest.mark.sockets


def lines(setup: Running) -> list[dict[str, Any]]:
    """What the log says of viewers."""
    return [e for e in setup.events if e["event"] == "viewer.closed"]


async def test_one_line_tells_the_session(tmp_path: Path) -> None:
    """Who, where, by which door; why it ended, on whose side, how much, how long, which links."""
    async with running(tmp_path) as setup:
        viewer = await setup.viewer()
        await until(lambda: viewer.decoder.updates, "a picture")
        assert lines(setup) == []
        await viewer.close()
        await until(lambda: lines(setup), "the end")
        (closed,) = lines(setup)
        assert (closed["instance"], closed["user"]) == ("i-bp1demo0000000000001", "anyone")
        assert (closed["address"], closed["door"]) == ("127.0.0.1", "local")
        assert (closed["code"], closed["side"], closed["links"]) == (1000, "viewer", 1)
        assert closed["text"]
        assert closed["bytes_in"] > 12
        assert closed["bytes_out"] > 1000
        assert closed["seconds"] >= 0


async def test_its_coming_is_in_the_log(tmp_path: Path) -> None:
    """By the audit's record, so that it is known while it lasts."""
    async with running(tmp_path) as setup:
        viewer = await setup.viewer()
        await until(lambda: viewer.decoder.updates, "a picture")
        (opened,) = [e for e in setup.events if e.get("what") == "open"]
        await viewer.close()
        await until(lambda: lines(setup), "the end")
        (closed,) = lines(setup)
        for name in ("instance", "viewer", "user", "address", "door"):
            assert opened[name] == closed[name]


async def test_a_fault_at_the_beginning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """1011 on the WebSocket, never an HTTP answer in the middle of it; the log has the rest."""

    async def fails(*_: object) -> None:
        raise ZeroDivisionError("planted")

    async with running(tmp_path) as setup:
        monkeypatch.setattr(Console, "enter", fails)
        viewer = await setup.connect()
        async with asyncio.timeout(60):
            message = await viewer.socket.receive()
        assert (message.data, message.extra) == (1011, "internal")
        await until(lambda: lines(setup), "the end")
        (closed,) = lines(setup)
        assert (closed["code"], closed["side"]) == (1011, "daemon")
        (fault,) = [e for e in setup.events if e["event"] == "viewer.fault"]
        assert "planted" in fault["exception"]
