"""Hops between the daemon and the cloud that refuse: a proxy, a TLS server that asks for more."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field

from tests.authority import Authority

LOGIN = "ann:hunter2%40"


@dataclass
class RefusingProxy:
    """Answers every CONNECT with one status."""

    status: int
    port: int = 0
    heads: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        """With a user and a password, as for HTTPS_PROXY."""
        return f"http://{LOGIN}@127.0.0.1:{self.port}"


@asynccontextmanager
async def refusing_proxy(status: int) -> AsyncIterator[RefusingProxy]:
    """Such a proxy, on loopback."""
    proxy = RefusingProxy(status)

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            proxy.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
            writer.write(f"HTTP/1.1 {proxy.status} No\r\nContent-Length: 0\r\n\r\n".encode())
            await writer.drain()
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        proxy.port = server.sockets[0].getsockname()[1]
        yield proxy


@dataclass
class LeadingProxy:
    """Leads every CONNECT to one port of this machine, whatever the host."""

    port: int = 0
    heads: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        """As for HTTPS_PROXY."""
        return f"http://127.0.0.1:{self.port}"


@asynccontextmanager
async def leading_proxy(to: int) -> AsyncIterator[LeadingProxy]:
    """Such a proxy, on loopback.

    Args:
        to: The port.
    """
    proxy = LeadingProxy()
    tasks: set[asyncio.Task[None]] = set()

    async def lead(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        proxy.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", to)
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        try:
            await asyncio.gather(_pass_on(reader, far_writer), _pass_on(far_reader, writer))
        finally:
            far_writer.transport.abort()
            writer.transport.abort()

    async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await lead(reader, writer)

    server = await asyncio.start_server(accepted, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _pass_on(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while data := await source.read(65536):
        sink.write(data)
        await sink.drain()
    if sink.can_write_eof():
        sink.write_eof()


@contextmanager
def certificate_wanted(authority: Authority, newest: ssl.TLSVersion) -> Iterator[int]:
    """A server that lets in only who shows a certificate of the authority; gives its port.

    In a thread, by OpenSSL's own calls: asyncio's servers don't send the alert.
    """
    context = authority.issue("localhost", "127.0.0.1", "gateway.test").server_context()
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(authority.ca_file)
    context.maximum_version = newest
    listener = socket.create_server(("127.0.0.1", 0))

    def one(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.settimeout(10)
            tls = context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
            with tls:
                with suppress(ssl.SSLError):
                    tls.do_handshake()
                # Read to the end, or what wasn't read resets the connection and the alert is lost.
                while socket.socket.recv(tls, 4096):
                    pass

    def serve() -> None:
        with suppress(OSError):
            while True:
                one(listener.accept()[0])

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


@dataclass
class SocksProxy:
    """A SOCKS 5 proxy for which every host is this machine. Source: RFC 1928, RFC 1929.

    Args:
        login: User and password that it wants, if any.
        reply: Its answer to each CONNECT.
        answer_bytes: Of what it answers; then it hangs up.
    """

    login: tuple[bytes, bytes] | None = None
    reply: int = 0
    answer_bytes: int | None = None
    port: int = 0
    asked: list[str] = field(default_factory=list)
    """The hosts, as they were named."""
    connections: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self.connections += 1
        with suppress(OSError, asyncio.IncompleteReadError):
            if await self._let_in(reader, writer):
                await self._connect(reader, writer)
        writer.close()

    def _answer(self, writer: asyncio.StreamWriter, answer: bytes, before: int) -> None:
        """Say this, of which `before` bytes were said before."""
        if self.answer_bytes is not None and before + len(answer) > self.answer_bytes:
            writer.write(answer[: self.answer_bytes - before])
            raise ConnectionAbortedError
        writer.write(answer)

    async def _let_in(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        _, count = await reader.readexactly(2)
        methods = await reader.readexactly(count)
        wanted = 0 if self.login is None else 2
        if wanted not in methods:
            self._answer(writer, b"\x05\xff", 0)
            return False
        self._answer(writer, bytes((5, wanted)), 0)
        if self.login is None:
            return True
        fields = []
        await reader.readexactly(1)
        for _ in range(2):
            (length,) = await reader.readexactly(1)
            fields.append(await reader.readexactly(length))
        right = tuple(fields) == self.login
        self._answer(writer, bytes((1, 0 if right else 1)), 2)
        return right

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        *_, kind, length = await reader.readexactly(5)
        assert kind == 3, "a name, which the proxy looks up"
        self.asked.append((await reader.readexactly(length)).decode())
        port = int.from_bytes(await reader.readexactly(2), "big")
        said = 2 if self.login is None else 4
        self._answer(writer, bytes((5, self.reply, 0, 1)) + bytes(6), said)
        if self.reply:
            return
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def socks_proxy(
    login: tuple[bytes, bytes] | None = None, reply: int = 0, answer_bytes: int | None = None
) -> AsyncIterator[SocksProxy]:
    """A `SocksProxy`, on loopback."""
    proxy = SocksProxy(login, reply, answer_bytes)
    async with await asyncio.start_server(proxy.serve, "127.0.0.1", 0) as server:
        proxy.port = server.sockets[0].getsockname()[1]
        yield proxy
