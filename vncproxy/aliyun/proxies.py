"""The proxy for an outgoing connection, from HTTPS_PROXY, HTTP_PROXY and NO_PROXY.

One that can't be used is a wrong configuration, found at the start: nothing would work.

Used for the API and for the upstream WebSocket alike. Loopback and the metadata address never go
through a proxy, whatever the environment names.
"""

from __future__ import annotations

import re
import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from ipaddress import ip_address
from urllib.parse import quote, unquote, urlsplit
from urllib.request import proxy_bypass

from vncproxy.addresses import is_loopback
from vncproxy.errors import ConfigError, ConfigProblem
from vncproxy.languages.text import Text

METADATA_HOST = "100.100.100.200"

LOGIN_HOLD_S = 60.0
"""A proxy that refused its login isn't asked again for so long: many wrong ones in a row lock an
account of the directory behind it."""

SOCKS = "socks5h"
"""SOCKS 5 (RFC 1928), by which the proxy looks up the names."""
SOCKS_PACKAGES = ("aiohttp_socks", "python_socks")

_DEFAULT_PORTS = {"http": 80, "https": 443, SOCKS: 1080}
_OTHER_SOCKS = ("socks", "socks4", "socks4a", "socks5")
_HOST_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?\.?")
_SOCKS_LOGIN = re.compile(r"[\x21-\x7e]{1,255}:[\x21-\x7e]{1,255}")
_SOCKS_NOT_ALLOWED = 2
"""RFC 1928, section 6: connection not allowed by ruleset."""
_LOGIN_REFUSED = (401, 407)
_FORBIDDEN = 403


@dataclass(slots=True)
class _LastRefusal:
    """When a proxy refused its login.

    Args:
        status: HTTP's.
        at_s: By the proxy's clock.
    """

    status: int = 0
    at_s: float = float("-inf")


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy to CONNECT through.

    Args:
        secure: Whether the proxy itself is spoken to by TLS.
        authorization: The value of Proxy-Authorization, or None; it is never printed.
        variable: Of the environment, which names it.
        clock: Monotonic seconds.
        socks: Whether it speaks SOCKS 5 instead of HTTP.
    """

    host: str
    port: int
    secure: bool = False
    authorization: str | None = field(default=None, repr=False)
    variable: str = field(default="HTTPS_PROXY", compare=False)
    clock: Callable[[], float] = field(default=time.monotonic, repr=False, compare=False)
    socks: bool = False
    _last: _LastRefusal = field(default_factory=_LastRefusal, repr=False, compare=False)

    @property
    def url(self) -> str:
        """Its address without user and password."""
        return f"{self._scheme}://{self._place}"

    @property
    def url_with_login(self) -> str:
        """Its address with user and password, as libraries want it; never to be printed."""
        if self.authorization is None:
            return self.url
        user, password = self.login
        login = f"{quote(user, safe='')}:{quote(password, safe='')}"
        return self.url.replace("://", f"://{login}@", 1)

    @property
    def login(self) -> tuple[str, str]:
        """User and password, both empty without any; never to be printed."""
        user, _, password = _login(self.authorization or "Basic ").partition(":")
        return user, password

    @property
    def _scheme(self) -> str:
        return SOCKS if self.socks else "https" if self.secure else "http"

    @property
    def named(self) -> str:
        """Its name in messages: the variable that names it, and its host and port."""
        return f"the proxy that {self.variable} names ({self._place})"

    @property
    def _place(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    def refused(self, status: int, target: str) -> str | None:
        """A sentence on what to do, if the proxy refuses for good; None: it may be a passing fault.

        Args:
            status: HTTP's.
            target: Host and port that were to be reached.
        """
        if status in _LOGIN_REFUSED:
            self._last.status, self._last.at_s = status, self.clock()
            return self._wrong_login(status)
        if status == _FORBIDDEN:
            return (
                f"{_capital(self.named)} lets nobody through to {target}{self._code(status)}. "
                "Have it allowed there, or list the host in NO_PROXY if it needs no proxy."
            )
        return None

    def refused_by_socks(self, fault: BaseException | None, target: str) -> str | None:
        """As `refused`, of what the SOCKS library raises. Source: RFC 1928, section 6; RFC 1929."""
        if getattr(fault, "error_code", None) == _SOCKS_NOT_ALLOWED:
            return self.refused(_FORBIDDEN, target)
        if "authentication" in str(fault):
            return self.refused(_LOGIN_REFUSED[0], target)
        return None

    def _code(self, status: int) -> str:
        return "" if self.socks else f" (HTTP {status})"

    @property
    def standing_refusal(self) -> str | None:
        """Why it isn't asked just now, in a sentence; None: it may be."""
        lately = self.clock() - self._last.at_s < LOGIN_HOLD_S
        return self._wrong_login(self._last.status) if lately else None

    def _wrong_login(self, status: int) -> str:
        if self.authorization is None:
            return (
                f"{_capital(self.named)} wants a user and a password{self._code(status)}. Put them "
                f"into {self.variable}, as in {self._scheme}://USER:PASSWORD@HOST:PORT, and "
                "restart what runs with it."
            )
        return (
            f"{_capital(self.named)} refused the user or the password{self._code(status)}. Correct "
            f"them in {self.variable}, and restart what runs with it."
        )


