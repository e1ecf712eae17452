"""What a Valkey server answers, which may be another server, or broken."""

from __future__ import annotations

import asyncio
from math import isfinite
from typing import Any

from valkey.asyncio import Connection

from tests.fuzz.loop import run
from tests.fuzz.target import Choices, Target
from vncproxy.cluster.valkey_ownership import SharedOwnership
from vncproxy.errors import LedgerError
from vncproxy.throttle.ledger_interface import Booking, Dial
from vncproxy.throttle.reconnect_budget import Budget
from vncproxy.throttle.valkey_connection import StoreAddress, ValkeyStore
from vncproxy.throttle.valkey_ledger import ValkeyLedger

INSTANCES = ("i-1", "i-2", "i-3")
CALLS = 10
_BUDGET = Budget()


class _Writer:
    """Takes everything."""

    def write(self, data: bytes) -> None:
        pass

    def writelines(self, data: list[bytes]) -> None:
        pass

    async def drain(self) -> None:
        pass

    def close(self) -> None:
        pass

    async def wait_closed(self) -> None:
        pass


class _Pool:
    """One connection, from which these bytes come and then its end."""

    def __init__(self, wire: bytes) -> None:
        self._reader = asyncio.StreamReader()
        self._reader.feed_data(wire)
        self._reader.feed_eof()

    async def get_connection(self, _command: str) -> Any:
        connection: Any = Connection(
            decode_responses=True, lib_name=None, lib_version=None, socket_timeout=None
        )
        connection._reader, connection._writer = self._reader, _Writer()
        connection._parser.on_connect(connection)
        return connection

    async def release(self, connection: Any) -> None:
        await connection.disconnect(nowait=True)

    async def disconnect(self) -> None:
        pass


async def _call(store: ValkeyStore, number: int) -> None:
    ledger = ValkeyLedger(store, lambda: _BUDGET)
    ownership = SharedOwnership(store, "d-1", "one", "https://one.example")
    try:
        match number:
            case 0:
                booked = await ledger.book("i-1", 60.0)
                if isinstance(booked, Booking):
                    await ledger.spend(booked)
                    await ledger.send_settled()
            case 1:
                usages = await ledger.usages(INSTANCES)
                assert set(usages) == set(INSTANCES)
            case 2:
                await ledger.refresh("i-1")
            case 3:
                await ledger.check_writable()
            case 4:
                await ledger.heartbeat("d-1")
                await ledger.book("i-1", 60.0)
            case 5:
                await ledger.record([Dial("v-1", "i-1", 3.0)])
            case 6:
                await ledger.leave("d-1")
            case 7:
                await ownership.claim("i-1")
            case 8:
                await ownership.owner("i-1")
            case _:
                owners = await ownership.renew(INSTANCES)
                assert set(owners) <= set(INSTANCES)
    finally:
        for dial in ledger.seen():
            assert isfinite(dial.age_s) and dial.age_s < _BUDGET.span_s


def valkey_answer(data: bytes) -> None:
    """Any bytes give an answer that can be used, or a LedgerError."""
    choices = Choices(data)
    number, wire = choices.number(CALLS - 1), choices.rest

    async def call() -> None:
        store = ValkeyStore(StoreAddress())
        store._pool = _Pool(wire)
        await _call(store, number)

    try:
        run(call())
    except LedgerError as error:
        assert error.public_text.isprintable()


TARGETS: tuple[Target, ...] = (
    Target(
        "valkey-answer",
        valkey_answer,
        2048,
        (
            b"*4\r\n:1\r\n:0\r\n:1795000000000000\r\n*0\r\n",
            b"*5\r\n:1\r\n:0\r\n:1795000000000000\r\n$1\r\na\r\n*0\r\n",
            b"*3\r\n$0\r\n\r\n",
            b"-NOSCRIPT \r\n",
            b"-OOM \r\n",
            b"$-1\r\n",
            b"*-1\r\n",
            b"_\r\n",
            b"%1\r\n",
        ),
    ),
)
