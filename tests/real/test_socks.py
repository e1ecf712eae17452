"""OpenSSH's `ssh -D` as the SOCKS proxy between the daemon and the cloud."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from websockets.asyncio.server import ServerConnection, serve

from tests.authority import Authority
from tests.real.peers.openssh import sshd
from tests.real.peers.process import free_port
from tests.unit.aliyun.conftest import Cloud, Reply
from tests.unit.aliyun.conftest import serve as serve_cloud
from tests.unit.aliyun.test_socks import Url, ask
from vncproxy.aliyun.answers import Answer
from vncproxy.aliyun.http_exchange import Failure
from vncproxy.aliyun.proxies import EnvironmentProxies
from vncproxy.aliyun.tls import client_context
from vncproxy.errors import CloudErrorKind, UpstreamLost
from vncproxy.websocket.gateway_dial import DialSettings, dial

ACCOUNT = "root"
NAME = "localhost"
"""Looked up at the far end, as every name is."""


async def test_the_cloud_is_reached_through_ssh(tmp_path: Path, meeting_place: Path) -> None:
    """The API by TLS and the gateway's WebSocket; what isn't there is passing trouble, in words.

    OpenSSH says that it is connected before it is, and hangs up if it can't be.
    """
    authority, cloud = Authority(tmp_path), Cloud()
    cloud.replies = [Reply({"a": 1})]
    runner = await serve_cloud(cloud, authority.issue(NAME).server_context())
    api_port = int(cloud.origin.rpartition(":")[2])
    received: asyncio.Queue[str | bytes] = asyncio.Queue()

    async def listen(connection: ServerConnection) -> None:
        received.put_nowait(await connection.recv())
        await connection.wait_closed()

    async with (
        serve(listen, "127.0.0.1", 0) as gateway,
        sshd(meeting_place) as ssh,
        ssh.socks(ACCOUNT) as way,
    ):
        value = f"socks5h://127.0.0.1:{way.port}"
        proxies = EnvironmentProxies({"https_proxy": value, "http_proxy": value})
        assert proxies.socks is not None
        answer = await ask(proxies.socks, api_port, authority.ca_file, NAME, 30.0)
        nobody = await ask(proxies.socks, free_port(), authority.ca_file, NAME, 30.0)
        assert isinstance(answer, Answer)
        assert answer.body == b'{"a": 1}'
        assert isinstance(nobody, Failure)
        assert nobody.error.kind is CloudErrorKind.TRANSIENT
        assert f"127.0.0.1:{way.port}" in nobody.error.public_text

        # The environment's are for other machines only.
        how = DialSettings(client_context(None), None, lambda *_, **__: proxies.socks)
        transport = await dial(Url(NAME, gateway.sockets[0].getsockname()[1]), 30.0, how)
        transport.send([b"RFB 003.008\n"])
        assert await received.get() == b"RFB 003.008\n"
        await transport.close()
        await transport.shut()
        with pytest.raises(UpstreamLost) as caught:
            await dial(Url(NAME, free_port()), 30.0, how)
        assert type(caught.value) is UpstreamLost, "one that may be tried again"
    await runner.cleanup()
