"""The server of one recording: who gets it, and in what form."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from tests.decoder import Decoder
from tests.unit.recording.surroundings import new_file
from vncproxy.recording.file_format import CHUNK_HEADER_BYTES, GAP, Kind
from vncproxy.recording.reader import Recording
from vncproxy.rfb.pixel_format import PixelFormat
from vncproxy.rfb.viewer_messages import (
    desktop_size,
    framebuffer_update,
    rectangle_header,
    server_init,
)
from vncproxy.web.middleware import SECURITY_HEADERS
from vncproxy.web.replay import BLOCK_END, DAMAGED, application

pytestmark = pytest.mark.sockets

KEY = "the-key"
SIDE = 4


def picture(colour: bytes, side: int = SIDE) -> bytes:
    """One update of the whole screen."""
    return framebuffer_update(1) + rectangle_header(0, 0, side, side, 0) + colour * side * side


def made(path: Path) -> Path:
    """Two blocks in a format that isn't noVNC's; the screen grows in the second's beginning."""
    file = new_file(path)
    form = PixelFormat()
    file.begin(0, server_init(SIDE, SIDE, form, "guest"), whole=False, continues=False)
    file.add(5, Kind.LIVE, [picture(b"\1\2\3\0")])
    file.begin(50, server_init(SIDE, SIDE, form, "guest"), whole=True, continues=True)
    size = framebuffer_update(1) + desktop_size(8, 8)
    file.add(50, Kind.KEY, [size, picture(b"\4\5\6\0", 8)])
    file.add(60, Kind.LIVE, [picture(b"\7\x08\x09\0", 8)])
    file.note(61, GAP)
    assert file.close(100) is None
    return path


