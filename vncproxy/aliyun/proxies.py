"""The proxy for an outgoing connection, from HTTPS_PROXY, HTTP_PROXY and NO_PROXY.

Used for the API and for the upstream WebSocket alike. Loopback and the metadata address never go
through a proxy, whatever the environment says.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import unquote, urlsplit
from urllib.request import proxy_bypass

from vncproxy.aliyun.errors import permanent

METADATA_HOST = "100.100.100.200"

_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy to CONNECT through.

    Args: secure - whether the proxy itself is spoken to by TLS; authorization - the value of
    Proxy-Authorization, or None; it is never printed.
    """

    host: str
    port: int
    secure: bool = False
    authorization: str | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        """Its address without user and password."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.secure else 'http'}://{host}:{self.port}"


class EnvironmentProxies:
    """The proxies that an environment names."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        """Read the variables, the lower-case ones first, as other programs do.

        Raises: CloudError (permanent) for a proxy that isn't http:// or https://.
        """
        self._secure = _proxy(environ, "https_proxy")
        self._plain = _proxy(environ, "http_proxy")
        self._no_proxy = environ.get("no_proxy") or environ.get("NO_PROXY") or ""

    @property
    def passwords(self) -> set[str]:
        """What the proxies are logged in to with, for whoever hides it."""
        logins = [p.authorization for p in (self._secure, self._plain) if p and p.authorization]
        decoded = [b64decode(login.removeprefix("Basic ")).decode() for login in logins]
        return {pair.partition(":")[2] for pair in decoded}

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


def _proxy(environ: Mapping[str, str], name: str) -> Proxy | None:
    value = (environ.get(name) or environ.get(name.upper()) or "").strip()
    if not value:
        return None
    proxy = _parsed(value if "://" in value else f"http://{value}")
    if proxy is None:
        # The value may hold a password: it isn't repeated.
        raise permanent(
            f"{name.upper()} doesn't name an http:// or https:// proxy. Correct or unset it."
        )
    return proxy


def _parsed(value: str) -> Proxy | None:
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
    )
