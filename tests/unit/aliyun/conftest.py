"""A stand-in for the API that misbehaves as asked, over real sockets."""

from __future__ import annotations

import asyncio
import hashlib
import os
import ssl
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from alibabacloud_tea_openapi.utils import Utils
from darabonba.request import DaraRequest

# The credentials SDK reads it when it is imported: no test may ask the metadata service.
os.environ["ALIBABA_CLOUD_ECS_METADATA_DISABLED"] = "true"


@dataclass
class Reply:
    """What to answer one request with.

    Args:
        hang: Never answer.
        drop: Cut the connection.
    """

    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    hang: bool = False
    drop: bool = False


@dataclass
class Request:
    """What was asked."""

    method: str
    query: dict[str, str]
    headers: dict[str, str]


class Cloud:
    """Answers with the replies given, in order, then with the last one again."""

    def __init__(self) -> None:
        """Nothing asked yet."""
        self.replies: list[Reply] = []
        self.requests: list[Request] = []
        self.origin = ""
        self.released = asyncio.Event()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """One request."""
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.requests.append(Request(request.method, dict(request.query), headers))
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        if reply.hang:
            await self.released.wait()
        if reply.drop:
            assert request.transport is not None
            request.transport.abort()
        if isinstance(reply.body, (str, bytes)):
            body = reply.body.encode() if isinstance(reply.body, str) else reply.body
            response = web.Response(body=body, status=reply.status)
        else:
            response = web.json_response(reply.body, status=reply.status)
        response.headers.update(reply.headers)
        return response


def signature_is_right(request: Request, secret: str) -> bool:
    """Whether the SDK would have signed this request so."""
    authorization = request.headers["authorization"]
    key_id = authorization.split("Credential=")[1].split(",")[0]
    names = authorization.split("SignedHeaders=")[1].split(",")[0].split(";")
    again = DaraRequest()
    again.method, again.pathname, again.query = request.method, "/", request.query
    again.headers = {name: request.headers[name] for name in names}
    payload = hashlib.sha256(b"").hexdigest()
    expected = Utils.get_authorization(again, "ACS3-HMAC-SHA256", payload, key_id, secret)
    return bool(expected == authorization)


async def serve(cloud: Cloud, context: ssl.SSLContext | None = None) -> web.AppRunner:
    """Start a server on loopback; its address goes to `cloud.origin`."""
    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", cloud.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    port = runner.addresses[0][1]
    cloud.origin = f"https://localhost:{port}" if context else f"http://127.0.0.1:{port}"
    return runner


@pytest.fixture
async def cloud() -> AsyncIterator[Cloud]:
    """The API by plain HTTP."""
    cloud = Cloud()
    runner = await serve(cloud)
    yield cloud
    cloud.released.set()
    await runner.cleanup()


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    """The one session, as the daemon makes it."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield session
