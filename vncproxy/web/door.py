"""One listener: how it is reached, and how it finds out who asks."""

from __future__ import annotations

import hashlib
import hmac
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import structlog
from aiohttp import web

from vncproxy.access.account_directory import Directory
from vncproxy.access.accounts import is_own, is_person
from vncproxy.access.identity import ANYONE, OWNER, Identity, Kind
from vncproxy.access.login_attempts import LoginAttempts
from vncproxy.access.login_sessions import Sessions
from vncproxy.access.proxy_header import OWS, ProxyHeaders, WrongSecretError
from vncproxy.access.users import Users
from vncproxy.addresses import TcpAddress
from vncproxy.config.model import Access, Listen
from vncproxy.errors import AccessError
from vncproxy.web.base_path import own_path
from vncproxy.web.origin import (
    Origin,
    check_fetch_site,
    check_host,
    check_origin,
    may_lead_here,
    parse_origins,
)
from vncproxy.websocket.peer_account import is_unix, socket_address, uid_behind

_log = structlog.get_logger("vncproxy.door")

_BEARER = "bearer "
_PROXIED = ("Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-User", "X-Real-IP")
"""A request with one of these comes from a proxy, for a user whom the kernel doesn't know."""
_GIVEN = web.RequestKey("given", object)
"""The outcome of a request's token: checked once, since a wrong one is counted."""

_WRONG = web.RequestKey("wrong", AccessError)
"""The refusal of a wrong secret: checked once, too."""

_LOG_IN = {
    "token": "Log in first: use the link of vncproxy url, or the token.",
    "users": "Log in first, with your token.",
    "peer": "This door knows you by your account on this machine, and it sees none: root, the "
    "account of a service or a proxy, and another machine don't count.",
}

_WHOSE = {"token": "token", "secret": "proxy's secret"}

_LOG_IN_WORDS = {"users": "user-log-in", "peer": "no-account"}
"""Pages ask for the one token or the other by these."""


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


@dataclass(frozen=True, slots=True, repr=False)
class DoorSettings:
    """What a reload may change of the checks at one listener."""

    token: Token
    """The owner's."""
    users: Users
    """Those of users_file."""
    hosts: frozenset[str]
    """Names in Host besides loopback ones, in small letters."""
    origins: frozenset[Origin]
    """Of pages besides the daemon's own."""
    proxy: ProxyHeaders | None
    """For access = "header"."""

    @classmethod
    def of(
        cls, listen: Listen, access: Access, token: Token, users: Users, header_secret: str = ""
    ) -> DoorSettings:
        """From the configuration.

        Args:
            listen: The listener's block.
            access: What holds for all of them.
            token: The owner's.
            users: Those of users_file.
            header_secret: What the proxy sends, for access = "header".
        """
        own = set()
        if not listen.address.startswith("unix:"):
            address = listen.parsed_address
            assert isinstance(address, TcpAddress), "there is no third kind"
            own.add(address.host.lower())
        proxy = None
        if listen.access == "header":
            proxy = ProxyHeaders(listen.trusted_proxies, listen.user_header, header_secret)
        hosts = frozenset(own | {host.lower() for host in access.allowed_hosts})
        return cls(token, users, hosts, parse_origins(access.allowed_origins), proxy)


