"""One HTTP exchange and all the ways in which it fails."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from tests.authority import Authority
from tests.clock import FakeClock
from tests.hops import certificate_wanted
from tests.unit.aliyun.conftest import Cloud, Reply, serve
from vncproxy.aliyun.answers import Answer
from vncproxy.aliyun.http_exchange import Failure, exchange
from vncproxy.aliyun.proxies import LOGIN_HOLD_S, EnvironmentProxies, Proxy
from vncproxy.aliyun.tls import client_context
from vncproxy.errors import CloudErrorKind

pytestmark = pytest.mark.sockets

SECRET = "planted-secret-7f3a"


class ConnectProxy:
    """A tiny CONNECT proxy that leads every tunnel to one port, or refuses it."""

    def __init__(self) -> None:
        """Nothing asked yet."""
        self.heads: list[str] = []
        self.port = 0
        self.leads_to = 0
        self.refusal = ""
        self._pumps: list[asyncio.Task[None]] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client."""
        self.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
        if self.refusal:
            writer.write(f"HTTP/1.1 {self.refusal}\r\nContent-Length: 0\r\n\r\n".encode())
            writer.close()
            return
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.leads_to)
        writer.write(b"HTTP/1.1 200 ok\r\n\r\n")
        self._pumps += [
            asyncio.create_task(_pump(reader, far_writer)),
            asyncio.create_task(_pump(far_reader, writer)),
        ]

    async def close(self) -> None:
        """End what still flows."""
        for pump in self._pumps:
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()


@pytest.fixture
async def connect_proxy() -> AsyncIterator[ConnectProxy]:
    """The proxy, running."""
    proxy = ConnectProxy()
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    yield proxy
    server.close()
    await proxy.close()


async def _ask(session: aiohttp.ClientSession, url: str, **options: Any) -> Answer | Failure:
    settings: dict[str, Any] = {
        "headers": {"authorization": SECRET},
        "ssl_context": client_context(None),
        "proxy": None,
        "timeout_s": 10.0,
        "max_bytes": 1000,
    }
    return await exchange(session, "POST", url, **{**settings, **options})


def _failed(outcome: Answer | Failure, word: str, kind: CloudErrorKind) -> None:
    assert isinstance(outcome, Failure)
    assert (outcome.word, outcome.error.kind) == (word, kind)
    # aiohttp's exceptions hold the headers: none may be reachable from ours.
    assert outcome.error.__cause__ is None
    assert outcome.error.__context__ is None
    assert SECRET not in repr(outcome) + outcome.error.public_text


async def test_the_request_goes_out_as_it_is(cloud: Cloud, session: aiohttp.ClientSession) -> None:
    """The encoded query is sent untouched, without a body, a content type or compression."""
    cloud.replies = [Reply({"a": 1}, 201, {"X-Acs-Retry-After": "5"})]
    outcome = await _ask(session, f"{cloud.origin}/?a=%2A%7E%20%C3%BC&b=%252F")
    assert isinstance(outcome, Answer)
    assert (outcome.status, outcome.body) == (201, b'{"a": 1}')
    assert outcome.headers["x-acs-retry-after"] == "5"
    request = cloud.requests[0]
    assert request.query == {"a": "*~ ü", "b": "%2F"}
    assert request.headers["accept"] == "application/json"
    assert request.headers["accept-encoding"] == "identity"
    assert request.headers.get("content-length", "0") == "0"
    assert "content-type" not in request.headers


async def test_a_hanging_answer_times_out(cloud: Cloud, session: aiohttp.ClientSession) -> None:
    """It ends with the time limit."""
    cloud.replies = [Reply(hang=True)]
    outcome = await _ask(session, cloud.origin, timeout_s=0.05)
    _failed(outcome, "timeout", CloudErrorKind.TRANSIENT)


async def test_redirects_are_not_followed(cloud: Cloud, session: aiohttp.ClientSession) -> None:
    """The answer is the redirect itself."""
    cloud.replies = [Reply({}, 302, {"Location": f"{cloud.origin}/other"})]
    outcome = await _ask(session, cloud.origin)
    assert isinstance(outcome, Answer)
    assert outcome.status == 302
    assert len(cloud.requests) == 1


