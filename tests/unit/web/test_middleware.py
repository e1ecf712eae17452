"""What every request passes, and what every answer carries."""

from __future__ import annotations

import asyncio
import gzip
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock, patch

import pytest

from tests.owner_client import OwnerClient, owner_client
from tests.setup import running
from tests.unit.web.raw_http import send
from vncproxy.config.model import Access, Listen
from vncproxy.web.middleware import SECURITY_HEADERS
from vncproxy.web.server import Server

pytestmark = pytest.mark.sockets

SENT_MAX_BYTES = 64 << 20
"""More than the buffers of both systems hold."""
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data: blob:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
"""Source: the facts about noVNC, which runs under it."""


async def test_security_headers_on_every_answer(owner: OwnerClient) -> None:
    """Pages, files, JSON, refusals, mistakes and faults: all carry them, and none is cached."""
    answers = {
        "page": await owner.ask("/"),
        "file": await owner.ask("/static/js/api.js"),
        "json": await owner.ask("/api/v1/instances", owner.bearer),
        "401": await owner.ask("/api/v1/instances"),
        "403": await owner.ask("/", "Origin: null"),
        "404": await owner.ask("/nothing"),
        "405": await owner.ask("/", method="POST"),
        "421": await owner.ask("/", host="evil.example"),
        "400, no WebSocket": await owner.ask("/websockify/demo", owner.bearer),
        "400, no HTTP": await send(owner.port, b"GARBAGE <script>\r\n\r\n"),
        "400, too long": await owner.ask("/", f"X: {'x' * 70_000}"),
        "HEAD": await owner.ask("/", method="HEAD"),
    }
    for name, answer in answers.items():
        assert answer.headers["content-security-policy"] == POLICY, name
        assert answer.headers["x-content-type-options"] == "nosniff", name
        assert answer.headers["x-frame-options"] == "DENY", name
        assert answer.headers["referrer-policy"] == "no-referrer", name
        assert answer.headers["cross-origin-opener-policy"] == "same-origin", name
        assert answer.headers["cross-origin-resource-policy"] == "same-origin", name
        assert "camera=()" in answer.headers["permissions-policy"], name
        assert answer.headers["server"] == "vncproxy", name
        assert answer.headers["cache-control"] in {"no-store", "no-cache"}, name
        for header in SECURITY_HEADERS:
            assert header.lower() in answer.headers, name
    socket = await owner.socket("/websockify/demo", bearer=True)
    assert socket._response.headers["Content-Security-Policy"] == POLICY
    await socket.close()


async def test_hosts(owner: OwnerClient) -> None:
    """Loopback names with any port are ours; foreign ones are 421 on every route."""
    for host in ("localhost", "127.0.0.1:1", "[::1]:9999", "LOCALHOST:65535"):
        assert (await owner.ask("/healthz", host=host)).status == 200, host
    for host in ("evil.example", "localhost.evil.example", "192.0.2.1:6080", "[::2]", ""):
        answer = await owner.ask("/healthz", host=host)
        assert (answer.status, answer.word) == (421, "foreign-host"), host
    for target in ("/", "/enter", "/static/js/api.js", "/metrics", "/nothing"):
        assert (await owner.ask(target, owner.bearer, host="evil.example")).status == 421, target
    assert await owner.refused("/websockify/demo", bearer=True, host="evil.example:6080") == 421


async def test_no_host_and_two_hosts(owner: OwnerClient) -> None:
    """A request must say once for whom it is."""
    assert (await owner.ask("/healthz", host=None)).status == 400
    assert (await send(owner.port, b"GET /healthz HTTP/1.0\r\n\r\n")).status == 421
    two = await owner.ask("/healthz", "Host: localhost", host="evil.example")
    assert two.status == 400


async def test_a_target_with_a_host_of_its_own(owner: OwnerClient) -> None:
    """Only a proxy is asked so, and there the target counts before Host."""
    for target in ("http://evil.example/healthz", "http://localhost/healthz"):
        assert (await owner.ask(target)).status == 421


async def test_hosts_and_origins_that_the_settings_allow(tmp_path: Path) -> None:
    """allowed_hosts and allowed_origins add to what is ours; nothing else does."""
    door = Listen(address="127.0.0.1:0", access="token")
    access = Access(
        allowed_hosts=("Bastion.Example", "fd00::1"), allowed_origins=("https://portal.example",)
    )
    async with running(tmp_path, listen=(door,), access=access) as setup:
        owner = owner_client(setup)
        for host in ("bastion.example", "BASTION.example:6080", "[fd00::1]:6080"):
            assert (await owner.ask("/healthz", host=host)).status == 200, host
        assert (await owner.ask("/healthz", host="www.bastion.example")).status == 421
        for origin in ("https://portal.example", "https://portal.example:443"):
            assert (await owner.ask("/healthz", f"Origin: {origin}")).status == 200
        for origin in ("http://portal.example", "https://portal.example:8443"):
            assert (await owner.ask("/healthz", f"Origin: {origin}")).status == 403


async def test_origins(owner: OwnerClient) -> None:
    """Our own page may ask; others, null and nonsense are 403, with a token too."""
    assert (await owner.ask("/healthz", owner.origin)).status == 200
    for origin in (
        "null",
        "",
        "http://evil.example",
        f"http://127.0.0.1:{owner.port}",
        "http://localhost",
        "http://[::1",
        f"http://localhost:{owner.port}.evil.example",
        f"http://localhost:{owner.port}@evil.example",
    ):
        answer = await owner.ask("/healthz", f"Origin: {origin}", owner.bearer)
        assert (answer.status, answer.word) == (403, "foreign-origin"), origin
    twice = await owner.ask("/healthz", owner.origin, "Origin: http://evil.example")
    assert twice.status == 403


