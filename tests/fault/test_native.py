"""Native viewers: RFB over TCP with a password of their own."""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress
from pathlib import Path

import pytest
import uvloop

from tests.setup import WAIT_S, key, running, until
from vncproxy.audit.record import Entry
from vncproxy.config.model import Instance, Limits
from vncproxy.rfb.vnc_auth import response
from vncproxy.simulator.settings import DEMO_INSTANCE_ID
from vncproxy.web.native_door import UNPROVED_PER_ACCOUNT_MAX
from vncproxy.websocket.tcp_transport import TcpTransport

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
    try:
        async with asyncio.timeout(WAIT_S):
            assert await reader.readexactly(12) == b"RFB 003.008\n"
            writer.write(b"RFB 003.008\n")
            assert await reader.readexactly(2) == b"\x01\x02"
            writer.write(b"\x02")
            writer.write(response(password, await reader.readexactly(16)))
    except BaseException:
        writer.close()
        raise
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
    """A wrong password is reported; after five the port refuses even the right one for a while."""
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
async def test_a_native_viewer_is_reported_what_is_wrong(
    tmp_path: Path, port: int, status: str
) -> None:
    """What the cloud says reaches a native viewer as RFB's own failure text."""
    async with running(tmp_path, instance=instance(tmp_path, port)) as setup:
        setup.cloud.set_status(status)
        reader, writer = await proved(port, PASSWORD)
        await until(
            lambda: any(e["event"] == "link.failed" for e in setup.events), "a failed attempt"
        )
        setup.daemon.stop()
        assert await reader.readexactly(4) == b"\0\0\0\1"
        assert "restarting" in await words(reader)
        writer.close()


async def ended(reader: asyncio.StreamReader) -> bool:
    """Whether the daemon closed the connection."""
    async with asyncio.timeout(WAIT_S):
        with suppress(ConnectionError):
            await reader.read()
    return True


def accounts(patch: pytest.MonkeyPatch) -> list[int | None]:
    """Whose the next connections are, as the kernel says; the last one stays."""
    uids: list[int | None] = [70001]
    patch.setattr(TcpTransport, "peer_uid", lambda transport: uids[-1])
    return uids


async def test_who_says_nothing_costs_nothing(
    tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No dial, no console, no place; and few connections, so the owner comes in beside them."""
    uids = accounts(monkeypatch)
    async with running(
        tmp_path, instance=instance(tmp_path, port), limits=Limits(max_viewers=2)
    ) as setup:
        silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(20)]
        for reader, _ in silent[:-UNPROVED_PER_ACCOUNT_MAX]:
            assert await ended(reader)
        for reader, _ in silent[-UNPROVED_PER_ACCOUNT_MAX:]:
            async with asyncio.timeout(WAIT_S):
                assert await reader.readexactly(12) == b"RFB 003.008\n"
        assert await setup.state() == {}
        assert (len(setup.cloud.dials), len(setup.cloud.calls)) == (0, 0)
        uids.append(70002)
        owner, writer = await proved(port, PASSWORD)
        assert await owner.readexactly(4) == bytes(4)
        audit = (setup.daemon.state / "audit.jsonl").read_bytes()
        assert audit.count(b'"event":"open"') == 1
        for _, one in (*silent, (owner, writer)):
            one.close()


async def test_guesses_side_by_side(
    tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No more of them are judged than one after the other; another account isn't kept out."""
    uids = accounts(monkeypatch)

    async def guess() -> bool:
        """Whether it was judged."""
        try:
            reader, writer = await proved(port, "wrong")
        except (AssertionError, asyncio.IncompleteReadError, ConnectionError):
            return False
        try:
            async with asyncio.timeout(WAIT_S):
                return await reader.readexactly(4) == b"\0\0\0\1"
        except (asyncio.IncompleteReadError, ConnectionError):
            return False
        finally:
            writer.close()

    async with running(tmp_path, instance=instance(tmp_path, port)) as setup:
        judged = [
            one for _ in range(3) for one in await asyncio.gather(*(guess() for _ in "12345"))
        ]
        assert sum(judged) <= 5
        while await guess():
            pass
        wrong = [e for e in setup.events if e["event"] == "native.wrong_password"]
        assert len(wrong) == 5
        uids.append(70002)
        reader, writer = await proved(port, PASSWORD)
        assert await reader.readexactly(4) == bytes(4)
        writer.close()


def test_a_reset_before_it_is_let_in_harms_nobody(tmp_path: Path, port: int) -> None:
    """Who else comes is served, and the daemon ends in time."""
    # The loop that `vncproxy serve` runs on: its closed transports raise when they are written to.
    uvloop.run(_resets(tmp_path, port))


async def _resets(tmp_path: Path, port: int) -> None:
    async with running(tmp_path, instance=instance(tmp_path, port)) as setup:
        recording = setup.daemon._audit.record
        slow, written = asyncio.Event(), asyncio.Event()

        async def record(*entries: Entry) -> None:
            if entries[0].door == f"tcp_port {port}":
                slow.set()
                await written.wait()
            await recording(*entries)

        setup.daemon._audit.record = record  # type: ignore[method-assign]
        for far in range(4):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            async with asyncio.timeout(WAIT_S):
                if far > 0:
                    await reader.readexactly(12)
                    writer.write(b"RFB 003.008\n")
                if far > 1:
                    await reader.readexactly(2)
                    writer.write(b"\x02")
                if far > 2:
                    writer.write(response(PASSWORD, await reader.readexactly(16)))
                    await slow.wait()
            reset(writer)
        await asyncio.sleep(0.05)
        written.set()
        viewer = await setup.viewer()
        await until(lambda: setup.shows(viewer), "the picture")
        (console,) = setup.daemon.components.registry.consoles
        await until(lambda: len(console.viewers) == 1, "the ends")
        await viewer.type("x")
        await until(lambda: setup.cloud.typed_text == "x", "the key")
        another = await setup.viewer()
        await until(lambda: setup.shows(another), "a picture of its own")
        assert len(setup.cloud.dials) == 1
        assert "Traceback" not in setup.log.getvalue()
    assert "drain.cut_short" not in setup.log.getvalue()


def reset(writer: asyncio.StreamWriter) -> None:
    """End a connection by RST."""
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
