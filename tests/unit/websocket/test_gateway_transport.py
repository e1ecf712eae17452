"""The WebSocket to the cloud, against real servers on loopback."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from tests.authority import Authority
from tests.hops import certificate_wanted, refusing_proxy
from tests.unit.console.fakes import until
from vncproxy.aliyun.gateway_host import AddressInfo
from vncproxy.aliyun.proxies import EnvironmentProxies, Proxy
from vncproxy.errors import (
    CertificateRefused,
    Side,
    UpstreamLost,
    UpstreamProtocolError,
    UpstreamRefused,
    UrlExpired,
)
from vncproxy.websocket import gateway_transport as module
from vncproxy.websocket.gateway_transport import DialSettings, GatewayTransport, dial
from vncproxy.websocket.transport import TransportEnd

pytestmark = pytest.mark.sockets

TOKEN = "Dvh%2FIA%2BYc73gWO48"
SECRETS = ("Dvh", "gWO48", "/websockify", "127.0.0.1", "hunter2")


@pytest.fixture(autouse=True)
def short_farewells(monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers that never answer a close are dropped sooner."""
    monkeypatch.setattr(module, "CLOSE_TIMEOUT_S", 0.5)


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


# The dial


async def test_a_dial_opens_a_websocket() -> None:
    """Path and token arrive untouched, with the subprotocol binary and without compression."""
    asked: list[Request] = []

    async def server(connection: ServerConnection) -> None:
        assert connection.request is not None
        asked.append(connection.request)
        assert connection.subprotocol == "binary"
        await echo(connection)

    async with gateway(server) as port, dialled(port) as (transport, receiver):
        transport.send([b"a", b"bc"])
        transport.send([b"d"])
        await until(lambda: bytes(receiver.data) == b"abcd")
        assert (transport.backlog_bytes, transport.sent_bytes) == (0, 4)
        assert asked[0].path == f"/websockify/?s={TOKEN}"
        assert "Sec-WebSocket-Extensions" not in asked[0].headers
        assert "User-Agent" not in asked[0].headers


async def test_a_server_without_the_subprotocol_is_fine() -> None:
    """Some gateways choose none."""
    async with (
        serve(echo, "127.0.0.1", 0, ping_interval=None) as server,
        dialled(server.sockets[0].getsockname()[1]) as (transport, receiver),
    ):
        transport.send([b"x"])
        await until(lambda: receiver.data)


@pytest.mark.parametrize("status", [403, 404, 503])
async def test_a_gateway_that_refuses_is_a_loss(status: int) -> None:
    """The status is reported; another try may do better."""

    def answer(connection: ServerConnection, request: Request) -> Response:
        return connection.respond(HTTPStatus(status), f"no: {request.path}")

    async with gateway(nothing, answer=answer) as port:
        with pytest.raises(UpstreamLost, match=f"HTTP status {status}") as caught:
            await dial(Url("127.0.0.1", port), 5.0, settings())
    assert type(caught.value) is UpstreamLost
    hides_everything(caught.value)


async def test_a_redirect_isnt_followed() -> None:
    """It would carry the token to another host."""
    reached: list[str] = []

    async def elsewhere(connection: ServerConnection) -> None:
        reached.append("elsewhere")

    async with gateway(elsewhere) as other:

        def answer(connection: ServerConnection, request: Request) -> Response:
            location = f"ws://127.0.0.1:{other}/"
            return Response(302, "Found", Headers({"Location": location}), b"")

        async with gateway(nothing, answer=answer) as port:
            with pytest.raises(UpstreamLost, match="302") as caught:
                await dial(Url("127.0.0.1", port), 5.0, settings())
    assert reached == []
    hides_everything(caught.value)


