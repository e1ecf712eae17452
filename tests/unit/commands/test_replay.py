"""`vncproxy replay`: what it prints, and the page that it serves."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import socket
from pathlib import Path

import aiohttp
import pytest

from tests.setup import until
from tests.unit.recording.surroundings import new_file
from vncproxy.audit.file import AuditFile
from vncproxy.audit.record import Entry, Event
from vncproxy.cli import DONE, FAILED, USAGE, main
from vncproxy.commands.replay import describe, in_words, replay
from vncproxy.errors import LocalError, RecordingError
from vncproxy.recording.file import RecordingFile
from vncproxy.recording.file_format import CHUNK_HEADER_BYTES, GAP, LINK_RENEWED, Header, Kind
from vncproxy.rfb.pixel_format import PixelFormat
from vncproxy.rfb.viewer_messages import server_init


def made(path: Path, *, blocks: int = 2) -> Path:
    """A recording of an hour and a bit."""
    file = new_file(path)
    for number in range(blocks):
        opening = server_init(1024, 768, PixelFormat(), "guest")
        file.begin(number, opening, whole=bool(number), continues=bool(number))
        file.add(number, Kind.LIVE, [b"\x02"])
    assert file.close(3_661_500) is None
    return path


def test_what_is_in_a_recording(tmp_path: Path) -> None:
    """For programs, with the hash that the audit has."""
    path = made(tmp_path / "one")
    found = describe(path)
    assert found["instance"] == "i-1"
    assert found["user"] == "ann"
    assert found["duration_s"] == 3661.5
    assert found["screen"] == {"width": 1024, "height": 768}
    assert (found["complete"], found["ended"], found["gaps"]) == (True, True, 0)
    assert found["key_blocks"] == 2
    assert found["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()


def test_in_words(tmp_path: Path) -> None:
    """For people; what is missing is said aloud."""
    found = describe(made(tmp_path / "one"))
    text = "\n".join(in_words(found))
    assert "1:01:02" in text or "1:01:01" in text
    assert "1024 x 768" in text
    assert found["sha256"] in text
    assert "MISSING" not in text
    assert "CUT" not in text


def test_what_is_missing(tmp_path: Path) -> None:
    """Gaps, lost links, a cut end, a session that never saw a screen."""
    path = tmp_path / "one"
    file = new_file(path)
    file.begin(0, server_init(4, 4, PixelFormat(), "x"), whole=False, continues=False)
    file.note(1, LINK_RENEWED)
    file.note(2, GAP)
    file.flush()
    text = "\n".join(in_words(describe(path)))
    assert "MISSING    1 time something" in text
    assert "links      1" in text
    assert "1 place to begin at" in text
    assert "CUT" in text
    file.close(3)
    found = describe(path)
    assert (found["complete"], found["ended"], found["gaps"]) == (False, True, 1)
    assert "CUT" not in "\n".join(in_words(found))
    assert describe(made(tmp_path / "two", blocks=0))["screen"] is None


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With --info it prints for people, with --json for programs."""
    path = str(made(tmp_path / "one"))
    assert main(["replay", path, "--info"]) == DONE
    assert "started    2026-01-01T00:00:00Z" in capsys.readouterr().out
    assert main(["replay", path, "--json"]) == DONE
    assert json.loads(capsys.readouterr().out)["viewer"] == "v-1"


def test_what_cannot_be_played(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is said why, with the status of a failure."""
    (tmp_path / "text").write_text("hello")
    for name, words in (("text", "no recording"), ("nothing", "No such file")):
        for more in ((), ("--info",)):
            assert main(["replay", str(tmp_path / name), *more]) == FAILED
            assert words in capsys.readouterr().err


async def test_nothing_was_shown(tmp_path: Path) -> None:
    """There is nothing to play."""
    path = made(tmp_path / "one", blocks=0)
    with pytest.raises(RecordingError, match="Nothing was shown"):
        await replay(path, 0, print)


@pytest.mark.sockets
async def test_the_page_is_served_until_it_is_stopped(tmp_path: Path) -> None:
    """On loopback, at the printed address, whose fragment is the key."""
    said: list[str] = []
    stop = asyncio.Event()
    serving = asyncio.ensure_future(replay(made(tmp_path / "one"), 0, said.append, stop))
    await until(lambda: said, "the address")
    base, _, key = said[0].split("open ")[1].partition("#")
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
    """It is said which, and how to choose another."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(LocalError, match=rf"{port}.*--port"):
            await replay(made(tmp_path / "one"), port, print)


def test_a_damaged_one_is_described(tmp_path: Path) -> None:
    """Whose it is, and from when on it can't be relied upon."""
    path = made(tmp_path / "one")
    raw = bytearray(path.read_bytes())
    raw[raw.index(b"BLOK") + CHUNK_HEADER_BYTES + 4] ^= 1
    path.write_bytes(raw)
    found = describe(path)
    assert (found["complete"], found["screen"]) == (False, None)
    assert found["damaged"] == [{"from_s": 0.0, "to_s": 0.001}]
    for more in ("--info", "--json"):
        assert main(["replay", str(path), more]) == FAILED
    text = "\n".join(in_words(found))
    assert "ann" in text
    assert "DAMAGED    from 0:00:00 to 0:00:00" in text


def test_a_name_that_would_draw_on_the_terminal(tmp_path: Path) -> None:
    """Whatever stands in a file, it is printed on its own line, as text."""
    header = Header(instance="i-1", viewer="v", user="ann\x1b[31m\r\nFAKE", started_at="")
    path = tmp_path / "one"
    RecordingFile(os.open(path, os.O_RDWR | os.O_CREAT), header).close(0)
    lines = in_words(describe(path))
    assert not any("\x1b" in line or "\r" in line or "\n" in line for line in lines)
    assert any(r"ann\x1b[31m\r\nFAKE" in line for line in lines)


def test_held_against_the_audit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The exit status says whether it is the one that the daemon wrote."""
    path = made(tmp_path / "one")
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
