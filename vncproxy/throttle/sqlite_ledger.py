"""The ledger that survives restarts and is shared by all processes on the machine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import structlog

from vncproxy.errors import LedgerError
from vncproxy.throttle.boot_clock import EpochClock, this_boot
from vncproxy.throttle.ledger_interface import Booking, Dial, TooLong
from vncproxy.throttle.reconnect_budget import Budget, Claim, Usage
from vncproxy.throttle.sqlite_faults import no_answer, overcrowded, too_slow
from vncproxy.throttle.sqlite_queries import Booked, LedgerFile
from vncproxy.throttle.sqlite_thread import LedgerThread

_log = structlog.get_logger("vncproxy.throttle")

FILE_NAME = "ledger.sqlite"

ANSWER_TIMEOUT_S = 30.0
"""How long a caller waits for the file: a transaction that is under way, and his own."""

MAX_WAITING = 4096
"""Calls that may wait for the file at once: above max_consoles with room for the commands."""

_T = TypeVar("_T")


class SqliteLedger:
    """See `Ledger`. The file is worked on by one thread that the ledger owns."""

    def __init__(
        self, path: Path, budget: Callable[[], Budget], clock: EpochClock | None = None
    ) -> None:
        """Make the thread; it starts with the first call.

        Args:
            path: The file, in the state directory; it is opened at the first use
                (`check_writable`).
            budget: Gives the one in force, in any thread; its window and margin are the same for
                all processes of a file.
            clock: Shared by all processes of the machine.

        Raises:
            LedgerError: This machine has no such clock.
        """
        self._clock = clock or this_boot()
        self._file = LedgerFile(path, budget, self._clock)
        self._thread = LedgerThread(self._file)
        self._permits: dict[str, Claim] = {}
        self._waiting = 0
        self._closed = False

    def key_of(self, instance_id: str) -> str:
        """See `Ledger.key_of`."""
        return self._file.budget.key_of(instance_id)

    async def book(self, instance_id: str, max_wait_s: float) -> Booking | TooLong:
        """See `Ledger.book`."""
        began = self._clock.now()
        booked = await self._call(
            lambda: self._file.book(instance_id, max_wait_s), writes=True, undo=self._give_back
        )
        if isinstance(booked, TooLong):
            return booked
        now, claim = self._clock.now(), booked.claim
        # The disk took so long that the claim has lapsed: others may not count it any more, and a
        # dial by it would be one too many.
        if now > claim.latest:
            # The next one is held for longer: the file has seen how long it takes.
            self._later("booking.not_given_back", lambda: self._file.cancel(booked.id))
            raise too_slow(now - began)
        self._permits = {one: held for one, held in self._permits.items() if now <= held.latest} | {
            booked.id: claim
        }
        return Booking(booked.id, booked.key, max(0.0, claim.at - now))

    async def spend(self, booking: Booking) -> bool:
        """See `Ledger.spend`: the booking on record covers the dial, which is recorded after it."""
        now = self._clock.now()
        claim = self._permits.get(booking.id)
        if self._closed or claim is None or not claim.may_be_spent(now):
            return False
        del self._permits[booking.id]
        # The claim on record covers the dial until `latest`, whether or not this is written: late,
        # or never, it costs others waiting only.
        self._later(
            "booking.not_recorded_as_spent",
            lambda: self._file.spent(booking.id, booking.key, now),
            may_wait=True,
        )
        return True

    async def cancel(self, booking: Booking) -> None:
        """See `Ledger.cancel`."""
        self._permits.pop(booking.id, None)
        self._later("booking.not_given_back", lambda: self._file.cancel(booking.id))

    async def usages(self, instance_ids: Collection[str]) -> dict[str, Usage]:
        """See `Ledger.usages`."""
        return await self._call(lambda: self._file.usages(instance_ids))

    async def record(self, dials: Sequence[Dial]) -> None:
        """Put dials on record that another ledger gave the permits for.

        Raises:
            LedgerError: The ledger can't be read or written.
        """
        await self._call(lambda: self._file.record(dials), writes=True)

    def record_later(self, dial: Dial) -> None:
        """As `record`, without waiting for it; before whatever is asked for afterwards."""
        now = self._clock.now()

        def record() -> None:
            self._file.record([replace(dial, age_s=dial.age_s + self._clock.now() - now)])

        self._later("throttle.dial_not_mirrored", record)

    async def dials(self) -> list[Dial]:
        """The dials on record that still count, of all keys.

        Raises:
            LedgerError: The ledger can't be read or written.
        """
        return await self._call(self._file.dials)

    async def check_writable(self) -> None:
        """See `Ledger.check_writable`."""
        await self._call(self._file.check_writable, writes=True)

    async def close(self) -> None:
        """Finish what was asked, close the file and end the thread; again: nothing happens."""
        if self._closed:
            return
        self._closed = True
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                await asyncio.wrap_future(self._thread.close())
        except TimeoutError as error:
            raise no_answer(ANSWER_TIMEOUT_S) from error

    async def _call(
        self,
        work: Callable[[], _T],
        *,
        writes: bool = False,
        undo: Callable[[Future[_T]], None] | None = None,
    ) -> _T:
        """Run `work` in the thread; `undo` sees its outcome if nobody waits for it any more."""
        if self._closed:
            raise LedgerError("the reconnect ledger is closed: the daemon is stopping")
        if self._waiting >= MAX_WAITING:
            raise overcrowded()
        self._waiting += 1
        future = self._thread.submit(work, writes=writes)
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                return await asyncio.wrap_future(future)
        except (TimeoutError, asyncio.CancelledError) as error:
            # Work that hasn't begun was cancelled with the wait for it.
            if undo is not None:
                future.add_done_callback(undo)
            if isinstance(error, TimeoutError):
                raise no_answer(ANSWER_TIMEOUT_S) from error
            raise
        finally:
            self._waiting -= 1

    def _later(self, failed: str, work: Callable[[], None], *, may_wait: bool = False) -> None:
        """Have the thread write something that nobody waits for.

        Args:
            failed: A fault is logged as this.
            work: Writes it.
            may_wait: As for `LedgerThread.submit`.
        """
        if self._closed:
            return

        def log_failure(future: Future[None]) -> None:
            if (fault := future.exception()) is not None:
                words = fault.public_text if isinstance(fault, LedgerError) else repr(fault)
                _log.warning(failed, why=words)

        future = self._thread.submit(work, writes=True, may_wait=may_wait)
        future.add_done_callback(log_failure)

    def _give_back(self, future: Future[Booked | TooLong]) -> None:
        """Cancel a booking that was made for somebody who left meanwhile."""
        if future.cancelled() or future.exception() is not None:
            return
        answer = future.result()
        if isinstance(answer, Booked):
            self._later("booking.not_given_back", lambda: self._file.cancel(answer.id))