async def test_a_gateway_that_hangs_before_101_is_left_when_the_url_expires() -> None:
    """The time covers the whole opening; the connection is dropped."""
    gone = asyncio.Event()

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        with suppress(OSError):
            await reader.read()
        gone.set()

    async with raw_server(mute) as port:
        with pytest.raises(UrlExpired) as caught:
            await dial(Url("127.0.0.1", port), 0.1, settings())
        async with asyncio.timeout(60):
            await gone.wait()
    hides_everything(caught.value)


async def test_a_dial_that_is_cancelled_drops_its_connection() -> None:
    """Nothing is left behind when a console is closed meanwhile."""
    asked, gone = asyncio.Event(), asyncio.Event()

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        with suppress(OSError):
            await reader.read()
        gone.set()

    async with raw_server(mute) as port:
        dialling = asyncio.create_task(dial(Url("127.0.0.1", port), 5.0, settings()))
        async with asyncio.timeout(60):
            await asked.wait()
            dialling.cancel()
            await asyncio.wait([dialling])
            await gone.wait()


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (b"", UpstreamLost),
        (b"HTTP/1.1 101 Swi", UpstreamLost),
        (b"SSH-2.0-OpenSSH_9.2\r\n", UpstreamProtocolError),
        (b"\x00\xff\r\n\r\n", UpstreamProtocolError),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: no\r\n\r\n", UpstreamProtocolError),
        (
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: wrong\r\n\r\n",
            UpstreamProtocolError,
        ),
    ],
)
async def test_an_answer_that_is_none(response: bytes, expected: type[Exception]) -> None:
    """A line that broke is a loss; something else than a WebSocket is a breach of rules."""

    async def server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(response)
        await writer.drain()
        writer.write_eof()
        await reader.read()

    async with raw_server(server) as port:
        with pytest.raises(expected) as caught:
            await dial(Url("127.0.0.1", port), 5.0, settings())
    assert type(caught.value) is expected
    hides_everything(caught.value)


async def test_a_refused_connection_is_a_loss(port: int) -> None:
    """Reported in the system's words, without the address."""
    with pytest.raises(UpstreamLost, match="Connection refused") as caught:
        await dial(Url("127.0.0.1", port), 5.0, settings())
    hides_everything(caught.value)


async def test_a_name_that_isnt_one_is_a_loss() -> None:
    """Neither a resolver's refusal nor an impossible name is a fault of the daemon."""
    with pytest.raises(UpstreamLost, match="name"):
        await dial(Url("a..b", 80), 5.0, settings())
    with pytest.raises(UpstreamLost, match="name"):
        await dial(Url("gateway.invalid", 80), 5.0, settings())


# Where a name leads


class Names:
    """A name service that answers differently each time: the addresses in turn."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> None:
        """Take the place of the machine's."""
        self.asked: list[str] = []
        self._answers = answers
        monkeypatch.setattr(socket, "getaddrinfo", self._look_up)

    def _look_up(self, host: str, port: int, **_: object) -> list[AddressInfo]:
        found = self._answers[min(len(self.asked), len(self._answers) - 1)]
        self.asked.append(host)
        return [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", (one, port, 0, 0))
            if ":" in one
            else (socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port))
            for one in found
        ]


@pytest.mark.parametrize(
    "found",
    [["127.0.0.1"], ["0.0.0.0"], ["::1"], ["::ffff:127.0.0.1"], ["47.96.1.1", "127.0.0.1"]],
)
async def test_a_name_that_leads_to_this_machine_is_refused(
    monkeypatch: pytest.MonkeyPatch, found: list[str]
) -> None:
    """Nothing is connected to, neither the address of this machine nor the one beside it."""
    Names(monkeypatch, found)
    monkeypatch.setattr("aiohappyeyeballs.start_connection", _must_not_be_connected)
    with pytest.raises(UpstreamRefused, match="leads to this machine itself") as caught:
        await dial(Url("gateway.test", 80), 5.0, settings(local=False))
    assert caught.value.close_reason().reason == "upstream-refused: GatewayRefused"
    hides_everything(caught.value)


