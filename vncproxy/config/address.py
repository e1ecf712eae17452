"""Addresses that a door may listen on, and host names as they appear in settings."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST_NAME = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*\.?\Z")
_PORT = re.compile(r"[0-9]{1,5}\Z")

SUN_PATH_BYTES = 107
"""The longest path of a Unix socket, without its NUL. Source: unix(7)."""


@dataclass(frozen=True, slots=True)
class TcpAddress:
    """An IP address (or `localhost`) and a port; port 0 lets the kernel choose."""

    host: str
    port: int

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach it: 127.0.0.0/8, ::1 or `localhost`."""
        return is_loopback(self.host)

    def __str__(self) -> str:
        """As written in the configuration, an IPv6 address in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class UnixAddress:
    """The absolute path of a Unix socket."""

    path: Path

    def __str__(self) -> str:
        """As written in the configuration."""
        return f"unix:{self.path}"


Address = TcpAddress | UnixAddress


def parse_address(text: str) -> Address:
    """The address of a door: `127.0.0.1:6080`, `[::1]:6080`, `unix:/run/vncproxy/vncproxy.sock`.

    Host names other than `localhost` are refused, since what they resolve to can change after the
    check that `open` access stays on this machine.

    Raises: ValueError.
    """
    if text.startswith("unix:"):
        path = text.removeprefix("unix:")
        if not path.startswith("/") or "\0" in path or path.endswith("/"):
            raise ValueError("not an absolute path")
        if len(path.encode(errors="surrogateescape")) > SUN_PATH_BYTES:
            raise ValueError("path too long for a Unix socket")
        return UnixAddress(Path(path))
    host, colon, port = text.rpartition(":")
    if not colon or not _PORT.match(port) or int(port) > 65535:
        raise ValueError("no port")
    bracketed = host.startswith("[") and host.endswith("]")
    host = host[1:-1] if bracketed else host
    if host == "localhost" and not bracketed:
        return TcpAddress(host, int(port))
    ip = ip_address(host)
    if (ip.version == 6) is not bracketed:
        raise ValueError("an IPv6 address goes in brackets, and no other")
    return TcpAddress(str(ip), int(port))


def is_loopback(host: str) -> bool:
    """Whether a host, without brackets, is this machine itself by its very name."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def is_host(text: str) -> bool:
    """Whether it is a host name or an IP address, without a port, brackets or a wildcard."""
    if _HOST_NAME.match(text):
        return True
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def is_door(text: str) -> bool:
    """Whether `parse_address` accepts it and its port is named."""
    try:
        address = parse_address(text)
    except ValueError:
        return False
    return isinstance(address, UnixAddress) or address.port > 0
