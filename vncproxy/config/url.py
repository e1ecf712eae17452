"""URLs as they appear in settings: endpoints, pages, origins."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urlsplit

from vncproxy.config.address import is_host, is_loopback

BASE_MAX_LENGTH = 1024
"""Of an address that others choose, and pages show."""

_PLAIN = re.compile(r"[\x21-\x7e]+\Z")


def is_endpoint(text: str) -> bool:
    """Whether it is `https://host[:port]`; http:// only for loopback, no path, query or user."""
    url = _split(text)
    if url is None or url.path not in {"", "/"}:
        return False
    return url.scheme == "https" or (url.scheme == "http" and is_loopback(url.hostname or ""))


def is_page(text: str) -> bool:
    """Whether it is an https:// URL without a query, fragment or user."""
    url = _split(text)
    return url is not None and url.scheme == "https"


def are_origins(texts: tuple[str, ...]) -> bool:
    """Whether each is an origin as a browser writes it: `https://host[:port]`, no path.

    Source: RFC 6454, section 6.2.
    """
    return all(_is_origin(text) for text in texts)


def is_origin_or_empty(text: str) -> bool:
    """Whether it is an origin as in `are_origins`, or no text at all."""
    return not text or _is_origin(text)


def is_base(text: str) -> bool:
    """Whether it is where a daemon's pages are: an origin, and a path if need be."""
    return len(text) <= BASE_MAX_LENGTH and _split(text) is not None


def _is_origin(text: str) -> bool:
    url = _split(text)
    return url is not None and url.path == ""


def _split(text: str) -> SplitResult | None:
    """The parts of an http(s) URL that has a host and no user, query or fragment."""
    if not _PLAIN.match(text) or "?" in text or "#" in text or "\\" in text:
        return None
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        return None
    if url.scheme not in {"http", "https"} or "@" in url.netloc or port == 0:
        return None
    return url if is_host(url.hostname or "") and not url.netloc.endswith(":") else None
