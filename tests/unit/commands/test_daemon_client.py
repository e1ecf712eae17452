"""How commands reach the daemon, and what they say when they don't."""

from __future__ import annotations

import asyncio
import io
import json
import socket
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from tests.authority import Authority
from tests.setup import running
from tests.unit.commands.surroundings import Installation, environ
from vncproxy.access.login_sessions import daemon_id, known_daemon_id
from vncproxy.app import Daemon
from vncproxy.commands.daemon_client import (
    NoDaemonError,
    base_url,
    daemon_client,
    preferred_door,
)
from vncproxy.config.model import Access, Config, Listen, State
from vncproxy.config.paths import control_path
from vncproxy.errors import AccessError, ConfigError

pytestmark = pytest.mark.sockets


async def user(config: Config) -> str:
    """Who the daemon says that we are."""
    async with daemon_client(config, {}) as daemon:
        answer = await daemon.call("GET", "/api/v1/instances")
    return str(answer["user"])


@asynccontextmanager
async def something_else(port: int, body: bytes, status: int = 200) -> AsyncIterator[None]:
    """Another program on the daemon's port, which answers everything like this."""

    async def handle(request: web.BaseRequest) -> web.Response:
        return web.Response(body=body, status=status, content_type="application/json")

    runner = web.ServerRunner(web.Server(handle))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield
    finally:
        await runner.cleanup()


def with_token(installation: Installation) -> Config:
    """A configuration whose daemon has run before."""
    (installation.folder / "state").mkdir(mode=0o700)
    (installation.folder / "state" / "token").touch(mode=0o600)
    (installation.folder / "state" / "token").write_text("planted-token\n")
    return installation.config()


def by_doors(installation: Installation) -> None:
    """Leave the running daemon no control socket, as for another account."""
    control_path(installation.folder / "state").unlink()


async def test_the_control_socket_comes_first(installation: Installation) -> None:
    """Whatever the doors are; it is the daemon's own account's, and goes with the daemon."""
    users = (Listen(address=f"127.0.0.1:{installation.port}", access="users"),)
    config = installation.config(listen=users)
    control = control_path(installation.folder / "state")
    async with running(installation.folder, cloud=installation.cloud, listen=users):
        assert stat.S_IMODE(control.stat().st_mode) == 0o600
        assert await user(config) == "owner"
        async with daemon_client(config, {}) as daemon:
            assert await daemon.call("DELETE", "/api/v1/session") is None
    assert not control.exists()
    with pytest.raises(NoDaemonError):
        await user(config)


async def test_a_control_socket_that_nobody_listens_on(installation: Installation) -> None:
    """As a crash leaves it: the doors are tried, and the next daemon has its own."""
    with socket.socket(socket.AF_UNIX) as stale:
        (installation.folder / "state").mkdir(mode=0o700)
        stale.bind(str(control_path(installation.folder / "state")))
    config = installation.config()
    with pytest.raises(NoDaemonError):
        await user(config)
    async with running(installation.folder, cloud=installation.cloud, listen=config.listen):
        assert await user(config) == "owner"


async def test_a_state_folder_whose_path_is_too_long(installation: Installation) -> None:
    """A socket's path has 107 bytes: the daemon runs without one, and commands come by a door."""
    state = State(directory=installation.folder / ("x" * 100))
    config = installation.config(state=state)
    daemon = Daemon(config, environ(), log_to=io.StringIO())
    listens = asyncio.Event()
    serving = asyncio.create_task(daemon.run(listens.set))
    await listens.wait()
    assert await user(config) == "owner"
    daemon.stop()
    await serving


async def test_the_tcp_door(installation: Installation) -> None:
    """With the token of the state folder."""
    config = installation.config()
    async with running(installation.folder, cloud=installation.cloud, listen=config.listen):
        by_doors(installation)
        assert await user(config) == "owner"


