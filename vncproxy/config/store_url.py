"""The address of a store that several daemons share, as [throttle] store has it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from vncproxy.config.address import SUN_PATH_BYTES, is_host

DEFAULT_PORT = 6379

_SCHEMES = frozenset({"valkey", "valkeys", "valkey+unix"})
_PLAIN = re.compile(r"[\x21-\x7e]+\Z")
_DATABASE = re.compile(r"[0-9]{1,4}\Z")
_LOGIN = re.compile(r"//.*@")


@dataclass(frozen=True, slots=True)
class StoreUrl:
    """A store's address in parts; neither `repr` nor `str` tells the password.

    Args: socket - a Unix socket's path, in which case host and port mean nothing; tls - by the
    scheme valkeys.
    """

    host: str = "localhost"
    port: int = DEFAULT_PORT
    socket: str | None = None
    database: int = 0
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: bool = False


def parse_store_url(text: str) -> StoreUrl:
    """The parts of `valkey://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE]`; `valkeys://` is TLS;
    `valkey+unix://[[USER]:PASSWORD@]/PATH[?db=DATABASE]`. What a URL can't hold is percent-encoded.

    Raises: ValueError, which repeats nothing of the text.
    """
    if not _PLAIN.match(text) or "#" in text or "\\" in text:
        raise ValueError("not a plain URL")
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        # Its own text holds the port, which may be a part of the password.
        raise ValueError("no URL") from None
    if url.scheme not in _SCHEMES or port == 0 or url.netloc.endswith(":"):
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
    if url.query or not is_host(url.hostname or ""):
        raise ValueError("no host, or a query")
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
    """The store for people: without user and password."""
    return _LOGIN.sub("//", store)


def _socket(url: SplitResult) -> str:
    path = unquote(url.path)
    if url.hostname or not path.startswith("/") or path.endswith("/") or "\0" in path:
        raise ValueError("no absolute path")
    if len(path.encode(errors="surrogateescape")) > SUN_PATH_BYTES:
        raise ValueError("path too long for a Unix socket")
    return path


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
