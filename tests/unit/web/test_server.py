"""The doors' sockets: TCP, TLS and Unix, several at once, and what is left of them."""

from __future__ import annotations

import asyncio
import grp
import os
import socket
import ssl
import stat
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.authority import Authority
from tests.owner_client import owner_client
from tests.setup import Viewer, running, until
from tests.unit.console.fakes import settle
from vncproxy.config.model import Listen
from vncproxy.errors import CloseCode, CloseReason, ConfigError, LocalError, Side
from vncproxy.web import server
from vncproxy.web.server import server_tls
from vncproxy.websocket.browser_transport import BrowserTransport

pytestmark = pytest.mark.sockets

_NO_GOODBYE = 1006
"""The connection ended without a close frame. Source: RFC 6455, section 7.1.5."""
_KICKED = CloseReason(CloseCode.KICKED, Side.DAEMON, "an administrator ended it")


def unix(folder: Path, **settings: Any) -> Listen:
    """A Unix door in this folder."""
    return Listen(name="unix", address=f"unix:{folder}/d.sock", access="token", **settings)


async def healthy(path: Path) -> bool:
    """Whether a daemon answers on this Unix socket."""
    async with (
        aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path))) as http,
        http.get("http://localhost/healthz") as answer,
    ):
        return answer.status == 200


async def test_several_doors(tmp_path: Path, short_path: Path, authority: Authority) -> None:
    """TCP, IPv6, TLS and Unix at once lead to the same daemon, each with its own access."""
    files = authority.issue()
    doors = (
        Listen(name="token", address="127.0.0.1:0", access="token"),
        Listen(name="six", address="[::1]:0", access="open"),
        Listen(name="tls", address="127.0.0.1:0", certificate=files.certificate, key=files.key),
        unix(short_path),
    )
    async with running(tmp_path, listen=doors) as setup:
        owner = owner_client(setup)
        ports = [server.port for server in setup.daemon.servers]
        assert len(set(ports[:3])) == 3
        assert ports[3] == 0
        bearer = {"Authorization": f"Bearer {owner.token}"}
        async with setup.http.get(f"http://[::1]:{ports[1]}/api/v1/instances") as answer:
            assert (await answer.json())["user"] == "anyone"
        async with setup.http.get(f"http://127.0.0.1:{ports[0]}/api/v1/instances") as answer:
            assert answer.status == 401
        tls = f"https://localhost:{ports[2]}/api/v1/instances"
        async with setup.http.get(tls, headers=bearer, ssl=authority.client_context()) as answer:
            assert (await answer.json())["user"] == "owner"
        assert await healthy(short_path / "d.sock")


async def test_a_door_with_tls(tmp_path: Path, authority: Authority) -> None:
    """HTTPS and WSS, a Secure cookie of its own, and nothing without TLS."""
    files = authority.issue()
    door = Listen(address="127.0.0.1:0", certificate=files.certificate, key=files.key)
    async with running(tmp_path, listen=(door,)) as setup:
        owner = owner_client(setup)
        base = f"https://localhost:{owner.port}"
        trusted = authority.client_context()
        async with setup.http.post(
            f"{base}/api/v1/session", json={"token": owner.token}, ssl=trusted
        ) as answer:
            assert answer.status == 204
            cookie = answer.headers["Set-Cookie"]
        assert cookie.startswith(f"__Host-{owner.cookie_name}=")
        assert "; Secure" in cookie and "; Path=/" in cookie and "Domain" not in cookie
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await setup.http.get(f"{base}/healthz")
        with pytest.raises((aiohttp.ClientError, ConnectionError)):
            await setup.http.get(f"http://localhost:{owner.port}/healthz")
        socket = await setup.http.ws_connect(
            f"wss://localhost:{owner.port}/websockify/demo",
            headers={"Authorization": f"Bearer {owner.token}"},
            ssl=trusted,
        )
        viewer = Viewer(socket)
        setup.viewers.append(viewer)
        await viewer.begin()
        await until(lambda: viewer.decoder.updates, "a picture over TLS")


