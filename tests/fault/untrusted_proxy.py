"""An HTTP proxy on loopback that asks for a password and then misbehaves as it is set to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from enum import StrEnum


class Manner(StrEnum):
    """What becomes of a CONNECT."""

    REFUSE = "refuse"
    REPEAT = "repeat"
    """Refused with an answer that holds the request's headers again."""
    GARBAGE = "garbage"
    CLOSE = "close"
    TUNNEL = "tunnel"
    """To the same port on loopback, whatever host was asked for."""


class UntrustedProxy:
    """Its requests so far, and its manner."""

    def __init__(self) -> None:
        """Refuse."""
        self.manner = Manner.REFUSE
        self.port = 0
        self.requests: list[bytes] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            self.requests.append(head)
            match self.manner:
                case Manner.REFUSE:
                    writer.write(b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n")
                case Manner.REPEAT:
                    headers = head.partition(b"\r\n")[2]
                    writer.write(b"HTTP/1.1 502 " + head.split(b"\r\n")[0] + b"\r\n" + headers)
                case Manner.GARBAGE:
                    writer.write(head[::-1])
                case Manner.TUNNEL:
                    port = int(head.split()[1].rpartition(b":")[2])
                    await _tunnel(reader, writer, port)
                case Manner.CLOSE:
                    pass
            await writer.drain()
        writer.close()


async def _tunnel(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
    there, back = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"HTTP/1.1 200 Go\r\n\r\n")
    await asyncio.gather(_pass(reader, back), _pass(there, writer))


async def _pass(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
    sink.close()


@asynccontextmanager
async def untrusted_proxy() -> AsyncIterator[UntrustedProxy]:
    """Listen as long as the block lasts."""
    proxy = UntrustedProxy()
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        await server.wait_closed()
