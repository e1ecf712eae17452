"""Gateways on loopback, and dials of them."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from vncproxy.aliyun.proxies import Proxy
from vncproxy.websocket.gateway_dial import DialSettings, dial
from vncproxy.websocket.gateway_transport import GatewayTransport
from vncproxy.websocket.transport import TransportEnd

TOKEN = "Dvh%2FIA%2BYc73gWO48"
SECRETS = ("Dvh", "gWO48", "/websockify", "127.0.0.1", "hunter2")


@dataclass(frozen=True)
class Url:
    """What of a VncUrl a dial needs."""

    host: str
    port: int
    secure: bool = False

    def reveal(self) -> str:
        """The text."""
        scheme = "wss" if self.secure else "ws"
        return f"{scheme}://{self.host}:{self.port}/websockify/?s={TOKEN}"


@dataclass
class Receiver:
    """Keeps what a transport delivers."""

    data: bytearray = field(default_factory=bytearray)
    largest: int = 0
    drained: int = 0
    ends: list[TransportEnd] = field(default_factory=list)

    def transport_received(self, data: bytes | memoryview) -> int:
        """Bytes came."""
        self.data += data
        self.largest = max(self.largest, len(data))
        return len(data)

    def transport_drained(self) -> None:
        """All was sent."""
        self.drained += 1

    def transport_ended(self, end: TransportEnd) -> None:
        """It is over."""
        self.ends.append(end)


def no_proxy(host: str, port: int, *, secure: bool) -> Proxy | None:
    return None


def settings(
    tls: ssl.SSLContext | None = None,
    connect_host: str | None = None,
    proxy: Callable[..., Proxy | None] = no_proxy,
    *,
    local: bool = True,
) -> DialSettings:
    return DialSettings(tls or ssl.create_default_context(), connect_host, proxy, local)


@asynccontextmanager
async def gateway(
    handler: Callable[[ServerConnection], Awaitable[None]],
    tls: ssl.SSLContext | None = None,
    answer: Callable[[ServerConnection, Request], Response | None] | None = None,
) -> AsyncIterator[int]:
    """A WebSocket server; gives its port."""
    async with serve(
        handler,
        "127.0.0.1",
        0,
        ssl=tls,
        subprotocols=[Subprotocol("binary")],
        compression="deflate",
        ping_interval=None,
        process_request=answer,
        max_size=None,
        close_timeout=1,
    ) as server:
        yield server.sockets[0].getsockname()[1]


@asynccontextmanager
async def raw_server(
    handler: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[int]:
    """A TCP server; gives its port, and ends its connections at the end."""
    tasks: set[asyncio.Task[None]] = set()

    async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await handler(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(accepted, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def echo(connection: ServerConnection) -> None:
    with suppress(ConnectionClosed):
        async for message in connection:
            await connection.send(message)


async def nothing(connection: ServerConnection) -> None:
    await connection.wait_closed()


@asynccontextmanager
async def dialled(
    port: int, timeout_s: float = 5.0, receiver: Receiver | None = None
) -> AsyncIterator[tuple[GatewayTransport, Receiver]]:
    """A transport to a server on this port, attached."""
    transport = await dial(Url("127.0.0.1", port), timeout_s, settings())
    receiver = receiver or Receiver()
    transport.attach(receiver)
    try:
        yield transport, receiver
    finally:
        await transport.close()
        await transport.shut()


def hides_everything(fault: BaseException, secrets: tuple[str, ...] = SECRETS) -> None:
    """No URL, address or password: in the exception, its text, or what hangs on it."""
    seen: list[BaseException] = [fault]
    for one in seen:
        for text in (str(one), repr(one), repr(one.args), repr(vars(one))):
            assert not any(secret in text for secret in secrets), text
        seen += [other for other in (one.__cause__, one.__context__) if other is not None]
