"""The Valkey or Redis 7 server that several daemons share: connections, scripts, faults."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from vncproxy.errors import ConfigError, ConfigProblem, LedgerError, LedgerSlow, out_of_descriptors
from vncproxy.languages.text import Text
from vncproxy.throttle.valkey_sentinels import NoPrimaryError, primary_of

PREFIX = "vncproxy:"
"""Every key of ours on the server begins so."""

ANSWER_TIMEOUT_S = 2.0
"""How long one call may take, connecting included; a slower server counts as lost. One nearby
answers in a millisecond."""

MAX_CONNECTIONS = 8
"""Calls under way at once; further ones wait their turn, within their `ANSWER_TIMEOUT_S`."""

_NOT_THE_PROTOCOL = (ValueError, TypeError, LookupError, AttributeError, RecursionError)
"""What the library's parser raises for what it doesn't expect, besides its own errors."""

T = TypeVar("T")

_NAME = "the shared store ([throttle] store)"


@dataclass(frozen=True, slots=True)
class StoreAddress:
    """Where the server is and how to log in; neither `repr` nor `str` holds the password.

    Args:
        socket: A Unix socket's path, instead of host and port.
        tls: The certificate must be good for `host`.
        ca_file: PEM certificates trusted besides the system's.
        sentinels: Hosts and ports of those that know which server it is, instead of all of these.
            They are asked with the same TLS, and the same user and password if they want one.
        service: What the Sentinels call it.
    """

    host: str = "localhost"
    port: int = 6379
    socket: str | None = None
    database: int = 0
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: bool = False
    ca_file: Path | None = None
    sentinels: tuple[tuple[str, int], ...] = ()
    service: str = ""


class Script:
    """A text in Lua that the server runs as one step: nobody sees it half done."""

    def __init__(self, text: str) -> None:
        self.text = text
        # EVALSHA names a script by this.
        self.digest = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


class ValkeyStore:
    """Calls of one server. Each ends within `ANSWER_TIMEOUT_S`, or raises LedgerError.

    Where there are Sentinels, a server that fails a call is given up, and the next call asks them
    which one it is now: so whoever calls learns of each change of the server by a LedgerError.

    Raises:
        ConfigError: The Python package `valkey` isn't installed.
    """

    def __init__(self, address: StoreAddress) -> None:
        """Connect to nothing yet: each call connects when it has to."""
        self._address = address
        pool = _pool(address)
        self._pool: Any = None if address.sentinels else pool
        self._asking = asyncio.Lock()

    async def run(self, form: type[T], script: Script, keys: Sequence[str], *values: str) -> T:
        """What the script returns.

        Args:
            form: Of what it returns, as msgspec has it. Another one raises LedgerError.
            script: What the server runs.
            keys: Without `PREFIX`.
            values: Its ARGV.
        """
        words: tuple[str | int, ...] = (len(keys), *(PREFIX + key for key in keys), *values)
        try:
            answer = await self.call("EVALSHA", script.digest, *words)
        except _ScriptUnknownError:
            # A new server, or one that was restarted.
            try:
                answer = await self.call("EVAL", script.text, *words)
            except _ScriptUnknownError:
                raise not_understood() from None
        try:
            return msgspec.convert(answer, form)
        except msgspec.ValidationError as error:
            raise not_understood() from error

    async def call(self, *words: str | int) -> Any:
        """The answer to one command, texts decoded."""
        used: Any = None
        with _in_plain_words():
            try:
                async with asyncio.timeout(ANSWER_TIMEOUT_S):
                    used = self._pool if self._pool is not None else await self._primary()
                    connection = await used.get_connection(words[0])
                    # One whose call was cut short is disconnected by the library, so that a late
                    # answer can't be taken for the next call's.
                    try:
                        await connection.send_command(*words)
                        return await _response(connection)
                    finally:
                        await used.release(connection)
            except Exception as error:
                if self._address.sentinels and used is not None and _is_lost(error):
                    await self._give_up(used)
                raise

    async def _primary(self) -> Any:
        """Connections to the server that the Sentinels name.

        Raises:
            NoPrimaryError: They don't agree on one.
        """
        async with self._asking:
            if self._pool is None:
                address = self._address
                host, port = await primary_of(
                    address.service,
                    [
                        partial(_ask, replace(address, host=host, port=port, sentinels=()))
                        for host, port in address.sentinels
                    ],
                )
                self._pool = _pool(replace(address, host=host, port=port, sentinels=()))
            return self._pool

    async def _give_up(self, used: Any) -> None:
        """Ask the Sentinels before the next call; others' calls to that server end."""
        if used is self._pool:
            self._pool = None
            with suppress(Exception):
                async with asyncio.timeout(ANSWER_TIMEOUT_S):
                    await used.disconnect()

    async def close(self) -> None:
        """Close the connections; a later call opens them again."""
        if self._pool is not None:
            with _in_plain_words():
                async with asyncio.timeout(ANSWER_TIMEOUT_S):
                    await self._pool.disconnect()


async def _response(connection: Any) -> Any:
    """Raises: NotTheProtocolError; and what the library raises for errors."""
    try:
        return await connection.read_response()
    except _NOT_THE_PROTOCOL as error:
        raise NotTheProtocolError from error


class NotTheProtocolError(Exception):
    """What came is no answer of such a server."""


