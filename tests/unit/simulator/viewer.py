"""A bare viewer for the gateway: dials a VncUrl and speaks RFB over the WebSocket."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from urllib.parse import unquote

import aiohttp

from tests.decoder import Decoder
from vncproxy.simulator import Simulator
from vncproxy.simulator.screen.entrance import answer_to

TIMEOUT_S = 60.0


class Gone(Exception):  # noqa: N818
    """The connection ended; `code` is of the close frame, or None."""

    def __init__(self, code: int | None) -> None:
        """Keep the code."""
        super().__init__(f"ended, code {code}")
        self.code = code


class Viewer:
    """One dialled session; what reads from it raises `Gone` once it has ended."""

    def __init__(self, websocket: aiohttp.ClientWebSocketResponse) -> None:
        """Nothing read yet."""
        self.websocket = websocket
        self.decoder = Decoder(0, 0)
        self._waiting = bytearray()

    async def send(self, data: bytes) -> None:
        """Client bytes in one frame."""
        await self.websocket.send_bytes(data)

    async def receive(self) -> bytes:
        """The next frame's bytes."""
        message = await self.websocket.receive(TIMEOUT_S)
        if message.type is aiohttp.WSMsgType.BINARY:
            return bytes(message.data)
        raise Gone(message.data if message.type is aiohttp.WSMsgType.CLOSE else None)

    async def need(self, size: int) -> bytes:
        """Exactly so many bytes."""
        while len(self._waiting) < size:
            self._waiting += await self.receive()
        taken = bytes(self._waiting[:size])
        del self._waiting[:size]
        return taken

    async def enter(self, password: str | None = None, shared: bytes = b"\1") -> Viewer:
        """The handshake, RFB 3.8."""
        assert await self.need(12) == b"RFB 003.008\n"
        await self.send(b"RFB 003.008\n")
        types = await self.need((await self.need(1))[0])
        if types == b"\2":
            await self.send(b"\2")
            await self.send(answer_to(await self.need(16), password or ""))
        else:
            await self.send(types[:1])
        assert await self.need(4) == bytes(4)
        await self.send(shared)
        head = await self.need(24)
        await self.need(int.from_bytes(head[20:], "big"))
        self.decoder = Decoder(*struct.unpack(">HH", head[:4]))
        return self

    async def set_encodings(self, encodings: Sequence[int]) -> None:
        """SetEncodings."""
        await self.send(struct.pack(f">BxH{len(encodings)}i", 2, len(encodings), *encodings))

    async def request(self, *, incremental: bool = False) -> None:
        """Ask for the whole screen."""
        await self.send(struct.pack(">BBHHHH", 3, incremental, 0, 0, *self.decoder.size))

    async def key(self, keysym: int, *, down: bool = True) -> None:
        """KeyEvent."""
        await self.send(struct.pack(">BBxxI", 4, down, keysym))

    async def next_update(self) -> None:
        """Decode until one more update is complete."""
        before = self.decoder.updates
        self.decoder.feed(bytes(self._waiting))
        self._waiting.clear()
        while self.decoder.updates == before or not self.decoder.at_boundary:
            self.decoder.feed(await self.receive())

    async def ended(self) -> int | None:
        """Read to the end: the close frame's code, or None for a bare end."""
        try:
            while True:
                await self.receive()
        except Gone as gone:
            return gone.code


@asynccontextmanager
async def dialled(cloud: Simulator, instance_id: str | None = None) -> AsyncIterator[Viewer]:
    """Dial a fresh VncUrl."""
    url = unquote(cloud.make_url(cloud.instance(instance_id).instance_id))
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(url, protocols=("binary",)) as websocket,
    ):
        yield Viewer(websocket)


async def status_of(url: str) -> int:
    """The HTTP status of a refused dial; 101 for one that is let in, and left at once."""
    async with aiohttp.ClientSession() as session:
        try:
            async with asyncio.timeout(TIMEOUT_S), session.ws_connect(url):
                return 101
        except aiohttp.WSServerHandshakeError as error:
            return error.status
