"""Whether the daemon is alive and able, and its numbers."""

from __future__ import annotations

from aiohttp import web

from vncproxy.errors import AccessError
from vncproxy.observe.metrics import CONTENT_TYPE
from vncproxy.web.answers import json_answer
from vncproxy.web.context import door, services_of

DAEMON_HEADER = "X-Vncproxy-Daemon"
"""Whose answer it is: the daemon's id, by which commands tell it from others. No secret."""


async def healthz(request: web.Request) -> web.Response:
    """`GET /healthz`: alive, and which daemon; no identity needed."""
    named = {DAEMON_HEADER: services_of(request).sessions.daemon_id}
    return web.Response(text="ok\n", headers=named)


async def readyz(request: web.Request) -> web.Response:
    """`GET /readyz`: able to open consoles; only somebody known gets the reasons."""
    problems = services_of(request).problems()
    try:
        await door(request).learn(request)
        known = door(request).find(request) is not None
    except AccessError:
        known = False
    body: dict[str, object] = {"ready": not problems}
    if known:
        body["problems"] = problems
        # No reason to send viewers elsewhere: the others have lost the same store.
        if (degraded := services_of(request).degraded()) is not None:
            body["degraded"] = degraded
    return json_answer(body, 503 if problems else 200)


async def metrics(request: web.Request) -> web.Response:
    """`GET /metrics`: Prometheus; for administrators of everything, unless it is open."""
    if not services_of(request).settings().metrics_open:
        identity = door(request).identify(request)
        await services_of(request).authority.learn(identity)
        if not services_of(request).authority.is_administrator(identity):
            raise AccessError(403, "not-allowed", "The numbers are for administrators.")
    return web.Response(
        body=services_of(request).metrics.render(), headers={"Content-Type": CONTENT_TYPE}
    )
