"""A viewer whose own settings end every link goes; the others stay, and nothing is repeated."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from tests.fault.aftermath import dials, farewell, under_fault
from tests.fault.test_upstream import STILL
from tests.page import page
from tests.setup import COPY_RECT, HEXTILE, RAW, TIGHT, set_encodings, until
from tests.unit.console.fakes import raw, server_init, update
from vncproxy.simulator.settings import SimulatedInstance

TEN_BITS = struct.pack(">BBBBHHHBBBxxx", 32, 30, 0, 1, 1023, 1023, 1023, 20, 10, 0)
FORMAT_SIZE, REQUEST_SIZE = 20, 10

Likes = Callable[[bytes], bool]


@asynccontextmanager
async def picky_screen(likes: Likes) -> AsyncIterator[str]:
    """A VNC server that hangs up on a SetPixelFormat or SetEncodings that it doesn't like.

    It answers each request that isn't incremental by one whole picture. Gives its address.
    """

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(b"RFB 003.008\n\x01\x01" + bytes(4))
            await reader.readexactly(12 + 1 + 1)
            writer.write(server_init())
            while True:
                message = await reader.readexactly(1)
                if message == b"\0":
                    message += await reader.readexactly(FORMAT_SIZE - 1)
                elif message == b"\2":
                    head = await reader.readexactly(3)
                    message += head + await reader.readexactly(4 * int.from_bytes(head[1:], "big"))
                else:
                    message += await reader.readexactly(REQUEST_SIZE - 1)
                    if message[1] == 0:
                        writer.write(update(raw(0, 0, 64, 48)))
                    continue
                if not likes(message):
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    try:
        yield f"{host}:{port}"
    finally:
        server.close()
        await server.wait_closed()


async def test_a_pixel_format_that_ends_every_link(tmp_path: Path) -> None:
    """Three links, then 4504 in words, not 30 a minute; the next viewer finds nothing of it."""
    async with picky_screen(lambda message: message[4:] != TEN_BITS) as address:
        cloud = replace(STILL, instances=(SimulatedInstance(screen=address),))
        async with under_fault(tmp_path, cloud=cloud) as setup:
            first = await setup.connect()
            await first.shake_hands()
            await first.send(b"\0\0\0\0" + TEN_BITS, set_encodings((RAW,)), first.request(0))
            assert await farewell(first) == (4504, "upstream-lost")
            assert dials(setup) == ["accepted"] * 3
            await until(lambda: '"viewer.closed"' in setup.log.getvalue(), "its end")
            (closed,) = (e for e in setup.events if e["event"] == "viewer.closed")
            assert "pixel format or its encodings" in closed["text"]
            second = await setup.viewer()
            await until(second.decoder.painted.all, "the picture")
            assert dials(setup) == ["accepted"] * 4


async def test_encodings_that_end_every_link_end_their_viewer_only(tmp_path: Path) -> None:
    """Who was on before stays, and gets what the server has; the page of the other says why."""

    def wants_hextile(message: bytes) -> bool:
        return message[0] != 2 or struct.pack(">i", HEXTILE) in message[4:]

    async with picky_screen(wants_hextile) as address:
        cloud = replace(STILL, instances=(SimulatedInstance(screen=address),))
        async with under_fault(tmp_path, cloud=cloud) as setup:
            first = await setup.viewer(encodings=(HEXTILE, RAW))
            await until(first.decoder.painted.all, "the picture")
            other = await page(setup, encodings=(TIGHT, COPY_RECT, RAW))
            assert await other.viewer.ended() == 4504
            await until(lambda: len(dials(setup)) == 4, "a good link")
            before = first.decoder.pictures
            await first.send(first.request(0))
            await until(lambda: first.decoder.pictures > before, "the picture again")
            assert not first.socket.closed
            assert dials(setup) == ["accepted"] * 4
            await until(lambda: "three times" in str(other.messages), "why it ended")
