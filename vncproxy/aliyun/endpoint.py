"""Where the ECS API is, for a region or as configured.

Source: ECS API reference, endpoints: ecs.<region>.aliyuncs.com. The SDK's own table has other names
for some regions, which lead to the central endpoint.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from vncproxy.addresses import is_loopback

_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Scheme, host and port of the API.

    Args:
        host: Without brackets.
        by_region: The region is in its name.
    """

    secure: bool
    host: str
    port: int
    by_region: bool = False

    @classmethod
    def of_region(cls, region: str) -> Endpoint:
        """The public endpoint of a region, whose id must have been checked."""
        return cls(True, f"ecs.{region}.aliyuncs.com", 443, by_region=True)

    @classmethod
    def parse(cls, text: str) -> Endpoint:
        """The endpoint as configured.

        Raises:
            ValueError: In words that don't repeat it.
        """
        parts = urlsplit(text)
        host = parts.hostname or ""
        if parts.scheme not in _PORTS or not host:
            raise ValueError("an endpoint is an https:// URL, or an http:// URL on loopback")
        if "@" in parts.netloc or parts.path not in {"", "/"} or parts.query or parts.fragment:
            raise ValueError("an endpoint has a scheme, a host and a port, nothing else")
        if parts.scheme == "http" and not is_loopback(host):
            raise ValueError("an http:// endpoint is for loopback only")
        return cls(parts.scheme == "https", host, parts.port or _PORTS[parts.scheme])

    @property
    def host_header(self) -> str:
        """As in the Host header: the port only if it isn't the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self._scheme] else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        """As the start of a URL, without a slash at its end."""
        return f"{self._scheme}://{self.host_header}"

    @property
    def _scheme(self) -> str:
        return "https" if self.secure else "http"
