"""The ends of WebSockets, in memory: what each makes of a peer's bytes, however they are split."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from aiohttp import WSMsgType, web
from websockets.client import ClientProtocol
from websockets.frames import Opcode
from websockets.uri import parse_uri
from websockets.utils import accept_key

from tests.unit.console.fakes import settle
from vncproxy.errors import CloseCode, CloseReason, Side
from vncproxy.web.connection_limits import Slot
from vncproxy.web.http_connection import Connection
from vncproxy.websocket.browser_transport import BrowserTransport
from vncproxy.websocket.frames import ControlFrame, FrameReader
from vncproxy.websocket.gateway_reader import GatewayConnection
from vncproxy.websocket.gateway_transport import GatewayTransport
from vncproxy.websocket.transport import TransportEnd

BROKE_RULES = 4400
"""How the daemon closes a viewer's connection that breaks rules."""
MESSAGE_MAX_BYTES = 2 << 20
_KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
_REQUEST = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + _KEY + b"\r\n\r\n"
)
_HEAD_END = b"\r\n\r\n"


def frame(
    opcode: int,
    data: bytes = b"",
    *,
    masked: bool,
    final: bool = True,
    reserved: int = 0,
    length_bytes: int | None = None,
) -> bytes:
    """Any frame, also one that breaks the rules.

    Args:
        opcode: 0 to 15.
        data: What it holds.
        masked: As a client's is.
        final: Whether the message ends with it.
        reserved: The three reserved bits, 0 to 7.
        length_bytes: 0, 2 or 8 for the length beside the usual byte; None: as few as it takes.
    """
    size = len(data)
    if length_bytes is None:
        length_bytes = 0 if size < 126 else 2 if size < 1 << 16 else 8
    short = {0: size, 2: 126, 8: 127}[length_bytes]
    head = bytes((final << 7 | reserved << 4 | opcode, masked << 7 | short))
    head += size.to_bytes(length_bytes, "big") if length_bytes else b""
    if not masked:
        return head + data
    mask = b"\x11\x22\x33\x44"
    return head + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(data))


def accepted(request: bytes) -> bytes:
    """A server's answer to the request of the library's client: the WebSocket is open."""
    key = request.partition(b"Sec-WebSocket-Key: ")[2].partition(b"\r\n")[0]
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept_key(key.decode()).encode() + _HEAD_END
    )


@dataclass(frozen=True)
class Outcome:
    """What an end did.

    Args:
        received: What binary messages held, as far as it was given on.
        pongs: The answers that it sent to pings.
        close: The code of the close frame that it sent: 0: it had none; None: it sent no frame.
        over: Whether the connection is closed, or waits for nothing but the peer's hanging up.
        breach: Whether it takes the peer for one that breaks rules.
    """

    received: bytes
    pongs: tuple[bytes, ...]
    close: int | None
    over: bool
    breach: bool


class Wire(asyncio.Transport):
    """A connection whose far end takes everything."""

    def __init__(self) -> None:
        """Open."""
        super().__init__()
        self.written = bytearray()
        self.ended = False
        self._protocol: asyncio.BaseProtocol | None = None

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Kept, while it is open."""
        if not self.ended:
            self.written += data

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        """The same."""
        for data in list_of_data:
            self.write(data)

    def is_closing(self) -> bool:
        """Whether it was closed."""
        return self.ended

    def close(self) -> None:
        """The protocol is told at the next turn."""
        if not self.ended:
            self.ended = True
            assert self._protocol is not None
            asyncio.get_running_loop().call_soon(self._protocol.connection_lost, None)

    def abort(self) -> None:
        """The same."""
        self.close()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Who is told of the end."""
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        """The same."""
        assert self._protocol is not None
        return self._protocol

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Nothing is known."""
        return default

    def get_write_buffer_size(self) -> int:
        """Nothing waits."""
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """There are none."""

    def can_write_eof(self) -> bool:
        """As TCP."""
        return True

    def write_eof(self) -> None:
        """Nothing follows."""

    def is_reading(self) -> bool:
        """What comes, comes when the test says so."""
        return not self.ended

    def pause_reading(self) -> None:
        """The same."""

    def resume_reading(self) -> None:
        """The same."""


class _Receiver:
    """Keeps what a transport gives."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.end: TransportEnd | None = None

    def transport_received(self, data: bytes | memoryview) -> int:
        assert self.end is None, "nothing follows the end"
        self.data += data
        return len(data)

    def transport_drained(self) -> None:
        pass

    def transport_ended(self, end: TransportEnd) -> None:
        assert self.end is None, "it ends once"
        self.end = end