async def test_the_hosts_default_port(owner: OwnerClient) -> None:
    """Behind a tunnel on port 80 the browser leaves the port out on both sides."""
    assert (await owner.ask("/healthz", "Origin: http://localhost", host="localhost")).status == 200
    answer = await owner.ask("/healthz", "Origin: http://localhost:8080", host="localhost")
    assert answer.status == 403


async def test_other_sites_may_lead_to_the_ticket_only(owner: OwnerClient) -> None:
    """Sec-Fetch-Site: cross-site and same-site are refused, but for /enter."""
    for site in ("cross-site", "same-site"):
        header = f"Sec-Fetch-Site: {site}"
        for target in ("/", "/console/demo", "/healthz", "/api/v1/instances", "/static/js/api.js"):
            answer = await owner.ask(target, header, owner.bearer)
            assert (answer.status, answer.word) == (403, "cross-site"), target
        assert (await owner.ask("/enter", header)).status == 200
        assert (await owner.ask("/enter/x", header)).status == 403
    for site in ("same-origin", "none"):
        assert (await owner.ask("/", f"Sec-Fetch-Site: {site}")).status == 200


async def test_people_get_words_and_programs_json(owner: OwnerClient) -> None:
    """A refused navigation shows a page, a refused call has a word to go by."""
    people = await owner.ask("/", "Accept: text/html,*/*", "Sec-Fetch-Site: cross-site")
    assert people.headers["content-type"].startswith("text/html")
    assert b"<p>Another site led here." in people.body
    assert "default-src 'none'" in people.headers["content-security-policy"]
    assert (await owner.ask("/", "Sec-Fetch-Site: cross-site")).word == "cross-site"


async def test_a_fault_is_reported_and_logged(
    owner: OwnerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """500 without any detail; the log has the traceback and the route, not the address."""

    async def fails() -> None:
        raise ZeroDivisionError("planted-detail")

    monkeypatch.setattr("vncproxy.web.past_lists.PastLists.call", lambda *_: fails(), raising=True)
    answer = await owner.ask("/api/v1/sessions?user=planted-query", owner.bearer)
    assert (answer.status, answer.word) == (500, "internal")
    assert b"planted" not in answer.body
    (event,) = [e for e in owner.setup.events if e["event"] == "request.fault"]
    assert event["route"] == "/api/v1/sessions"
    assert "planted-detail" in event["exception"]
    assert "planted-query" not in owner.setup.log.getvalue()


async def test_what_may_be_done_instead(owner: OwnerClient) -> None:
    """405 names the methods. Source: RFC 9110, section 15.5.6."""
    answer = await owner.ask("/api/v1/session", method="PUT")
    assert (answer.status, answer.word) == (405, "method-not-allowed")
    assert answer.headers["allow"] == "DELETE,POST"


async def test_refusals_are_counted_and_logged(owner: OwnerClient) -> None:
    """By their word; the log has no address, which may hold a ticket."""
    await owner.ask("/websockify/demo?ticket=planted-ticket", owner.origin)
    await owner.ask("/", host="evil.example")
    events = [e for e in owner.setup.events if e["event"] == "request.refused"]
    assert [(e["word"], e["status"]) for e in events] == [
        ("used-ticket", 401),
        ("foreign-host", 421),
    ]
    metrics = (await owner.ask("/metrics", owner.bearer)).body.decode()
    assert 'vncproxy_refusals_total{word="foreign-host"} 1.0' in metrics
    assert "planted-ticket" not in owner.setup.log.getvalue()


@pytest.mark.parametrize("path", ["/", "/healthz", "/api/v1/session", "/nothing"])
async def test_no_body_is_inflated(owner: OwnerClient, path: str) -> None:
    """Who asks, on any route: 415, before anything else is looked at."""
    body = gzip.compress(bytes(1 << 20))
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Connection: close\r\nContent-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    answer = await send(owner.port, head.encode() + body)
    assert (answer.status, answer.word) == (415, "encoded-body")


def test_the_library_inflates_nothing() -> None:
    """Where a handler does read a body, it is as it came."""
    behind: Any = SimpleNamespace(door=SimpleNamespace(base_path=""))
    server = Server(Listen(address="127.0.0.1:0"), behind, lambda: None)
    with patch("vncproxy.web.server.Connection") as made:
        server._runner = Mock()
        asyncio.run(_connect(server))
    assert made.call_args.kwargs["auto_decompress"] is False


async def _connect(server: Server) -> None:
    server._connection(Mock())


@pytest.mark.parametrize("how", ["Content-Length: 1073741824", "Transfer-Encoding: chunked"])
async def test_a_refused_body_is_not_read_to_its_end(owner: OwnerClient, how: str) -> None:
    """The answer comes at once, and what still comes is left in the sender's hands."""
    reader, writer = await asyncio.open_connection("127.0.0.1", owner.port)
    writer.write(f"POST /api/v1/session HTTP/1.1\r\nHost: evil.example\r\n{how}\r\n\r\n".encode())
    assert await reader.readuntil(b"\r\n") == b"HTTP/1.1 421 Misdirected Request\r\n"
    sent = 0
    with suppress(ConnectionError):
        async with asyncio.timeout(60):
            while sent < SENT_MAX_BYTES:
                writer.write(b"10000\r\n" + bytes(1 << 16) + b"\r\n")
                await writer.drain()
                sent += 1 << 16
    assert sent < SENT_MAX_BYTES
    writer.transport.abort()
