"""What `check` says of each way to the cloud: host, address, and the variable of a proxy."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from tests.authority import Authority
from tests.hops import refusing_proxy
from tests.unit.commands.surroundings import KEY, SETTINGS, environ
from vncproxy.aliyun.vncurl import VncUrl
from vncproxy.commands.reachability import endpoint_reached, gateway_reached
from vncproxy.config.model import Aliyun, Config
from vncproxy.service.cloud_client import Cloud, cloud_of
from vncproxy.simulator.simulator import Simulator

pytestmark = pytest.mark.sockets


@asynccontextmanager
async def cloud(aliyun: Aliyun, **variables: str) -> AsyncIterator[Cloud]:
    """The way to a cloud as these settings and variables give it."""
    async with cloud_of(Config(aliyun=aliyun), {**environ(KEY), **variables}) as way:
        yield way


def vnc_url(text: str) -> VncUrl:
    return VncUrl.decode(text, 0.0)


async def test_an_endpoint_that_answers() -> None:
    """Host, port and address are named."""
    async with (
        Simulator(replace(SETTINGS)) as simulator,
        cloud(Aliyun(endpoint=simulator.endpoint)) as way,
    ):
        ok, report = await endpoint_reached(way, "cn-hangzhou")
    assert ok
    assert report.startswith(f"{simulator.endpoint.removeprefix('http://')} reached; the clocks")


async def test_a_proxy_that_refuses_the_endpoint() -> None:
    """Variable, its host, and whose way it was; never the login."""
    async with (
        refusing_proxy(407) as proxy,
        cloud(Aliyun(), HTTPS_PROXY=proxy.url) as way,
    ):
        ok, report = await endpoint_reached(way, "cn-hangzhou")
        again = await endpoint_reached(way, "cn-beijing")
    assert not ok
    assert not again[0]
    assert "(HTTP 407)" in report
    assert "Correct them in HTTPS_PROXY" in report
    assert report.endswith(
        "(ecs.cn-hangzhou.aliyuncs.com:443 by the proxy that HTTPS_PROXY names "
        f"(127.0.0.1:{proxy.port}))"
    )
    assert "hunter2" not in report
    assert "again later" not in report
    assert len(proxy.heads) == 1


async def test_a_region_that_the_name_service_does_not_know(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The nearest known one is offered; one that is known isn't at fault."""

    async def unknown(*_: Any, **__: Any) -> list[Any]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", unknown)
    async with cloud(Aliyun()) as way:
        ok, report = await endpoint_reached(way, "cn-hangzou")
        known = await endpoint_reached(way, "cn-hangzhou")
    async with cloud(Aliyun(endpoint="https://ecs.example.test")) as way:
        named = await endpoint_reached(way, "cn-hangzou")
    assert (ok, known[0], named[0]) == (False, False, False)
    assert "ecs.cn-hangzou.aliyuncs.com:443" in report
    assert "name service doesn't know" in report
    assert "Is the region cn-hangzhou meant?" in report
    assert "meant?" not in known[1] + named[1]


async def test_a_gateway_by_a_proxy() -> None:
    """It is asked for the gateway's host: what lets the API through may refuse that."""
    url = vnc_url("wss://hz01-vncproxy.example.test/websockify/?s=planted")
    async with refusing_proxy(403) as proxy, cloud(Aliyun(), HTTPS_PROXY=proxy.url) as way:
        ok, report = await gateway_reached(way, url)
    assert not ok
    assert proxy.heads[0].startswith("CONNECT hz01-vncproxy.example.test:443 ")
    assert "lets nobody through to hz01-vncproxy.example.test:443 (HTTP 403)" in report
    assert "planted" not in report + "".join(proxy.heads)


async def test_a_gateway_behind_connect_host(authority: Authority) -> None:
    """The setting that led there is named, and nothing of the VncUrl is sent."""
    read = asyncio.get_running_loop().create_future()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            read.set_result(await reader.read(1))
        except ConnectionResetError:
            read.set_result(b"")
        writer.close()

    context = authority.issue("gateway.test").server_context()
    async with await asyncio.start_server(listen, "127.0.0.1", 0, ssl=context) as server:
        port = server.sockets[0].getsockname()[1]
        url = vnc_url(f"wss://gateway.test:{port}/websockify/?s=planted")
        aliyun = Aliyun(connect_host="127.0.0.1", ca_file=authority.ca_file)
        async with cloud(aliyun) as way:
            ok, report = await gateway_reached(way, url)
        async with cloud(Aliyun(connect_host="127.0.0.1")) as way:
            untrusted = await gateway_reached(way, url)
        async with asyncio.timeout(60):
            assert await read == b""
    assert ok
    assert report == f"gateway.test:{port} by connect_host 127.0.0.1 can be reached"
    assert not untrusted[0]
    assert "ca_file" in untrusted[1]


async def test_a_gateway_without_tls() -> None:
    """It is fine, since the cloud documents it, and noted; on this machine it isn't even that."""
    async with await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0) as one:
        port = one.sockets[0].getsockname()[1]
        async with cloud(Aliyun(connect_host="127.0.0.1")) as way:
            ok, report = await gateway_reached(way, vnc_url(f"ws://gateway.test:{port}/?s=x"))
        local = Aliyun(endpoint="http://127.0.0.1:1")
        async with cloud(local) as way:
            quiet = await gateway_reached(way, vnc_url(f"ws://127.0.0.1:{port}/?s=x"))
    assert ok
    assert "isn't encrypted" in report
    assert quiet == (True, f"127.0.0.1:{port} can be reached")


async def test_a_gateway_on_this_machine() -> None:
    """It is refused as it would be at a dial."""
    async with cloud(Aliyun()) as way:
        ok, report = await gateway_reached(way, vnc_url("ws://127.0.0.1:9/?s=planted"))
    assert not ok
    assert "leads to this machine itself" in report


async def test_a_gateway_where_nobody_listens(port: int) -> None:
    """Its address is named, and the system's word."""
    async with cloud(Aliyun(endpoint="http://127.0.0.1:1")) as way:
        ok, report = await gateway_reached(way, vnc_url(f"ws://127.0.0.1:{port}/?s=planted"))
    assert not ok
    assert f"127.0.0.1:{port}" in report
    assert "Connection refused" in report