def _sent(wire: Wire, *, masked: bool, after: int = 0) -> tuple[tuple[bytes, ...], int | None]:
    """The pongs and the close frame's code among what was written."""
    reader = FrameReader(masked=masked)
    view, at = memoryview(bytes(wire.written))[after:], 0
    pongs: list[bytes] = []
    close: int | None = None
    while at < len(view):
        at, piece = reader.next(view, at)
        if isinstance(piece, ControlFrame) and piece.opcode is Opcode.PONG:
            pongs.append(piece.data)
        elif isinstance(piece, ControlFrame) and piece.opcode is Opcode.CLOSE:
            close = int(piece.close.code) if piece.close is not None else 0
            assert at == len(view), "nothing follows a close frame"
    return tuple(pongs), close


async def at_the_console(pieces: Sequence[bytes]) -> Outcome:
    """The daemon's end of a viewer's WebSocket, of a console."""
    wire, receiver = Wire(), _Receiver()
    transport = BrowserTransport(wire, lambda: None, ping_interval_s=3600.0, ping_timeout_s=3600.0)
    wire.set_protocol(transport)
    transport.attach(receiver)
    await settle(2)
    closing: asyncio.Task[None] | None = None
    for piece in pieces:
        if not wire.ended:
            transport.data_received(piece)
        await settle(2)
        if receiver.end is not None and receiver.end.broke_rules and closing is None:
            # As the console does.
            reason = CloseReason(CloseCode.VIEWER_PROTOCOL, Side.VIEWER)
            closing = asyncio.create_task(transport.close(reason))
            await settle(3)
    pongs, close = _sent(wire, masked=False)
    breach = receiver.end is not None and receiver.end.broke_rules
    over = receiver.end is not None
    wire.close()
    await settle(3)
    if closing is not None:
        await closing
    await transport.shut()
    return Outcome(bytes(receiver.data), pongs, close, over, breach)


async def at_the_gateway(pieces: Sequence[bytes]) -> Outcome:
    """The daemon's end of the cloud's WebSocket."""
    wire, receiver = Wire(), _Receiver()
    connection = GatewayConnection(ClientProtocol(parse_uri("ws://gateway.test/")))
    wire.set_protocol(connection)
    connection.connection_made(wire)
    shaking = asyncio.create_task(connection.handshake())
    await settle(2)
    connection.data_received(accepted(bytes(wire.written)))
    await shaking
    transport = GatewayTransport(connection)
    transport.attach(receiver)
    await settle(2)
    head = len(wire.written)
    for piece in pieces:
        if not wire.ended:
            connection.flow.put(piece)
        await settle(2)
    pongs, close = _sent(wire, masked=True, after=head)
    over = receiver.end is not None
    breach = receiver.end is not None and receiver.end.broke_rules
    wire.close()
    await settle(3)
    await transport.close()
    return Outcome(bytes(receiver.data), pongs, close, over, breach)


class _NoLimit:
    """A connection's place where there is room for all."""

    def activate(self) -> None:
        pass

    def leave(self) -> None:
        pass


async def at_the_control_channel(pieces: Sequence[bytes]) -> Outcome:
    """The daemon's end of a page's other WebSocket: aiohttp's, behind a check of masks."""
    return await _by_aiohttp(pieces, is_checked=True)


async def at_aiohttp(pieces: Sequence[bytes]) -> Outcome:
    """The library's server alone."""
    return await _by_aiohttp(pieces, is_checked=False)


async def _by_aiohttp(pieces: Sequence[bytes], *, is_checked: bool) -> Outcome:
    received = bytearray()
    seen: list[WSMsgType] = []

    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        socket = web.WebSocketResponse(compress=False, max_msg_size=MESSAGE_MAX_BYTES, timeout=0.01)
        await socket.prepare(request)
        while True:
            message = await socket.receive()
            if message.type is WSMsgType.BINARY:
                received.extend(message.data)
            elif message.type is WSMsgType.TEXT:
                received.extend(message.data.encode())
            else:
                seen.append(message.type)
                return socket

    loop = asyncio.get_running_loop()
    server = web.Server(handler, access_log=None)
    protocol: web.RequestHandler = (
        Connection(server, cast(Slot, _NoLimit()), loop=loop, access_log=None)
        if is_checked
        else server()
    )
    wire = Wire()
    wire.set_protocol(protocol)
    protocol.connection_made(wire)
    protocol.data_received(_REQUEST)
    await settle(5)
    head = bytes(wire.written).index(_HEAD_END) + len(_HEAD_END)
    for piece in pieces:
        if not wire.ended:
            protocol.data_received(piece)
        await settle(5)
    pongs, close = _sent(wire, masked=False, after=head)
    over = bool(seen)
    breach = WSMsgType.ERROR in seen
    protocol.force_close()
    wire.close()
    await settle(5)
    await server.shutdown(0.01)
    return Outcome(bytes(received), pongs, close, over, breach)
