"""A VNC server on loopback that shows nothing and keeps every byte that it is sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.unit.console.fakes import server_init

_OPENING = len(b"RFB 003.008\n\x01\x01")
"""Bytes of a client's handshake: version, security type None, ClientInit."""


class RecordingScreen:
    """Its clients' bytes after the handshake, one entry for each connection."""

    def __init__(self) -> None:
        """Nobody has come."""
        self.received: list[bytearray] = []
        self.address = ""
        self.reading = asyncio.Event()
        """Cleared, nothing is read."""
        self.reading.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Shake hands, then listen to the end."""
        try:
            writer.write(b"RFB 003.008\n\x01\x01" + bytes(4))
            await reader.readexactly(_OPENING)
            writer.write(server_init())
            received = bytearray()
            self.received.append(received)
            while True:
                await self.reading.wait()
                data = await reader.read(65536)
                if not data:
                    return
                received += data
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def recording_screen() -> AsyncIterator[RecordingScreen]:
    """Listen as long as the block lasts."""
    screen = RecordingScreen()
    server = await asyncio.start_server(screen.serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    screen.address = f"{host}:{port}"
    try:
        yield screen
    finally:
        server.close()
        await server.wait_closed()
