"""The ledger that survives restarts and is shared by all processes on the machine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from vncproxy.errors import LedgerError
from vncproxy.throttle.boot_clock import EpochClock, this_boot
from vncproxy.throttle.budget import Budget
from vncproxy.throttle.ledger import Booking, Dial, TooLong, Usage
from vncproxy.throttle.ledger_faults import no_answer
from vncproxy.throttle.ledger_file import LedgerFile

FILE_NAME = "ledger.sqlite"

ANSWER_TIMEOUT_S = 15.0
"""How long a caller waits for the file: its own turn and the turns before it."""

MAX_WAITING = 4096
"""Calls that may wait for the file at once: above max_consoles with room for the commands."""

_T = TypeVar("_T")


class SqliteLedger:
    """See `Ledger`. The file is worked on by one thread that the ledger owns.

    Args: path - the file, in the state directory; budget - the law, whose window and margin are the
    same for all processes of a file; clock - shared by all processes of the machine. Raises:
    LedgerError where there is no such clock; the file itself is opened at the first use
    (`check_writable`).
    """

    def __init__(self, path: Path, budget: Budget, clock: EpochClock | None = None) -> None:
        """Make the thread; it starts with the first call."""
        self._clock = clock or this_boot()
        self._file = LedgerFile(path, budget, self._clock)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ledger")
        self._waiting = 0
        self._closed = False

    def renew(self, budget: Budget) -> None:
        """See `Ledger.renew`: it counts from the file's next turn on."""
        self._file.budget = budget

    def key_of(self, instance_id: str) -> str:
        """See `Ledger.key_of`."""
        return self._file.budget.key_of(instance_id)

    async def book(self, instance_id: str, max_wait_s: float) -> Booking | TooLong:
        """See `Ledger.book`."""
        return await self._call(lambda: self._file.book(instance_id, max_wait_s), self._give_back)

    async def spend(self, booking: Booking) -> bool:
        """See `Ledger.spend`."""
        at = await self._call(lambda: self._file.spend(booking.id))
        # A slow disk or a busy loop must not use up the margin between the record and the dial.
        return at is not None and self._clock.now() - at <= self._file.budget.margin_s / 2

    async def cancel(self, booking: Booking) -> None:
        """See `Ledger.cancel`."""
        await self._call(lambda: self._file.cancel(booking.id))

    async def usage(self, instance_id: str) -> Usage:
        """See `Ledger.usage`."""
        return await self._call(lambda: self._file.usage(instance_id))

    async def record(self, dials: Sequence[Dial]) -> None:
        """Put dials on record that another ledger gave the permits for. Raises: LedgerError."""
        await self._call(lambda: self._file.record(dials))

    async def dials(self) -> list[Dial]:
        """The dials on record that still count, of all keys. Raises: LedgerError."""
        return await self._call(self._file.dials)

    async def check_writable(self) -> None:
        """See `Ledger.check_writable`."""
        await self._call(self._file.check_writable)

    async def close(self) -> None:
        """Finish what was asked, close the file and end the thread; again: nothing happens."""
        if self._closed:
            return
        self._closed = True
        closing = self._thread.submit(self._file.close)
        self._thread.shutdown(wait=False)
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                await asyncio.wrap_future(closing)
        except TimeoutError as error:
            raise no_answer() from error

    async def _call(
        self, work: Callable[[], _T], undo: Callable[[Future[_T]], None] | None = None
    ) -> _T:
        """Run `work` in the thread; `undo` sees its outcome if nobody waits for it any more."""
        if self._closed:
            raise LedgerError("the reconnect ledger is closed: the daemon is stopping")
        if self._waiting >= MAX_WAITING:
            raise no_answer()
        self._waiting += 1
        future = self._thread.submit(work)
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                return await asyncio.wrap_future(future)
        except TimeoutError as error:
            self._abandon(future, undo)
            raise no_answer() from error
        except asyncio.CancelledError:
            self._abandon(future, undo)
            raise
        finally:
            self._waiting -= 1

    @staticmethod
    def _abandon(future: Future[_T], undo: Callable[[Future[_T]], None] | None) -> None:
        """Take the work back if it hasn't begun, else have its outcome undone."""
        if undo is not None and not future.cancel():
            future.add_done_callback(undo)

    def _give_back(self, future: Future[Booking | TooLong]) -> None:
        """Cancel a booking that was made for somebody who left meanwhile."""
        if future.cancelled() or future.exception() is not None:
            return
        answer = future.result()
        if isinstance(answer, Booking):
            # While the ledger closes, the thread takes nothing more: the booking lapses by itself.
            with suppress(RuntimeError):
                self._thread.submit(self._file.cancel, answer.id)
