"""One listener: how it is reached, and how it finds out who asks."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

from aiohttp import web

from vncproxy.config.address import TcpAddress
from vncproxy.config.model import Access, Listen
from vncproxy.errors import AccessError
from vncproxy.web.identity import ANYONE, OWNER, Identity
from vncproxy.web.origin import check_fetch_site, check_host, check_origin, parse_origins
from vncproxy.web.sessions import Sessions

_BEARER = "bearer "


@dataclass(frozen=True, slots=True)
class Token:
    """The owner's token, kept as a digest: comparing takes the same time whatever differs."""

    digest: bytes

    @classmethod
    def of(cls, text: str) -> Token:
        """The digest of this token."""
        return cls(hashlib.sha256(text.encode()).digest())

    def matches(self, text: str) -> bool:
        """Whether `text` is the token."""
        given = hashlib.sha256(text.encode(errors="replace")).digest()
        return hmac.compare_digest(given, self.digest)


class Door:
    """The checks of one [[listen]] block."""

    def __init__(self, listen: Listen, access: Access, token: Token, sessions: Sessions) -> None:
        """Keep what the checks need."""
        self.name = listen.name
        self.open = listen.access == "open"
        self.secure = listen.certificate is not None
        self._token = token
        self._sessions = sessions
        # Browsers don't let a plain page replace a cookie that came by TLS: each has its own name.
        self.cookie_name = f"{'__Host-' if self.secure else ''}{sessions.cookie_name}"
        address = listen.parsed_address
        own = {address.host.lower()} if isinstance(address, TcpAddress) else set()
        self._hosts = frozenset(own | {host.lower() for host in access.allowed_hosts})
        self._origins = parse_origins(access.allowed_origins)

    def check_browser(self, request: web.Request) -> None:
        """Raises: AccessError 421 or 403 - see `origin`."""
        headers = request.headers
        # A target with a host of its own counts before Host, and only proxies are sent one.
        hosts = headers.getall("Host", []) if request.raw_path.startswith("/") else []
        host = check_host(hosts, self._hosts)
        check_origin(headers.getall("Origin", []), host, self._origins)
        if request.path != "/enter":
            check_fetch_site(headers.getall("Sec-Fetch-Site", []))

    def bearer(self, request: web.Request) -> Identity | None:
        """The owner, if the request carries the token."""
        header = request.headers.get("Authorization", "")
        if header[: len(_BEARER)].lower() != _BEARER:
            return None
        if not self._token.matches(header[len(_BEARER) :].strip()):
            raise AccessError(401, "wrong-token", "The token is wrong.")
        return Identity(OWNER, "bearer")

    def owner_by_token(self, text: str) -> Identity | None:
        """The owner, if `text` is the token."""
        return Identity(OWNER, "bearer") if self._token.matches(text) else None

    def cookie(self, request: web.Request) -> str | None:
        """The log-in cookie's value, right or wrong."""
        return request.cookies.get(self.cookie_name)

    def identify(self, request: web.Request) -> Identity:
        """Who asks. Raises: AccessError 401."""
        identity = self.find(request)
        if identity is None:
            raise AccessError(
                401, "log-in", "Log in first: use the link of vncproxy url, or the token."
            )
        return identity

    def find(self, request: web.Request) -> Identity | None:
        """Who asks, or None. Raises: AccessError 401 - a token was given, and it is wrong."""
        if self.open:
            return ANYONE
        found = self.bearer(request)
        if found is None and (text := self.cookie(request)) is not None:
            found = self._sessions.find(text)
        return found if found is not None and self.knows(found) else None

    def knows(self, identity: Identity) -> bool:
        """Whether somebody whom any door let in may enter by this one.

        What proved nothing at an open door, reached by this machine only, proves nothing here.
        """
        return self.open or identity.user == OWNER
