"""Native viewers: RFB over TCP with a password of their own."""

from __future__ import annotations

import asyncio
import struct
from pathlib import Path

import pytest

from tests.setup import WAIT_S, key, running, until
from vncproxy.config.model import Instance
from vncproxy.rfb.vnc_auth import response
from vncproxy.simulator.settings import DEMO_INSTANCE_ID

PASSWORD = "native1"


def instance(folder: Path, port: int) -> tuple[Instance, ...]:
    """The demo instance with a port for native viewers."""
    file = folder / "native.password"
    file.write_text(PASSWORD)
    file.chmod(0o600)
    return (Instance(id=DEMO_INSTANCE_ID, alias="demo", tcp_port=port, tcp_password_file=file),)


async def proved(port: int, password: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection that has answered the challenge."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    async with asyncio.timeout(WAIT_S):
        assert await reader.readexactly(12) == b"RFB 003.008\n"
        writer.write(b"RFB 003.008\n")
        assert await reader.readexactly(2) == b"\x01\x02"
        writer.write(b"\x02")
        writer.write(response(password, await reader.readexactly(16)))
    return reader, writer


async def words(reader: asyncio.StreamReader) -> str:
    """The reason of a refusal."""
    async with asyncio.timeout(WAIT_S):
        (size,) = struct.unpack(">I", await reader.readexactly(4))
        return (await reader.readexactly(size)).decode()


async def test_a_native_viewer_types(tmp_path: Path, port: int) -> None:
    """With the right password it gets ServerInit, and its keys arrive."""
    async with running(tmp_path, instance=instance(tmp_path, port)) as setup:
        reader, writer = await proved(port, PASSWORD)
        assert await reader.readexactly(4) == bytes(4)
        writer.write(b"\x01")
        head = await reader.readexactly(24)
        assert struct.unpack_from(">HH", head) == (1024, 768)
        writer.write(key(1, ord("n")) + key(0, ord("n")))
        await until(lambda: setup.cloud.typed_text == "n", "the key")
        writer.close()
        await writer.wait_closed()
        assert not setup.cloud.breaches


async def test_a_wrong_password_is_refused_and_guessing_slowed(tmp_path: Path, port: int) -> None:
    """A wrong password is told; after five the port refuses even the right one for a while."""
    async with running(tmp_path, instance=instance(tmp_path, port)) as setup:
        for _ in range(5):
            reader, writer = await proved(port, "wrong")
            assert await reader.readexactly(4) == b"\0\0\0\1"
            assert "password" in await words(reader)
            writer.close()
        await until(
            lambda: sum(e["event"] == "native.wrong_password" for e in setup.events) == 5,
            "five wrong passwords in the log",
        )
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await reader.readexactly(12) == b"RFB 003.008\n"
        writer.write(b"RFB 003.008\n")
        assert await reader.readexactly(1) == b"\0"
        assert "Too many wrong passwords" in await words(reader)
        writer.close()


@pytest.mark.parametrize("status", ["Stopped"])
async def test_a_native_viewer_is_told_what_is_wrong(
    tmp_path: Path, port: int, status: str
) -> None:
    """What the cloud says reaches a native viewer as RFB's own failure text."""
    async with running(tmp_path, instance=instance(tmp_path, port)) as setup:
        setup.cloud.set_status(status)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        await until(lambda: setup.daemon.native_doors, "the door")
        await until(
            lambda: any(e["event"] == "link.failed" for e in setup.events), "a failed attempt"
        )
        setup.daemon.stop()
        assert await reader.readexactly(12) == b"RFB 003.008\n"
        writer.write(b"RFB 003.008\n")
        assert await reader.readexactly(1) == b"\0"
        assert "restarting" in await words(reader)
        writer.close()
