"""What stands behind the gateway for one session: the built-in screen, or a real VNC server."""

from __future__ import annotations

import asyncio
from typing import Protocol

_CHUNK_BYTES = 65536
_DIAL_TIMEOUT_S = 10.0
_CLOSE_TIMEOUT_S = 2.0


class ScreenLink(Protocol):
    """One session's way to its screen."""

    @property
    def announced(self) -> frozenset[int] | None:
        """Pseudo-encodings that the server has confirmed, where that is known."""

    async def read(self) -> bytes:
        """The server's next bytes; b"" at its end."""

    async def write(self, data: bytes) -> None:
        """Pass on client bytes."""

    async def close(self) -> None:
        """End the session at the screen."""


class RealScreen:
    """A session with a real VNC server, by TCP."""

    announced: frozenset[int] | None = None

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def dial(cls, address: str) -> RealScreen:
        """Connect to "host:port".

        Raises:
            OSError: The server can't be reached.
            TimeoutError: It doesn't answer in time.
        """
        host, _, port = address.rpartition(":")
        async with asyncio.timeout(_DIAL_TIMEOUT_S):
            reader, writer = await asyncio.open_connection(host.strip("[]"), int(port))
        return cls(reader, writer)

    async def read(self) -> bytes:
        """The server's next bytes; b"" at its end."""
        try:
            return await self._reader.read(_CHUNK_BYTES)
        except OSError:
            return b""

    async def write(self, data: bytes) -> None:
        """Pass on client bytes; a server that is gone shows at the reading side."""
        try:
            self._writer.write(data)
            await self._writer.drain()
        except OSError:
            return

    async def close(self) -> None:
        """Close the connection."""
        self._writer.close()
        try:
            async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                await self._writer.wait_closed()
        except OSError:
            # A server that reads nothing more isn't waited for.
            self._writer.transport.abort()