class _ScriptUnknownError(Exception):
    """The server hasn't seen the script yet."""


async def _ask(address: StoreAddress, *words: str) -> Any:
    """The answer of one Sentinel, which gets user and password only if it asks for them."""
    from valkey import exceptions as faults  # noqa: PLC0415

    async def ask(login: StoreAddress) -> Any:
        # It knows no databases.
        pool = _pool(replace(login, database=0))
        try:
            connection = await pool.get_connection(words[0])
            try:
                await connection.send_command(*words)
                return await _response(connection)
            finally:
                await pool.release(connection)
        finally:
            await pool.disconnect()

    try:
        return await ask(replace(address, user=None, password=None))
    except faults.AuthenticationError:
        if address.password is None:
            raise
        return await ask(address)


def _is_lost(error: Exception) -> bool:
    """Whether it may be that the server isn't the primary any more, or isn't there."""
    from valkey import exceptions as faults  # noqa: PLC0415

    gone = (TimeoutError, faults.TimeoutError, faults.ConnectionError, OSError)
    return isinstance(error, (*gone, faults.ReadOnlyError, NotTheProtocolError))


def _pool(address: StoreAddress) -> Any:
    """The library's connections; it is typed in part only."""
    try:
        from valkey.asyncio import (  # noqa: PLC0415 - the package is needed for such a store only
            BlockingConnectionPool,
            Connection,
            SSLConnection,
            UnixDomainSocketConnection,
        )
    except ImportError as error:
        raise ConfigError(
            [
                ConfigProblem(
                    "[throttle]",
                    "store",
                    Text("a valkey address, without the Python package for it"),
                    Text("the package: pip install 'vncproxy[valkey]'"),
                )
            ]
        ) from error
    settings: dict[str, Any] = {
        "db": address.database,
        "username": address.user,
        "password": address.password,
        # The library would use asyncio.wait_for, which before Python 3.12 can lose a cancellation:
        # `call` has the time limit for the whole.
        "socket_timeout": None,
        "socket_connect_timeout": None,
        "decode_responses": True,
        # Else each connection begins with commands that say so, which not every user may give.
        "lib_name": None,
        "lib_version": None,
    }
    if address.socket is not None:
        settings |= {"connection_class": UnixDomainSocketConnection, "path": address.socket}
    else:
        settings |= {"host": address.host, "port": address.port, "socket_keepalive": True}
        settings["connection_class"] = Connection
    if address.tls:
        settings |= {
            "connection_class": SSLConnection,
            "ssl_cert_reqs": "required",
            "ssl_check_hostname": True,
            "ssl_ca_certs": str(address.ca_file) if address.ca_file is not None else None,
        }
    # No time limit for a free connection either.
    return BlockingConnectionPool(max_connections=MAX_CONNECTIONS, timeout=None, **settings)


@contextmanager
def _in_plain_words() -> Iterator[None]:
    """Turn faults of the server and the way to it into LedgerError, with the cause chained."""
    from valkey import exceptions as faults  # noqa: PLC0415

    try:
        yield
    except faults.NoScriptError:
        raise _ScriptUnknownError from None
    except NoPrimaryError as error:
        raise _error(str(error)) from error
    except NotTheProtocolError as error:
        raise not_understood() from error
    except (faults.AuthenticationError, faults.AuthorizationError) as error:
        raise _error("refuses the user or the password") from error
    except faults.NoPermissionError as error:
        raise _error(f"denies this user a command, or keys that begin with {PREFIX}") from error
    except faults.ReadOnlyError as error:
        raise _error("is a read-only replica: name its primary") from error
    except faults.OutOfMemoryError as error:
        raise _error("is out of memory: raise its maxmemory") from error
    except faults.BusyLoadingError as error:
        raise _error("is still loading its data") from error
    except (TimeoutError, faults.TimeoutError) as error:
        raise LedgerSlow(f"{_NAME} doesn't answer within {ANSWER_TIMEOUT_S:g} s") from error
    except faults.ResponseError as error:
        raise _error(_words_of(str(error))) from error
    except (faults.ValkeyError, OSError) as error:
        if _is_about_certificate(error):
            raise _error("has a certificate that fails verification: see ca_file") from error
        if (shortage := out_of_descriptors(error)) is not None:
            raise _error(f"can't be reached: {shortage}") from error
        raise _error("can't be reached") from error


def _is_about_certificate(error: BaseException | None) -> bool:
    """Whether it goes back to a certificate; the library doesn't name it as the cause."""
    while error is not None and not isinstance(error, ssl.SSLCertVerificationError):
        error = error.__cause__ or error.__context__
    return error is not None


def _words_of(answer: str) -> str:
    """What to do about an error of the server, by its first word."""
    if "NOAUTH" in answer or "WRONGPASS" in answer:
        return "refuses the user or the password"
    if "MISCONF" in answer:
        return "can't save to its disk, and so refuses to write"
    if "NOREPLICAS" in answer:
        return "has fewer replicas than min-replicas-to-write, and so refuses to write"
    if "MOVED" in answer or "CROSSSLOT" in answer:
        return "is a cluster: a single server is needed"
    return "answers with an error: the log has it"


def not_understood() -> LedgerError:
    """The server's answer isn't one to what it was asked."""
    return _error("answers what no Valkey or Redis 7 server does")


def _error(words: str) -> LedgerError:
    return LedgerError(f"{_NAME} {words}")
