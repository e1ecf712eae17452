"""Addresses of host names, looked up in threads of their own.

getaddrinfo(3) can't be cancelled and may take a minute. asyncio asks it in the threads that it has
for everything, libuv in one of four: a few names that nobody answers for would keep all others
waiting, and the process from ending.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from functools import lru_cache
from ipaddress import ip_address
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

from vncproxy.addresses import ASKED_MAX
from vncproxy.threads import call_in_loop

MAX_THREADS = 64
"""Names that are looked up at once; more are refused, as by a name service that is too busy."""

_NUMERIC = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV

_Addresses = list[tuple[Any, ...]]


class Resolver(AbstractResolver):
    """Asks the machine's name service. For one event loop."""

    def __init__(self) -> None:
        """Nothing is asked yet."""
        self._asked: dict[tuple[str, int, int], asyncio.Future[_Addresses]] = {}

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """As aiohttp's resolvers do.

        Raises:
            OSError: A gaierror, unless there is no thread left.
        """
        return [
            ResolveResult(
                hostname=host,
                host=_host(address),
                port=address[1],
                family=family_found,
                proto=protocol,
                flags=_NUMERIC,
            )
            for family_found, _, protocol, _, address in await self.addresses(host, port, family)
        ]

    async def addresses(
        self, host: str, port: int, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> _Addresses:
        """What getaddrinfo(3) gives for a TCP connection; raises as `resolve`.

        Calls for the same name meanwhile wait for the same thread, which goes on if all of them are
        cancelled.
        """
        if _is_address(host):
            # Nobody is asked, so nobody has to wait.
            return _look_up(host, port, family, _NUMERIC)
        key = (host, port, family)
        found = self._asked.get(key)
        if found is None:
            if len(self._asked) >= MAX_THREADS:
                raise socket.gaierror(socket.EAI_AGAIN, "too many names are being looked up")
            found = self._asked[key] = asyncio.get_running_loop().create_future()
            thread = threading.Thread(
                target=self._ask, args=(key, found), name=f"name {host}", daemon=True
            )
            try:
                thread.start()
            except RuntimeError as fault:
                del self._asked[key]
                raise OSError("no thread can be started") from fault
        return await asyncio.shield(found)

    def _ask(self, key: tuple[str, int, int], found: asyncio.Future[_Addresses]) -> None:
        """In a thread."""
        host, port, family = key
        fault: Exception | None = None
        addresses: _Addresses = []
        try:
            addresses = _look_up(host, port, family)
        except Exception as error:
            fault = error
        call_in_loop(found.get_loop(), self._answered, key, found, addresses, fault)

    def _answered(
        self,
        key: tuple[str, int, int],
        found: asyncio.Future[_Addresses],
        addresses: _Addresses,
        fault: Exception | None,
    ) -> None:
        del self._asked[key]
        if fault is None:
            found.set_result(addresses)
            return
        found.set_exception(fault)
        # Nobody may wait for it any more.
        found.exception()

    async def close(self) -> None:
        """Nothing is waited for."""


@lru_cache(ASKED_MAX)
def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    # An interface's name is asked for at the kernel's.
    return "%" not in host


def _look_up(host: str, port: int, family: int, flags: int = socket.AI_ADDRCONFIG) -> _Addresses:
    return list(socket.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM, flags=flags))


def _host(address: tuple[Any, ...]) -> str:
    """The address of one entry; a link-local one has its interface with it."""
    is_scoped = len(address) == 4 and address[3]
    return f"{address[0]}%{address[3]}" if is_scoped else str(address[0])
