"""The WebSocket to the cloud, against real servers on loopback."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

import pytest
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from tests.unit.console.fakes import until
from tests.unit.websocket.gateways import (
    SECRETS,
    TOKEN,
    Receiver,
    dialled,
    echo,
    gateway,
    raw_server,
)
from tests.websocket_ends import accepted
from vncproxy.errors import Side
from vncproxy.websocket import gateway_transport as module
from vncproxy.websocket.gateway_transport import GatewayTransport
from vncproxy.websocket.transport import TransportEnd

pytestmark = pytest.mark.sockets


@pytest.fixture(autouse=True)
def short_farewells(monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers that never answer a close are dropped sooner."""
    monkeypatch.setattr(module, "CLOSE_TIMEOUT_S", 0.5)


async def test_a_message_of_40_mib_comes_whole_and_in_pieces() -> None:
    """No message limit below a raw 4K screen; nothing is delivered in one lump."""
    piece = bytes(range(256)) * 4096
    size = 40 * len(piece)

    async def server(connection: ServerConnection) -> None:
        await connection.send(piece * 40)
        await connection.wait_closed()

    async with gateway(server) as port, dialled(port, 20.0) as (_, receiver):
        await until(lambda: len(receiver.data) == size)
        assert receiver.data == piece * 40
        assert receiver.largest <= 256 * 1024


async def test_a_paused_leg_holds_the_server_back() -> None:
    """Little is read on, the server's sending stalls, and after resuming nothing is missing."""
    sent = 0
    piece = bytes(64 * 1024)

    async def server(connection: ServerConnection) -> None:
        nonlocal sent
        with suppress(ConnectionClosed):
            for _ in range(512):
                await connection.send(piece)
                sent += len(piece)
            await connection.wait_closed()

    async with gateway(server) as port, dialled(port) as (transport, receiver):
        transport.pause()
        stalled_at = -1
        while stalled_at != sent:
            stalled_at = sent
            await asyncio.sleep(0.2)
        got = len(receiver.data)
        assert got <= 512 * 1024
        assert sent < 512 * len(piece)
        await asyncio.sleep(0.05)
        assert len(receiver.data) == got
        transport.resume()
        await until(lambda: len(receiver.data) == 512 * len(piece))


async def test_a_pause_holds_back_the_rest_of_a_large_message() -> None:
    """A receiver that pauses while it is fed gets no more than it was given."""
    size = 4 * 1024 * 1024

    async def server(connection: ServerConnection) -> None:
        await connection.send(bytes(size))
        await connection.wait_closed()

    receiver = Pausing()
    async with gateway(server) as port, dialled(port, receiver=receiver) as (transport, _):
        receiver.transport = transport
        await until(lambda: receiver.data)
        await asyncio.sleep(0.05)
        assert receiver.slices == 1
        receiver.transport = None
        transport.resume()
        await until(lambda: len(receiver.data) == size)


@dataclass
class Pausing(Receiver):
    """Pauses its transport at each delivery."""

    transport: GatewayTransport | None = None
    slices: int = 0

    def transport_received(self, data: bytes | memoryview) -> int:
        """Bytes came."""
        self.slices += 1
        if self.transport is not None:
            self.transport.pause()
        return super().transport_received(data)


async def test_what_a_stuck_server_doesnt_take_is_backlog() -> None:
    """It falls to nothing, with a word, once the server reads."""
    stuck, reads = asyncio.Event(), asyncio.Event()
    got = 0

    async def server(connection: ServerConnection) -> None:
        nonlocal got
        connection.transport.pause_reading()
        stuck.set()
        await reads.wait()
        connection.transport.resume_reading()
        with suppress(ConnectionClosed):
            async for message in connection:
                got += len(message)

    async with gateway(server) as port, dialled(port) as (transport, receiver):
        await stuck.wait()
        try:
            for _ in range(256):
                transport.send([bytes(64 * 1024)])
            await asyncio.sleep(0.1)
            assert transport.backlog_bytes > 1024 * 1024
            assert receiver.drained == 0
        finally:
            reads.set()
        await until(lambda: receiver.drained)
        assert transport.backlog_bytes == 0
        assert transport.sent_bytes == 16 * 1024 * 1024
        await until(lambda: got == 16 * 1024 * 1024)


# Its end


async def test_closing_is_proper_and_sends_what_is_queued() -> None:
    """The server gets the last bytes, then close code 1000; the end is reported once."""
    got = bytearray()
    codes: list[int | None] = []

    async def server(connection: ServerConnection) -> None:
        with suppress(ConnectionClosed):
            async for message in connection:
                assert isinstance(message, bytes)
                got.extend(message)
        codes.append(connection.close_code)

    async with gateway(server) as port, dialled(port) as (transport, receiver):
        transport.send([bytes(1024 * 1024), b"last"])
        await transport.close()
        assert receiver.ends == [TransportEnd(Side.DAEMON, 1000)]
        transport.send([b"too late"])
        await transport.close()
        await until(lambda: codes)
    assert codes == [1000]
    assert got.endswith(b"last")
    assert len(receiver.ends) == 1


