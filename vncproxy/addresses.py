"""Addresses as they appear in settings: of listeners and hosts, URLs, and the store's.

Nothing here asks DNS or opens a connection.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST_NAME = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*\.?\Z")
_PORT = re.compile(r"[0-9]{1,5}\Z")
_PRINTABLE = re.compile(r"[\x21-\x7e]+\Z")

_BASE_PATH = re.compile(r"(?:/(?!\.\.?(?:/|\Z))[A-Za-z0-9._~-]+)+\Z")

OWN_PATHS = frozenset(
    {
        *("admin", "api", "console", "control", "enter", "healthz", "metrics", "readyz", "replay"),
        *("static", "websockify"),
    }
)
"""What the paths of vncproxy's own begin with."""

SUN_PATH_BYTES = 107
"""The longest path of a Unix socket, without its NUL. Source: unix(7)."""


BASE_MAX_LENGTH = 1024
"""Of an address that others choose, and pages show."""

BASE_PATH_MAX_LENGTH = 255

ASKED_MAX = 1024
"""Hosts and addresses whose answer is remembered: an opening asks several times about the same."""

DEFAULT_PORT = 6379
"""Of a store."""

SENTINEL_PORT = 26379
"""Of a store's Sentinel."""

MAX_SENTINELS = 15
"""Of one store: each is asked at once."""

_SCHEMES = frozenset({"valkey", "valkeys", "valkey+unix"})
_BY_SENTINEL = frozenset({"valkey+sentinel", "valkeys+sentinel"})
_SERVICE = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")
_DATABASE = re.compile(r"[0-9]{1,4}\Z")
_LOGIN = re.compile(r"//.*@")


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
    """The address of a listener in parts.

    Host names other than `localhost` are refused, since what they resolve to can change after the
    check that `open` access stays on this machine.

    Args:
        text: `127.0.0.1:6080`, `[::1]:6080` or `unix:/run/vncproxy/vncproxy.sock`.

    Raises:
        ValueError: It is none of these.
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


@lru_cache(ASKED_MAX)
def is_loopback(host: str) -> bool:
    """Whether a host is this machine by its very name; nothing is looked up.

    Args:
        host: A name or an address, with or without brackets.

    Source: RFC 6761, section 6.3, for names that end in .localhost.
    """
    bare = host.strip("[]").lower()
    try:
        address = ip_address(bare)
        # From Python 3.13 on, an IPv4 address in IPv6's form counts as what it stands for; whether
        # only this machine reaches it depends on the system.
        return address.is_loopback and getattr(address, "ipv4_mapped", None) is None
    except ValueError:
        return bare == "localhost" or bare.endswith(".localhost")


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


def is_base(text: str) -> bool:
    """Whether it is where a daemon's pages are: an origin, and a path if need be."""
    return len(text) <= BASE_MAX_LENGTH and _split(text) is not None


def is_base_or_empty(text: str) -> bool:
    """Whether it is where a daemon's pages are, or no text at all."""
    return not text or is_base(text)


def is_base_path(text: str) -> bool:
    """Whether the pages may be below this path: empty, or `/vnc`, `/a/b`.

    Where it began as one of vncproxy's own, a request whose base path a proxy took off couldn't be
    told from another.
    """
    if not text:
        return True
    short = len(text) <= BASE_PATH_MAX_LENGTH
    return short and bool(_BASE_PATH.match(text)) and text.split("/")[1] not in OWN_PATHS


def _is_origin(text: str) -> bool:
    url = _split(text)
    return url is not None and url.path == ""


def _split(text: str) -> SplitResult | None:
    """The parts of an http(s) URL that has a host and no user, query or fragment."""
    if not _PRINTABLE.match(text) or "?" in text or "#" in text or "\\" in text:
        return None
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        return None
    if url.scheme not in {"http", "https"} or "@" in url.netloc or port == 0:
        return None
    return url if is_host(url.hostname or "") and not url.netloc.endswith(":") else None


@dataclass(frozen=True, slots=True)
class StoreUrl:
    """A store's address in parts; neither `repr` nor `str` shows the password."""

    host: str = "localhost"
    port: int = DEFAULT_PORT
    socket: str | None = None
    """A Unix socket's path; host and port mean nothing then."""
    database: int = 0
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: bool = False
    """By the schemes valkeys and valkeys+sentinel."""
    sentinels: tuple[tuple[str, int], ...] = ()
    """Hosts and ports of those that know which server it is; the host and port above mean nothing
    then."""
    service: str = ""
    """What the Sentinels call it."""


