"""Connections on their way to a door."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import cast

import pytest
import uvloop

from tests.authority import Authority
from tests.setup import until
from vncproxy.access.accounts import least_uid
from vncproxy.config.model import Listen
from vncproxy.web.acceptor import Acceptor
from vncproxy.web.connection_limits import ConnectionLimits, Slot
from vncproxy.web.server import server_tls

pytestmark = pytest.mark.sockets


class Echo(asyncio.Protocol):
    """Settles at the first byte, and sends everything back."""

    def __init__(self, slot: Slot) -> None:
        """One connection."""
        self.slot = slot

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep it."""
        # uvloop's transports are of no common class.
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Send it back."""
        self.slot.activate()
        self.transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Give the slot back."""
        self.slot.leave()


class Setup:
    """An acceptor on loopback."""

    def __init__(
        self, tls: ssl.SSLContext | None, limits: ConnectionLimits | None, head_timeout_s: float
    ) -> None:
        """Bound to a free port."""
        sock = socket.socket()
        sock.bind(("127.0.0.1", 0))
        sock.setblocking(False)
        self.port: int = sock.getsockname()[1]
        self.refused: list[str] = []
        self.acceptor = Acceptor(
            sock,
            Echo,
            tls=lambda: tls,
            refused=self.refused.append,
            limits=limits,
            head_timeout_s=head_timeout_s,
        )

    async def echo(self, tls: ssl.SSLContext | None = None) -> bytes:
        """What a client that says something gets."""
        name = None if tls is None else "localhost"
        async with asyncio.timeout(60):
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", self.port, ssl=tls, server_hostname=name
            )
            writer.write(b"hello")
            data = await reader.readexactly(5)
        writer.close()
        await writer.wait_closed()
        return data


@asynccontextmanager
async def accepting(
    tls: ssl.SSLContext | None = None,
    limits: ConnectionLimits | None = None,
    head_timeout_s: float = 60.0,
) -> AsyncIterator[Setup]:
    """An acceptor that runs."""
    setup = Setup(tls, limits, head_timeout_s)
    setup.acceptor.start()
    try:
        yield setup
    finally:
        await setup.acceptor.close()


