"""One picture of a real VNC server's screen, taken as a client of its own.

Source: RFC 6143, sections 7.1 to 7.7: version 3.8, security types None and VncAuth, Raw.
"""

from __future__ import annotations

import asyncio
import struct

from vncproxy.simulator.screen.entrance import NONE, VNC_AUTH, answer_to
from vncproxy.simulator.screen.png import png

_TIMEOUT_S = 5.0
_VERSION = b"RFB 003.008\n"
_SIDE_MAX = 8192
_RAW = 0
# 32 bits a pixel, depth 24, little-endian, true colour: blue, green, red and a byte that is unused.
_FORMAT = struct.pack(">BBBBHHHBBB3x", 32, 24, 0, 1, 255, 255, 255, 16, 8, 0)


class NoPictureError(Exception):
    """The server didn't show its screen; the text says why."""


async def snapshot(address: str, password: str | None) -> bytes:
    """The screen of the VNC server at "host:port", as PNG; other clients stay on.

    Raises:
        NoPictureError: It can't be reached, or doesn't show it.
    """
    host, _, port = address.rpartition(":")
    writer: asyncio.StreamWriter | None = None
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            reader, writer = await asyncio.open_connection(host.strip("[]"), int(port))
            width, height = await _enter(reader, writer, password)
            return await _picture(reader, writer, width, height)
    except (OSError, EOFError) as error:
        raise NoPictureError(f"{address}: {error}") from error
    finally:
        if writer is not None:
            writer.transport.abort()


async def _enter(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, password: str | None
) -> tuple[int, int]:
    """The screen's size, once the server has let this client in."""
    await reader.readexactly(len(_VERSION))
    writer.write(_VERSION)
    count = (await reader.readexactly(1))[0]
    offered = await reader.readexactly(count)
    if NONE in offered:
        writer.write(bytes((NONE,)))
    elif VNC_AUTH in offered and password is not None:
        writer.write(bytes((VNC_AUTH,)))
        writer.write(answer_to(await reader.readexactly(16), password))
    else:
        raise NoPictureError("it lets nobody in without a password")
    if await reader.readexactly(4) != bytes(4):
        raise NoPictureError("it refused this client")
    writer.write(b"\x01")
    width, height = struct.unpack(">HH", await reader.readexactly(4))
    name_bytes = struct.unpack(">16xI", await reader.readexactly(20))[0]
    await reader.readexactly(min(name_bytes, 1 << 16))
    return width, height


async def _picture(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, width: int, height: int
) -> bytes:
    if not (0 < width <= _SIDE_MAX and 0 < height <= _SIDE_MAX):
        raise NoPictureError(f"its screen has {width} by {height} pixels")
    writer.write(b"\0\0\0\0" + _FORMAT)
    writer.write(struct.pack(">BxHi", 2, 1, _RAW))
    writer.write(struct.pack(">BBHHHH", 3, 0, 0, 0, width, height))
    screen = bytearray(4 * width * height)
    missing = width * height
    while missing > 0:
        if (await reader.readexactly(1))[0] != 0:
            raise NoPictureError("it sent something else first")
        for _ in range(struct.unpack(">xH", await reader.readexactly(3))[0]):
            x, y, w, h, encoding = struct.unpack(">HHHHi", await reader.readexactly(12))
            if encoding != _RAW or x + w > width or y + h > height:
                raise NoPictureError("it sent another encoding than Raw")
            data = await reader.readexactly(4 * w * h)
            for row in range(h):
                at = 4 * ((y + row) * width + x)
                screen[at : at + 4 * w] = data[4 * w * row : 4 * w * (row + 1)]
            missing -= w * h
    rgb = bytearray(3 * width * height)
    for channel in range(3):
        rgb[channel::3] = screen[2 - channel :: 4]
    return png(width, height, rgb)
