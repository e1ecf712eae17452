"""`vncproxy replay`: what it prints, and the page that it serves."""

from __future__ import annotations

import asyncio
import json
import socket
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest

from tests.setup import until
from tests.unit.commands.surroundings import recording_file
from vncproxy.audit.chained_file import AuditFile
from vncproxy.audit.record import Entry, Event
from vncproxy.cli import main
from vncproxy.commands.command import DONE, FAILED, USAGE
from vncproxy.commands.recording_info import describe
from vncproxy.commands.replay import replay
from vncproxy.errors import LocalError, RecordingError
from vncproxy.observe.times import local_text


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With --info it prints for people, with --json for programs."""
    path = str(recording_file(tmp_path / "one"))
    assert main(["replay", path, "--info"]) == DONE
    began = local_text(datetime(2026, 1, 1, tzinfo=UTC))
    assert f"started    {began}" in capsys.readouterr().out
    assert main(["replay", path, "--json"]) == DONE
    assert json.loads(capsys.readouterr().out)["viewer"] == "v-1"


def test_what_cannot_be_played(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The text says why, with the status of a failure."""
    (tmp_path / "text").write_text("hello")
    for name, words in (("text", "no recording"), ("nothing", "No such file")):
        for more in ((), ("--info",)):
            assert main(["replay", str(tmp_path / name), *more]) == FAILED
            assert words in capsys.readouterr().err


async def test_nothing_was_shown(tmp_path: Path) -> None:
    """There is nothing to play."""
    path = recording_file(tmp_path / "one", blocks=0)
    with pytest.raises(RecordingError, match="Nothing was shown"):
        await replay(path, 0, print)


@pytest.mark.sockets
async def test_the_page_is_served_until_it_is_stopped(tmp_path: Path) -> None:
    """On loopback, at the printed address, whose fragment is the key."""
    lines: list[str] = []
    stop = asyncio.Event()
    serving = asyncio.ensure_future(replay(recording_file(tmp_path / "one"), 0, lines.append, stop))
    await until(lambda: lines, "the address")
    base, _, key = lines[0].split("open ")[1].partition("#")
    assert base.startswith("http://127.0.0.1:")
    assert len(key) > 20
    async with aiohttp.ClientSession(base) as client:
        async with client.get("/") as answer:
            assert answer.status == 200
        headers = {"Authorization": f"Bearer {key}"}
        async with client.get("/api/v1/recording", headers=headers) as answer:
            assert answer.status == 200
    stop.set()
    await serving


@pytest.mark.sockets
async def test_a_port_that_is_taken(tmp_path: Path) -> None:
    """The text says which, and how to choose another."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(LocalError, match=rf"{port}.*--port"):
            await replay(recording_file(tmp_path / "one"), port, print)


def test_held_against_the_audit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The exit status says whether it is the one that the daemon wrote."""
    path = recording_file(tmp_path / "one")
    audit = tmp_path / "audit.jsonl"
    file = AuditFile(audit)
    entry = Entry(event=Event.RECORDED, viewer="v-1", sha256=describe(path)["sha256"])
    file.append(entry, 1.0)
    file.close()
    command = ["replay", str(path), "--audit", str(audit)]
    assert main([*command, "--info"]) == DONE
    assert "audit      record 1 of 1970-01-01T00:00:01.000Z" in capsys.readouterr().out
    assert main([*command, "--json"]) == DONE
    assert json.loads(capsys.readouterr().out)["audit"]["seq"] == 1
    assert main(command) == USAGE
    with path.open("ab") as more:
        more.write(b"x")
    assert main([*command, "--info"]) == FAILED
    assert "NOT PROVEN record 1 has another SHA-256" in capsys.readouterr().out
