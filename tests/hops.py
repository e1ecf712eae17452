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
    """Such a proxy, on loopback. Args: to - the port."""
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
