"""The shared ledger while its server answers, and a share of its budget while it doesn't.

Every dial of this daemon is recorded in its local ledger too. When the server is lost, that
ledger goes on alone with `limit // daemons` (at least 1; the last known number of daemons), and
counts the other daemons' dials that the last heartbeat had read. When the server is back,
what was dialled without it is recorded there; the share still holds for `SETTLE_S`, until every
other daemon must have noticed and done the same.

So the law holds while all daemons lose and find the server together. What it can't cover: a daemon
that is cut off while others are not (those may use the whole budget, and it uses its share), what
the others dialled between the last heartbeat and the loss, and more daemons than the budget has
dials. Each of these costs at most the shares of those concerned.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import replace
from enum import Enum, auto

import structlog

from vncproxy.errors import LedgerError
from vncproxy.throttle.backoff import Backoff
from vncproxy.throttle.daemon_count import DaemonCount
from vncproxy.throttle.ledger_interface import Booking, Dial, TooLong
from vncproxy.throttle.reconnect_budget import Budget, Usage
from vncproxy.throttle.sqlite_ledger import SqliteLedger
from vncproxy.throttle.valkey_connection import ANSWER_TIMEOUT_S
from vncproxy.throttle.valkey_ledger import ID_PREFIX, ValkeyLedger

_log = structlog.get_logger("vncproxy.throttle")

HEARTBEAT_INTERVAL_S = 5.0
"""A daemon shows itself so often; also how old the knowledge of the others' dials may be."""

LEAST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 8.0
"""Between pings of a server that is away; they grow."""

SETTLE_S = 12.0
"""The share is kept so long after the server is back: the longest pause, and a slow ping."""

SETTLE_INTERVAL_S = 1.0

_ANNOUNCED_S = 2 * ANSWER_TIMEOUT_S
"""Between the announcement of a dial and the dial: two calls, where the script has to be sent."""


class _Mode(Enum):
    UNTRIED = auto()
    SHARED = auto()
    AWAY = auto()
    SETTLING = auto()
    CLOSED = auto()