async def test_closing_a_paused_leg_works() -> None:
    """Unread bytes don't hold up the farewell."""
    codes: list[int | None] = []

    async def server(connection: ServerConnection) -> None:
        with suppress(ConnectionClosed):
            for _ in range(64):
                await connection.send(bytes(64 * 1024))
        await connection.wait_closed()
        codes.append(connection.close_code)

    async with gateway(server) as port, dialled(port) as (transport, _):
        transport.pause()
        await asyncio.sleep(0.1)
        await transport.close()
        await until(lambda: codes)
    assert codes == [1000]


async def test_a_server_that_takes_nothing_is_dropped() -> None:
    """Closing has a limit whatever the other end does."""
    stuck, done = asyncio.Event(), asyncio.Event()

    async def server(connection: ServerConnection) -> None:
        connection.transport.pause_reading()
        stuck.set()
        await done.wait()

    async with gateway(server) as port, dialled(port) as (transport, receiver):
        await stuck.wait()
        try:
            for _ in range(256):
                transport.send([bytes(64 * 1024)])
            async with asyncio.timeout(60):
                await transport.close()
        finally:
            done.set()
        assert [end.side for end in receiver.ends] == [Side.DAEMON]


async def test_a_server_that_never_answers_the_close_is_dropped() -> None:
    """It reads, but says nothing."""
    async with raw_server(upgraded(b"")) as port, dialled(port) as (transport, receiver):
        async with asyncio.timeout(60):
            await transport.close()
        assert [end.side for end in receiver.ends] == [Side.DAEMON]


@pytest.mark.parametrize("code", [1000, 1011, 4321])
async def test_the_servers_close_is_reported_after_what_it_sent(code: int) -> None:
    """On the cloud's side, with its code."""

    async def server(connection: ServerConnection) -> None:
        await connection.send(b"goodbye")
        await connection.close(code, "a reason")

    async with gateway(server) as port, dialled(port) as (transport, receiver):
        await until(lambda: receiver.ends)
        assert bytes(receiver.data) == b"goodbye"
        assert receiver.ends == [TransportEnd(Side.CLOUD, code)]
        transport.send([b"into the void"])
        await transport.close()
    assert len(receiver.ends) == 1


async def test_a_broken_line_is_a_loss() -> None:
    """No close frame: 1006, and no rule was broken."""

    async def server(connection: ServerConnection) -> None:
        connection.transport.abort()

    async with gateway(server) as port, dialled(port) as (_, receiver):
        await until(lambda: receiver.ends)
    assert receiver.ends == [TransportEnd(Side.CLOUD, 1006)]


def upgraded(
    frames: bytes, *, hangs_up: bool = False
) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    """A server that opens the WebSocket, then sends these bytes."""

    async def server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(accepted(await reader.readuntil(b"\r\n\r\n")) + frames)
        await writer.drain()
        if not hangs_up:
            while await reader.read(65536):
                pass

    return server


@pytest.mark.parametrize(
    "frames",
    [
        b"\xf2\x01x",  # reserved bits
        b"\x83\x01x",  # an unknown opcode
        b"\x82\x81\0\0\0\0x",  # masked
        b"\x80\x01x",  # a continuation of nothing
        b"\x89\x7e\x00\x80" + bytes(128),  # a ping of 128 bytes
        b"\x82\x7f" + b"\xff" * 8,  # a length of 64 bits
    ],
)
@pytest.mark.parametrize("hangs_up", [False, True])
async def test_broken_websocket_rules_are_distinguished_from_a_loss(
    frames: bytes, hangs_up: bool
) -> None:
    """What came before is delivered; whether the server then hangs up makes no difference."""
    good = b"\x82\x04good"
    async with (
        raw_server(upgraded(good + frames, hangs_up=hangs_up)) as port,
        dialled(port) as (_, receiver),
    ):
        await until(lambda: receiver.ends)
    assert bytes(receiver.data) == b"good"
    assert [(end.side, end.broke_rules) for end in receiver.ends] == [(Side.CLOUD, True)]


async def test_a_fault_of_the_receiver_ends_the_leg() -> None:
    """The link can't go on without the bytes; its owner learns that the daemon is to blame."""

    async def server(connection: ServerConnection) -> None:
        await connection.send(b"x")
        await connection.wait_closed()

    class Faulty(Receiver):
        def transport_received(self, data: bytes | memoryview) -> int:
            raise RuntimeError("a bug")

    async with gateway(server) as port, dialled(port, receiver=Faulty()) as (_, receiver):
        await until(lambda: receiver.ends)
    assert receiver.ends == [TransportEnd(Side.DAEMON)]


async def test_nothing_of_the_url_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Not even at the most talkative level."""
    caplog.set_level(logging.DEBUG)
    async with gateway(echo) as port, dialled(port) as (transport, receiver):
        transport.send([b"typed"])
        await until(lambda: receiver.data)
        assert not any(secret in repr(transport) for secret in SECRETS)
    lines = [record for record in caplog.records if record.name != "websockets.server"]
    text = "\n".join(f"{record.name} {record.getMessage()}" for record in lines)
    assert TOKEN not in text
    assert "typed" not in text
