"""A WebSocket client that does what no library would: it breaks rules, and doesn't read.

Source: RFC 6455, sections 4.1 and 5.2.
"""

from __future__ import annotations

import asyncio
import base64
import os
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import NamedTuple

WAIT_S = 60.0
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


class Frame(NamedTuple):
    """One frame from the daemon."""

    opcode: int
    payload: bytes

    @property
    def code(self) -> int:
        """The close code."""
        return int.from_bytes(self.payload[:2], "big")

    @property
    def reason(self) -> str:
        """The close reason."""
        return self.payload[2:].decode()


def frame(opcode: int, payload: bytes, *, masked: bool = True, final: bool = True) -> bytes:
    """One frame from a client."""
    head = bytes([opcode | (0x80 if final else 0)])
    mask = 0x80 if masked else 0
    if len(payload) < 126:
        head += bytes([mask | len(payload)])
    elif len(payload) < 65536:
        head += struct.pack(">BH", mask | 126, len(payload))
    else:
        head += struct.pack(">BQ", mask | 127, len(payload))
    return head + (bytes(4) if masked else b"") + payload


class RawSocket:
    """An open WebSocket over a plain connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Made by `opened`."""
        self.reader = reader
        self.writer = writer

    @classmethod
    @asynccontextmanager
    async def opened(
        cls,
        port: int,
        target: str,
        *headers: str,
        receive_buffer: int = 0,
        behind: bytes = b"",
    ) -> AsyncIterator[RawSocket]:
        """Connect and upgrade.

        Args:
            port: the daemon's, on this machine.
            target: path and query.
            *headers: more lines of the request.
            receive_buffer: bytes that the kernel keeps, 0: its usual.
            behind: sent in the request's packet.
        """
        plain = socket.socket()
        if receive_buffer:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        plain.setblocking(False)
        await asyncio.get_running_loop().sock_connect(plain, ("127.0.0.1", port))
        # A small limit: what isn't asked for stays in the kernel.
        reader, writer = await asyncio.open_connection(sock=plain, limit=4096)
        lines = [
            f"GET {target} HTTP/1.1",
            f"Host: localhost:{port}",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
            "Sec-WebSocket-Protocol: binary",
            *headers,
        ]
        try:
            writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + behind)
            async with asyncio.timeout(WAIT_S):
                head = await reader.readuntil(b"\r\n\r\n")
            assert b" 101 " in head, head
            yield cls(reader, writer)
        finally:
            # One that was lost while it still sent has no loop any more, and asyncio needs it.
            with suppress(AttributeError):
                writer.transport.abort()
            with suppress(OSError):
                await writer.wait_closed()

    def send(self, opcode: int, payload: bytes = b"", *, masked: bool = True) -> None:
        """Send a frame."""
        self.writer.write(frame(opcode, payload, masked=masked))

    async def receive(self) -> Frame:
        """The next frame.

        Raises:
            IncompleteReadError: There is none.
            ConnectionError: There is none.
        """
        async with asyncio.timeout(WAIT_S):
            first, second = await self.reader.readexactly(2)
            size = second & 0x7F
            if size > 125:
                wide = 2 if size == 126 else 8
                size = int.from_bytes(await self.reader.readexactly(wide), "big")
            return Frame(first & 0x0F, await self.reader.readexactly(size))

    async def closed(self) -> Frame:
        """The close frame, whatever came before it; it is answered."""
        while True:
            found = await self.receive()
            if found.opcode == CLOSE:
                self.send(CLOSE, found.payload)
                return found

    async def dropped(self) -> None:
        """Wait until the connection is gone, without a close frame."""
        try:
            while True:
                assert (await self.receive()).opcode != CLOSE
        except (asyncio.IncompleteReadError, ConnectionError):
            pass

    def vanish(self) -> None:
        """End the connection with a reset."""
        plain = self.writer.get_extra_info("socket")
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()
