"""A bare RFB client that keeps every byte a server sent after ServerInit, and decodes a picture."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tests.decoder import Decoder

READ_TIMEOUT_S = 60.0
READ_BYTES = 65536

PIXELS_32 = struct.pack(">BBBBHHHBBBxxx", 32, 24, 0, 1, 255, 255, 255, 16, 8, 0)
PIXELS_16 = struct.pack(">BBBBHHHBBBxxx", 16, 16, 0, 1, 31, 63, 31, 11, 5, 0)
PIXELS_8 = struct.pack(">BBBBHHHBBBxxx", 8, 8, 0, 1, 7, 7, 3, 0, 3, 6)


@dataclass
class RfbClient:
    """A connection after ServerInit; `captured` is all that came since."""

    width: int
    height: int
    captured: bytearray
    decoder: Decoder
    _reader: asyncio.StreamReader
    _writer: asyncio.StreamWriter

    def set_pixel_format(self, pixels: bytes) -> None:
        """SetPixelFormat."""
        self._writer.write(b"\0\0\0\0" + pixels)

    def set_encodings(self, encodings: Sequence[int]) -> None:
        """SetEncodings, the best first."""
        count = len(encodings)
        self._writer.write(struct.pack(f">BxH{count}i", 2, count, *encodings))

    def send(self, message: bytes) -> None:
        """A whole message."""
        self._writer.write(message)

    def request(self, *, incremental: bool) -> None:
        """A FramebufferUpdateRequest of the whole screen."""
        width, height = self.decoder.size
        self._writer.write(struct.pack(">BBHHHH", 3, incremental, 0, 0, width, height))

    async def receive(self, *, decode: bool = True) -> None:
        """What comes next.

        Raises:
            AssertionError: Nothing comes, or the server hung up.
        """
        async with asyncio.timeout(READ_TIMEOUT_S):
            data = await self._reader.read(READ_BYTES)
        assert data, "the server closed the connection"
        self.captured += data
        if decode:
            self.decoder.feed(data)

    async def next_update(self) -> None:
        """Read until one more update is complete."""
        before = self.decoder.updates
        while self.decoder.updates == before or not self.decoder.at_boundary:
            await self.receive()


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[RfbClient]:
    """A shared connection without a password, RFB 3.8, 32 bits per pixel."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(READ_TIMEOUT_S):
            assert (await reader.readexactly(12)).startswith(b"RFB 003.008")
            writer.write(b"RFB 003.008\n")
            (count,) = await reader.readexactly(1)
            assert 1 in await reader.readexactly(count)
            writer.write(b"\x01")
            assert await reader.readexactly(4) == bytes(4)
            writer.write(b"\x01")
            width, height = struct.unpack(">HH16x", await reader.readexactly(20))
            (length,) = struct.unpack(">I", await reader.readexactly(4))
            await reader.readexactly(length)
        decoder = Decoder(width, height)
        client = RfbClient(width, height, bytearray(), decoder, reader, writer)
        client.set_pixel_format(PIXELS_32)
        yield client
    finally:
        writer.close()
