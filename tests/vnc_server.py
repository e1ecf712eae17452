"""A VNC server on loopback whose every byte is the test's."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from tests.unit.console.fakes import server_init
from vncproxy.simulator import lengths

_OPENING_BYTES = len(b"RFB 003.008\n\x01\x01")


class Client:
    """One connection to it, after ServerInit."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        """It has sent nothing."""
        self.writer = writer
        self.messages: list[bytes] = []

    def count(self, message: int) -> int:
        """How many messages of this type have come."""
        return sum(raw[0] == message for raw in self.messages)

    @property
    def encodings(self) -> tuple[int, ...]:
        """Of its last SetEncodings."""
        raw = next(raw for raw in reversed(self.messages) if raw[0] == 2)
        return struct.unpack(f">{len(raw) // 4 - 1}i", raw[4:])

    @property
    def full_requests(self) -> int:
        """How many requests that aren't incremental have come."""
        return sum(raw[0] == 3 and raw[1] == 0 for raw in self.messages)

    def send(self, *slices: bytes) -> None:
        """To the client."""
        self.writer.writelines(slices)

    def drop(self) -> None:
        """End the connection once all was sent."""
        self.writer.close()


class VncServer:
    """Its clients, in the order in which they came."""

    def __init__(self, width: int, height: int, received: Callable[[Client, bytes], None]) -> None:
        """No client is there; `received` gets each whole message of one."""
        self.clients: list[Client] = []
        self.address = ""
        self._init = server_init(width, height)
        self._received = received

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Shake hands, then pass messages on."""
        try:
            writer.write(b"RFB 003.008\n\x01\x01" + bytes(4))
            await reader.readexactly(_OPENING_BYTES)
            writer.write(self._init)
            client = Client(writer)
            self.clients.append(client)
            await self._listen(client, reader)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _listen(self, client: Client, reader: asyncio.StreamReader) -> None:
        waiting = b""
        while data := await reader.read(65536):
            waiting += data
            while measured := lengths.measure(waiting, extended_buttons=False):
                _, size = measured
                if size > len(waiting):
                    break
                message, waiting = waiting[:size], waiting[size:]
                client.messages.append(message)
                self._received(client, message)


@asynccontextmanager
async def vnc_server(
    width: int, height: int, received: Callable[[Client, bytes], None]
) -> AsyncIterator[VncServer]:
    """Listen as long as the block lasts."""
    screen = VncServer(width, height, received)
    server = await asyncio.start_server(screen.serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    screen.address = f"{host}:{port}"
    try:
        yield screen
    finally:
        server.close()
        for client in screen.clients:
            client.writer.close()
        await server.wait_closed()
