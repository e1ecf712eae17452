"""The pages and their files: all public, but for what admits to a console in its page."""

from __future__ import annotations

import asyncio
import gzip
from html import escape
from urllib.parse import quote, urlencode

import msgspec
from aiohttp import hdrs, web

from vncproxy.errors import VncproxyError
from vncproxy.languages.language import Language
from vncproxy.web.api import admit
from vncproxy.web.assets import ASSETS, Asset
from vncproxy.web.base_path import base_path
from vncproxy.web.context import services_of
from vncproxy.web.page_language import VARY, for_page

ADMISSION_PATIENCE_S = 0.5
"""A page comes without its admission rather than later: its script asks for it then."""

_NO_ADMISSION = b'name="admission" content=""'
_ASK_EACH_TIME = "no-cache"
_NEVER = "no-store"
_QUICK = 6
"""Of gzip's levels; a page of a kilobyte more or less is one packet."""
_PAGE_VARY = f"{hdrs.ACCEPT_ENCODING}, {VARY}"
_FOR_GOOD = "public, max-age=31536000, immutable"


def page(request: web.Request, name: str, language: Language) -> web.Response:
    """One of the pages."""
    return _page_answer(request, ASSETS.page(name, language, base_path(request)))


def _page_answer(request: web.Request, asset: Asset) -> web.Response:
    answer = _answer(request, asset, _ASK_EACH_TIME)
    answer.headers[hdrs.VARY] = _PAGE_VARY
    return answer


def _in_their_language(request: web.Request, name: str) -> web.Response:
    return page(request, name, for_page(request).language)


async def index(request: web.Request) -> web.StreamResponse:
    """`GET /`: the list of instances, or the log-in."""
    return _in_their_language(request, "index.html")


async def enter(request: web.Request) -> web.StreamResponse:
    """`GET /enter#TICKET`: the fragment stays in the browser until its script sends it."""
    return _in_their_language(request, "enter.html")


async def console(request: web.Request) -> web.StreamResponse:
    """`GET /console/{instance}`: which instance it is, the script reads from its address.

    Whom the console would be opened for finds the admission in it: the script needn't ask.
    """
    asset = ASSETS.page("console.html", for_page(request).language, base_path(request))
    if request.method != "GET" or (given := await _admission(request)) is None:
        return _page_answer(request, asset)
    given["stream"] = _stream(request, str(given["ticket"]))
    content = escape(msgspec.json.encode(given).decode()).encode()
    body = asset.body.replace(_NO_ADMISSION, _NO_ADMISSION[:-1] + content + b'"')
    headers = {hdrs.CACHE_CONTROL: _NEVER, hdrs.VARY: _PAGE_VARY}
    if _takes_gzip(request):
        body = gzip.compress(body, _QUICK)
        headers[hdrs.CONTENT_ENCODING] = "gzip"
    return web.Response(body=body, headers=headers, content_type="text/html", charset="utf-8")


def _stream(request: web.Request, ticket: str) -> str:
    """The address of the screen's WebSocket, which the page opens before its script is there."""
    wishes = {wish: "1" for wish in ("view", "take") if request.query.get(wish) == "1"}
    query = urlencode({"ticket": ticket, "ahead": "1", **wishes})
    name = quote(request.match_info["instance"], safe="")
    return f"{base_path(request)}/websockify/{name}?{query}"


async def _admission(request: web.Request) -> dict[str, object] | None:
    """As the page's script would be given it; None: not at hand, or not to be had."""
    asking = services_of(request).tasks.start(_admitted(request), "page-admission")
    await asyncio.wait([asking], timeout=ADMISSION_PATIENCE_S)
    if not asking.done() or asking.cancelled() or asking.exception() is not None:
        return None
    found: dict[str, object] | None = asking.result()
    return found


async def _admitted(request: web.Request) -> dict[str, object] | None:
    try:
        return await admit(request)
    except (VncproxyError, web.HTTPException):
        # The script asks for it once more, and tells why not.
        return None


async def admin(request: web.Request) -> web.StreamResponse:
    """`GET /admin`: what is open, and what was; its script asks whether the user may see it."""
    return _in_their_language(request, "admin.html")


async def replay(request: web.Request) -> web.StreamResponse:
    """`GET /replay/{recording}`: plays it; its script asks the API whether the user may see it."""
    return _in_their_language(request, "replay.html")


async def static_file(request: web.Request) -> web.StreamResponse:
    """`GET /static/…`: files of the package; kept for good by the browser if their version is named
    in the address, else checked anew each time.
    """
    path = request.match_info["path"]
    in_memory = not ASSETS.is_on_disk(path)
    found = ASSETS.file(path) if in_memory else await asyncio.to_thread(ASSETS.from_disk, path)
    if found is None:
        raise web.HTTPNotFound
    asset, lasting = found
    cache = _FOR_GOOD if lasting else _ASK_EACH_TIME
    return _answer(request, asset, cache, may_compress=in_memory)


def is_complete() -> bool:
    """Whether noVNC was packed in."""
    return ASSETS.has_novnc


def _answer(
    request: web.Request, asset: Asset, cache: str, *, may_compress: bool = True
) -> web.Response:
    """A file. Args: may_compress - not what isn't kept: that would be done for each request."""
    body, tag = asset.body, asset.tag
    headers = {hdrs.CACHE_CONTROL: cache}
    if may_compress and (gzipped := asset.gzipped) is not None:
        headers[hdrs.VARY] = hdrs.ACCEPT_ENCODING
        if _takes_gzip(request):
            body, tag = gzipped, f"{tag}-gzip"
            headers[hdrs.CONTENT_ENCODING] = "gzip"
    headers[hdrs.ETAG] = f'"{tag}"'
    if any(known.value in ("*", tag) for known in request.if_none_match or ()):
        headers.pop(hdrs.CONTENT_ENCODING, None)
        return web.Response(status=304, headers=headers)
    headers[hdrs.CONTENT_TYPE] = asset.content_type
    if asset.content_type.startswith("text/"):
        headers[hdrs.CONTENT_TYPE] += "; charset=utf-8"
    return web.Response(body=body, headers=headers)


def _takes_gzip(request: web.Request) -> bool:
    """Source: RFC 9110, section 12.5.3."""
    for offer in request.headers.get(hdrs.ACCEPT_ENCODING, "").lower().split(","):
        coding, _, weight = (part.strip() for part in offer.partition(";"))
        if coding == "gzip":
            return weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False
