"""What the benchmark of the byte path runs beside the daemon, each in its own process.

`gateway`: an API that answers every call with a VncUrl, and behind it an endless Raw screen.
`relay`: what a byte pump by the same HTTP library does, which knows nothing of RFB: the yardstick.
"""

from __future__ import annotations

import asyncio
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import cast
from urllib.parse import quote

import aiohttp
from aiohttp import web

WIDTH, HEIGHT = 1920, 1080
_PIXELS = struct.pack(">BBBBHHHBBBxxx", 32, 24, 0, 1, 255, 255, 255, 16, 8, 0)
_UPDATE = struct.pack(">BxHHHHHi", 0, 1, 0, 0, WIDTH, HEIGHT, 0) + bytes(4 * WIDTH * HEIGHT)
UPDATE_BYTES = len(_UPDATE)
_FIXED = {0: 20, 3: 10, 4: 8, 5: 6}
_HIGH_WATER_BYTES = 1 << 20


def _frames(data: bytes, frame_bytes: int) -> bytes:
    """The bytes in unmasked binary frames. Source: RFC 6455, section 5.2."""
    made = bytearray()
    for start in range(0, len(data), frame_bytes):
        part = data[start : start + frame_bytes]
        if len(part) < 126:
            made += struct.pack(">BB", 0x82, len(part))
        elif len(part) < 1 << 16:
            made += struct.pack(">BBH", 0x82, 126, len(part))
        else:
            made += struct.pack(">BBQ", 0x82, 127, len(part))
        made += part
    return bytes(made)


def _requests(received: bytearray) -> Iterator[None]:
    """Take whole client messages out; one item for each FramebufferUpdateRequest."""
    while received:
        kind = received[0]
        if kind == 2:
            size = 4 + 4 * int.from_bytes(received[2:4], "big") if len(received) > 3 else 4
        else:
            size = _FIXED[kind]
        if len(received) < size:
            return
        del received[:size]
        if kind == 3:
            yield None


class _Screen:
    def __init__(self, frame_bytes: int) -> None:
        self._update = _frames(_UPDATE, frame_bytes)

    async def show(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(protocols=("binary",), max_msg_size=0)
        await socket.prepare(request)
        # uvloop's is no subclass.
        transport = cast(asyncio.Transport, request.transport)
        await socket.send_bytes(b"RFB 003.008\n")
        await socket.receive_bytes()
        await socket.send_bytes(b"\1\1")
        await socket.receive_bytes()
        await socket.send_bytes(bytes(4))
        await socket.receive_bytes()
        await socket.send_bytes(struct.pack(">HH16sI", WIDTH, HEIGHT, _PIXELS, 5) + b"flood")
        received = bytearray()
        async for message in socket:
            received += message.data
            for _ in _requests(received):
                transport.write(self._update)
                while transport.get_write_buffer_size() > _HIGH_WATER_BYTES:
                    await asyncio.sleep(0.002)
        return socket


async def _gateway(port_file: Path, frame_bytes: int) -> None:
    async def call(request: web.Request) -> web.Response:
        url = f"ws://127.0.0.1:{request.url.port}/websockify/?s=bench"
        row = {"InstanceId": "i-bench", "Status": "Running", "RegionId": "cn-hangzhou"}
        return web.json_response(
            {
                "RequestId": "bench",
                "VncUrl": quote(url, safe=""),
                "Instances": {"Instance": [row]},
                "TotalCount": 1,
            }
        )

    app = web.Application()
    app.router.add_get("/websockify/", _Screen(frame_bytes).show)
    app.router.add_route("*", "/", call)
    await serve_app(app, port_file)


async def _relay(port_file: Path, target: str) -> None:
    async def pump(request: web.Request) -> web.StreamResponse:
        near = web.WebSocketResponse(protocols=("binary",), max_msg_size=0)
        await near.prepare(request)
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(target, max_msg_size=0, protocols=("binary",)) as far,
        ):

            async def up() -> None:
                async for message in near:
                    await far.send_bytes(message.data)

            async def down() -> None:
                async for message in far:
                    await near.send_bytes(message.data)

            ways = [asyncio.ensure_future(way()) for way in (up, down)]
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in ways:
                way.cancel()
            await asyncio.wait(ways)
        return near

    app = web.Application()
    app.router.add_get("/", pump)
    await serve_app(app, port_file)


async def serve_app(app: web.Application, port_file: Path) -> None:
    """Serve until this process is ended; the port is written to a file."""
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port_file.write_text(str(runner.addresses[0][1]))
    await asyncio.Event().wait()


if __name__ == "__main__":
    import uvloop

    if sys.argv[1] == "gateway":
        uvloop.run(_gateway(Path(sys.argv[2]), int(sys.argv[3])))
    else:
        uvloop.run(_relay(Path(sys.argv[2]), sys.argv[3]))
