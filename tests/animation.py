"""A VNC server on loopback whose whole screen changes many times a second.

Each picture is noise, which nothing can compress, and its number is in its first pixels. It sends
what it is asked for and no more: Tight with zlib where that is known, else Raw.
"""

from __future__ import annotations

import asyncio
import struct
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]

_OPENING = len(b"RFB 003.008\n\x01\x01")
_NATIVE = struct.pack(">BBBBHHHBBBxxx", 32, 24, 0, 1, 255, 255, 255, 16, 8, 0)
_TIGHT = 7
_LENGTHS = {0: 20, 3: 10, 4: 8, 5: 6}
_NOISES = 8
_UPDATE = struct.Struct(">BxHHHHHi")


class Animation:
    """The screen: `number` is the picture's; `freeze` stops it."""

    def __init__(self, width: int, height: int, per_s: float) -> None:
        """Begin with picture 0."""
        self.width = width
        self.height = height
        self.address = ""
        self.sent = 0
        self._per_s = per_s
        self._began = asyncio.get_running_loop().time()
        self._frozen: int | None = None
        dice = np.random.default_rng(7)
        self._noises = dice.integers(0, 256, (_NOISES, height, width, 3), np.uint8)

    @property
    def number(self) -> int:
        """Of the picture that is shown now."""
        if self._frozen is not None:
            return self._frozen
        return int((asyncio.get_running_loop().time() - self._began) * self._per_s)

    def freeze(self) -> None:
        """Nothing changes any more, after one last change."""
        self._frozen = self.number + 1

    def pixels(self) -> Pixels:
        """The picture that is shown now."""
        return self._picture(self.number)

    def _picture(self, number: int) -> Pixels:
        picture: Pixels = self._noises[number % _NOISES].copy()
        picture[0, 0] = number >> 16 & 255, number >> 8 & 255, number & 255
        return picture

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client to its end."""
        client = _Client(self, writer)
        try:
            writer.write(b"RFB 003.008\n\x01\x01" + bytes(4))
            await reader.readexactly(_OPENING)
            size = struct.pack(">HH", self.width, self.height)
            writer.write(size + _NATIVE + struct.pack(">I", 5) + b"moves")
            async with asyncio.TaskGroup() as both:
                drawing = both.create_task(client.draw())
                try:
                    while True:
                        await client.listen(reader)
                finally:
                    drawing.cancel()
        except* (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def update(self, writer: asyncio.StreamWriter, number: int, client: _Client) -> None:
        """Send a whole picture."""
        picture = self._picture(number)
        if client.tight is not None:
            data = client.tight.compress(picture.tobytes())
            data += client.tight.flush(zlib.Z_SYNC_FLUSH)
            size = len(data)
            length = bytes((size & 127 | 128, size >> 7 & 127 | 128, size >> 14))
            parts = [b"\0" + length + data]
            encoding = _TIGHT
        else:
            words = np.zeros((self.height, self.width, 4), np.uint8)
            words[..., [shift // 8 for shift in client.shifts]] = picture
            parts, encoding = [words.tobytes()], 0
        head = _UPDATE.pack(0, 1, 0, 0, self.width, self.height, encoding)
        writer.writelines([head, *parts])
        self.sent += 1
        await writer.drain()


class _Client:
    """What one client asked for."""

    def __init__(self, screen: Animation, writer: asyncio.StreamWriter) -> None:
        self.tight: zlib._Compress | None = None
        # Stored, since noise is only the slower for being deflated.
        self._stream = zlib.compressobj(0)
        self.shifts = (16, 8, 0)
        self._screen = screen
        self._writer = writer
        self._asked = asyncio.Event()
        self._forced = False
        self._shown = -1

    async def listen(self, reader: asyncio.StreamReader) -> None:
        """Take one message."""
        kind = (await reader.readexactly(1))[0]
        if kind == 2:
            (count,) = struct.unpack(">xH", await reader.readexactly(3))
            encodings = struct.unpack(f">{count}i", await reader.readexactly(4 * count))
            self.tight = self._stream if _TIGHT in encodings else None
            return
        if kind == 6:
            (size,) = struct.unpack(">3xi", await reader.readexactly(7))
            await reader.readexactly(size)
            return
        body = await reader.readexactly(_LENGTHS[kind] - 1)
        if kind == 0:
            red, green, blue = body[13:16]
            self.shifts = red, green, blue
        elif kind == 3:
            self._forced = self._forced or not body[0]
            self._asked.set()

    async def draw(self) -> None:
        """Answer requests, each with a picture that wasn't shown yet."""
        while True:
            await self._asked.wait()
            while not self._forced and self._screen.number == self._shown:
                await asyncio.sleep(0.002)
            self._asked.clear()
            self._forced = False
            self._shown = self._screen.number
            await self._screen.update(self._writer, self._shown, self)


def number_in(frame: Pixels) -> int:
    """The number of the picture that a viewer shows."""
    red, green, blue = (int(value) for value in frame[0, 0])
    return red << 16 | green << 8 | blue


@asynccontextmanager
async def animation(
    width: int = 160, height: int = 120, *, per_s: float = 30.0
) -> AsyncIterator[Animation]:
    """A screen that listens as long as the block lasts."""
    screen = Animation(width, height, per_s)
    server = await asyncio.start_server(screen.serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    screen.address = f"{host}:{port}"
    try:
        yield screen
    finally:
        server.close()
        await server.wait_closed()
