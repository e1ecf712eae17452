"""`GET /api/v1/instances/{instance}/boot-log`: what an instance printed at its last start."""

from __future__ import annotations

import asyncio
import time
from email.utils import format_datetime
from typing import cast

import msgspec
from aiohttp import hdrs, web

from vncproxy.access.identity import Identity
from vncproxy.errors import AccessError, CloudError
from vncproxy.instances.instance_list import ConsoleInstance
from vncproxy.web import audit_entries
from vncproxy.web.answers import error_body
from vncproxy.web.context import door, permitted, services_of
from vncproxy.web.http_connection import Connection
from vncproxy.web.instances import cloud_refusal

FOLLOW_INTERVAL_S = 11.0
"""The cloud is asked no more often."""
WRITE_TIMEOUT_S = 30.0
"""How long who follows may read nothing."""
_WHAT = "boot-log"
_PASSING = (429, 502)
"""Refusals of the cloud that may be over the next time."""
_LEFT = "Who followed it has left."


async def boot_log(request: web.Request) -> web.StreamResponse:
    """The log as text; `?follow=1`: what becomes of it, until the client leaves.

    Then each line is a JSON object: {"log": TEXT} whenever the log is another one, {"error": …}
    as in any refusal, and {} in between. After a refusal that will stay, nothing follows.
    """
    identity = door(request).identify(request)
    instance, _ = await permitted(request, identity)
    if request.query.get("follow") == "1":
        return await _followed(request, identity, instance)
    await audit_entries.looked(request, identity, instance, _WHAT)
    try:
        log = await services_of(request).screenshots.boot_log(instance)
    except CloudError as error:
        raise cloud_refusal(error) from error
    headers = {}
    if log.updated_at is not None:
        headers[hdrs.LAST_MODIFIED] = format_datetime(log.updated_at, usegmt=True)
    return web.Response(text=log.text, content_type="text/plain", charset="utf-8", headers=headers)


async def _followed(
    request: web.Request, identity: Identity, instance: ConsoleInstance
) -> web.StreamResponse:
    """One look in the audit, and its end, however often the cloud is asked meanwhile."""
    await audit_entries.looked(request, identity, instance, _WHAT, text="followed")
    began_s = time.monotonic()
    why = "The daemon ended it."
    try:
        answer = web.StreamResponse(headers={hdrs.CONTENT_TYPE: "application/x-ndjson"})
        await answer.prepare(request)
        why = await _follow(request, answer)
        await answer.write_eof()
    except (ConnectionError, TimeoutError):
        why = _LEFT
    finally:
        seconds = time.monotonic() - began_s
        audit_entries.look_ended(request, identity, instance, _WHAT, seconds=seconds, text=why)
    return answer


async def _follow(request: web.Request, answer: web.StreamResponse) -> str:
    """Send the log whenever it is another one; gives why that ended.

    Raises:
        ConnectionError: The client has left.
        TimeoutError: It reads nothing.
    """
    gone = cast("Connection", request.protocol).gone
    sent: str | None = None
    while True:
        news: dict[str, object] = {}
        refused: AccessError | None = None
        try:
            # The user may be another one's by now, or may see it no more.
            instance, _ = await permitted(request, door(request).identify(request))
            text = (await services_of(request).screenshots.boot_log(instance)).text
            if text != sent:
                news["log"] = sent = text
        except CloudError as error:
            refused = cloud_refusal(error)
        except AccessError as error:
            refused = error
        if refused is not None:
            news = error_body(request, refused)
        async with asyncio.timeout(WRITE_TIMEOUT_S):
            await answer.write(msgspec.json.encode(news) + b"\n")
        if refused is not None and (sent is None or refused.status not in _PASSING):
            return refused.public_text
        try:
            async with asyncio.timeout(FOLLOW_INTERVAL_S):
                await gone.wait()
        except TimeoutError:
            continue
        return _LEFT
