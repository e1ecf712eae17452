"""What is tried at the door of a running daemon, and what comes of it: each line one attack."""

from __future__ import annotations

import asyncio
import re
import resource
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from tests.owner_client import OwnerClient, owner_client
from tests.setup import running, until
from tests.unit.web.raw_http import Answer, parse, send
from tests.unit.web.raw_socket import RawSocket
from vncproxy.config.load import load
from vncproxy.config.model import Access, Limits
from vncproxy.errors import AuditError, ConfigError
from vncproxy.web.acceptor import Acceptor
from vncproxy.web.connection_limits import PENDING_MAX

INSTANCES = "/api/v1/instances"
ADMISSION = "/api/v1/consoles/demo/admission"
SOCKET = "/websockify/demo"
CONTROL = "/control/demo"
UPGRADE = (
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
)


@pytest.fixture
async def owner(tmp_path: Path) -> AsyncIterator[OwnerClient]:
    """A daemon whose one door wants the token."""
    async with running(tmp_path, access="token") as setup:
        yield owner_client(setup)


# Requests from a page of somebody else's, which the browser lets send the cookie along. {bearer}
# and {cookie} stand for headers that prove the owner: the attack has to fail all the same.
FOREIGN = [
    pytest.param(INSTANCES, ["Origin: http://evil.example", "{cookie}"], 403, id="foreign Origin"),
    pytest.param(INSTANCES, ["Origin: null", "{cookie}"], 403, id="null Origin"),
    pytest.param(INSTANCES, ["Origin: null", "{bearer}"], 403, id="null Origin, with the token"),
    pytest.param(INSTANCES, ["Sec-Fetch-Site: cross-site", "{cookie}"], 403, id="cross-site"),
    pytest.param(INSTANCES, ["Sec-Fetch-Site: same-site", "{cookie}"], 403, id="same-site"),
    pytest.param(
        SOCKET, [*UPGRADE, "Origin: http://evil.example", "{cookie}"], 403, id="hijacked WebSocket"
    ),
    pytest.param(
        CONTROL, [*UPGRADE, "Origin: null", "{cookie}"], 403, id="WebSocket from a sandbox"
    ),
    pytest.param(SOCKET, [*UPGRADE, "{cookie}"], 401, id="WebSocket with a cookie alone"),
    pytest.param(SOCKET, [*UPGRADE, "{own}", "{cookie}"], 401, id="own page without a ticket"),
    pytest.param(
        f"{SOCKET}?ticket=AAAAAAAAAAAAAAAAAAAAAA", [*UPGRADE, "{own}"], 401, id="made-up ticket"
    ),
]

# The name that a page of evil.example was loaded by, rebound to this machine.
HOSTS = ["evil.example", "evil.example:{port}", "localhost.evil.example", "0.0.0.0", "[::]", ""]

# Proofs that are none.
PROOFS = [
    pytest.param([], id="no cookie"),
    pytest.param(["Cookie: {name}=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"], id="made-up"),
    pytest.param(["Cookie: vncproxy-0123456789ab={value}"], id="another daemon's cookie"),
    pytest.param(["Cookie: {name}="], id="empty cookie"),
    pytest.param(["Referer: http://localhost/?token={token}"], id="token in a Referer"),
    pytest.param(["Referer: http://localhost/enter#{token}"], id="token in a Referer's fragment"),
    pytest.param(["Authorization: Basic {token}"], id="token as a password"),
    pytest.param(["Authorization: Bearer {token}x"], id="token and more"),
    pytest.param(["Cookie: {name}={token}"], id="token as a cookie"),
    pytest.param(["X-Forwarded-User: owner"], id="a proxy's header where no proxy is"),
    pytest.param(["X-Vncproxy-Secret: {token}", "X-Forwarded-User: owner"], id="and a secret"),
]

