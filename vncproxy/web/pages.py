"""The pages and their files; they hold nothing that isn't public."""

from __future__ import annotations

from pathlib import Path

from aiohttp import web

_STATIC = Path(__file__).parent / "static"


def page(name: str) -> web.FileResponse:
    """One of the pages."""
    return web.FileResponse(_STATIC / name, headers={"Cache-Control": "no-cache"})


async def index(request: web.Request) -> web.StreamResponse:
    """`GET /`: the list of instances, or the log-in."""
    return page("index.html")


async def enter(request: web.Request) -> web.StreamResponse:
    """`GET /enter#TICKET`: the fragment stays in the browser until its script sends it."""
    return page("enter.html")


async def console(request: web.Request) -> web.StreamResponse:
    """`GET /console/{instance}`: which instance it is, the script reads from its address."""
    return page("console.html")


async def static_file(request: web.Request) -> web.StreamResponse:
    """`GET /static/…`: files of the package; checked anew by the browser after an upgrade."""
    try:
        path = (_STATIC / request.match_info["path"]).resolve()
        found = path.is_relative_to(_STATIC.resolve()) and path.is_file()
    except (OSError, ValueError):
        # A name that no file can have: too long, or with a NUL.
        found = False
    if not found:
        raise web.HTTPNotFound
    return web.FileResponse(path, headers={"Cache-Control": "no-cache"})


def is_complete() -> bool:
    """Whether noVNC was packed in."""
    return (_STATIC / "novnc" / "core" / "rfb.js").is_file()
