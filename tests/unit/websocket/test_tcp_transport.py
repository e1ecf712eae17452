"""A native viewer's connection as a leg."""

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
from vncproxy.websocket.tcp_transport import TcpLeg
from vncproxy.websocket.transport import LegEnd

pytestmark = pytest.mark.sockets


class Receiver:
    """Keeps what the leg tells."""

    def __init__(self) -> None:
        """Nothing came."""
        self.data = b""
        self.drained = 0
        self.ends: list[LegEnd] = []

    def leg_received(self, data: bytes | memoryview) -> int:
        """Bytes."""
        self.data += data
        return len(data)

    def leg_drained(self) -> None:
        """All taken."""
        self.drained += 1

    def leg_ended(self, end: LegEnd) -> None:
        """Over."""
        self.ends.append(end)


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[TcpLeg, asyncio.StreamReader, asyncio.StreamWriter]]:
    """A leg and the client at its other end."""
    legs: asyncio.Queue[TcpLeg] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: TcpLeg(legs.put_nowait), "127.0.0.1", 0)
    async with server:
        host, port = server.sockets[0].getsockname()
        reader, writer = await asyncio.open_connection(host, port)
        leg = await legs.get()
        try:
            yield leg, reader, writer
        finally:
            writer.close()
            await leg.close()


async def test_bytes_both_ways() -> None:
    """What came before `attach` is given after it; slices go out in order."""
    async with connected() as (leg, reader, writer):
        writer.write(b"early")
        await asyncio.sleep(0.05)
        receiver = Receiver()
        leg.attach(receiver)
        await until(lambda: receiver.data == b"early", "the bytes")
        leg.send([b"one ", b"two"])
        assert await reader.readexactly(7) == b"one two"
        assert leg.sent_bytes == 7
        assert leg.backlog_bytes == 0


async def test_a_pause_stops_reading() -> None:
    """Nothing comes while paused."""
    async with connected() as (leg, _, writer):
        receiver = Receiver()
        leg.attach(receiver)
        leg.pause()
        writer.write(b"later")
        await asyncio.sleep(0.05)
        assert receiver.data == b""
        leg.resume()
        await until(lambda: receiver.data == b"later", "the bytes")


async def test_a_backlog_shows_and_drains() -> None:
    """What the client doesn't read is backlog, and its end is told."""
    async with connected() as (leg, reader, _):
        receiver = Receiver()
        leg.attach(receiver)
        size = 16 << 20
        leg.send([bytes(size)])
        assert leg.backlog_bytes > 0
        assert await reader.readexactly(size) == bytes(size)
        await until(lambda: receiver.drained, "the word that all was taken")
        assert leg.sent_bytes == size


async def test_the_end_is_told_once() -> None:
    """A client that leaves ends the leg on its side."""
    async with connected() as (leg, _, writer):
        receiver = Receiver()
        leg.attach(receiver)
        writer.close()
        await until(lambda: receiver.ends, "the end")
        leg.send([b"nobody reads this"])
        await leg.close()
        assert [end.side for end in receiver.ends] == [Side.VIEWER]


async def test_closing_sends_what_is_queued() -> None:
    """A farewell arrives before the connection ends, which is then the daemon's doing."""
    async with connected() as (leg, reader, _):
        receiver = Receiver()
        leg.attach(receiver)
        leg.send([b"farewell"])
        await leg.close()
        assert await reader.read() == b"farewell"
        assert [end.side for end in receiver.ends] == [Side.DAEMON]


async def test_whose_the_other_end_is() -> None:
    """The kernel knows, as long as it is there."""
    async with connected() as (leg, _, _):
        assert leg.peer_uid() == os.getuid()
    assert TcpLeg(lambda _: None).peer_uid() is None


def test_it_works_on_the_loop_that_the_daemon_runs_on() -> None:
    """`vncproxy serve` uses uvloop, whose transports aren't asyncio's classes."""

    async def scene() -> None:
        async with connected() as (leg, reader, writer):
            receiver = Receiver()
            leg.attach(receiver)
            writer.write(b"hello")
            await until(lambda: receiver.data == b"hello", "the bytes")
            size = 16 << 20
            leg.send([b"welcome", bytes(size)])
            assert leg.backlog_bytes > 0
            assert await reader.readexactly(7 + size) == b"welcome" + bytes(size)
            await until(lambda: receiver.drained, "all is taken")
            assert (leg.backlog_bytes, leg.sent_bytes) == (0, 7 + size)

    uvloop.run(scene())


async def test_what_comes_before_anybody_listens() -> None:
    """Is given to whoever does: asyncio's own loop reads before it can be told not to."""
    async with connected() as (leg, _, writer):
        leg.data_received(b"very ")
        leg.data_received(b"early ")
        writer.write(b"and late")
        receiver = Receiver()
        leg.attach(receiver)
        await until(lambda: receiver.data == b"very early and late", "the bytes")


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_an_end_that_nobody_heard(run: Callable[[Coroutine[Any, Any, None]], None]) -> None:
    """Is told to whoever listens afterwards, once; what is still sent raises nothing."""

    async def scene() -> None:
        async with connected() as (leg, _, writer):
            leg.resume()
            writer.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )
            writer.transport.abort()
            await asyncio.wait_for(leg._over.wait(), 20)
            leg.send([b"nobody ", b"reads this"])
            receiver = Receiver()
            leg.attach(receiver)
            leg.send([b"nor this"])
            assert [end.side for end in receiver.ends] == [Side.VIEWER]
            await leg.close()
            await leg.shut()
            assert len(receiver.ends) == 1

    run(scene())