@pytest.mark.parametrize("found", ["169.254.169.254", "100.100.100.200", "fe80::1"])
async def test_a_name_that_leads_to_the_metadata_is_refused(
    monkeypatch: pytest.MonkeyPatch, found: str
) -> None:
    """Who gave the VncUrl doesn't get the machine's role that way."""
    Names(monkeypatch, [found])
    monkeypatch.setattr("aiohappyeyeballs.start_connection", _must_not_be_connected)
    with pytest.raises(UpstreamRefused, match=r"leads to (a link-local|the metadata) address"):
        await dial(Url("gateway.test", 80), 5.0, settings(local=False))


async def _must_not_be_connected(*_: object, **__: object) -> socket.socket:
    raise AssertionError("nothing is to be connected to")


async def test_what_was_looked_up_is_what_is_connected_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A name is looked up once: a second answer, which nobody looked at, isn't asked for."""
    async with gateway(echo) as port:
        names = Names(monkeypatch, ["127.0.0.1"], ["127.0.0.77"])
        transport = await dial(Url("gateway.test", port), 5.0, settings())
        transport.attach(Receiver())
        await transport.close()
        await transport.shut()
    assert names.asked == ["gateway.test"]


async def test_the_next_address_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that nobody listens at costs a moment."""
    async with gateway(echo) as port:
        Names(monkeypatch, ["127.0.0.77", "127.0.0.1"])
        transport = await dial(Url("gateway.test", port), 5.0, settings())
        transport.attach(Receiver())
        await transport.close()
        await transport.shut()


async def test_connect_host_may_be_anywhere() -> None:
    """Who set it knows: the end of a tunnel, for instance."""
    async with gateway(echo) as port:
        how = settings(connect_host="127.0.0.1", local=False)
        transport = await dial(Url("gateway.test", port), 5.0, how)
        transport.attach(Receiver())
        await transport.close()
        await transport.shut()


# TLS


async def test_tls_verifies_the_urls_host_wherever_it_is_dialled(authority: Authority) -> None:
    """connect_host replaces only the address: name and certificate are the URL's."""
    names: list[str | None] = []
    server = authority.issue("gateway.test").server_context()
    server.sni_callback = lambda sock, name, context: names.append(name)
    how = settings(authority.client_context(), connect_host="127.0.0.1", proxy=_must_not_be_asked)
    async with gateway(echo, tls=server) as port:
        transport = await dial(Url("gateway.test", port, secure=True), 5.0, how)
        receiver = Receiver()
        transport.attach(receiver)
        transport.send([b"hello"])
        await until(lambda: bytes(receiver.data) == b"hello")
        await transport.close()
        await transport.shut()
    assert names == ["gateway.test"]


def _must_not_be_asked(host: str, port: int, *, secure: bool) -> Proxy | None:
    raise AssertionError("connect_host is dialled directly")


@pytest.mark.parametrize("wrong", ["stranger", "name", "expired"])
async def test_a_certificate_that_fails_verification_is_refused(
    authority: Authority, wrong: str
) -> None:
    """An unknown authority, another host's certificate, an expired one: for good."""
    certificate = authority.issue(
        "other.test" if wrong == "name" else "gateway.test", expired=wrong == "expired"
    )
    trusted = ssl.create_default_context() if wrong == "stranger" else authority.client_context()
    async with gateway(nothing, tls=certificate.server_context()) as port:
        with pytest.raises(CertificateRefused) as caught:
            await dial(Url("gateway.test", port, secure=True), 5.0, settings(trusted, "127.0.0.1"))
    assert caught.value.close_reason().reason == "upstream-refused: CertificateUnverified"
    hides_everything(caught.value)


async def test_a_server_that_speaks_no_tls_is_a_loss(authority: Authority) -> None:
    """Wss against a plain server."""

    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        await reader.read()

    async with raw_server(plain) as port:
        with pytest.raises(UpstreamLost, match="TLS") as caught:
            await dial(
                Url("127.0.0.1", port, secure=True), 5.0, settings(authority.client_context())
            )
    hides_everything(caught.value)


