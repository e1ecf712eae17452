"""The pages and their files; they hold nothing that isn't public."""

from __future__ import annotations

from aiohttp import hdrs, web

from vncproxy.languages.language import Language
from vncproxy.web.assets import ASSETS, Asset
from vncproxy.web.base_path import base_path
from vncproxy.web.page_language import VARY, for_page

_ASK_EACH_TIME = "no-cache"
_FOR_GOOD = "public, max-age=31536000, immutable"


def page(request: web.Request, name: str, language: Language) -> web.Response:
    """One of the pages."""
    answer = _answer(request, ASSETS.page(name, language, base_path(request)), _ASK_EACH_TIME)
    answer.headers[hdrs.VARY] = f"{hdrs.ACCEPT_ENCODING}, {VARY}"
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
    """`GET /console/{instance}`: which instance it is, the script reads from its address."""
    return _in_their_language(request, "console.html")


async def admin(request: web.Request) -> web.StreamResponse:
    """`GET /admin`: what is open; its script asks the API whether the user may see it."""
    return _in_their_language(request, "admin.html")


async def static_file(request: web.Request) -> web.StreamResponse:
    """`GET /static/…`: files of the package; kept for good by the browser if their version is named
    in the address, else checked anew each time.
    """
    found = ASSETS.file(request.match_info["path"])
    if found is None:
        raise web.HTTPNotFound
    asset, lasting = found
    return _answer(request, asset, _FOR_GOOD if lasting else _ASK_EACH_TIME)


def is_complete() -> bool:
    """Whether noVNC was packed in."""
    return ASSETS.has_novnc


def _answer(request: web.Request, asset: Asset, cache: str) -> web.Response:
    body, tag = asset.body, asset.tag
    headers = {hdrs.CACHE_CONTROL: cache}
    if asset.gzipped is not None:
        headers[hdrs.VARY] = hdrs.ACCEPT_ENCODING
        if _takes_gzip(request):
            body, tag = asset.gzipped, f"{tag}-gzip"
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
