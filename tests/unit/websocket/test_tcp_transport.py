"""A native viewer's connection as a transport."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvloop

from tests.setup import until
from vncproxy.errors import Side
from vncproxy.websocket.tcp_transport import TcpTransport
from vncproxy.websocket.transport import TransportEnd

pytestmark = pytest.mark.sockets


class Receiver:
    """Keeps what the transport tells."""

    def __init__(self) -> None:
        """Nothing came."""
        self.data = b""
        self.drained = 0
        self.ends: list[TransportEnd] = []

    def transport_received(self, data: bytes | memoryview) -> int:
        """Bytes."""
        self.data += data
        return len(data)

    def transport_drained(self) -> None:
        """All taken."""
        self.drained += 1

    def transport_ended(self, end: TransportEnd) -> None:
        """Over."""
        self.ends.append(end)


@asynccontextmanager
async def connected() -> AsyncIterator[
    tuple[TcpTransport, asyncio.StreamReader, asyncio.StreamWriter]
]:
    """A transport and the client at its other end."""
    transports: asyncio.Queue[TcpTransport] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: TcpTransport(transports.put_nowait), "127.0.0.1", 0)
    async with server:
        host, port = server.sockets[0].getsockname()
        reader, writer = await asyncio.open_connection(host, port)
        transport = await transports.get()
        try:
            yield transport, reader, writer
        finally:
            writer.close()
            await transport.close()


async def test_bytes_both_ways() -> None:
    """What came before `attach` is given after it; slices go out in order."""
    async with connected() as (transport, reader, writer):
        writer.write(b"early")
        await asyncio.sleep(0.05)
        receiver = Receiver()
        transport.attach(receiver)
        await until(lambda: receiver.data == b"early", "the bytes")
        transport.send([b"one ", b"two"])
        assert await reader.readexactly(7) == b"one two"
        assert transport.sent_bytes == 7
        assert transport.backlog_bytes == 0


async def test_a_pause_stops_reading() -> None:
    """Nothing comes while paused."""
    async with connected() as (transport, _, writer):
        receiver = Receiver()
        transport.attach(receiver)
        transport.pause()
        writer.write(b"later")
        await asyncio.sleep(0.05)
        assert receiver.data == b""
        transport.resume()
        await until(lambda: receiver.data == b"later", "the bytes")


async def test_a_backlog_shows_and_drains() -> None:
    """What the client doesn't read is backlog, and its end is reported."""
    async with connected() as (transport, reader, _):
        receiver = Receiver()
        transport.attach(receiver)
        size = 16 << 20
        transport.send([bytes(size)])
        assert transport.backlog_bytes > 0
        assert await reader.readexactly(size) == bytes(size)
        await until(lambda: receiver.drained, "the word that all was taken")
        assert transport.sent_bytes == size


async def test_the_end_is_reported_once() -> None:
    """A client that leaves ends the transport on its side."""
    async with connected() as (transport, _, writer):
        receiver = Receiver()
        transport.attach(receiver)
        writer.close()
        await until(lambda: receiver.ends, "the end")
        transport.send([b"nobody reads this"])
        await transport.close()
        assert [end.side for end in receiver.ends] == [Side.VIEWER]


async def test_closing_sends_what_is_queued() -> None:
    """A farewell arrives before the connection ends, which is then the daemon's doing."""
    async with connected() as (transport, reader, _):
        receiver = Receiver()
        transport.attach(receiver)
        transport.send([b"farewell"])
        await transport.close()
        assert await reader.read() == b"farewell"
        assert [end.side for end in receiver.ends] == [Side.DAEMON]


async def test_whose_the_other_end_is() -> None:
    """The kernel knows, as long as it is there."""
    async with connected() as (transport, _, _):
        assert transport.peer_uid() == os.getuid()
    assert TcpTransport(lambda _: None).peer_uid() is None


def test_it_works_on_the_loop_that_the_daemon_runs_on() -> None:
    """`vncproxy serve` uses uvloop, whose transports aren't asyncio's classes."""

    async def scene() -> None:
        async with connected() as (transport, reader, writer):
            receiver = Receiver()
            transport.attach(receiver)
            writer.write(b"hello")
            await until(lambda: receiver.data == b"hello", "the bytes")
            size = 16 << 20
            transport.send([b"welcome", bytes(size)])
            assert transport.backlog_bytes > 0
            assert await reader.readexactly(7 + size) == b"welcome" + bytes(size)
            await until(lambda: receiver.drained, "all is taken")
            assert (transport.backlog_bytes, transport.sent_bytes) == (0, 7 + size)

    uvloop.run(scene())


async def test_what_comes_before_anybody_listens() -> None:
    """Is given to who does: asyncio's own loop reads before it can be stopped."""
    async with connected() as (transport, _, writer):
        transport.data_received(b"very ")
        transport.data_received(b"early ")
        writer.write(b"and late")
        receiver = Receiver()
        transport.attach(receiver)
        await until(lambda: receiver.data == b"very early and late", "the bytes")


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_an_end_that_nobody_received(run: Callable[[Coroutine[Any, Any, None]], None]) -> None:
    """Is given to who listens afterwards, once; what is still sent raises nothing."""

    async def scene() -> None:
        async with connected() as (transport, _, writer):
            transport.resume()
            writer.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )
            writer.transport.abort()
            await asyncio.wait_for(transport._over.wait(), 20)
            transport.send([b"nobody ", b"reads this"])
            receiver = Receiver()
            transport.attach(receiver)
            transport.send([b"nor this"])
            assert [end.side for end in receiver.ends] == [Side.VIEWER]
            await transport.close()
            await transport.shut()
            assert len(receiver.ends) == 1

    run(scene())
