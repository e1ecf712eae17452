"""A viewer as a program: `python -m tests.boot.viewer BASE INSTANCE [SECONDS]`.

It shows who it is by the token in $VIEWER_TOKEN, else by a ticket, as the page does. It prints
`painted WIDTH HEIGHT` once the whole screen has come, and `closed CODE` at the end.
"""

from __future__ import annotations

import asyncio
import os
import struct
import sys

import aiohttp

HANDSHAKE_TIMEOUT_S = 60.0
_RAW_ONLY = struct.pack(">BxHi", 2, 1, 0)
_PIXELS = b"\0\0\0\0" + struct.pack(">BBBBHHHBBBxxx", 32, 24, 0, 1, 255, 255, 255, 0, 8, 16)


class _Stream:
    """The bytes of a WebSocket, in whatever portions they are asked for."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._early = b""

    async def take(self, size: int) -> bytes:
        while len(self._early) < size:
            message = await self._socket.receive()
            if message.type is not aiohttp.WSMsgType.BINARY:
                raise EOFError
            self._early += message.data
        data, self._early = self._early[:size], self._early[size:]
        return data


async def paint(socket: aiohttp.ClientWebSocketResponse) -> tuple[int, int]:
    """Speak RFB until the whole screen has come as Raw rectangles; its size."""
    stream = _Stream(socket)
    assert await stream.take(12) == b"RFB 003.008\n"
    await socket.send_bytes(b"RFB 003.008\n")
    assert await stream.take(2) == b"\x01\x01"
    await socket.send_bytes(b"\x01")
    assert await stream.take(4) == bytes(4)
    await socket.send_bytes(b"\x01")
    head = await stream.take(24)
    width, height = struct.unpack_from(">HH", head)
    await stream.take(int.from_bytes(head[20:], "big"))
    await socket.send_bytes(_PIXELS + _RAW_ONLY + struct.pack(">BBHHHH", 3, 0, 0, 0, width, height))
    painted = 0
    while painted < width * height:
        kind, rectangles = struct.unpack(">BxH", await stream.take(4))
        assert kind == 0, f"message {kind}"
        for _ in range(rectangles):
            _, _, w, h, encoding = struct.unpack(">HHHHi", await stream.take(12))
            assert encoding == 0, f"encoding {encoding}"
            await stream.take(4 * w * h)
            painted += w * h
    return width, height


async def view(base: str, instance: str, stay_s: float) -> None:
    """Open, paint, stay, leave."""
    token = os.environ.get("VIEWER_TOKEN")
    proof = {"Authorization": f"Bearer {token}"} if token else {"Origin": base}
    async with aiohttp.ClientSession() as http:
        query = ""
        if not token:
            admission = f"{base}/api/v1/consoles/{instance}/admission"
            async with http.get(admission) as answer:
                assert answer.status == 200, await answer.text()
                query = f"?ticket={(await answer.json())['ticket']}"
        async with http.ws_connect(
            f"{base}/websockify/{instance}{query}",
            headers=proof,
            protocols=("binary",),
            max_msg_size=0,
        ) as socket:
            async with asyncio.timeout(HANDSHAKE_TIMEOUT_S):
                width, height = await paint(socket)
            print("painted", width, height, flush=True)
            try:
                async with asyncio.timeout(stay_s):
                    while not socket.closed:
                        await socket.receive()
            except TimeoutError:
                await socket.close()
            print("closed", socket.close_code, flush=True)


if __name__ == "__main__":
    asyncio.run(view(sys.argv[1], sys.argv[2], float((sys.argv[3:] or ["0"])[0])))