# Proxies


@asynccontextmanager
async def connect_proxy(status: int = 200) -> AsyncIterator[tuple[int, list[str]]]:
    """A CONNECT proxy to loopback whatever the host; gives its port and the heads it got."""
    heads: list[str] = []

    async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        heads.append(head)
        if status != 200:
            writer.write(f"HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n".encode())
            await writer.drain()
            return
        port = int(head.split()[1].rpartition(":")[2])
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")

        async def pass_on(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            while data := await source.read(65536):
                sink.write(data)
                await sink.drain()
            if sink.can_write_eof():
                sink.write_eof()

        try:
            await asyncio.gather(pass_on(reader, far_writer), pass_on(far_reader, writer))
        finally:
            far_writer.transport.abort()

    async with raw_server(serve_one) as port:
        yield port, heads


@pytest.mark.parametrize("secure", [False, True])
async def test_a_proxy_is_connected_through_with_its_login(
    authority: Authority, secure: bool
) -> None:
    """CONNECT for ws and wss alike; the proxy never sees the token."""
    asked: list[tuple[str, bool]] = []
    tls = authority.issue("gateway.test").server_context() if secure else None
    async with connect_proxy() as (proxy_port, heads), gateway(echo, tls=tls) as port:

        def proxy(host: str, port: int, *, secure: bool) -> Proxy:
            asked.append((host, secure))
            return Proxy("127.0.0.1", proxy_port, authorization=f"Basic {login}")

        login = base64.b64encode(b"ann:hunter2@").decode()

        transport = await dial(
            Url("gateway.test", port, secure=secure),
            5.0,
            settings(authority.client_context(), proxy=proxy),
        )
        receiver = Receiver()
        transport.attach(receiver)
        transport.send([b"through"])
        await until(lambda: bytes(receiver.data) == b"through")
        await transport.close()
        await transport.shut()
    assert asked == [("gateway.test", secure)]
    assert heads[0].startswith(f"CONNECT gateway.test:{port} HTTP/1.1\r\n")
    assert f"Proxy-Authorization: Basic {login}" in heads[0]
    assert TOKEN not in "".join(heads)


def environment(port: int) -> EnvironmentProxies:
    """With a proxy on this port, and a login for it."""
    return EnvironmentProxies({"HTTP_PROXY": f"http://ann:hunter2@127.0.0.1:{port}"})


async def test_a_proxy_that_may_do_better_later_is_a_loss() -> None:
    """It isn't the cloud's doing, and it is named; the login stays inside."""
    async with refusing_proxy(502) as proxy:
        how = settings(proxy=environment(proxy.port).proxy_for)
        with pytest.raises(UpstreamLost, match=f"HTTP_PROXY names .*:{proxy.port}.* 502") as caught:
            await dial(Url("gateway.test", 80), 5.0, how)
    assert type(caught.value) is UpstreamLost
    hides_the_login(caught.value)


async def test_a_proxy_that_stalls_is_given_up_and_blamed() -> None:
    """It takes the CONNECT and says nothing: not the gateway, which was never reached."""

    async def stall(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with raw_server(stall) as port:
        how = settings(proxy=environment(port).proxy_for)
        with pytest.raises(UpstreamLost) as caught:
            await dial(Url("gateway.test", 80), 0.2, how)
    assert f"HTTP_PROXY names (127.0.0.1:{port}) didn't connect" in caught.value.public_text
    assert not isinstance(caught.value, UrlExpired)
    hides_the_login(caught.value)


@pytest.mark.parametrize("status", [401, 403, 407])
async def test_a_proxy_that_refuses_for_good_is_not_asked_again(status: int) -> None:
    """Variable, host and what to do are reported, and the login isn't."""
    async with refusing_proxy(status) as proxy:
        how = settings(proxy=environment(proxy.port).proxy_for)
        for _ in range(3):
            with pytest.raises(UpstreamRefused) as caught:
                await dial(Url("gateway.test", 80), 5.0, how)
            assert f"HTTP_PROXY names (127.0.0.1:{proxy.port})" in caught.value.public_text
            assert f"HTTP {status}" in caught.value.public_text
            assert caught.value.close_reason().reason == "upstream-refused: ProxyRefused"
            hides_the_login(caught.value)
    # Wrong passwords lock accounts; whom it lets through to where is nobody's account.
    assert len(proxy.heads) == (3 if status == 403 else 1)
    assert ("gateway.test:80" in caught.value.public_text) is (status == 403)


def hides_the_login(fault: BaseException) -> None:
    """The proxy's address is reported, its password isn't."""
    hides_everything(fault, tuple(secret for secret in SECRETS if secret != "127.0.0.1"))


async def test_a_proxy_that_is_not_there_is_to_blame_itself(port: int) -> None:
    """Not the gateway, of which nothing is known."""
    how = settings(proxy=environment(port).proxy_for)
    with pytest.raises(UpstreamLost, match=r"HTTP_PROXY names .* can't be reached: Connection ref"):
        await dial(Url("gateway.test", 80), 5.0, how)


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_gateway_that_wants_a_certificate_is_not_asked_again(
    authority: Authority, newest: ssl.TLSVersion
) -> None:
    """By TLS 1.3 its alert comes only once the handshake is over on this side."""
    with certificate_wanted(authority, newest) as port:
        how = settings(authority.client_context(), connect_host="127.0.0.1")
        with pytest.raises(UpstreamRefused, match="want a certificate") as caught:
            await dial(Url("gateway.test", port, secure=True), 5.0, how)
    assert caught.value.close_reason().reason == "upstream-refused: TlsRefused"
    hides_everything(caught.value)


# The open transport


async def test_a_message_of_40_mib_comes_whole_and_in_pieces() -> None:
    """No message limit below a raw 4K screen; nothing is delivered in one lump."""
    piece = bytes(range(256)) * 4096
    size = 40 * len(piece)

    async def server(connection: ServerConnection) -> None:
        await connection.send(piece * 40)
        await connection.wait_closed()

    async with gateway(server) as port, dialled(port, 20.0) as (_, receiver):
        await until(lambda: len(receiver.data) == size, 30.0)
        assert receiver.data == piece * 40
        assert receiver.largest <= 256 * 1024


async def test_a_paused_leg_holds_the_server_back() -> None:
    """Little is read on, the server's sending stalls, and after resuming nothing is missing."""
    sent = 0
    piece = bytes(64 * 1024)

    async def server(connection: ServerConnection) -> None:
        nonlocal sent
        with suppress(ConnectionClosed):
            for _ in range(512):
                await connection.send(piece)
                sent += len(piece)
            await connection.wait_closed()

    async with gateway(server) as port, dialled(port) as (transport, receiver):
        transport.pause()
        stalled_at = -1
        while stalled_at != sent:
            stalled_at = sent
            await asyncio.sleep(0.2)
        got = len(receiver.data)
        assert got <= 512 * 1024
        assert sent < 512 * len(piece)
        await asyncio.sleep(0.05)
        assert len(receiver.data) == got
        transport.resume()
        await until(lambda: len(receiver.data) == 512 * len(piece), 20.0)


async def test_a_pause_holds_back_the_rest_of_a_large_message() -> None:
    """A receiver that pauses while it is fed gets no more than it was given."""
    size = 4 * 1024 * 1024

    async def server(connection: ServerConnection) -> None:
        await connection.send(bytes(size))
        await connection.wait_closed()

    receiver = Pausing()
    async with gateway(server) as port, dialled(port, receiver=receiver) as (transport, _):
        receiver.transport = transport
        await until(lambda: receiver.data)
        await asyncio.sleep(0.05)
        assert receiver.slices == 1
        receiver.transport = None
        transport.resume()
        await until(lambda: len(receiver.data) == size)


@dataclass
class Pausing(Receiver):
    """Pauses its transport at each delivery."""

    transport: GatewayTransport | None = None
    slices: int = 0

    def transport_received(self, data: bytes | memoryview) -> int:
        """Bytes came."""
        self.slices += 1
        if self.transport is not None:
            self.transport.pause()
        return super().transport_received(data)


async def test_what_a_stuck_server_doesnt_take_is_backlog() -> None:
    """It falls to nothing, with a word, once the server reads."""
    stuck, reads = asyncio.Event(), asyncio.Event()
    got = 0

    async def server(connection: ServerConnection) -> None:
        nonlocal got
        connection.transport.pause_reading()
        stuck.set()
        await reads.wait()
        connection.transport.resume_reading()
        with suppress(ConnectionClosed):
            async for message in connection:
                got += len(message)

    async with gateway(server) as port, dialled(port) as (transport, receiver):
        await stuck.wait()
        try:
            for _ in range(256):
                transport.send([bytes(64 * 1024)])
            await asyncio.sleep(0.1)
            assert transport.backlog_bytes > 1024 * 1024
            assert receiver.drained == 0
        finally:
            reads.set()
        await until(lambda: receiver.drained, 20.0)
        assert transport.backlog_bytes == 0
        assert transport.sent_bytes == 16 * 1024 * 1024
        await until(lambda: got == 16 * 1024 * 1024)


# Its end


async def test_closing_is_proper_and_sends_what_is_queued() -> None:
    """The server gets the last bytes, then close code 1000; the end is reported once."""
    got = bytearray()
    codes: list[int | None] = []

    async def server(connection: ServerConnection) -> None:
        with suppress(ConnectionClosed):
            async for message in connection:
                assert isinstance(message, bytes)
                got.extend(message)
        codes.append(connection.close_code)

    async with gateway(server) as port, dialled(port) as (transport, receiver):
        transport.send([bytes(1024 * 1024), b"last"])
        await transport.close()
        assert receiver.ends == [TransportEnd(Side.DAEMON, 1000)]
        transport.send([b"too late"])
        await transport.close()
        await until(lambda: codes)
    assert codes == [1000]
    assert got.endswith(b"last")
    assert len(receiver.ends) == 1


async def test_closing_a_paused_leg_works() -> None:
    """Unread bytes don't hold up the farewell."""
    codes: list[int | None] = []

    async def server(connection: ServerConnection) -> None:
        with suppress(ConnectionClosed):
            for _ in range(64):
                await connection.send(bytes(64 * 1024))
        await connection.wait_closed()
        codes.append(connection.close_code)

    async with gateway(server) as port, dialled(port) as (transport, _):
        transport.pause()
        await asyncio.sleep(0.1)
        await transport.close()
        await until(lambda: codes)
    assert codes == [1000]


async def test_a_server_that_takes_nothing_is_dropped() -> None:
    """Closing has a limit whatever the other end does."""
    stuck, done = asyncio.Event(), asyncio.Event()

    async def server(connection: ServerConnection) -> None:
        connection.transport.pause_reading()
        stuck.set()
        await done.wait()

    async with gateway(server) as port, dialled(port) as (transport, receiver):
        await stuck.wait()
        try:
            for _ in range(256):
                transport.send([bytes(64 * 1024)])
            async with asyncio.timeout(60):
                await transport.close()
        finally:
            done.set()
        assert [end.side for end in receiver.ends] == [Side.DAEMON]


async def test_a_server_that_never_answers_the_close_is_dropped() -> None:
    """It reads, but says nothing."""
    async with raw_server(upgraded(b"")) as port, dialled(port) as (transport, receiver):
        async with asyncio.timeout(60):
            await transport.close()
        assert [end.side for end in receiver.ends] == [Side.DAEMON]


@pytest.mark.parametrize("code", [1000, 1011, 4321])
async def test_the_servers_close_is_reported_after_what_it_sent(code: int) -> None:
    """On the cloud's side, with its code."""

    async def server(connection: ServerConnection) -> None:
        await connection.send(b"goodbye")
        await connection.close(code, "a reason")

    async with gateway(server) as port, dialled(port) as (transport, receiver):
        await until(lambda: receiver.ends)
        assert bytes(receiver.data) == b"goodbye"
        assert receiver.ends == [TransportEnd(Side.CLOUD, code)]
        transport.send([b"into the void"])
        await transport.close()
    assert len(receiver.ends) == 1


async def test_a_broken_line_is_a_loss() -> None:
    """No close frame: 1006, and no rule was broken."""

    async def server(connection: ServerConnection) -> None:
        connection.transport.abort()

    async with gateway(server) as port, dialled(port) as (_, receiver):
        await until(lambda: receiver.ends)
    assert receiver.ends == [TransportEnd(Side.CLOUD, 1006)]


def upgraded(
    frames: bytes, *, hangs_up: bool = False
) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    """A server that opens the WebSocket, then sends these bytes."""

    async def server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        key = next(
            line.split(": ")[1]
            for line in head.split("\r\n")
            if line.startswith("Sec-WebSocket-Key")
        )
        digest = hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()
        accept = base64.b64encode(digest).decode()
        writer.write(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept}\r\n\r\n".encode()
            + frames
        )
        await writer.drain()
        if not hangs_up:
            while await reader.read(65536):
                pass

    return server


@pytest.mark.parametrize(
    "frames",
    [
        b"\xf2\x01x",  # reserved bits
        b"\x83\x01x",  # an unknown opcode
        b"\x82\x81\0\0\0\0x",  # masked
        b"\x80\x01x",  # a continuation of nothing
        b"\x89\x7e\x00\x80" + bytes(128),  # a ping of 128 bytes
        b"\x82\x7f" + b"\xff" * 8,  # a length of 64 bits
    ],
)
@pytest.mark.parametrize("hangs_up", [False, True])
async def test_broken_websocket_rules_are_distinguished_from_a_loss(
    frames: bytes, hangs_up: bool
) -> None:
    """What came before is delivered; whether the server then hangs up makes no difference."""
    good = b"\x82\x04good"
    async with (
        raw_server(upgraded(good + frames, hangs_up=hangs_up)) as port,
        dialled(port) as (_, receiver),
    ):
        await until(lambda: receiver.ends)
    assert bytes(receiver.data) == b"good"
    assert [(end.side, end.broke_rules) for end in receiver.ends] == [(Side.CLOUD, True)]


async def test_a_fault_of_the_receiver_ends_the_leg() -> None:
    """The link can't go on without the bytes; its owner learns that the daemon is to blame."""

    async def server(connection: ServerConnection) -> None:
        await connection.send(b"x")
        await connection.wait_closed()

    class Faulty(Receiver):
        def transport_received(self, data: bytes | memoryview) -> int:
            raise RuntimeError("a bug")

    async with gateway(server) as port, dialled(port, receiver=Faulty()) as (_, receiver):
        await until(lambda: receiver.ends)
    assert receiver.ends == [TransportEnd(Side.DAEMON)]


async def test_nothing_of_the_url_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Not even at the most talkative level."""
    caplog.set_level(logging.DEBUG)
    async with gateway(echo) as port, dialled(port) as (transport, receiver):
        transport.send([b"typed"])
        await until(lambda: receiver.data)
        assert not any(secret in repr(transport) for secret in SECRETS)
    lines = [record for record in caplog.records if record.name != "websockets.server"]
    text = "\n".join(f"{record.name} {record.getMessage()}" for record in lines)
    assert TOKEN not in text
    assert "typed" not in text
