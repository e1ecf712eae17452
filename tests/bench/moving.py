"""What the benchmarks of moving pictures share: a daemon of its own process, and a light viewer."""

from __future__ import annotations

import asyncio
import struct
import sys
import time
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from tests.animation import animation
from tests.bench.pictures import CONTINUOUS_UPDATES, FENCE, FENCE_REQUEST, LAST_RECT, TIGHT
from tests.fault.serving import answers
from tests.real.peers.process import free_port, running

WIDTH, HEIGHT = 320, 240
_PIXELS = struct.pack(">BBBBHHHBBBxxx", 32, 24, 0, 1, 255, 255, 255, 0, 8, 16)
_START_TIMEOUT_S = 20.0


async def _animate(per_s: float, port_file: Path) -> None:
    """Serve the animation until this process is ended."""
    async with animation(WIDTH, HEIGHT, per_s=per_s) as screen:
        port_file.write_text(screen.address)
        await asyncio.Event().wait()


@dataclass
class Served:
    """A `vncproxy demo` that shows an animation."""

    port: int
    pid: int

    @property
    def base(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"


@asynccontextmanager
async def served(folder: Path, per_s: float) -> AsyncIterator[Served]:
    """The daemon with the simulator and an animation, each in its process.

    Args:
        folder: For the daemon's state and the animation's port.
        per_s: Pictures a second.
    """
    port_file = folder / "animation"
    port = free_port()
    animate = (sys.executable, "-m", "tests.bench.moving", str(per_s), str(port_file))
    async with running(*animate, log=folder / "log"):
        async with asyncio.timeout(_START_TIMEOUT_S):
            while not port_file.exists() or not port_file.read_text():
                await asyncio.sleep(0.05)
        demo = (sys.executable, "-m", "vncproxy", "demo", "--port", str(port))
        screen = ("--screen", port_file.read_text())
        async with running(*demo, *screen, log=folder / "log") as process:
            made = Served(port, process.pid)
            await answers(f"{made.base}/healthz", process, folder / "log")
            yield made


class Watcher:
    """A viewer that counts pictures and inflates them, which is all that it does with them."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, *, ahead: bool) -> None:
        """Own an open WebSocket.

        Args:
            socket: To the console.
            ahead: It uses fences and continuous updates.
        """
        self.pictures = 0
        self.number = 0
        """Of the last picture, in its first pixels."""
        self.bytes = 0
        self._socket = socket
        self._ahead = ahead
        self._received = bytearray()
        self._inflaters = [zlib.decompressobj() for _ in range(4)]
        self._task = asyncio.create_task(self._run())

    async def _need(self, size: int) -> bytes:
        while len(self._received) < size:
            message = await self._socket.receive()
            if message.type is not aiohttp.WSMsgType.BINARY:
                raise ConnectionError(f"closed with {self._socket.close_code}")
            self.bytes += len(message.data)
            self._received += message.data
        data = bytes(self._received[:size])
        del self._received[:size]
        return data

    async def _run(self) -> None:
        send = self._socket.send_bytes
        await self._need(12)
        await send(b"RFB 003.008\n")
        await self._need(2)
        await send(b"\x01")
        await self._need(4)
        await send(b"\x01")
        head = await self._need(24)
        await self._need(int.from_bytes(head[20:], "big"))
        encodings = (TIGHT, LAST_RECT, *((FENCE, CONTINUOUS_UPDATES) if self._ahead else ()))
        count = len(encodings)
        request = struct.pack(">BBHHHH", 3, 1, 0, 0, WIDTH, HEIGHT)
        whole = struct.pack(">BBHHHH", 3, 0, 0, 0, WIDTH, HEIGHT)
        await send(
            b"\0\0\0\0" + _PIXELS + struct.pack(f">BxH{count}i", 2, count, *encodings) + whole
        )
        while True:
            kind = (await self._need(1))[0]
            if kind == 0:
                await self._update()
                if not self._ahead:
                    await send(request)
            elif kind == 248:
                flags, size = struct.unpack(">3xIB", await self._need(8))
                payload = await self._need(size)
                if flags & FENCE_REQUEST:
                    await send(struct.pack(">BxxxIB", 248, flags & 3, size) + payload)
            elif kind == 150:
                await send(struct.pack(">BBHHHH", 150, 1, 0, 0, WIDTH, HEIGHT))
            else:
                raise ValueError(f"message {kind}")

    async def _update(self) -> None:
        (count,) = struct.unpack(">xH", await self._need(3))
        for _ in range(count):
            _, _, width, height, encoding = struct.unpack(">HHHHi", await self._need(12))
            if encoding == LAST_RECT:
                return
            if encoding != TIGHT:
                raise ValueError(f"encoding {encoding}")
            control = (await self._need(1))[0]
            for stream in range(4):
                if control >> stream & 1:
                    self._inflaters[stream] = zlib.decompressobj()
            size = 0
            for shift, last in ((0, False), (7, False), (14, True)):
                byte = (await self._need(1))[0]
                size |= (byte if last else byte & 127) << shift
                if byte < 128:
                    break
            pixels = self._inflaters[control >> 4 & 3].decompress(await self._need(size))
            assert len(pixels) == 3 * width * height
            self.number = int.from_bytes(pixels[:3], "big")
            self.pictures += 1

    async def rate(self, seconds: float) -> float:
        """Pictures a second over so long; raises what ended it meanwhile."""
        before, began = self.pictures, time.monotonic()
        done, _ = await asyncio.wait([self._task], timeout=seconds)
        if done:
            self._task.result()
        return (self.pictures - before) / (time.monotonic() - began)

    async def close(self) -> None:
        """Leave."""
        self._task.cancel()
        await asyncio.wait([self._task])
        await self._socket.close()


@asynccontextmanager
async def watcher(base: str, *, ahead: bool) -> AsyncIterator[Watcher]:
    """A viewer as long as the block lasts."""
    async with aiohttp.ClientSession() as http:
        socket = await http.ws_connect(
            f"{base}/websockify/demo", protocols=("binary",), max_msg_size=0, origin=base
        )
        viewer = Watcher(socket, ahead=ahead)
        try:
            async with asyncio.timeout(_START_TIMEOUT_S):
                while not viewer.pictures:
                    await viewer.rate(0.05)
            yield viewer
        finally:
            await viewer.close()


if __name__ == "__main__":
    asyncio.run(_animate(float(sys.argv[1]), Path(sys.argv[2])))
