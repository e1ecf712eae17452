"""The library's connection, with the payload let past it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.client import ClientProtocol
from websockets.exceptions import InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.uri import parse_uri

from tests.unit.console.fakes import settle, until
from tests.unit.websocket.test_frames import MALFORMED
from tests.websocket_ends import Wire, accepted
from vncproxy.websocket.gateway_reader import GatewayConnection
from vncproxy.websocket.transport import TransportEnd

WAIT_S = 60.0

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]


class Listener:
    """Keeps what it is given."""

    def __init__(self) -> None:
        """Nothing came yet."""
        self.data = b""
        self.ended = 0

    def listen(self, connection: GatewayConnection) -> None:
        """From now on."""
        connection.listen(self)
        connection.flow.attach(self)
        connection.flow.resume()

    def transport_received(self, data: bytes | memoryview) -> int:
        """A slice."""
        assert not self.ended, "nothing follows the end"
        self.data += data
        return len(data)

    def transport_drained(self) -> None:
        """Never here."""
        raise AssertionError

    def transport_ended(self, end: TransportEnd) -> None:
        """Never here: the connection tells its listener."""
        raise AssertionError

    def gateway_drained(self) -> None:
        """Never here."""
        raise AssertionError

    def gateway_failed(self) -> None:
        """Never here."""
        raise AssertionError

    def gateway_flooded(self) -> None:
        """Never here."""
        raise AssertionError

    def gateway_ended(self) -> None:
        """The end."""
        self.ended += 1


def frame(data: bytes, opcode: int = 2) -> bytes:
    """A server's frame."""
    return Frame(Opcode(opcode), data).serialize(mask=False)


@asynccontextmanager
async def gateway(first: bytes, then: Handler) -> AsyncIterator[str]:
    """A server that answers an upgrade with `first` in the same packet; gives its address."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(accepted(await reader.readuntil(b"\r\n\r\n")) + first)
        try:
            await then(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


async def opened(address: str) -> GatewayConnection:
    """A connection to it."""
    connection = await connect(
        address, compression=None, ping_interval=None, create_connection=GatewayConnection
    )
    assert isinstance(connection, GatewayConnection)
    return connection


async def test_the_handshake_may_be_cut_anywhere() -> None:
    """Also within the empty line that ends it: frames begin right behind, all of them."""
    cut = most = 0
    while cut <= most:
        connection = GatewayConnection(ClientProtocol(parse_uri("ws://gateway.test/")))
        wire = Wire()
        connection.connection_made(wire)
        shaking = asyncio.create_task(connection.handshake())
        await settle(2)
        answer = accepted(bytes(wire.written)) + frame(b"first ") + frame(b"second")
        most = len(answer)
        connection.data_received(answer[:cut])
        connection.data_received(answer[cut:])
        await shaking
        listener = Listener()
        listener.listen(connection)
        await settle()
        assert listener.data == b"first second", cut
        # The request holds the VncUrl, and both take kilobytes.
        assert connection.request is None, cut
        assert connection.response is not None and not connection.response.headers, cut
        cut += 1


@pytest.mark.sockets
async def test_what_comes_with_the_handshake_waits_for_the_listener() -> None:
    """Bytes in the packet of the 101, and after it, are given once somebody listens."""
    go = asyncio.Event()

    async def then(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(frame(b"second"))
        await go.wait()

    async with gateway(frame(b"first "), then) as address:
        connection = await opened(address)
        await asyncio.sleep(0.05)
        listener = Listener()
        listener.listen(connection)
        await until(lambda: listener.data == b"first second")
        go.set()
        await until(lambda: listener.ended)
        await connection.close()
        assert listener.ended == 1


@pytest.mark.sockets
async def test_a_pause_holds_back_what_was_read() -> None:
    """After `pause` nothing is given, not even what is read already; `resume` gives it in order."""
    go = asyncio.Event()

    async def then(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await go.wait()
        for number in range(50):
            writer.write(frame(bytes([number]) * 100))
        await writer.drain()

    async with gateway(b"", then) as address:
        connection = await opened(address)
        listener = Listener()
        listener.listen(connection)
        await asyncio.sleep(0)
        connection.flow.pause()
        go.set()
        await asyncio.sleep(0.1)
        assert listener.data == b""
        connection.flow.resume()
        await until(lambda: listener.ended)
        assert listener.data == b"".join(bytes([number]) * 100 for number in range(50))
        await connection.close()


@pytest.mark.sockets
async def test_pings_are_answered_by_the_library() -> None:
    """A ping between the halves of a fragmented message gets its pong; the payload is whole."""
    answered = asyncio.get_running_loop().create_future()

    async def then(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(Frame(Opcode.BINARY, b"one ", fin=False).serialize(mask=False))
        writer.write(frame(b"hello", 9))
        writer.write(Frame(Opcode.CONT, b"two").serialize(mask=False))
        answered.set_result(await reader.readexactly(2 + 4 + 5))

    async with gateway(b"", then) as address:
        connection = await opened(address)
        listener = Listener()
        listener.listen(connection)
        async with asyncio.timeout(WAIT_S):
            pong = await answered
        assert pong[0] == 0x8A
        mask, masked = pong[2:6], pong[6:]
        assert bytes(a ^ b for a, b in zip(masked, mask, strict=False)) == b"hell"
        await until(lambda: listener.ended)
        assert listener.data == b"one two"
        await connection.close()


@pytest.mark.sockets
async def test_broken_frames_end_it_with_the_librarys_word() -> None:
    """What came before is given; then the library closes with 1002."""

    async def then(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)

    async with gateway(frame(b"good") + frame(b"text", 1), then) as address:
        connection = await opened(address)
        listener = Listener()
        listener.listen(connection)
        await until(lambda: listener.ended)
        assert listener.data == b"good"
        sent = connection.protocol.close_sent
        assert sent is not None and sent.code == 1002
        await connection.close()


@pytest.mark.sockets
@pytest.mark.parametrize("close", MALFORMED.values(), ids=MALFORMED)
async def test_a_malformed_goodbye_is_answered_and_no_breach(close: bytes) -> None:
    """The gateway has left: what came before is given, what comes after isn't."""
    answer = b""

    async def then(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal answer
        answer = await reader.read(100)

    stream = frame(b"good") + close + frame(b"late") + frame(b"text", 1)
    async with gateway(stream, then) as address:
        connection = await opened(address)
        listener = Listener()
        listener.listen(connection)
        await until(lambda: listener.ended)
        assert listener.data == b"good"
        received = connection.protocol.close_rcvd
        assert received is not None and received.code == 1005
        await connection.close()
        await until(lambda: answer)
    assert answer[:1] == b"\x88"


@pytest.mark.sockets
async def test_a_refusal_with_a_body_is_the_librarys() -> None:
    """Without an upgrade nothing is walked, whatever the body looks like."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 8\r\n\r\nno\r\n\r\nno")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        with pytest.raises(InvalidStatus) as refused:
            await opened(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
    assert refused.value.response.status_code == 403