# Ways out of the folder of static files, or around the routes.
PATHS = [
    "/static/../../../../etc/passwd",
    "/static/..%2f..%2f..%2fetc/passwd",
    "/static/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
    "/static/%252e%252e/etc/passwd",
    "/static//etc/passwd",
    "/static/%2fetc%2fpasswd",
    "/static/..\\..\\etc\\passwd",
    "/static/js/api.js%00.png",
    "/static/js/",
    "/static/.",
    "//evil.example/%2e%2e",
    "/console/../api/v1/instances",
    "/api/v1/consoles/..%2f..%2fv1%2finstances/admission",
    "/API/V1/INSTANCES",
    "/api/v1/instances/",
    "/api/v1/instances;x",
]

# Requests that two servers in a row would cut at different places. Source: RFC 9112, sections 6.1,
# 6.3 and 11.2.
HIDDEN = b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"
SMUGGLED = [
    pytest.param(
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", id="length and chunks"
    ),
    pytest.param(b"Content-Length: 0\r\nContent-Length: 44\r\n\r\n", id="two lengths"),
    pytest.param(b"Content-Length: 0, 44\r\n\r\n", id="two lengths in one"),
    pytest.param(b"Content-Length: +0\r\n\r\n", id="a length with a sign"),
    pytest.param(b"Content-Length: 0x0\r\n\r\n", id="a length in hexadecimal"),
    pytest.param(b"Content-Length : 0\r\n\r\n", id="a space before the colon"),
    pytest.param(b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", id="unknown coding"),
    pytest.param(
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
        id="two codings",
    ),
    pytest.param(b"Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n", id="a chunk's odd size"),
    pytest.param(b"Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n", id="a negative chunk"),
    pytest.param(b"X: y\rContent-Length: 44\r\n\r\n", id="a bare CR"),
    pytest.param(b"X: y\x00\r\n\r\n", id="a NUL"),
]

BIG = [
    pytest.param(
        b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", id="long target"
    ),
    pytest.param(
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 9000 + b"\r\n\r\n", id="long header"
    ),
    pytest.param(
        b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"A: b\r\n" * 200 + b"\r\n", id="200 headers"
    ),
    pytest.param(
        b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"a" * 9000 + b": b\r\n\r\n", id="long name"
    ),
    pytest.param(b"a" * 100_000, id="no line end"),
]


@pytest.mark.parametrize(("target", "headers", "status"), FOREIGN)
async def test_a_foreign_page(
    owner: OwnerClient, target: str, headers: list[str], status: int
) -> None:
    """Refused, whatever the browser sends along."""
    cookie = await owner.log_in()
    filled = [h.format(cookie=cookie, bearer=owner.bearer, own=owner.origin) for h in headers]
    assert (await owner.ask(target, *filled)).status == status


@pytest.mark.parametrize("host", HOSTS)
async def test_a_rebound_name(owner: OwnerClient, host: str) -> None:
    """421 for pages, API and WebSocket, with every proof there is."""
    cookie, name = await owner.log_in(), host.format(port=owner.port)
    for target, more in (
        ("/", ()),
        (INSTANCES, (owner.bearer,)),
        (SOCKET, (*UPGRADE, owner.bearer)),
    ):
        assert (await owner.ask(target, cookie, *more, host=name)).status == 421


@pytest.mark.parametrize("headers", PROOFS)
async def test_a_proof_that_is_none(owner: OwnerClient, headers: list[str]) -> None:
    """401, and what was tried stands in no log."""
    value = (await owner.log_in()).partition("=")[2]
    filled = [h.format(name=owner.cookie_name, value=value, token=owner.token) for h in headers]
    assert (await owner.ask(INSTANCES, *filled)).status == 401
    assert (await owner.ask(ADMISSION, *filled)).status == 401
    assert owner.token not in owner.setup.log.getvalue()


async def test_a_token_in_the_address(owner: OwnerClient) -> None:
    """It proves nothing there, and stands in no log."""
    for name in ("token", "access_token", "ticket", "secret"):
        assert (await owner.ask(f"{INSTANCES}?{name}={owner.token}")).status == 401
    assert owner.token not in owner.setup.log.getvalue()


@pytest.mark.parametrize("path", PATHS)
async def test_a_path_trick(owner: OwnerClient, path: str) -> None:
    """No file from elsewhere, no route by another name."""
    answer = await owner.ask(path)
    assert answer.status in (400, 401, 404, 421), answer
    assert b"root:" not in answer.body


@pytest.mark.parametrize("data", BIG)
async def test_a_head_that_is_too_big(owner: OwnerClient, data: bytes) -> None:
    """400 or 431, and the connection ends: nothing is kept for it."""
    answer = await send(owner.port, data)
    assert answer.status in (400, 431)
    await until(lambda: owner.setup.daemon.servers[0].limits.active == 0, "its end")


async def answers_to(port: int, data: bytes) -> list[Answer]:
    """Everything that comes back, cut at its status lines."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    found = b""
    async with asyncio.timeout(60):
        with suppress(ConnectionError):
            found = await reader.read()
    writer.close()
    return [parse(b"HTTP/1" + part) for part in re.split(rb"HTTP/1\b", found)[1:]]


@pytest.mark.parametrize("rest", SMUGGLED)
async def test_a_smuggled_request(owner: OwnerClient, rest: bytes) -> None:
    """One refusal, the connection ends, and what was hidden behind isn't answered."""
    head = b"POST /api/v1/session HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    found = await answers_to(owner.port, head + rest + HIDDEN)
    assert [answer.status for answer in found] == [400]


@pytest.mark.usefixtures("idle_clock")
async def test_a_viewer_that_never_answers_pings(tmp_path: Path) -> None:
    """It is dropped, and its place is free."""
    limits = Limits(ping_interval=0.2, ping_timeout=0.2, max_viewers=1)
    async with running(tmp_path, limits=limits) as setup:
        port = setup.daemon.servers[0].port
        async with RawSocket.opened(port, SOCKET) as viewer:
            await viewer.dropped()
        await until(lambda: not setup.daemon.servers[0].limits.active, "its place is free")
        healthy = await setup.viewer()
        await until(lambda: setup.shows(healthy), "the next one's picture")


@pytest.fixture
def many_files() -> Iterator[None]:
    """Enough descriptors for both ends of many connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 6000
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip("the system allows too few open files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: localh"], ids=["mute", "begun"])
@pytest.mark.usefixtures("many_files")
async def test_two_thousand_half_open_connections(owner: OwnerClient, sent: bytes) -> None:
    """The daemon keeps few of them, and who really asks is answered all along."""
    limits = owner.setup.daemon.servers[0].limits
    loop = asyncio.get_running_loop()
    idle: list[socket.socket] = []
    try:
        for number in range(2000):
            one = socket.socket()
            one.setblocking(False)
            idle.append(one)
            await loop.sock_connect(one, ("127.0.0.1", owner.port))
            # One that has been cut off already learns it here.
            with suppress(ConnectionError):
                await loop.sock_sendall(one, sent)
            if number % 250 == 0:
                assert (await owner.ask(INSTANCES, owner.bearer)).status == 200
        viewer = await owner.viewer()
        await until(lambda: owner.setup.shows(viewer), "a picture meanwhile")
        assert limits.pending <= PENDING_MAX
        await until(lambda: limits.active <= 2, "only the viewer has asked")
    finally:
        for one in idle:
            one.close()
    await until(lambda: limits.pending == 0, "all gone")


async def test_a_head_that_comes_byte_by_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is cut off in the end, however alive it looks."""
    monkeypatch.setattr("vncproxy.web.server.Acceptor", partial(Acceptor, head_timeout_s=0.5))
    async with running(tmp_path) as setup:
        reader, writer = await asyncio.open_connection("127.0.0.1", setup.daemon.servers[0].port)

        async def drip() -> None:
            with suppress(ConnectionError):
                writer.write(b"GET / HTTP/1.1\r\nX: ")
                while True:
                    writer.write(b"a")
                    await asyncio.sleep(0.02)

        dripping = asyncio.create_task(drip())
        async with asyncio.timeout(60):
            with suppress(ConnectionError):
                assert await reader.read() == b""
        dripping.cancel()
        await asyncio.wait([dripping])
        writer.close()
        async with setup.http.get(f"{setup.base}/metrics") as answer:
            assert 'vncproxy_refusals_total{word="slow-head"} 1.0' in await answer.text()


# Names in the state directory that somebody made links, and what the daemon does: it refuses to
# start, or puts a file of its own in the link's place; what the link leads to is never written.
@pytest.mark.parametrize(
    ("name", "starts"), [("audit.jsonl", False), ("sessions.json", True), ("recordings", True)]
)
async def test_a_link_in_the_state_directory(tmp_path: Path, name: str, starts: bool) -> None:
    """What it leads to stays as it is."""
    state, victim = tmp_path / "state", tmp_path / "victim"
    state.mkdir(mode=0o700)
    victim.write_text("precious")
    (state / name).symlink_to(victim)
    try:
        async with running(tmp_path, access="token") as setup:
            await owner_client(setup).log_in()
        assert starts
    except AuditError as error:
        assert not starts
        assert "symbolic link" in error.public_text
    assert victim.read_text() == "precious"


def of_token(secret: Path) -> str:
    """A configuration that names it as the owner's token."""
    return f'[access]\ntoken_file = "{secret}"\n'


def of_password(secret: Path) -> str:
    """As an instance's VNC password."""
    return f'[[instance]]\nid = "i-bp1"\npassword_file = "{secret}"\n'


def of_key(secret: Path) -> str:
    """As a door's private key."""
    certificate = secret.with_name("certificate.pem")
    certificate.touch()
    return f'[[listen]]\ncertificate = "{certificate}"\nkey = "{secret}"\n'


def of_proxy(secret: Path) -> str:
    """As the proxies' secret."""
    return (
        '[[listen]]\naccess = "header"\ntrusted_proxies = ["127.0.0.1"]\n'
        f'header_secret_file = "{secret}"\n'
    )


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o660, 0o666])
@pytest.mark.parametrize("names", [of_token, of_password, of_key, of_proxy])
def test_a_secret_that_others_can_read(
    tmp_path: Path, names: Callable[[Path], str], mode: int
) -> None:
    """The daemon refuses it, naming file and mode, and nothing of what is in it."""
    secret, file = tmp_path / "secret", tmp_path / "vncproxy.toml"
    secret.write_text("abc123")
    secret.chmod(mode)
    file.write_text(names(secret))
    with pytest.raises(ConfigError) as error:
        load(file, {"HOME": str(tmp_path)})
    assert f"{mode:04o}" in error.value.public_text
    assert "abc123" not in error.value.public_text


async def test_only_a_known_origin_leads_to_a_console(tmp_path: Path) -> None:
    """A foreign page's link is refused; a page of allowed_origins, as another daemon's, may lead to
    a console's page, and to nothing else.
    """
    access = Access(allowed_origins=("https://b2.example.com",))
    async with running(tmp_path, access=access) as setup:
        owner = owner_client(setup)
        followed = ["Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"]
        known, foreign = "Referer: https://b2.example.com/", "Referer: https://evil.example/"
        for site in ("cross-site", "same-site"):
            led = [f"Sec-Fetch-Site: {site}", *followed]
            assert (await owner.ask("/console/demo", *led, known)).status == 200
            assert (await owner.ask("/console/demo", *led, foreign)).status == 403
            assert (await owner.ask("/console/demo", *led)).status == 403
            for other in ("/", INSTANCES, SOCKET):
                assert (await owner.ask(other, *led, known)).status == 403, other
            embedded = [f"Sec-Fetch-Site: {site}", "Sec-Fetch-Mode: navigate"]
            frame = await owner.ask("/console/demo", *embedded, "Sec-Fetch-Dest: iframe", known)
            assert frame.status == 403
