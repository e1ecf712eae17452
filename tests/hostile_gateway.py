"""A VNC gateway that floods: who dials gets a proper greeting, then the same bytes for ever."""

from __future__ import annotations

import asyncio
import struct
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from websockets.utils import accept_key

from tests.bench.wire import frame

SIDE = 4096
"""Of its screen, in pixels."""
_PIXELS = struct.pack(">BBBBHHHBBBxxx", 32, 24, 0, 1, 255, 255, 255, 16, 8, 0)
_INIT = struct.pack(">HH16sI", SIDE, SIDE, _PIXELS, 5) + b"flood"
_CHUNK_BYTES = 64 * 1024
_HELD_S = 0.01
PING = b"\x89\0"
_CLOSE = b"\x88\x82"
"""The head of a client's close frame with a code."""
EMPTY_FRAME = b"\x82\0"


def rectangle(encoding: int, width: int = 0, height: int = 0, data: bytes = b"") -> bytes:
    """At the origin."""
    return struct.pack(">HHHHi", 0, 0, width, height, encoding) + data


def update(*rectangles: bytes) -> bytes:
    """A FramebufferUpdate."""
    return struct.pack(">BxH", 0, len(rectangles)) + b"".join(rectangles)


def tight(width: int, height: int) -> bytes:
    """A rectangle of one colour that inflates a thousandfold; its stream begins anew each time."""
    deflater = zlib.compressobj(9)
    data = deflater.compress(bytes(3 * width * height)) + deflater.flush(zlib.Z_SYNC_FLUSH)
    size = len(data)
    compact = bytes((size & 127 | 128, size >> 7 & 127 | 128, size >> 14))
    return rectangle(7, width, height, b"\x01" + compact + data)


IDLE = {
    "bells": frame(b"\2" * 4096),
    "empty updates": frame(bytes(4) * 1024),
    "empty rectangles": frame(update(*[rectangle(0)] * 1024)),
    "cursors": frame(update(rectangle(-239, 64, 64, bytes(64 * 64 * 4 + 64 * 8)))),
    "sizes": frame(
        update(rectangle(-223, SIDE, SIDE - 1)) * 99 + update(rectangle(-223, SIDE, SIDE)) * 99
    ),
    "fences": frame(struct.pack(">BxxxIB", 248, 1 << 31, 8) * 1 + bytes(8)) * 64,
    "cut texts": frame(struct.pack(">BxxxI", 3, 1 << 16) + bytes(1 << 16)),
    "pings": PING * 4096,
    "empty frames": EMPTY_FRAME * 4096,
}
"""Floods of what means nothing."""
FRAMES = ("pings", "empty frames")
"""Those of them that never reach RFB."""
HEAVY = {
    "pixels": frame(update(*[rectangle(0, 1, 1, bytes(4))] * 1024)),
    "tiny frames": b"".join(b"\x82\1" + bytes((byte,)) for byte in update(rectangle(0))) * 256,
    "Hextile": frame(update(rectangle(5, SIDE, SIDE, bytes(SIDE * SIDE // 256)))),
    "Tight": frame(update(tight(SIDE, SIDE))),
}
"""Floods of pictures, dear to follow."""


@dataclass
class HostileGateway:
    """Floods each connection with `flood`, whatever it is when it begins, unless it is `held`."""

    port: int = 0
    flood: bytes = b""
    sent_bytes: int = 0
    held: bool = False
    _left: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def url(self) -> str:
        """Its VncUrl."""
        return f"ws://127.0.0.1:{self.port}/websockify/?s=hostile"

    def has_sent(self, size_bytes: int) -> bool:
        """Whether as much was sent at least."""
        return self.sent_bytes >= size_bytes

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        task = asyncio.current_task()
        assert task is not None
        self._left.add(task)
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await self._greet(reader, writer)
            while self.held:
                await asyncio.sleep(_HELD_S)
            flood, listening = self.flood, asyncio.create_task(self._listen(reader))
            try:
                while not listening.done():
                    writer.write(flood)
                    self.sent_bytes += len(flood)
                    if writer.transport.get_write_buffer_size() > _CHUNK_BYTES:
                        await writer.drain()
                    await asyncio.sleep(0)
            finally:
                listening.cancel()
        writer.transport.abort()
        self._left.discard(task)

    async def _greet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:-2])
        key = {name.lower(): value for name, value in fields.items()}["sec-websocket-key"]
        writer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Protocol: binary\r\n"
            b"Sec-WebSocket-Accept: " + accept_key(key).encode() + b"\r\n\r\n"
        )
        for message in (b"RFB 003.008\n", b"\1\1", bytes(4), _INIT):
            writer.write(frame(message))
            # An answer in a masked frame: its length is known, what it says doesn't matter.
            size = {12: 12, 2: 1, 4: 1}.get(len(message), 0)
            await reader.readexactly(6 + size if size else 0)

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(_CHUNK_BYTES):
                if _CLOSE in data:
                    return

    async def close(self) -> None:
        """End the connections."""
        left = list(self._left)
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left)


@asynccontextmanager
async def hostile_gateway() -> AsyncIterator[HostileGateway]:
    """One that listens."""
    gateway = HostileGateway()
    server = await asyncio.start_server(gateway.serve, "127.0.0.1", 0)
    gateway.port = server.sockets[0].getsockname()[1]
    try:
        yield gateway
    finally:
        server.close()
        await gateway.close()