async def test_old_tls_is_refused(tmp_path: Path, authority: Authority) -> None:
    """TLS 1.1 gets no answer."""
    files = authority.issue()
    context = server_tls(Listen(certificate=files.certificate, key=files.key))
    assert context is not None
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
    assert server_tls(Listen()) is None


async def test_certificates_that_cannot_be_used(tmp_path: Path, authority: Authority) -> None:
    """A key of another certificate, or no PEM, is a mistake of the configuration: no effect."""
    files, others = authority.issue(), authority.issue()
    rubbish = tmp_path / "rubbish.pem"
    rubbish.write_text("rubbish")
    for certificate, key in ((files.certificate, others.key), (rubbish, files.key)):
        door = Listen(address="127.0.0.1:0", certificate=certificate, key=key)
        with pytest.raises(ConfigError, match="certificate"):
            async with running(tmp_path, listen=(door,)):
                pass
    assert not (tmp_path / "state").exists()


async def test_a_unix_door(tmp_path: Path, short_path: Path) -> None:
    """It has the mode of the settings, leads to the consoles, and is gone afterwards."""
    path = short_path / "d.sock"
    async with running(tmp_path, listen=(unix(short_path, socket_mode="0640"),)) as setup:
        found = path.stat()
        assert stat.S_ISSOCK(found.st_mode)
        assert stat.S_IMODE(found.st_mode) == 0o640
        assert setup.daemon.servers[0].port == 0
        bearer = {"Authorization": f"Bearer {owner_client(setup).token}"}
        connector = aiohttp.UnixConnector(str(path))
        async with aiohttp.ClientSession(connector=connector, headers=bearer) as http:
            viewer = Viewer(await http.ws_connect("http://localhost/websockify/demo"))
            await viewer.begin()
            await until(lambda: viewer.decoder.updates, "a picture")
            async with http.get("http://localhost/api/v1/consoles") as answer:
                (row,) = (await answer.json())["consoles"]
            assert [one["from"] for one in row["viewers"]] == ["unix"]
            await viewer.close()
    assert not path.exists()


@pytest.mark.skipif(os.getuid() != 0, reason="only root may give a file to any group")
async def test_the_group_of_a_unix_door(tmp_path: Path, short_path: Path) -> None:
    """The socket is the group's that the settings name, before anybody can connect."""
    group = next(one for one in grp.getgrall() if one.gr_gid not in (os.getgid(), 0))
    door = unix(short_path, socket_group=group.gr_name)
    async with running(tmp_path, listen=(door,)):
        assert (short_path / "d.sock").stat().st_gid == group.gr_gid


async def test_a_unix_door_whose_group_is_gone(tmp_path: Path, short_path: Path) -> None:
    """The daemon doesn't start, and says which group it misses."""
    with pytest.raises(LocalError, match="no group 'nobody-has-this'"):
        async with running(tmp_path, listen=(unix(short_path, socket_group="nobody-has-this"),)):
            pass


async def test_a_stale_socket_is_replaced(tmp_path: Path, short_path: Path) -> None:
    """What a killed daemon left behind is no obstacle."""
    path = short_path / "d.sock"
    with socket.socket(socket.AF_UNIX) as old:
        old.bind(str(path))
    async with running(tmp_path, listen=(unix(short_path),)):
        assert await healthy(path)


async def test_a_living_socket_is_left_alone(tmp_path: Path, short_path: Path) -> None:
    """The second daemon refuses to start, the first goes on."""
    path = short_path / "d.sock"
    async with running(tmp_path / "a", listen=(unix(short_path),)):
        with pytest.raises(LocalError, match="is vncproxy running already"):
            async with running(tmp_path / "b", listen=(unix(short_path),)):
                pass
        assert await healthy(path)


