"""What isn't HTTP."""

from __future__ import annotations

import asyncio

import pytest

from tests.owner_client import OwnerClient
from tests.unit.web.raw_http import send

pytestmark = pytest.mark.sockets


@pytest.mark.parametrize(
    "data",
    [
        b"PLANTED-1 garbage\r\n\r\n",
        b"GET /PLANTED-2 HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nPLANTED-3\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nAuthorization: PLANTED-4 "
        + b"x" * 9000
        + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: PLANTED-5\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: PLANTED-6\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03PLANTED-7\r\n\r\n",
    ],
)
async def test_it_is_refused_without_an_echo(owner: OwnerClient, data: bytes) -> None:
    """400 with words of ours; neither the answer nor the log repeats what came."""
    answer = await send(owner.port, data)
    assert answer.status == 400
    assert b"PLANTED" not in answer.body
    log = owner.setup.log.getvalue()
    assert "PLANTED" not in log
    (event,) = [e for e in owner.setup.events if e["event"] == "request.unreadable"]
    assert (event["level"], event["address"]) == ("info", "127.0.0.1")
    assert "Traceback" not in log


async def test_it_ends_the_connection(owner: OwnerClient) -> None:
    """What follows garbage isn't read as another request (request smuggling)."""
    good = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", owner.port)
    writer.write(good)
    async with asyncio.timeout(60):
        assert (await reader.readuntil(b"ok\n")).startswith(b"HTTP/1.1 200")
        writer.write(b"garbage\r\n\r\n" + good)
        rest = await reader.read()
    writer.close()
    assert rest.count(b"HTTP/1.") == rest.count(b" 400 ") == 1