@asynccontextmanager
async def served(path: Path) -> AsyncIterator[aiohttp.ClientSession]:
    """A client that has the key."""
    recording = Recording(path)
    runner = web.AppRunner(application(recording, KEY), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    base = f"http://127.0.0.1:{runner.addresses[0][1]}"
    headers = {"Authorization": f"Bearer {KEY}"}
    try:
        async with aiohttp.ClientSession(base, headers=headers) as client:
            yield client
    finally:
        await runner.cleanup()
        recording.close()


def frames(data: bytes) -> list[tuple[float, int, bytes]]:
    """As the page cuts them."""
    found = []
    at = 0
    while at < len(data):
        time_ms, kind, length = struct.unpack_from(">dBI", data, at)
        at += 13 + length
        found.append((time_ms, kind, data[at - length : at]))
    return found


async def block(client: aiohttp.ClientSession, path: str) -> list[tuple[float, int, bytes]]:
    """The frames of an answer."""
    async with client.get(f"/api/v1/recording/blocks/{path}") as answer:
        assert answer.status == 200
        return frames(await answer.read())


async def test_what_is_in_it(tmp_path: Path) -> None:
    """Whose session it was, how long, and where it can be begun."""
    path = made(tmp_path / "one")
    async with served(path) as client, client.get("/api/v1/recording") as answer:
        info = await answer.json()
    assert info["instance"] == "i-1"
    assert info["user"] == "ann"
    assert info["duration_ms"] == 100
    assert (info["complete"], info["ended"]) == (False, True)
    assert info["size_bytes"] == path.stat().st_size
    assert info["blocks"] == [
        {"time_ms": 0, "whole": False, "continues": False},
        {"time_ms": 50, "whole": True, "continues": True},
    ]
    assert info["notes"] == [{"time_ms": 61, "what": "gap"}]


async def test_a_block_from_its_beginning(tmp_path: Path) -> None:
    """Its ServerInit, the whole picture, and what follows; all in noVNC's pixels."""
    async with served(made(tmp_path / "one")) as client:
        found = await block(client, "1")
    assert [(time, kind) for time, kind, _ in found] == [
        (50.0, Kind.OPENING),
        (50.0, Kind.KEY),
        (60.0, Kind.LIVE),
        (0.0, BLOCK_END),
    ]
    decoder = Decoder(SIDE, SIDE, (0, 8, 16))
    decoder.feed(found[1][2])
    assert decoder.size == (8, 8)
    assert (decoder.frame == (6, 5, 4)).all()
    decoder.feed(found[2][2])
    assert (decoder.frame == (9, 8, 7)).all()


async def test_a_block_that_continues(tmp_path: Path) -> None:
    """Only what is new, understood although the screen has grown in what was left out."""
    async with served(made(tmp_path / "one")) as client:
        found = await block(client, "1?live=1")
    assert [(time, kind) for time, kind, _ in found] == [(60.0, Kind.LIVE), (0.0, BLOCK_END)]


async def test_a_damaged_block(tmp_path: Path) -> None:
    """What comes before the damage is sent, then what is the matter."""
    path = made(tmp_path / "one")
    data = bytearray(path.read_bytes())
    second = data.index(b"BLOK", data.index(b"BLOK") + 4)
    data[second + CHUNK_HEADER_BYTES + 8] ^= 255
    path.write_bytes(data)
    async with served(path) as client:
        assert [kind for _, kind, _ in await block(client, "0")][-1] == BLOCK_END
        [(_, kind, text)] = await block(client, "1")
        assert kind == DAMAGED
        assert b"damaged" in text


async def test_no_such_block(tmp_path: Path) -> None:
    """404, as for anything else that isn't there."""
    async with served(made(tmp_path / "one")) as client:
        for path in ("/api/v1/recording/blocks/2", "/api/v1/recording/blocks/x", "/api/x"):
            async with client.get(path) as answer:
                assert answer.status == 404


@pytest.mark.parametrize("key", ["", "Bearer", "Bearer wrong", "Bearer the-key2", "Basic \xe9"])
async def test_without_the_key(tmp_path: Path, key: str) -> None:
    """Other accounts of the machine reach the port, but not the recording."""
    async with served(made(tmp_path / "one")) as client:
        for path in ("/api/v1/recording", "/api/v1/recording/blocks/0"):
            async with client.get(path, headers={"Authorization": key}) as answer:
                assert answer.status == 401
                assert "whole address" in (await answer.json())["error"]["text"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "rebound.example"}, 421),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
    ],
)
async def test_from_elsewhere(tmp_path: Path, headers: dict[str, str], status: int) -> None:
    """Pages of other sites and foreign names get nothing, even with the key."""
    async with served(made(tmp_path / "one")) as client:
        for path in ("/", "/api/v1/recording"):
            async with client.get(path, headers=headers) as answer:
                assert answer.status == status


async def test_the_page_and_its_files(tmp_path: Path) -> None:
    """Under the same policy as the daemon's pages; they hold nothing of the recording."""
    async with served(made(tmp_path / "one")) as client:
        for path in ("/", "/static/js/replay.js", "/static/novnc/core/rfb.js"):
            async with client.get(path, headers={"Authorization": ""}) as answer:
                assert answer.status == 200
                for name, value in SECURITY_HEADERS.items():
                    assert answer.headers[name] == value
        async with client.get("/static/../errors.py") as answer:
            assert answer.status == 404


async def test_a_page_that_takes_its_time(tmp_path: Path) -> None:
    """It is waited for, without holding the recording in memory; leaving early is no fault."""
    path = tmp_path / "one"
    file = new_file(path)
    file.begin(0, server_init(64, 64, PixelFormat(), "x"), whole=True, continues=False)
    for number in range(200):
        file.add(number, Kind.LIVE, [picture(bytes((number, 0, 0, 0)), 64)] * 8)
    file.close(200)
    async with served(path) as client:
        async with client.get("/api/v1/recording/blocks/0") as answer:
            assert len(await answer.content.readexactly(1000)) == 1000
            await asyncio.sleep(0.05)
        async with client.get("/api/v1/recording") as answer:
            assert answer.status == 200