async def test_a_living_socket_with_many_callers(tmp_path: Path, short_path: Path) -> None:
    """Also one whose callers queue up is recognised as living, without waiting in the queue."""
    path = short_path / "d.sock"
    with socket.socket(socket.AF_UNIX) as busy, socket.socket(socket.AF_UNIX) as caller:
        busy.bind(str(path))
        busy.listen(0)
        caller.connect(str(path))
        with pytest.raises(LocalError):
            async with asyncio.timeout(60), running(tmp_path, listen=(unix(short_path),)):
                pass
        assert path.is_socket()


async def test_a_file_in_the_sockets_place_is_left_alone(tmp_path: Path, short_path: Path) -> None:
    """A file or a link that isn't a socket is nobody's to remove."""
    path = short_path / "d.sock"
    path.write_text("precious")
    with pytest.raises(LocalError):
        async with running(tmp_path, listen=(unix(short_path),)):
            pass
    assert path.read_text() == "precious"


async def test_a_successors_socket_is_left_alone(tmp_path: Path, short_path: Path) -> None:
    """A daemon that ends removes its own socket only, not that of one started meanwhile."""
    path = short_path / "d.sock"
    async with running(tmp_path, listen=(unix(short_path),)):
        path.unlink()
        with socket.socket(socket.AF_UNIX) as successor:
            successor.bind(str(path))
    assert path.is_socket()


async def test_a_port_that_is_taken(tmp_path: Path) -> None:
    """The daemon says so, and the doors opened before are closed again."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        doors = (
            Listen(name="free", address="127.0.0.1:0"),
            Listen(name="taken", address=f"127.0.0.1:{taken}"),
        )
        with pytest.raises(LocalError, match=f"taken: can't listen on 127.0.0.1:{taken}.*already"):
            async with running(tmp_path, listen=doors):
                pass


async def test_a_port_is_free_again_at_once(tmp_path: Path) -> None:
    """A restart on the same port succeeds although old connections linger."""
    async with running(tmp_path, access="token") as setup:
        port = setup.daemon.servers[0].port
        viewer = await owner_client(setup).viewer()
        await until(lambda: viewer.decoder.updates, "a picture")
    door = Listen(address=f"127.0.0.1:{port}", access="token")
    async with running(tmp_path, listen=(door,)) as setup:
        assert (await owner_client(setup).ask("/healthz")).status == 200


async def test_closing_a_door_ends_its_viewers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their connections and sessions, though nobody has said goodbye to them."""
    monkeypatch.setattr(server, "LAST_SESSIONS_TIMEOUT_S", 0.0)
    async with running(tmp_path) as setup:
        viewer = await setup.viewer()
        (door,) = setup.daemon.servers
        assert door.limits.active == 1
        await door.close()
        (closed,) = [e for e in setup.events if e["event"] == "viewer.closed"]
        assert closed["code"] == CloseCode.VIEWER_LEFT
        assert await viewer.ended() == _NO_GOODBYE
        await until(lambda: not door.limits.active, "its freed place")


async def test_who_is_let_in_last_is_told_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A door that closes waits for close frames that are on their way."""
    say_goodbye, may_go_on = BrowserTransport.close, asyncio.Event()

    async def slowly(transport: BrowserTransport, reason: CloseReason | None = None) -> None:
        await may_go_on.wait()
        await say_goodbye(transport, reason)

    monkeypatch.setattr(BrowserTransport, "close", slowly)
    monkeypatch.setattr(server, "LAST_SESSIONS_TIMEOUT_S", 60.0)
    async with running(tmp_path) as setup:
        viewer = await setup.viewer()
        (console,) = setup.daemon.components.registry.consoles
        (door,) = setup.daemon.servers
        console.pages.end_viewer(console.viewers[0], _KICKED)
        closing = asyncio.create_task(door.close())
        await settle(200)
        assert not closing.done()
        may_go_on.set()
        assert await viewer.ended() == CloseCode.KICKED
        await closing
