"""What only the ledger in SQLite does: its thread, and callers who leave or wait in vain."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.throttle.fake_clock import FakeClock
from vncproxy.errors import LedgerError
from vncproxy.throttle import sqlite
from vncproxy.throttle.budget import Budget
from vncproxy.throttle.ledger import Booking, Dial, TooLong
from vncproxy.throttle.sqlite import SqliteLedger

BUDGET = Budget(limit=3, window_s=60.0, margin_s=1.0, hold_s=10.0)


class Gate:
    """Holds the ledger's thread up until it is opened, as a slow disk would."""

    def __init__(self, ledger: SqliteLedger) -> None:
        self.entered = threading.Event()
        self._opened = threading.Event()
        ledger._thread.submit(self._hold)

    def _hold(self) -> None:
        self.entered.set()
        assert self._opened.wait(30)

    def open(self) -> None:
        self._opened.set()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def ledger(tmp_path: Path, clock: FakeClock) -> AsyncIterator[SqliteLedger]:
    made = SqliteLedger(tmp_path / "ledger.sqlite", BUDGET, clock)
    yield made
    await made.close()


async def test_two_ledgers_on_one_file_share_the_budget(tmp_path: Path, clock: FakeClock) -> None:
    """Twenty who book at once through two ledgers get the permits of one budget."""
    ledgers = [SqliteLedger(tmp_path / "ledger.sqlite", BUDGET, clock) for _ in range(2)]
    answers = await asyncio.gather(*(ledgers[n % 2].book("i-1", 0.0) for n in range(20)))
    assert sum(isinstance(answer, Booking) for answer in answers) == 3
    for ledger in ledgers:
        await ledger.close()


async def test_the_loop_runs_on_while_the_disk_is_slow(ledger: SqliteLedger) -> None:
    """A booking waits in the ledger's own thread; others on the loop don't."""
    gate = Gate(ledger)
    booking = asyncio.create_task(ledger.book("i-1", 0.0))
    await asyncio.to_thread(gate.entered.wait, 30)
    assert not booking.done()
    gate.open()
    assert isinstance(await booking, Booking)


async def test_a_caller_who_leaves_before_its_turn_books_nothing(ledger: SqliteLedger) -> None:
    """A cancelled call that hasn't begun is never made."""
    gate = Gate(ledger)
    booking = asyncio.create_task(ledger.book("i-1", 0.0))
    await asyncio.sleep(0)
    booking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await booking
    gate.open()
    assert (await ledger.usage("i-1")).used == 0


async def test_a_caller_who_leaves_in_the_middle_gives_its_booking_back(
    ledger: SqliteLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A booking that was made while its caller was cancelled is cancelled in its turn."""
    begun, go_on = threading.Event(), threading.Event()
    book = ledger._file.book
    made: list[object] = []

    def slow_book(key: str, max_wait_s: float) -> object:
        begun.set()
        assert go_on.wait(30)
        made.append(book(key, max_wait_s))
        return made[-1]

    monkeypatch.setattr(ledger._file, "book", slow_book)
    booking = asyncio.create_task(ledger.book("i-1", 0.0))
    assert await asyncio.to_thread(begun.wait, 30)
    booking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await booking
    go_on.set()
    await ledger.check_writable()  # the thread has made the booking
    await ledger.check_writable()  # and given it back
    assert isinstance(made[0], Booking)
    assert (await ledger.usage("i-1")).used == 0


async def test_a_file_that_does_not_answer_is_an_error(
    ledger: SqliteLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hanging disk ends the wait with an error, and the booking isn't made later."""
    monkeypatch.setattr(sqlite, "ANSWER_TIMEOUT_S", 0.05)
    gate = Gate(ledger)
    with pytest.raises(LedgerError, match="doesn't answer in time"):
        await ledger.book("i-1", 0.0)
    gate.open()
    monkeypatch.setattr(sqlite, "ANSWER_TIMEOUT_S", 30.0)
    assert (await ledger.usage("i-1")).used == 0


async def test_the_queue_is_bounded(ledger: SqliteLedger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the bound a call is refused at once instead of waiting in line."""
    monkeypatch.setattr(sqlite, "MAX_WAITING", 2)
    gate = Gate(ledger)
    waiting = [asyncio.create_task(ledger.usage("i-1")) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(LedgerError, match="doesn't answer in time"):
        await ledger.usage("i-1")
    gate.open()
    assert [usage.used for usage in await asyncio.gather(*waiting)] == [0, 0]


async def test_a_slow_record_is_no_permit_to_dial(
    ledger: SqliteLedger, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When recording took up the margin, the dial is refused although it counts."""
    booking = await ledger.book("i-1", 0.0)
    assert isinstance(booking, Booking)
    spend = ledger._file.spend

    def slow_spend(booking_id: str) -> float | None:
        at = spend(booking_id)
        clock.seconds += 0.6
        return at

    monkeypatch.setattr(ledger._file, "spend", slow_spend)
    assert not await ledger.spend(booking)
    assert (await ledger.usage("i-1")).used == 1


async def test_after_close_nothing_is_booked(ledger: SqliteLedger) -> None:
    """A closed ledger refuses, and its thread has ended."""
    await ledger.book("i-1", 0.0)
    await ledger.close()
    with pytest.raises(LedgerError, match="is closed"):
        await ledger.book("i-1", 0.0)
    ledger._thread.shutdown(wait=True)
    assert not any(thread.is_alive() for thread in ledger._thread._threads)


async def test_dials_of_another_ledger_and_another_law(ledger: SqliteLedger) -> None:
    """Both are taken over by the file, and counted there."""
    await ledger.record([Dial("a", "i-1", 1.0)])
    assert await ledger.dials() == [Dial("a", "i-1", 1.0)]
    ledger.renew(replace(BUDGET, limit=1))
    assert isinstance(await ledger.book("i-1", 0.0), TooLong)


async def test_the_machine_s_clock_is_the_default(tmp_path: Path) -> None:
    """Without a clock of the tests, the boot clock is used."""
    ledger = SqliteLedger(tmp_path / "ledger.sqlite", BUDGET)
    booking = await ledger.book("i-1", 0.0)
    assert isinstance(booking, Booking)
    assert await ledger.spend(booking)
    await ledger.close()


async def test_an_error_of_the_file_reaches_the_caller(tmp_path: Path, clock: FakeClock) -> None:
    """A ledger that can't be written says so, and can still be closed."""
    ledger = SqliteLedger(tmp_path / "missing" / "x", BUDGET, clock)
    with pytest.raises(LedgerError, match="can't be opened"):
        await ledger.check_writable()
    await ledger.close()