async def test_a_long_answer_is_cut_off(cloud: Cloud, session: aiohttp.ClientSession) -> None:
    """One byte too many is a failure; exactly the limit is fine."""
    cloud.replies = [Reply(b"x" * 1000), Reply(b"x" * 1001)]
    assert isinstance(await _ask(session, cloud.origin), Answer)
    _failed(await _ask(session, cloud.origin), "too-large", CloudErrorKind.TRANSIENT)


async def test_a_cut_connection_is_transient(cloud: Cloud, session: aiohttp.ClientSession) -> None:
    """The API may be restarting, or a firewall may have cut it."""
    cloud.replies = [Reply(drop=True)]
    _failed(await _ask(session, cloud.origin), "broken", CloudErrorKind.TRANSIENT)


async def test_a_refused_connection_is_transient(session: aiohttp.ClientSession) -> None:
    """Nobody listens."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        _failed(await _ask(session, url), "unreachable", CloudErrorKind.TRANSIENT)


class NoNames(AbstractResolver):
    """A name service that knows nothing."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Fail."""
        raise socket.gaierror(socket.EAI_NONAME, f"{host}:{port} {family}")

    async def close(self) -> None:
        """Nothing is open."""


async def test_an_unknown_host_is_transient() -> None:
    """The name service may be back in a moment."""
    connector = aiohttp.TCPConnector(resolver=NoNames())
    async with aiohttp.ClientSession(connector=connector) as session:
        outcome = await _ask(session, "http://host.invalid/")
    _failed(outcome, "dns", CloudErrorKind.TRANSIENT)