def _without_sentinels(text: str) -> tuple[str, str]:
    """A URL with one plain host in the place of its Sentinels, and these.

    Since CVE-2025-0938 was mended urlsplit refuses brackets that don't begin the host, so a second
    IPv6 address.
    """
    scheme, separator, rest = text.partition("://")
    if scheme.lower() not in _BY_SENTINEL:
        return text, ""
    netloc = rest.partition("/")[0].partition("?")[0]
    login, at, sentinels = netloc.rpartition("@")
    return f"{scheme}{separator}{login}{at}sentinels{rest[len(netloc) :]}", sentinels


def parse_store_url(text: str) -> StoreUrl:
    """The address of a store that several daemons share, in parts.

    Args:
        text: `valkey://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE]`, the same with `valkeys://` for
            TLS, `valkey+unix://[[USER]:PASSWORD@]/PATH[?db=DATABASE]`, or
            `valkey+sentinel://[[USER]:PASSWORD@]HOST[:PORT],…/SERVICE[/DATABASE]` (with TLS
            `valkeys+sentinel://`) with the hosts of its Sentinels. What a URL can't hold is
            percent-encoded.

    Raises:
        ValueError: It is none of these; its text repeats nothing of the URL.
    """
    if not _PRINTABLE.match(text) or "#" in text or "\\" in text:
        raise ValueError("not a plain URL")
    text, sentinels = _without_sentinels(text)
    try:
        url = urlsplit(text)
        port = None if url.scheme in _BY_SENTINEL else url.port
    except ValueError:
        # Its own text holds the port, which may be a part of the password.
        raise ValueError("no URL") from None
    if (
        url.scheme not in _SCHEMES | _BY_SENTINEL
        or port == 0
        or (sentinels or url.netloc).endswith(":")
    ):
        raise ValueError("another scheme, or no port after a colon")
    if url.password is None and "@" in url.netloc:
        raise ValueError("a user without a password")
    if url.password == "":
        raise ValueError("an empty password")
    user = unquote(url.username) if url.username else None
    password = unquote(url.password) if url.password is not None else None
    if url.scheme == "valkey+unix":
        return StoreUrl(
            socket=_socket(url),
            database=_database_in(url.query),
            user=user,
            password=password,
        )
    if url.query:
        raise ValueError("a query")
    if url.scheme in _BY_SENTINEL:
        service, _, database = url.path.removeprefix("/").partition("/")
        if not _SERVICE.match(service):
            raise ValueError("no service's name")
        return StoreUrl(
            sentinels=_sentinels(sentinels),
            service=service,
            database=_database(database or "0"),
            tls=url.scheme == "valkeys+sentinel",
            user=user,
            password=password,
        )
    if not is_host(url.hostname or ""):
        raise ValueError("no host")
    return StoreUrl(
        host=url.hostname or "",
        port=port or DEFAULT_PORT,
        database=_database(url.path.removeprefix("/") or "0"),
        tls=url.scheme == "valkeys",
        user=user,
        password=password,
    )


def is_store(text: str) -> bool:
    """Whether it names a store: `sqlite`, `memory` or what `parse_store_url` accepts."""
    if text in ("sqlite", "memory"):
        return True
    try:
        parse_store_url(text)
    except ValueError:
        return False
    return True


def is_shared(store: str) -> bool:
    """Whether several daemons may share it."""
    return store.startswith("valkey")


def without_login(store: str) -> str:
    """The store as shown to people: without user and password."""
    return _LOGIN.sub("//", store)


def _socket(url: SplitResult) -> str:
    path = unquote(url.path)
    if url.hostname or not path.startswith("/") or path.endswith("/") or "\0" in path:
        raise ValueError("no absolute path")
    if len(path.encode(errors="surrogateescape")) > SUN_PATH_BYTES:
        raise ValueError("path too long for a Unix socket")
    return path


def _sentinels(hosts: str) -> tuple[tuple[str, int], ...]:
    """Hosts and ports, separated by commas; an IPv6 address is in brackets."""
    found: list[tuple[str, int]] = []
    for text in hosts.split(","):
        address = re.fullmatch(r"(\[[^\[\]]*\]|[^:\[\]]*)(?::([0-9]{1,5}))?", text)
        if address is None:
            raise ValueError("no host")
        host, port = address[1].strip("[]"), int(address[2] or SENTINEL_PORT)
        if not is_host(host) or (":" in host) is not ("[" in text) or not 0 < port < 65536:
            raise ValueError("no host, or no port")
        found.append((host.lower(), port))
    if len(set(found)) < len(found) or len(found) > MAX_SENTINELS:
        raise ValueError("a Sentinel twice, or too many")
    return tuple(found)


def _database_in(query: str) -> int:
    values = parse_qsl(query, keep_blank_values=True)
    if not query:
        return 0
    if [name for name, _ in values] != ["db"]:
        raise ValueError("another query than db")
    return _database(values[0][1])


def _database(text: str) -> int:
    if not _DATABASE.match(text):
        raise ValueError("no number of a database")
    return int(text)