def share_of(budget: Budget, daemon_count: DaemonCount) -> Budget:
    """What each of the daemons may dial by itself, of the budget of all together."""
    return replace(budget, limit=max(1, budget.limit // daemon_count.daemons))


class FallbackLedger:
    """See `Ledger` and the module. Its owner runs `watch`: else a lost server stays lost."""

    def __init__(
        self,
        shared: ValkeyLedger,
        local: SqliteLedger,
        budget: Callable[[], Budget],
        daemon_count: DaemonCount,
        *,
        daemon_id: str | None = None,
        on_degraded: Callable[[bool], None] = lambda degraded: None,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        """Ask nothing yet.

        Args:
            shared: Closed with this one; books by `budget`.
            local: Closed with this one; books by `share_of` it.
            budget: Gives the one in force, of all daemons together.
            daemon_count: How many daemons share it.
            daemon_id: This one's, stable over restarts; None: a command, which isn't counted.
            on_degraded: Called with True when it falls back and with False when it is over.
            steady: Seconds of a clock that never jumps.
        """
        self._shared = shared
        self._local = local
        self._budget = budget
        self._daemon_count = daemon_count
        self._daemon_id = daemon_id
        self._on_degraded = on_degraded
        self._steady = steady
        self._mode = _Mode.UNTRIED
        self._why = ""
        self._identity = ""
        self._back_at = 0.0
        self._seen_dials: list[Dial] = []
        self._lock = asyncio.Lock()
        self._unsent = asyncio.Event()
        self._backoff = Backoff(LEAST_PAUSE_S, 2.0, LONGEST_PAUSE_S)

    @property
    def share(self) -> int:
        """Dials in a window that this daemon makes without the server."""
        return share_of(self._budget(), self._daemon_count).limit

    @property
    def degraded(self) -> str | None:
        """What doesn't work as it should, in words; None: all is well."""
        if self._mode not in (_Mode.AWAY, _Mode.SETTLING):
            return None
        budget = self._budget()
        why = self._why if self._mode is _Mode.AWAY else "the shared store is back since a moment"
        return (
            f"{why}; this daemon alone makes at most {self.share} of the {budget.limit} "
            f"connections in {budget.window_s:g} s, its share among {self._daemon_count.daemons}"
        )

    def key_of(self, instance_id: str) -> str:
        """See `Ledger.key_of`."""
        return self._budget().key_of(instance_id)

    async def book(self, instance_id: str, max_wait_s: float) -> Booking | TooLong:
        """See `Ledger.book`."""
        if await self._is_shared():
            try:
                return await self._shared.book(instance_id, max_wait_s)
            except LedgerError as fault:
                self._fall_back(fault)
        return await (await self._local_ledger()).book(instance_id, max_wait_s)

    async def spend(self, booking: Booking) -> bool:
        """See `Ledger.spend`; LedgerError for a permit of the ledger that isn't in use any more."""
        of_shared = booking.id.startswith(ID_PREFIX)
        if of_shared is not (self._mode is _Mode.SHARED):
            became = "was lost" if of_shared else "has come back"
            raise LedgerError(
                f"the shared store {became} since it was asked for the permit to connect; another "
                "permit is needed"
            )
        if of_shared:
            spent = await self._shared.spend(booking)
            if spent:
                self._local.record_later(Dial(booking.id, booking.key, 0.0))
                self._unsent.set()
            return spent
        if self._mode is _Mode.SETTLING:
            await self._announce(booking)
        return await self._local.spend(booking)

    async def _announce(self, booking: Booking) -> None:
        """Record a dial before it is made: other daemons may use the server already."""
        try:
            await self._shared.record([Dial(booking.id, booking.key, -_ANNOUNCED_S)])
        except LedgerError as fault:
            self._fall_back(fault)

    async def cancel(self, booking: Booking) -> None:
        """See `Ledger.cancel`; what a lost server has booked lapses by itself."""
        if not booking.id.startswith(ID_PREFIX):
            await self._local.cancel(booking)
        else:
            await self._shared.cancel(booking)
            self._unsent.set()

    async def usages(self, instance_ids: Collection[str]) -> dict[str, Usage]:
        """See `Ledger.usages`."""
        if await self._is_shared():
            try:
                return await self._shared.usages(instance_ids)
            except LedgerError as fault:
                self._fall_back(fault)
        return await (await self._local_ledger()).usages(instance_ids)

    async def check_writable(self) -> None:
        """See `Ledger.check_writable`: the local one must be; the shared one may be away."""
        if await self._is_shared():
            try:
                await self._shared.check_writable()
            except LedgerError as fault:
                self._fall_back(fault)
        await self._local.check_writable()

    async def close(self) -> None:
        """See `Ledger.close`."""
        mode, self._mode = self._mode, _Mode.CLOSED
        with suppress(LedgerError):
            if self._daemon_id is not None and mode in (_Mode.SHARED, _Mode.SETTLING):
                await self._shared.leave(self._daemon_id)
        with suppress(LedgerError):
            await self._shared.close()
        await self._local.close()

    async def watch(self) -> None:
        """Show this daemon to the others and bring the server back into use, until cancelled."""
        while True:
            await self._pause(await self._heartbeat())

    async def _pause(self, pause_s: float) -> None:
        """Wait; what becomes of permits meanwhile is sent to the server at once."""
        until = asyncio.get_running_loop().time() + pause_s
        with suppress(TimeoutError):
            while True:
                async with asyncio.timeout_at(until):
                    await self._unsent.wait()
                self._unsent.clear()
                await self._send_settled()

    async def _send_settled(self) -> None:
        if self._mode is _Mode.SHARED:
            try:
                await self._shared.send_settled()
            except LedgerError as fault:
                self._fall_back(fault)

    async def _heartbeat(self) -> float:
        """Exchange with the server once; gives the pause until the next time, in seconds."""
        try:
            await self._synchronise()
        except LedgerError as fault:
            self._fall_back(fault)
            return LEAST_PAUSE_S + self._backoff.next(random.random)
        self._backoff.reset()
        return HEARTBEAT_INTERVAL_S if self._mode is _Mode.SHARED else SETTLE_INTERVAL_S

    async def _synchronise(self) -> None:
        """Show this daemon, send the dials that the server doesn't know, read those that it knows.

        Raises:
            LedgerError: The server can't be used.
        """
        heartbeat = await self._shared.heartbeat(self._daemon_id)
        if self._daemon_id is not None:
            await self._daemon_count.note(heartbeat.daemons)
        if self._mode is not _Mode.SHARED or heartbeat.identity != self._identity:
            # The server is new to this daemon, or its data are: it may not know this one's dials.
            await self._shared.record(await self._own_dials())
            self._identity = heartbeat.identity
        for key in heartbeat.keys:
            await self._shared.refresh(key)
        match self._mode:
            case _Mode.UNTRIED:
                self._mode = _Mode.SHARED
            case _Mode.AWAY:
                self._mode = _Mode.SETTLING
                self._back_at = self._steady()
            case _Mode.SETTLING if self._steady() - self._back_at >= SETTLE_S:
                self._mode = _Mode.SHARED
                _log.info("throttle.shared_again", daemons=self._daemon_count.daemons)
                self._on_degraded(False)
            case _:
                pass

    def _fall_back(self, fault: LedgerError) -> None:
        """The server can't be used: go on alone."""
        if self._mode is _Mode.CLOSED:
            return
        self._why = fault.public_text
        if self._mode is _Mode.AWAY:
            return
        # What the server had on record of other daemons' dials counts for this one's share, too:
        # else a whole share could be dialled on top of them. While settling, the local ledger has
        # them already.
        self._seen_dials = self._shared.seen() if self._mode is _Mode.SHARED else []
        fell = self._mode is not _Mode.SETTLING
        self._mode = _Mode.AWAY
        _log.warning(
            "throttle.fallback",
            why=self._why,
            share=self.share,
            limit=self._budget().limit,
            daemons=self._daemon_count.daemons,
            exc_info=fault.__cause__,
        )
        if fell:
            self._on_degraded(True)

    async def _is_shared(self) -> bool:
        """Whether the server is in use; the first call tries it."""
        if self._mode is _Mode.UNTRIED:
            async with self._lock:
                if self._mode is _Mode.UNTRIED:
                    await self._heartbeat()
        return self._mode is _Mode.SHARED

    async def _local_ledger(self) -> SqliteLedger:
        """The local ledger with this daemon's share.

        Raises:
            LedgerError: The ledger can't be read or written.
        """
        # They must be on record before the first booking by the share: hence the lock.
        async with self._lock:
            if self._seen_dials:
                await self._local.record(self._seen_dials)
                self._seen_dials = []
        return self._local

    async def _own_dials(self) -> list[Dial]:
        try:
            return await self._local.dials()
        except LedgerError as fault:
            _log.warning("throttle.dials_not_told", why=fault.public_text)
            return []