async def test_the_unix_door_comes_first(installation: Installation, short_path: Path) -> None:
    """Also when it stands after a TCP one that is somebody else's."""
    unix = Listen(name="unix", address=f"unix:{short_path}/d.sock", access="token")
    async with running(installation.folder, cloud=installation.cloud, listen=(unix,)):
        by_doors(installation)
        config = installation.config(
            listen=(Listen(address=f"127.0.0.1:{installation.port}"), unix)
        )
        assert preferred_door(config) is unix
        assert await user(config) == "owner"


async def test_an_open_unix_door_needs_no_token(
    installation: Installation, short_path: Path
) -> None:
    """Who may connect to the socket is somebody already."""
    unix = Listen(address=f"unix:{short_path}/d.sock", access="open", socket_mode="0600")
    async with running(installation.folder, cloud=installation.cloud, listen=(unix,)):
        by_doors(installation)
        assert await user(installation.config(listen=(unix,))) == "anyone"


async def test_a_door_with_tls(installation: Installation, authority: Authority) -> None:
    """The configured certificate is trusted who signed it; another one isn't."""
    files, others = authority.issue("console.example"), authority.issue("console.example")
    door, other = (
        Listen(address=f"127.0.0.1:{installation.port}", certificate=f.certificate, key=f.key)
        for f in (files, others)
    )
    async with running(installation.folder, cloud=installation.cloud, listen=(door,)):
        by_doors(installation)
        assert await user(installation.config(listen=(door,))) == "owner"
        with pytest.raises(NoDaemonError, match="certificate"):
            await user(installation.config(listen=(other,)))


async def test_a_daemon_that_never_ran(installation: Installation) -> None:
    """There is no token yet: the way to start it is reported, not a missing file."""
    with pytest.raises(NoDaemonError, match="vncproxy serve"):
        await user(installation.config())


async def test_a_daemon_that_does_not_run(installation: Installation, short_path: Path) -> None:
    """The door and the system's reason are named."""
    config = with_token(installation)
    with pytest.raises(
        NoDaemonError, match=f"at 127.0.0.1:{installation.port} .connection refused.*serve"
    ):
        await user(config)
    path = short_path / "d.sock"
    unix = (Listen(address=f"unix:{path}", access="token"),)
    with pytest.raises(NoDaemonError, match=f"at unix:{path} .no such file"):
        await user(installation.config(listen=unix))
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    with pytest.raises(NoDaemonError, match=f"at unix:{path} .connection refused"):
        await user(installation.config(listen=unix))


async def test_a_token_that_others_can_read(installation: Installation) -> None:
    """It isn't used."""
    config = with_token(installation)
    (installation.folder / "state" / "token").chmod(0o644)
    with pytest.raises(ConfigError, match="mode 0644"):
        await user(config)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 404),
        (b"<html>", 200),
        (b"[]", 200),
        (b"[" * 5000, 200),
        (b'{"error": "x"}', 500),
        (b'{"user": "x"}', 302),
        (b"\xff", 200),
    ],
)
async def test_another_program_on_the_port(
    installation: Installation, body: bytes, status: int
) -> None:
    """It is recognised as not being the daemon; nothing it says breaks the command."""
    config = with_token(installation)
    async with something_else(installation.port, body, status):
        with pytest.raises(NoDaemonError, match="is no vncproxy daemon"):
            await user(config)


async def test_a_daemon_of_somebody_else(installation: Installation, short_path: Path) -> None:
    """It is named and never sees the token; the same behind a Unix door."""
    plain = Listen(name="plain", address=f"127.0.0.1:{installation.port}")
    unix = Listen(name="unix", address=f"unix:{short_path}/d.sock", access="token")
    with_token(installation)
    own = daemon_id(installation.folder / "state")
    other = installation.folder / "other"
    async with running(other, cloud=installation.cloud, listen=(plain, unix)) as setup:
        theirs = known_daemon_id(other / "state")
        text = f"another daemon is there: its id is {theirs}, that of .* is {own}; its state"
        for door in (plain, unix):
            with pytest.raises(NoDaemonError, match=f"at {door.address} {text}"):
                await user(installation.config(listen=(door,)))
        assert not [one for one in setup.events if one["event"] == "request.refused"]
        # Who has another's token in a file of his own means that daemon.
        access = Access(token_file=other / "state" / "token")
        assert await user(installation.config(listen=(plain,), access=access)) == "owner"