async def silent(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A client that only connects."""
    return await asyncio.open_connection("127.0.0.1", port)


@pytest.mark.parametrize("secure", [False, True])
@pytest.mark.usefixtures("idle_clock")
async def test_who_says_nothing_is_cut_off(secure: bool, authority: Authority) -> None:
    """After the time limit, also within a TLS handshake; who spoke in time may stay."""
    await who_says_nothing_is_cut_off(secure, authority, 0.5)


async def who_says_nothing_is_cut_off(
    secure: bool, authority: Authority, head_timeout_s: float
) -> None:
    """See the test."""
    files = authority.issue()
    tls = server_tls(Listen(certificate=files.certificate, key=files.key)) if secure else None
    context = authority.client_context() if secure else None
    async with accepting(tls, head_timeout_s=head_timeout_s) as setup:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1",
            setup.port,
            ssl=context,
            server_hostname="localhost" if secure else None,
        )
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"
        late_reader, late_writer = await silent(setup.port)
        await ended(late_reader)
        await until(lambda: setup.acceptor.limits.pending == 0, "the stranger's end")
        assert setup.acceptor.limits.active == 1
        writer.write(b"again")
        assert await reader.readexactly(5) == b"again"
        for one in (writer, late_writer):
            one.close()


def descriptors() -> int:
    """Files and sockets that this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


async def ended(reader: asyncio.StreamReader) -> None:
    """Wait until the other side has closed, with or without a reset."""
    async with asyncio.timeout(60):
        with suppress(ConnectionError):
            assert await reader.read() == b""


async def test_an_account_has_its_own_share(monkeypatch: pytest.MonkeyPatch) -> None:
    """On this machine all have one address: who takes too much keeps out nobody else."""
    uid = least_uid()
    monkeypatch.setattr("vncproxy.web.acceptor.uid_of", lambda _sock: uid)
    async with accepting(limits=ConnectionLimits(most_of_one=2)) as setup:
        held = []
        for _ in range(2):
            reader, writer = await silent(setup.port)
            writer.write(b"hello")
            assert await reader.readexactly(5) == b"hello"
            held.append(writer)
        reader, writer = await silent(setup.port)
        await ended(reader)
        assert setup.refused == ["too-many-connections"]
        uid += 1
        assert await setup.echo() == b"hello"
        # Behind a proxy are many.
        uid = 33
        for _ in range(3):
            reader, service = await silent(setup.port)
            service.write(b"hello")
            assert await reader.readexactly(5) == b"hello"
            held.append(service)
        for one in (*held, writer):
            one.close()


async def test_a_crowd_that_says_nothing_keeps_out_nobody(authority: Authority) -> None:
    """Handshakes that are never finished are ended for newer ones, and their sockets closed."""
    files = authority.issue()
    tls = server_tls(Listen(certificate=files.certificate, key=files.key))
    limits = ConnectionLimits(most_pending=5)
    async with accepting(tls, limits) as setup:
        before = descriptors()
        idle = [await silent(setup.port) for _ in range(50)]
        assert await setup.echo(authority.client_context()) == b"hello"
        await until(lambda: limits.pending <= 5, "few are left")
        # Each client's own end, and the few that are still open here.
        await until(lambda: descriptors() <= before + len(idle) + 5, "sockets closed")
        for _, writer in idle:
            writer.close()


async def test_a_full_door_closes_at_once() -> None:
    """The word is counted; when somebody leaves there is room again."""
    limits = ConnectionLimits(most=1)
    async with accepting(limits=limits) as setup:
        reader, writer = await silent(setup.port)
        writer.write(b"x")
        await reader.readexactly(1)
        late_reader, late_writer = await silent(setup.port)
        assert await late_reader.read() == b""
        assert setup.refused == ["too-many-connections"]
        late_writer.close()
        writer.close()
        await until(lambda: limits.active == 0, "room")
        assert await setup.echo() == b"hello"


async def test_no_descriptor_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """It waits and tries again, without turning in circles meanwhile."""
    calls = 0
    monkeypatch.setattr("vncproxy.web.acceptor.PAUSE_S", 0.05)
    async with accepting() as setup:
        listening = setup.acceptor._sock

        class Exhausted:
            """The same socket, but for the first three times."""

            def accept(self) -> tuple[socket.socket, object]:
                nonlocal calls
                calls += 1
                if calls <= 3:
                    raise OSError(errno.EMFILE, "too many open files")
                return listening.accept()

            fileno = staticmethod(listening.fileno)
            close = staticmethod(listening.close)

        setup.acceptor._sock = Exhausted()  # type: ignore[assignment]
        assert await setup.echo() == b"hello"
        assert calls >= 4


async def test_its_end_ends_handshakes(authority: Authority) -> None:
    """Nobody is waited for, and the port is free."""
    files = authority.issue()
    tls = server_tls(Listen(certificate=files.certificate, key=files.key))
    async with accepting(tls) as setup:
        reader, writer = await silent(setup.port)
        await until(lambda: setup.acceptor.limits.pending == 1, "its place")
    await ended(reader)
    with pytest.raises(ConnectionRefusedError):
        await silent(setup.port)
    writer.close()


def test_the_same_on_uvloop(authority: Authority, caplog: pytest.LogCaptureFixture) -> None:
    """The daemon's own event loop keeps the same limits, and logs nothing of those who fail."""

    async def all_of_them() -> None:
        # This loop's clock isn't the test's: who speaks in time may be stopped for a while.
        await asyncio.gather(
            *(who_says_nothing_is_cut_off(secure, authority, 2.5) for secure in (True, False))
        )
        await test_a_crowd_that_says_nothing_keeps_out_nobody(authority)
        await test_a_full_door_closes_at_once()
        await test_its_end_ends_handshakes(authority)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(all_of_them())
    unexpected = [r for r in caplog.records if "door.crowded" not in r.getMessage()]
    assert unexpected == []