async def test_answers_that_are_no_http(session: aiohttp.ClientSession) -> None:
    """Another protocol on that port is a broken connection."""

    async def gibberish(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"RFB 003.008\n" * 3)
        writer.close()

    server = await asyncio.start_server(gibberish, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        outcome = await _ask(session, f"http://127.0.0.1:{port}/")
        _failed(outcome, "broken", CloudErrorKind.TRANSIENT)
        outcome = await _ask(session, f"https://127.0.0.1:{port}/")
        _failed(outcome, "tls", CloudErrorKind.TRANSIENT)


async def test_a_certificate_of_the_named_authority_is_fine(
    authority: Authority, session: aiohttp.ClientSession
) -> None:
    """With ca_file the connection is made; without, it is permanently refused."""
    cloud = Cloud()
    cloud.replies = [Reply({})]
    runner = await serve(cloud, authority.issue("localhost").server_context())
    try:
        trusting = client_context(authority.ca_file)
        assert isinstance(await _ask(session, cloud.origin, ssl_context=trusting), Answer)
        outcome = await _ask(session, cloud.origin)
        _failed(outcome, "certificate", CloudErrorKind.PERMANENT)
        assert isinstance(outcome, Failure)
        assert "aliyun.ca_file" in outcome.error.public_text
        wrong_host = cloud.origin.replace("localhost", "127.0.0.1")
        outcome = await _ask(session, wrong_host, ssl_context=trusting)
        _failed(outcome, "certificate", CloudErrorKind.PERMANENT)
        assert len(cloud.requests) == 1
    finally:
        await runner.cleanup()


async def test_an_expired_certificate_says_so(
    authority: Authority, session: aiohttp.ClientSession
) -> None:
    """The sentence names the clock as a suspect."""
    cloud = Cloud()
    runner = await serve(cloud, authority.issue("localhost", expired=True).server_context())
    try:
        outcome = await _ask(session, cloud.origin, ssl_context=client_context(authority.ca_file))
        _failed(outcome, "certificate", CloudErrorKind.PERMANENT)
        assert isinstance(outcome, Failure)
        assert "clock" in outcome.error.public_text
    finally:
        await runner.cleanup()


async def test_a_proxy_is_connected_through(
    authority: Authority, session: aiohttp.ClientSession, connect_proxy: ConnectProxy
) -> None:
    """TLS is verified end to end, and the proxy sees its own authorization only."""
    host = "ecs.cn-hangzhou.aliyuncs.com"
    cloud = Cloud()
    cloud.replies = [Reply({})]
    runner = await serve(cloud, authority.issue(host).server_context())
    connect_proxy.leads_to = int(cloud.origin.rsplit(":", 1)[1])
    try:
        outcome = await _ask(
            session,
            f"https://{host}/",
            ssl_context=client_context(authority.ca_file),
            proxy=Proxy("127.0.0.1", connect_proxy.port, authorization="Basic dTpw"),
        )
        assert isinstance(outcome, Answer)
        head = connect_proxy.heads[0]
        assert head.startswith(f"CONNECT {host}:443 ")
        assert "Proxy-Authorization: Basic dTpw" in head
        assert SECRET not in head
        assert "proxy-authorization" not in cloud.requests[0].headers
        outcome = await _ask(
            session, f"https://{host}/", proxy=Proxy("127.0.0.1", connect_proxy.port)
        )
        _failed(outcome, "certificate", CloudErrorKind.PERMANENT)
    finally:
        await runner.cleanup()


async def test_a_proxy_that_is_missing_or_sick_is_weather(
    session: aiohttp.ClientSession, connect_proxy: ConnectProxy
) -> None:
    """It is named, by variable and address."""
    connect_proxy.refusal = "503 later"
    proxies = EnvironmentProxies({"https_proxy": f"http://127.0.0.1:{connect_proxy.port}"})
    proxy = proxies.proxy_for("ecs.x.aliyuncs.com", 443, secure=True)
    outcome = await _ask(session, "https://ecs.x.aliyuncs.com/", proxy=proxy)
    _failed(outcome, "proxy", CloudErrorKind.TRANSIENT)
    assert isinstance(outcome, Failure)
    assert f"https_proxy names (127.0.0.1:{connect_proxy.port})" in outcome.error.public_text
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        proxy = Proxy("127.0.0.1", unused.getsockname()[1])
        outcome = await _ask(session, "https://ecs.x.aliyuncs.com/", proxy=proxy)
        _failed(outcome, "proxy", CloudErrorKind.TRANSIENT)
        assert isinstance(outcome, Failure)
        assert f"HTTPS_PROXY names ({proxy.url[7:]})" in outcome.error.public_text


async def test_a_proxy_that_refuses_for_good(
    session: aiohttp.ClientSession, connect_proxy: ConnectProxy
) -> None:
    """The text has what to do; no wrong login is repeated for a minute, or accounts are locked."""
    clock = FakeClock()
    value = f"http://ann:{SECRET}@127.0.0.1:{connect_proxy.port}"
    proxies = EnvironmentProxies({"HTTPS_PROXY": value}, clock)
    for status, asked in ((403, 3), (407, 1), (401, 1)):
        connect_proxy.heads.clear()
        connect_proxy.refusal = f"{status} no"
        for _ in range(3):
            proxy = proxies.proxy_for("ecs.x.aliyuncs.com", 443, secure=True)
            outcome = await _ask(session, "https://ecs.x.aliyuncs.com/", proxy=proxy)
            _failed(outcome, "proxy", CloudErrorKind.PERMANENT)
            assert isinstance(outcome, Failure)
            assert outcome.error.code == "ProxyRefused"
            text = outcome.error.public_text
            assert f"HTTPS_PROXY names (127.0.0.1:{connect_proxy.port})" in text
            assert f"HTTP {status}" in text
            assert ("NO_PROXY" in text) is (status == 403)
        assert len(connect_proxy.heads) == asked
        clock.forward(LOGIN_HOLD_S)


async def test_a_proxy_whose_name_is_not_known() -> None:
    """The variable is wrong, not the cloud's name."""
    connector = aiohttp.TCPConnector(resolver=NoNames())
    async with aiohttp.ClientSession(connector=connector) as session:
        outcome = await _ask(session, "https://ecs.x.aliyuncs.com/", proxy=Proxy("no.invalid", 1))
    _failed(outcome, "dns", CloudErrorKind.TRANSIENT)
    assert isinstance(outcome, Failure)
    assert "HTTPS_PROXY names (no.invalid:1)" in outcome.error.public_text


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_an_alert_about_our_certificate_is_for_good(
    session: aiohttp.ClientSession, tmp_path: Path, newest: ssl.TLSVersion
) -> None:
    """By TLS 1.3 it comes only once the handshake is over on this side."""
    authority = Authority(tmp_path)
    with certificate_wanted(authority, newest) as port:
        url = f"https://localhost:{port}/"
        outcome = await _ask(session, url, ssl_context=client_context(authority.ca_file))
    _failed(outcome, "tls", CloudErrorKind.PERMANENT)
    assert isinstance(outcome, Failure)
    assert outcome.error.code == "TlsRefused"
    assert "certificate of this machine" in outcome.error.public_text