async def test_another_program_never_sees_the_token(installation: Installation) -> None:
    """Whatever it answers."""
    config = with_token(installation)
    asked: list[str | None] = []

    async def handle(request: web.BaseRequest) -> web.Response:
        asked.append(request.headers.get("Authorization"))
        return web.json_response({"user": "x"}, headers={"Server": "vncproxy"})

    runner = web.ServerRunner(web.Server(handle))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", installation.port).start()
    try:
        with pytest.raises(NoDaemonError, match="is no vncproxy daemon"):
            await user(config)
    finally:
        await runner.cleanup()
    assert asked == [None]


async def test_a_daemon_that_refuses(installation: Installation) -> None:
    """With another token: the daemon's own words and word."""
    config = installation.config()
    async with running(installation.folder, cloud=installation.cloud, listen=config.listen):
        by_doors(installation)
        (installation.folder / "state" / "token").write_text("another-token")
        with pytest.raises(AccessError) as refusal:
            await user(config)
        assert (refusal.value.status, refusal.value.word) == (401, "wrong-token")


async def test_answers_without_a_body(installation: Installation) -> None:
    """204 gives None."""
    config = installation.config()
    async with (
        running(installation.folder, cloud=installation.cloud, listen=config.listen),
        daemon_client(config, {}) as daemon,
    ):
        assert await daemon.call("DELETE", "/api/v1/session") is None


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("127.0.0.1:6080", "http://127.0.0.1:6080"),
        ("localhost:80", "http://localhost:80"),
        ("[::1]:6080", "http://[::1]:6080"),
        ("0.0.0.0:6080", "http://127.0.0.1:6080"),
        ("[::]:6080", "http://[::1]:6080"),
        ("unix:/run/d.sock", None),
    ],
)
def test_the_address_for_a_browser(address: str, url: str | None) -> None:
    """A door on every address is reached by loopback; a Unix door by no browser."""
    assert base_url(Listen(address=address)) == url


def test_the_address_with_tls(tmp_path: Path) -> None:
    """It is https then."""
    door = Listen(address="192.0.2.1:443", certificate=tmp_path / "c", key=tmp_path / "k")
    assert base_url(door) == "https://192.0.2.1:443"


def test_doors_that_let_no_command_in_come_last(monkeypatch: pytest.MonkeyPatch) -> None:
    """One for users or a proxy's; one for accounts, where root is nobody in particular."""
    peer = Listen(name="peer", address="unix:/x", access="peer")
    users, token = Listen(name="users", access="users"), Listen(name="token")
    monkeypatch.setattr("os.getuid", lambda: 1000)
    assert preferred_door(Config(listen=(users, token, peer))) is peer
    monkeypatch.setattr("os.getuid", lambda: 0)
    assert preferred_door(Config(listen=(users, peer, token))) is token
    assert preferred_door(Config(listen=(users,))) is users


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Too often. Try again later.", "Too often. Try again in 45 s."),
        ("Too many.", "Too many. Try again in 45 s."),
        ("Try again in 44 s.", "Try again in 44 s."),
    ],
)
async def test_a_refusal_says_until_when(installation: Installation, text: str, said: str) -> None:
    """Where the daemon tells it."""
    door = Listen(address=f"127.0.0.1:{installation.port}", access="open")
    error = {"status": 429, "word": "throttled", "text": text, "retry_after_s": 44.2}
    body = json.dumps({"error": error}).encode()
    config = installation.config(listen=(door,))
    async with something_else(installation.port, body, 429), daemon_client(config, {}) as daemon:
        with pytest.raises(AccessError) as refused:
            await daemon.call("GET", "/api/v1/instances/demo/power")
    assert (refused.value.public_text, refused.value.retry_after_s) == (said, 44.2)
