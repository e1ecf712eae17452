"""Whether a request may come from where it comes: Host, Origin, Sec-Fetch-Site. Pure.

Against DNS rebinding (a foreign name that resolves to this machine), cross-site requests and
cross-site WebSockets. Source: design.md, HTTP; Fetch Metadata Request Headers (W3C).
"""

from __future__ import annotations

from urllib.parse import urlsplit

from vncproxy.errors import AccessError

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
_DEFAULT_PORTS = {"http": "80", "https": "443"}


def host_name(host: str) -> str | None:
    """The name in a Host header, in lower case, without port and brackets; None if it is odd."""
    if host.startswith("["):
        name, bracket, rest = host[1:].partition("]")
        well_formed = bool(bracket) and (not rest or _is_port(rest))
    else:
        name, colon, port = host.partition(":")
        well_formed = not colon or _is_port(colon + port)
    return name.lower() if name and well_formed else None


def _is_port(text: str) -> bool:
    return text[:1] == ":" and text[1:].isdecimal() and text.isascii()


def check_host(host: str | None, allowed: frozenset[str]) -> None:
    """Raises: AccessError 421 - the Host isn't a name of this daemon."""
    name = host_name(host) if host else None
    if name is None or (name not in LOOPBACK_NAMES and name not in allowed):
        raise AccessError(
            421,
            "foreign-host",
            "This daemon isn't known by that name. Open it as localhost, or add the name to "
            "allowed_hosts under [access].",
        )


def check_origin(origin: str | None, host: str, allowed: frozenset[str]) -> None:
    """Raises: AccessError 403 - a page of another site asks."""
    if origin is None or origin in allowed:
        return
    parts = urlsplit(origin)
    default = _DEFAULT_PORTS.get(parts.scheme)
    if default is None or _with_port(parts.netloc.lower(), default) != _with_port(
        host.lower(), default
    ):
        raise AccessError(
            403, "foreign-origin", "A page of another site asked for this; it was refused."
        )


def _with_port(netloc: str, default: str) -> str:
    has_port = netloc.rpartition(":")[2].isdecimal() and not netloc.endswith("]")
    return netloc if has_port else f"{netloc}:{default}"


def check_fetch_site(site: str | None) -> None:
    """Raises: AccessError 403 - a browser says that another site asks. Its absence is no fault."""
    if site in ("cross-site", "same-site"):
        raise AccessError(
            403,
            "cross-site",
            "Another site led here. Type the address, or use the link of vncproxy url.",
        )
