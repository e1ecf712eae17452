"""Whether a request may come from where it comes: Host, Origin, Sec-Fetch-Site. Pure.

Against DNS rebinding (a foreign name that resolves to this machine), cross-site requests and
cross-site WebSockets. Each check gets all values of its header: one that comes twice is foreign,
since a program before this one may have looked at the other. Source: design.md, HTTP; Fetch
Metadata Request Headers (W3C).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from vncproxy.errors import AccessError

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
_DEFAULT_PORTS = {"http": 80, "https": 443}
_ORIGIN = re.compile(r"(https?)://([^\s/?#@\\]+)")
_BEGINNING = re.compile(r"https?://[^/]+")

Origin = tuple[str, str, int]
"""Scheme, host without brackets, port."""


def host_name(host: str) -> str | None:
    """The name in a Host header, in lower case, without port and brackets; None if it is odd."""
    found = _host_and_port(host)
    return None if found is None else found[0]


def _host_and_port(host: str) -> tuple[str, int | None] | None:
    if host.startswith("["):
        name, bracket, rest = host[1:].partition("]")
        well_formed = bool(bracket) and (not rest or _is_port(rest))
        port = rest[1:]
    else:
        name, colon, port = host.partition(":")
        well_formed = not colon or _is_port(colon + port)
    if not name or not well_formed or not name.isascii():
        # Other letters have ASCII ones as their lower case: they would name another host.
        return None
    return name.lower(), int(port) if port else None


def _is_port(text: str) -> bool:
    return text[:1] == ":" and text[1:].isdecimal() and text.isascii() and len(text) <= 6


def parse_origin(text: str) -> Origin | None:
    """An origin as browsers write it, the default port made explicit; None for `null` and others.

    Source: RFC 6454, section 6.2.
    """
    found = _ORIGIN.fullmatch(text.lower())
    host = _host_and_port(found[2]) if found else None
    if found is None or host is None:
        return None
    name, port = host
    return found[1], name, _DEFAULT_PORTS[found[1]] if port is None else port


def parse_origins(texts: Iterable[str]) -> frozenset[Origin]:
    """Those of the settings, which are origins for sure."""
    return frozenset(origin for text in texts if (origin := parse_origin(text)) is not None)


def check_host(hosts: Sequence[str], allowed: frozenset[str]) -> str:
    """The one Host.

    Raises:
        AccessError: 421; it isn't a name of this daemon.
    """
    name = host_name(hosts[0]) if len(hosts) == 1 else None
    if name is None or (name not in LOOPBACK_NAMES and name not in allowed):
        raise AccessError(
            421,
            "foreign-host",
            "This daemon isn't known by that name. Open it as localhost, or add the name to "
            "allowed_hosts under [access].",
        )
    return hosts[0]


def check_origin(origins: Sequence[str], host: str, allowed: frozenset[Origin]) -> None:
    """Refuse requests of other sites' pages.

    Raises:
        AccessError: 403; the request's Origin is another site's.
    """
    if not origins:
        return
    origin = parse_origin(origins[0]) if len(origins) == 1 else None
    if origin is None or (origin not in allowed and not _is_own(origin, host)):
        raise AccessError(
            403, "foreign-origin", "A page of another site asked for this; it was refused."
        )


def _is_own(origin: Origin, host: str) -> bool:
    scheme, name, port = origin
    own = _host_and_port(host)
    if own is None:
        return False
    # Behind a proxy that ends TLS the schemes differ: the port left out is the Origin's default.
    return (name, port) == (own[0], _DEFAULT_PORTS[scheme] if own[1] is None else own[1])


def may_lead_here(
    modes: Sequence[str],
    targets: Sequence[str],
    referrers: Sequence[str],
    allowed: frozenset[Origin],
) -> bool:
    """Whether a page of an allowed origin opened this address in its tab, as a link does.

    Args:
        modes: Sec-Fetch-Mode.
        targets: Sec-Fetch-Dest.
        referrers: Referer: a page can leave its own origin out of that, or name it, but no other's.
        allowed: The origins that may.
    """
    if list(modes) != ["navigate"] or list(targets) != ["document"] or len(referrers) != 1:
        return False
    found = _BEGINNING.match(referrers[0])
    return found is not None and parse_origin(found[0]) in allowed


def check_fetch_site(sites: Sequence[str]) -> None:
    """Refuse requests that a browser marks as another site's; no header, no refusal.

    Raises:
        AccessError: 403; Sec-Fetch-Site names another site.
    """
    if not {"cross-site", "same-site"}.isdisjoint(sites):
        raise AccessError(
            403,
            "cross-site",
            "Another site led here. Type the address, or use the link of vncproxy url.",
        )
