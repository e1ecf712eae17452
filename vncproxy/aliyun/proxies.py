"""The proxy for an outgoing connection, from HTTPS_PROXY, HTTP_PROXY and NO_PROXY.

Used for the API and for the upstream WebSocket alike. Loopback and the metadata address never go
through a proxy, whatever the environment says.
"""

from __future__ import annotations

import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import quote, unquote, urlsplit
from urllib.request import proxy_bypass

from vncproxy.aliyun.errors import permanent

METADATA_HOST = "100.100.100.200"

LOGIN_HOLD_S = 60.0
"""A proxy that refused its login isn't asked again for so long: many wrong ones in a row lock an
account of the directory behind it."""

_DEFAULT_PORTS = {"http": 80, "https": 443}
_LOGIN_REFUSED = (401, 407)
_FORBIDDEN = 403


@dataclass(slots=True)
class _LastRefusal:
    """When a proxy refused its login. Args: status - HTTP's; at_s - by the proxy's clock."""

    status: int = 0
    at_s: float = float("-inf")


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy to CONNECT through.

    Args: secure - whether the proxy itself is spoken to by TLS; authorization - the value of
    Proxy-Authorization, or None; it is never printed; variable - of the environment, which names
    it; clock - monotonic seconds.
    """

    host: str
    port: int
    secure: bool = False
    authorization: str | None = field(default=None, repr=False)
    variable: str = field(default="HTTPS_PROXY", compare=False)
    clock: Callable[[], float] = field(default=time.monotonic, repr=False, compare=False)
    _last: _LastRefusal = field(default_factory=_LastRefusal, repr=False, compare=False)

    @property
    def url(self) -> str:
        """Its address without user and password."""
        return f"{'https' if self.secure else 'http'}://{self._place}"

    @property
    def url_with_login(self) -> str:
        """Its address with user and password, as libraries want it; never to be printed."""
        if self.authorization is None:
            return self.url
        user, _, password = _login(self.authorization).partition(":")
        login = f"{quote(user, safe='')}:{quote(password, safe='')}"
        return self.url.replace("://", f"://{login}@", 1)

    @property
    def named(self) -> str:
        """How people are told of it: by the variable that names it, and its host and port."""
        return f"the proxy that {self.variable} names ({self._place})"

    @property
    def _place(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    def refused(self, status: int, target: str) -> str | None:
        """What to do, in a sentence, if the proxy's answer is no for good; None: it may be weather.

        Args: status - HTTP's; target - host and port that were to be reached.
        """
        if status in _LOGIN_REFUSED:
            self._last.status, self._last.at_s = status, self.clock()
            return self._wrong_login(status)
        if status == _FORBIDDEN:
            return (
                f"{_capital(self.named)} lets nobody through to {target} (HTTP {status}). Have it "
                "allowed there, or list the host in NO_PROXY if it is reached without a proxy."
            )
        return None

    @property
    def standing_refusal(self) -> str | None:
        """Why it isn't asked just now, in a sentence; None: it may be."""
        lately = self.clock() - self._last.at_s < LOGIN_HOLD_S
        return self._wrong_login(self._last.status) if lately else None

    def _wrong_login(self, status: int) -> str:
        if self.authorization is None:
            what = f"wants a user and a password (HTTP {status}). Put them"
            how = f" into {self.variable}, as in http://USER:PASSWORD@HOST:PORT"
        else:
            what = f"refused the user or the password (HTTP {status}). Correct them"
            how = f" in {self.variable}"
        return f"{_capital(self.named)} {what}{how}, and restart what runs with it."


class EnvironmentProxies:
    """The proxies that an environment names."""

    def __init__(
        self, environ: Mapping[str, str], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Read the variables, the lower-case ones first, as other programs do.

        Args: clock - monotonic seconds. Raises: CloudError (permanent) for a proxy that isn't
        http:// or https://.
        """
        self._secure = _proxy(environ, "https_proxy", clock)
        self._plain = _proxy(environ, "http_proxy", clock)
        self._no_proxy = environ.get("no_proxy") or environ.get("NO_PROXY") or ""

    @property
    def passwords(self) -> set[str]:
        """What the proxies are logged in to with, for whoever hides it."""
        logins = [p.authorization for p in (self._secure, self._plain) if p and p.authorization]
        return {_login(login).partition(":")[2] for login in logins}

    def proxy_for(self, host: str, port: int, *, secure: bool) -> Proxy | None:
        """The proxy for a connection to this host, or None to connect directly.

        Args: secure - whether the connection is https or wss.
        """
        proxy = self._secure if secure else self._plain
        if proxy is None or is_loopback(host) or host == METADATA_HOST:
            return None
        if proxy_bypass(f"{host}:{port}", {"no": self._no_proxy}):
            return None
        return proxy


def is_loopback(host: str) -> bool:
    """Whether a host's name or address is this machine's own by its form; nothing is resolved."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _proxy(environ: Mapping[str, str], name: str, clock: Callable[[], float]) -> Proxy | None:
    variable = name if environ.get(name) else name.upper()
    value = environ.get(variable, "").strip()
    if not value:
        return None
    proxy = _parsed(value if "://" in value else f"http://{value}", variable, clock)
    if proxy is None:
        # The value may hold a password: it isn't repeated.
        raise permanent(
            f"{variable} doesn't name an http:// or https:// proxy. Correct or unset it."
        )
    return proxy


def _parsed(value: str, variable: str, clock: Callable[[], float]) -> Proxy | None:
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        return None
    authorization = None
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        authorization = f"Basic {b64encode(pair.encode()).decode()}"
    return Proxy(
        parts.hostname,
        port or _DEFAULT_PORTS[parts.scheme],
        parts.scheme == "https",
        authorization,
        variable,
        clock,
    )


def _login(authorization: str) -> str:
    return b64decode(authorization.removeprefix("Basic ")).decode()


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