class Door:
    """The checks of one [[listen]] block."""

    def __init__(
        self,
        listen: Listen,
        settings: Callable[[], DoorSettings],
        sessions: Sessions,
        *,
        directory: Directory | None = None,
        attempts: LoginAttempts | None = None,
        owners_only: bool = False,
    ) -> None:
        """Keep what the checks need.

        Args:
            listen: The block; it stays the same until a restart.
            settings: Gives those in force.
            sessions: The log-ins, shared by all listeners.
            directory: This machine's accounts.
            attempts: Wrong tokens, shared by all listeners.
            owners_only: The kernel lets nobody connect who may not read the token, too.
        """
        self._settings = settings
        self._owners_only = owners_only
        self.name = listen.name
        self.kind: Kind = listen.access
        self.open = listen.access == "open"
        self.secure = listen.certificate is not None
        self.base_path = listen.base_path
        self._sessions = sessions
        self._directory = directory or Directory()
        self._attempts = attempts if attempts is not None else LoginAttempts()
        # Browsers don't let a plain page replace a cookie that came by TLS: each has its own name.
        # So has each kind of log-in, or one would end the other.
        # Browsers take the one prefix with the root as path only. Source: RFC 6265bis, 4.1.3.
        kept = "__Secure-" if self.base_path else "__Host-"
        self.cookie_path = self.base_path or "/"
        self.cookie_name = (
            f"{kept if self.secure else ''}{sessions.cookie_name}"
            f"{'-users' if self.kind == 'users' else ''}"
        )

    @property
    def settings(self) -> DoorSettings:
        """Those in force."""
        return self._settings()

    @property
    def by_connection(self) -> bool:
        """Whether each request shows by itself who asks, so that nobody logs in."""
        return self.kind in ("peer", "header")

    def check_browser(self, request: web.Request) -> None:
        """Check Host, Origin and Sec-Fetch-Site.

        Raises:
            AccessError: 421 or 403; see origin.py.
        """
        headers = request.headers
        # A target with a host of its own counts before Host, and only proxies are sent one.
        hosts = headers.getall("Host", []) if request.raw_path.startswith("/") else []
        settings = self.settings
        host = check_host(hosts, settings.hosts)
        check_origin(headers.getall("Origin", []), host, settings.origins)
        if own_path(request) != "/enter" and not self._is_led_here(request):
            check_fetch_site(headers.getall("Sec-Fetch-Site", []))

    def _is_led_here(self, request: web.Request) -> bool:
        """Whether a daemon of allowed_origins passes its page on to one of a console."""
        headers = request.headers
        return own_path(request).startswith("/console/") and may_lead_here(
            headers.getall("Sec-Fetch-Mode", []),
            headers.getall("Sec-Fetch-Dest", []),
            headers.getall("Referer", []),
            self.settings.origins,
        )

    def bearer(self, request: web.Request) -> Identity | None:
        """Whose token the request carries.

        Raises:
            AccessError: 401: it is wrong; 429: too many wrong ones came from there.
        """
        if (given := request.get(_GIVEN)) is None:
            header = request.headers.get("Authorization", "")
            if header[: len(_BEARER)].lower() != _BEARER:
                return None
            try:
                given = self.by_token(request, header[len(_BEARER) :].strip(OWS))
            except AccessError as error:
                given = error
            request[_GIVEN] = given
        if isinstance(given, AccessError):
            raise given
        assert isinstance(given, Identity), "nothing else is put there"
        return given

    def by_token(self, request: web.Request, text: str) -> Identity:
        """Whose token this is.

        Raises:
            AccessError: 401: nobody's; 429: too many wrong ones came from there.
        """
        if self.by_connection:
            raise AccessError(401, "no-tokens", "This door takes no token.")
        if (found := self._whose(text)) is None:
            raise self._wrong(request, "token")
        # The right token always counts: else anybody with the owner's address, which all users of a
        # tunnel share, could keep the owner out by sending wrong ones.
        if self._attempts:
            self._attempts.succeeded(self.source(request))
        return found

    def _wrong(self, request: web.Request, what: Literal["token", "secret"]) -> AccessError:
        """Count a wrong one, and give the refusal for it."""
        now, source = time.monotonic(), self.source(request)
        if (wait_s := self._attempts.wait_s(source, now)) > 0:
            return AccessError(
                429,
                "too-many-attempts",
                f"Too many wrong {what}s came from there. Try again in {math.ceil(wait_s)} s.",
                wait_s,
            )
        wrong = self._attempts.failed(source, now)
        _log.warning("login.failed", door=self.name, source=source, in_a_row=wrong)
        return AccessError(401, f"wrong-{what}", f"The {_WHOSE[what]} is wrong.")

    def _whose(self, text: str) -> Identity | None:
        if self.kind == "users":
            user = self.settings.users.by_token(text)
            return Identity(user.name, "bearer", "users", user.id) if user is not None else None
        return Identity(OWNER, "bearer") if self.settings.token.matches(text) else None

    def source(self, request: web.Request) -> str:
        """What wrong tokens count for: an account of this machine, else an address.

        A user's own address would be shared by everybody on the bastion.
        """
        if (uid := uid_behind(request.transport)) is not None:
            return f"uid {uid}"
        ip, _ = socket_address(request.remote or "::", 0)
        # A client with one IPv6 address has 2**64 of them.
        return str(ip) if ip.version == 4 else f"{ip.exploded[:19]}::/64"

    def cookie(self, request: web.Request) -> str | None:
        """The log-in cookie's value, right or wrong."""
        return request.cookies.get(self.cookie_name)

    def session(self, request: web.Request) -> Identity | None:
        """Who logged in by the cookie that the request carries."""
        text = self.cookie(request)
        return self._sessions.find(text, account_behind(request)) if text is not None else None

    def identify(self, request: web.Request) -> Identity:
        """Who asks.

        Raises:
            AccessError: 401: nobody known; 429: too many wrong tokens came from there.
        """
        identity = self.find(request)
        if identity is None:
            raise AccessError(401, _LOG_IN_WORDS.get(self.kind, "log-in"), self._log_in)
        return identity

    @property
    def _log_in(self) -> str:
        return _LOG_IN.get(self.kind, _LOG_IN["token"])

    def find(self, request: web.Request) -> Identity | None:
        """Who asks, or None.

        Raises:
            AccessError: 401, 429: what was given as proof is wrong; 503: `learn` comes first.
        """
        match self.kind:
            case "open":
                return ANYONE
            case "peer":
                return self._account(request)
            case "header":
                return self._named(request)
        found = self.bearer(request)
        if found is None:
            found = self.session(request)
        return found if found is not None and self._is_known(found) else None

    def _named(self, request: web.Request) -> Identity:
        """The user that a proxy names.

        Raises:
            AccessError: 401: nobody known; 429: too many wrong tokens came from there.
        """
        proxy = self.settings.proxy
        assert proxy is not None, "every listener of this kind has one"
        if isinstance(known := request.get(_WRONG), AccessError):
            raise known
        try:
            name = proxy.user(self._remote(request), request.headers)
        except WrongSecretError as error:
            request[_WRONG] = refusal = self._wrong(request, "secret")
            raise refusal from error
        return Identity(name, "header", "header")

    def program(self, request: web.Request) -> Identity | None:
        """Who asks for a WebSocket without a ticket: pages have one, and cookies don't count.

        Raises:
            AccessError: 401: nobody known; 429: too many wrong tokens came from there.
        """
        if self.by_connection:
            return None if "Origin" in request.headers else self.find(request)
        return ANYONE if self.open else self.bearer(request)

    def knows(self, identity: Identity, request: web.Request) -> bool:
        """Whether a ticket is good for this request, whichever door its user was let in by.

        What proved nothing at an open door, reached by this machine only, proves nothing here; and
        nobody comes in by another's ticket where it shows who asks.
        """
        if self.open:
            return True
        if self.by_connection:
            asking = self.find(request)
            return asking is not None and identity == replace(asking, how=identity.how)
        return not self._sessions.is_over(identity.login) and self._is_known(identity)

    def _is_known(self, identity: Identity) -> bool:
        if identity.kind != self.kind:
            return False
        if self.kind != "users":
            return True
        # Another token, or none any more, ends what began with the old one.
        user = self.settings.users.named(identity.user)
        return user is not None and user.id == identity.token_id

    async def learn(self, request: web.Request) -> None:
        """Let `find` know whose account asks.

        Raises:
            AccessError: 503; this machine's directory of accounts doesn't answer.
        """
        if self.kind == "peer" and not self._owners_only and not _is_proxied(request):
            uid = uid_behind(request.transport)
            if uid is not None:
                await self._directory.learn_name(uid)

    def _account(self, request: web.Request) -> Identity | None:
        if _is_proxied(request):
            return None
        if self._owners_only:
            return Identity(OWNER, "peer")
        uid = uid_behind(request.transport)
        name = self._directory.name(uid) if uid is not None else None
        if name is not None:
            return Identity(name, "peer", "peer")
        # The service's own account may read the token: commands come by it.
        return Identity(OWNER, "peer") if uid is not None and is_own(uid) else None

    @staticmethod
    def _remote(request: web.Request) -> str | None:
        """The other end's address, None for a Unix socket."""
        transport = request.transport
        if transport is not None and is_unix(transport):
            return None
        peer = transport.get_extra_info("peername") if transport is not None else None
        # A connection that is gone has no address; no proxy has this one.
        return peer[0] if isinstance(peer, tuple) else "::"


def _is_proxied(request: web.Request) -> bool:
    return any(name in request.headers for name in _PROXIED)


def account_behind(request: web.Request) -> int | None:
    """The user id of the person of this machine who asks, also through a tunnel; None: another."""
    uid = uid_behind(request.transport)
    return uid if uid is not None and is_person(uid) else None