class EnvironmentProxies:
    """The proxies that an environment names."""

    def __init__(
        self, environ: Mapping[str, str], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Read the variables, the lower-case ones first, as other programs do.

        Args:
            environ: The process's environment.
            clock: Monotonic seconds.

        Raises:
            ConfigError: For a proxy that can't be used.
        """
        self._secure = _proxy(environ, "https_proxy", clock)
        self._plain = _proxy(environ, "http_proxy", clock)
        self._no_proxy = environ.get("no_proxy") or environ.get("NO_PROXY") or ""

    @property
    def socks(self) -> Proxy | None:
        """The SOCKS proxy for https, if it is one: what goes through it needs a session of its own.

        Calls of the API are https wherever a proxy is used.
        """
        return self._secure if self._secure is not None and self._secure.socks else None

    @property
    def passwords(self) -> set[str]:
        """The proxies' passwords, to be hidden in the log."""
        logins = [p.authorization for p in (self._secure, self._plain) if p and p.authorization]
        return {_login(login).partition(":")[2] for login in logins}

    def proxy_for(self, host: str, port: int, *, secure: bool) -> Proxy | None:
        """The proxy for a connection to this host, or None to connect directly.

        Args:
            host: The host's name or address.
            port: Its TCP port.
            secure: Whether the connection is https or wss.
        """
        proxy = self._secure if secure else self._plain
        if proxy is None or is_loopback(host) or host == METADATA_HOST:
            return None
        if proxy_bypass(f"{host}:{port}", {"no": self._no_proxy}):
            return None
        return proxy


def _proxy(environ: Mapping[str, str], name: str, clock: Callable[[], float]) -> Proxy | None:
    variable = name if environ.get(name) else name.upper()
    value = environ.get(variable, "").strip()
    if not value:
        return None
    try:
        return _parsed(value if "://" in value else f"http://{value}", variable, clock)
    except _UnusableError as unusable:
        # The value may hold a password: it isn't repeated, and is in no context either.
        problem = ConfigProblem("environment", variable, unusable.found, unusable.expected)
    raise ConfigError([problem])


class _UnusableError(Exception):
    """A setting that names no proxy. Both texts are without anything of it."""

    def __init__(self, found: str, expected: str) -> None:
        super().__init__(found)
        self.found = found
        self.expected = expected


def _parsed(value: str, variable: str, clock: Callable[[], float]) -> Proxy:
    """The proxy that a variable's value names, or `_UnusableError`."""
    try:
        parts = urlsplit(value)
        host = parts.hostname or ""
    except ValueError:
        raise _UnusableError(Text("an address with wrong brackets"), _EXPECTED) from None
    if parts.scheme in _OTHER_SOCKS:
        expected = Text("{socks}://HOST:PORT, where the proxy looks up the names", socks=SOCKS)
        raise _UnusableError(Text("a {scheme}:// proxy", scheme=parts.scheme), expected)
    if parts.scheme not in _DEFAULT_PORTS:
        raise _UnusableError(Text("a proxy of another kind"), _EXPECTED)
    if not _is_host(host, parts.netloc):
        raise _UnusableError(Text("no host's name or address"), _EXPECTED)
    try:
        port = _DEFAULT_PORTS[parts.scheme] if parts.port is None else parts.port
    except ValueError:
        port = 0
    if not port:
        raise _UnusableError(Text("a port that is none"), Text("a port from 1 to 65535"))
    authorization = None
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        try:
            authorization = f"Basic {b64encode(pair.encode()).decode()}"
        except UnicodeEncodeError:
            wrong = Text("a user or a password that isn't UTF-8")
            raise _UnusableError(wrong, Text("other bytes than ASCII as %XX, of UTF-8")) from None
        if parts.scheme == SOCKS and not _SOCKS_LOGIN.fullmatch(pair):
            raise _UnusableError(
                Text("a user or a password that SOCKS can't carry"),
                Text("1 to 255 visible ASCII characters"),
            )
    if parts.scheme == SOCKS and not all(map(find_spec, SOCKS_PACKAGES)):
        raise _UnusableError(
            Text("a {socks}:// proxy, without the Python packages for it", socks=SOCKS),
            Text("the packages: pip install 'vncproxy[socks]'"),
        )
    return Proxy(
        host,
        port,
        parts.scheme == "https",
        authorization,
        variable,
        clock,
        socks=parts.scheme == SOCKS,
    )


_EXPECTED = Text("http://, https:// or {socks}://, and HOST:PORT; or unset it", socks=SOCKS)


def _is_host(host: str, netloc: str) -> bool:
    if "[" in netloc or ":" in host:
        try:
            return ip_address(host).version == 6
        except ValueError:
            return False
    return _HOST_NAME.fullmatch(host) is not None


def _login(authorization: str) -> str:
    return b64decode(authorization.removeprefix("Basic ")).decode()


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
