"""Dials of a VncUrl, against real servers on loopback."""

from __future__ import annotations

import asyncio
import base64
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from tests.authority import Authority
from tests.hops import certificate_wanted, refusing_proxy
from tests.unit.console.fakes import until
from tests.unit.websocket.gateways import (
    SECRETS,
    TOKEN,
    Receiver,
    Url,
    dialled,
    echo,
    gateway,
    hides_everything,
    nothing,
    raw_server,
    settings,
)
from vncproxy.aliyun.gateway_host import AddressInfo
from vncproxy.aliyun.proxies import EnvironmentProxies, Proxy
from vncproxy.errors import (
    CertificateRefused,
    UpstreamLost,
    UpstreamProtocolError,
    UpstreamRefused,
    UrlExpired,
)
from vncproxy.websocket import gateway_dial as module
from vncproxy.websocket.gateway_dial import dial

pytestmark = pytest.mark.sockets


@pytest.fixture(autouse=True)
def short_farewells(monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers that never answer a close are dropped sooner."""
    monkeypatch.setattr(module, "CLOSE_TIMEOUT_S", 0.5)


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


@pytest.mark.usefixtures("idle_clock")
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


@pytest.mark.usefixtures("idle_clock")
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
