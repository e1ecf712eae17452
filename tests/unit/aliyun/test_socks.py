"""Calls of the API and the gateway's WebSocket through a SOCKS proxy."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from websockets.asyncio.server import ServerConnection, serve

from tests.authority import Authority
from tests.hops import SocksProxy, socks_proxy
from tests.unit.aliyun.conftest import Cloud, Reply
from tests.unit.aliyun.conftest import serve as serve_cloud
from vncproxy.aliyun.answers import Answer
from vncproxy.aliyun.http_exchange import Failure, exchange
from vncproxy.aliyun.proxies import EnvironmentProxies, Proxy
from vncproxy.aliyun.socks import socks_session
from vncproxy.aliyun.tls import client_context
from vncproxy.errors import CloudErrorKind, UpstreamLost, UpstreamRefused
from vncproxy.websocket.gateway_dial import DialSettings, dial

pytestmark = pytest.mark.sockets

HOST = "ecs.cn-hangzhou.test"
PASSWORD = "planted-secret"
LOGIN = (b"ann", PASSWORD.encode())


def proxies(proxy: SocksProxy, login: str = "") -> EnvironmentProxies:
    """What the environment says."""
    value = f"socks5h://{login}127.0.0.1:{proxy.port}"
    return EnvironmentProxies({"https_proxy": value, "http_proxy": value})


def chosen(proxy: SocksProxy, login: str = "") -> Proxy:
    """The proxy for the API."""
    found = proxies(proxy, login).socks
    assert found is not None
    return found


async def ask(
    proxy: Proxy,
    port: int,
    ca_file: Path | None = None,
    host: str = HOST,
    timeout_s: float = 10.0,
) -> Answer | Failure:
    """One exchange."""
    async with socks_session(proxy) as session:
        return await exchange(
            session,
            "POST",
            f"https://{host}:{port}/",
            headers={},
            ssl_context=client_context(ca_file),
            proxy=proxy,
            timeout_s=timeout_s,
            max_bytes=1000,
        )


@pytest.mark.parametrize("login", [None, LOGIN])
async def test_the_api_is_called_through_it(
    tmp_path: Path, login: tuple[bytes, bytes] | None
) -> None:
    """By TLS with the API itself; the proxy is reported the name, and its login."""
    authority, cloud = Authority(tmp_path), Cloud()
    cloud.replies = [Reply({"a": 1})]
    runner = await serve_cloud(cloud, authority.issue(HOST).server_context())
    port = int(cloud.origin.rpartition(":")[2])
    async with socks_proxy(login) as proxy:
        outcome = await ask(
            chosen(proxy, f"ann:{PASSWORD}@" if login else ""), port, authority.ca_file
        )
        assert isinstance(outcome, Answer)
        assert outcome.body == b'{"a": 1}'
        untrusted = await ask(chosen(proxy, f"ann:{PASSWORD}@" if login else ""), port)
        assert isinstance(untrusted, Failure)
        assert untrusted.word == "certificate"
    assert proxy.asked == [HOST, HOST]
    await runner.cleanup()


async def refused(proxy: SocksProxy, login: str = "") -> Failure:
    """Why there is no answer, without the password."""
    outcome = await ask(chosen(proxy, login), 443)
    assert isinstance(outcome, Failure)
    assert PASSWORD not in outcome.error.public_text
    assert f"https_proxy names (127.0.0.1:{proxy.port})" in outcome.error.public_text
    assert outcome.error.__context__ is None
    return outcome


async def test_what_it_refuses_is_reported() -> None:
    """For good: the login, and where it lets nobody through to; all else is weather."""
    async with socks_proxy(LOGIN) as proxy:
        failure = await refused(proxy, f"bob:{PASSWORD}@")
        assert failure.error.kind is CloudErrorKind.PERMANENT
        assert "refused the user or the password" in failure.error.public_text
        failure = await refused(proxy)
        assert failure.error.kind is CloudErrorKind.PERMANENT
        assert "socks5h://USER:PASSWORD@HOST:PORT" in failure.error.public_text
    async with socks_proxy(reply=2) as proxy:
        failure = await refused(proxy)
        assert failure.error.kind is CloudErrorKind.PERMANENT
        assert f"lets nobody through to {HOST}:443. " in failure.error.public_text
    async with socks_proxy(reply=4) as proxy:
        assert (await refused(proxy)).error.kind is CloudErrorKind.TRANSIENT
    assert (await refused(proxy)).error.kind is CloudErrorKind.TRANSIENT


async def test_a_wrong_login_is_not_repeated() -> None:
    """Many wrong ones in a row lock an account."""
    async with socks_proxy(LOGIN) as proxy:
        wrong = chosen(proxy, f"bob:{PASSWORD}@")
        for _ in range(3):
            assert isinstance(await ask(wrong, 443), Failure)
        assert proxy.connections == 1


class Url:
    """A VncUrl, as far as a dial needs it."""

    secure = False

    def __init__(self, host: str, port: int) -> None:
        """A ws:// one."""
        self.host, self.port = host, port

    def reveal(self) -> str:
        """The URL."""
        return f"ws://{self.host}:{self.port}/?s={PASSWORD}"


async def test_a_gateway_is_dialled_through_it() -> None:
    """By name; what it refuses for good isn't asked again."""
    received = asyncio.Event()

    async def listen(connection: ServerConnection) -> None:
        received.set()
        await connection.wait_closed()

    async with serve(listen, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with socks_proxy(LOGIN) as proxy:
            how = DialSettings(
                client_context(None), None, proxies(proxy, f"ann:{PASSWORD}@").proxy_for
            )
            transport = await dial(Url("gateway.test", port), 5.0, how)
            await received.wait()
            await transport.close()
            await transport.shut()
            assert proxy.asked == ["gateway.test"]
            wrong = DialSettings(client_context(None), None, proxies(proxy, "ann:no@").proxy_for)
            with pytest.raises(UpstreamRefused, match="refused the user or the password"):
                await dial(Url("gateway.test", port), 5.0, wrong)
        async with socks_proxy(reply=5) as proxy:
            how = DialSettings(client_context(None), None, proxies(proxy).proxy_for)
            with pytest.raises(UpstreamLost, match="http_proxy names") as caught:
                await dial(Url("gateway.test", port), 5.0, how)
            assert type(caught.value) is UpstreamLost


@pytest.mark.parametrize("answer_bytes", range(14))
async def test_one_that_hangs_up_is_tried_again(answer_bytes: int) -> None:
    """After any byte of its answers, by the API's calls and by dials."""
    async with socks_proxy(LOGIN, answer_bytes=answer_bytes) as proxy:
        failure = await refused(proxy, f"ann:{PASSWORD}@")
        assert failure.error.kind is CloudErrorKind.TRANSIENT
        how = DialSettings(client_context(None), None, proxies(proxy, f"ann:{PASSWORD}@").proxy_for)
        with pytest.raises(UpstreamLost, match="http_proxy names") as caught:
            await dial(Url("gateway.test", 1), 5.0, how)
        assert type(caught.value) is UpstreamLost
        assert PASSWORD not in str(caught.value)
