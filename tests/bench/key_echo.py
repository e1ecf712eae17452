"""The cloud of the benchmark of neighbours: an API, and gateways that answer a key.

    python -m tests.bench.key_echo PORT_FILE HOSTILE_URL REGIONS_S

Each key that is pressed is answered by an update of one pixel, as soon as one is asked for. The
instance `i-hostile` is at `HOSTILE_URL`. A list of instances takes `REGIONS_S` seconds.
"""

from __future__ import annotations

import asyncio
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import uvloop
from aiohttp import web

from tests.bench import pictures

WIDTH, HEIGHT = 320, 240
_HEAD = struct.Struct(">BxHHHHHi")
_WHOLE = _HEAD.pack(0, 1, 0, 0, WIDTH, HEIGHT, 0) + bytes(4 * WIDTH * HEIGHT)
_PIXEL = _HEAD.pack(0, 1, 0, 0, 1, 1, 0) + bytes(4)


def _messages(received: bytearray) -> Iterator[bytes]:
    """Take whole client messages out; a ValueError for a kind that a daemon doesn't send."""
    while received:
        size = pictures.client_message_size(received)
        if len(received) < size:
            return
        yield bytes(received[:size])
        del received[:size]


async def _show(request: web.Request) -> web.StreamResponse:
    socket = web.WebSocketResponse(protocols=("binary",), max_msg_size=0)
    await socket.prepare(request)
    for client_bytes in (b"RFB 003.008\n", b"\1\1", bytes(4)):
        await socket.send_bytes(client_bytes)
        await socket.receive_bytes()
    await socket.send_bytes(struct.pack(">HH16sI", WIDTH, HEIGHT, pictures.PIXELS, 4) + b"echo")
    received = bytearray()
    keys, is_asked = 0, False
    async for message in socket:
        received += message.data
        for client_bytes in _messages(received):
            if client_bytes[0] == 3 and not client_bytes[1]:
                await socket.send_bytes(_WHOLE)
            elif client_bytes[0] == 3:
                is_asked = True
            elif client_bytes[0] == 4 and client_bytes[1]:
                keys += 1
            if keys and is_asked:
                await socket.send_bytes(_PIXEL)
                keys, is_asked = keys - 1, False
    return socket


async def _serve(app: web.Application, port_file: Path) -> None:
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port_file.write_text(str(runner.addresses[0][1]))
    await asyncio.Event().wait()


async def main(port_file: Path, hostile_url: str, regions_s: float) -> None:
    """Serve until this process is ended."""

    async def call(request: web.Request) -> web.Response:
        instance = request.query.get("InstanceId", "")
        if request.headers.get("x-acs-action") == "DescribeInstances":
            await asyncio.sleep(regions_s)
        url = f"ws://127.0.0.1:{request.url.port}/websockify/?s=echo"
        row = {"InstanceId": instance or "i-listed", "Status": "Running", "RegionId": "cn-hangzhou"}
        return web.json_response(
            {
                "RequestId": "bench",
                "VncUrl": quote(hostile_url if instance == "i-hostile" else url, safe=""),
                "Instances": {"Instance": [row]},
                "TotalCount": 1,
            }
        )

    app = web.Application()
    app.router.add_get("/websockify/", _show)
    app.router.add_route("*", "/", call)
    await _serve(app, port_file)


if __name__ == "__main__":
    uvloop.run(main(Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])))
