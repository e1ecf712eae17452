"""The path below which a door's pages are, whether or not a proxy takes it off on the way here."""

from __future__ import annotations

from aiohttp import web

BASE_PATH = web.AppKey("base_path", str)
"""Such as "/vnc"; absent or empty: the host's root."""


def base_path(request: web.Request) -> str:
    """What a browser has to put before every path of this door."""
    return request.app.get(BASE_PATH, "")


def own_path(request: web.Request) -> str:
    """The request's path as the routes name it: without the base path, if it came with that."""
    base, path = base_path(request), request.path
    return path[len(base) :] if base and path.startswith(f"{base}/") else path
