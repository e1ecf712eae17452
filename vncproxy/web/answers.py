"""JSON answers, and refusals that people and scripts can read."""

from __future__ import annotations

import asyncio
import math
from html import escape
from typing import Any
from urllib.parse import quote

import msgspec
from aiohttp import web

from vncproxy.errors import AccessError, ConsoleElsewhere, VncproxyError
from vncproxy.languages.catalogue import Catalogue
from vncproxy.web.assets import ASSETS
from vncproxy.web.base_path import base_path
from vncproxy.web.page_language import for_call, for_page

BODY_TIMEOUT_S = 10.0
"""How long a client may take to send a body."""

_WORDS = {404: "not-found", 405: "method-not-allowed", 413: "too-large"}
_SENTENCES = {404: "There is nothing at this address."}
_TITLES = {
    401: "Log in first",
    403: "Not allowed",
    404: "Not found",
    421: "Wrong host name",
    429: "Too many at once",
    503: "Not possible just now",
}


def json_answer(body: Any, status: int = 200) -> web.Response:
    """A JSON answer that no cache keeps."""
    return json_text(msgspec.json.encode(body), status)


def json_text(text: bytes, status: int = 200) -> web.Response:
    """The same of what is JSON already."""
    return web.Response(body=text, status=status, content_type="application/json")


def refusal(request: web.Request, error: AccessError) -> web.Response:
    """A refusal as JSON, or as a page where a person opened one."""
    headers = {}
    if error.retry_after_s is not None:
        headers["Retry-After"] = str(math.ceil(error.retry_after_s))
    if error.status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="vncproxy"'
    if "text/html" in request.headers.get("Accept", ""):
        answer = web.Response(
            text=_page(error, base_path(request), for_page(request)),
            status=error.status,
            content_type="text/html",
            charset="utf-8",
        )
    else:
        answer = json_answer(error_body(request, error), error.status)
    answer.headers.update(headers)
    return answer


def error_body(request: web.Request, error: AccessError) -> dict[str, object]:
    """A refusal as a JSON object."""
    body: dict[str, object] = {
        "status": error.status,
        "word": error.word,
        "text": for_call(request).said(error.public_text),
        "retry_after_s": error.retry_after_s,
    }
    if isinstance(error, ConsoleElsewhere):
        body["elsewhere"] = _elsewhere(request, error)
    return {"error": body}


def _elsewhere(request: web.Request, error: ConsoleElsewhere) -> dict[str, Any]:
    """Which daemon has the console that was asked for, and its address there."""
    name = quote(request.match_info.get("instance", ""), safe="")
    return {
        "name": error.name,
        "url": error.url or None,
        "console": f"{error.url.rstrip('/')}/console/{name}" if error.url else None,
        "pass_on": error.pass_on,
    }


def _page(error: AccessError, base: str, texts: Catalogue) -> str:
    title = texts.said(_TITLES.get(error.status, "This didn’t work"))
    page = ASSETS.page("refusal.html", texts.language, base).body.decode()
    page = page.replace("{{title}}", title).replace("{{status}}", str(error.status))
    # Last: names in a text aren't replaced.
    return page.replace("{{text}}", escape(texts.said(error.public_text)))


def http_refusal(status: int, reason: str) -> AccessError:
    """What aiohttp itself refused, in our form."""
    text = _SENTENCES.get(status, f"{reason}.")
    return AccessError(status, _WORDS.get(status, "refused"), text)


async def json_body(request: web.Request) -> dict[str, Any]:
    """The JSON object in a request.

    Raises:
        AccessError: 400, 408 or 415.
        HTTPException: 413.
    """
    if request.content_type != "application/json":
        # A form of another site can't send this type without asking first.
        raise AccessError(415, "not-json", "Send JSON, with Content-Type: application/json.")
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            content = await request.read()
    except TimeoutError:
        raise AccessError(408, "too-slow", "The body didn't come in time.") from None
    try:
        body = msgspec.json.decode(content)
    except (msgspec.MsgspecError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise AccessError(400, "bad-json", "The body is no JSON object.")
    return body


def server_error() -> AccessError:
    """A fault of the daemon; the log has it."""
    return AccessError(500, "internal", "A fault of the daemon; its log says more.")


def unavailable(error: VncproxyError) -> AccessError:
    """The daemon can't do this now."""
    return AccessError(503, "unavailable", error.public_text)
