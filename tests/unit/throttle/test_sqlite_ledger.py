"""What only the ledger in SQLite does: its thread, and callers who leave or wait in vain."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.clock import FakeClock, ProcessClock
from tests.current_budget import CurrentBudget
from tests.disks import LedgerDisk, full_disk
from tests.unit.throttle.usage import usage_of
from vncproxy.errors import LedgerError, LedgerSlow
from vncproxy.throttle import sqlite_ledger
from vncproxy.throttle.ledger_interface import Booking, Dial, TooLong
from vncproxy.throttle.reconnect_budget import Budget
from vncproxy.throttle.sqlite_ledger import SqliteLedger
from vncproxy.throttle.sqlite_queries import Booked

BUDGET = Budget(limit=3, window_s=60.0, margin_s=1.0, hold_s=10.0)


class Gate:
    """Holds the ledger's thread up until it is opened, as a slow disk would.

    Once it is made, the thread stands in it: all that is asked for from then on waits together.
    """

    def __init__(self, ledger: SqliteLedger) -> None:
        self._entered = threading.Event()
        self._opened = threading.Event()
        ledger._thread.submit(self._hold)
        assert self._entered.wait(30)

    def _hold(self) -> None:
        self._entered.set()
        assert self._opened.wait(30)

    def open(self) -> None:
        self._opened.set()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch, clock: FakeClock) -> LedgerDisk:
    return LedgerDisk(monkeypatch, clock.forward)


@pytest.fixture
async def ledger(tmp_path: Path, clock: FakeClock, disk: LedgerDisk) -> AsyncIterator[SqliteLedger]:
    made = SqliteLedger(tmp_path / "ledger.sqlite", lambda: BUDGET, clock)
    yield made
    await made.close()


async def booked(ledger: SqliteLedger) -> Booking:
    answer = await ledger.book("i-1", 1000.0)
    assert isinstance(answer, Booking)
    return answer


async def test_two_ledgers_on_one_file_share_the_budget(tmp_path: Path, clock: FakeClock) -> None:
    """Twenty who book at once through two ledgers get the permits of one budget."""
    ledgers = [SqliteLedger(tmp_path / "ledger.sqlite", lambda: BUDGET, clock) for _ in range(2)]
    answers = await asyncio.gather(*(ledgers[n % 2].book("i-1", 0.0) for n in range(20)))
    assert sum(isinstance(answer, Booking) for answer in answers) == 3
    for ledger in ledgers:
        await ledger.close()


async def test_the_loop_runs_on_while_the_disk_is_slow(ledger: SqliteLedger) -> None:
    """A booking waits in the ledger's own thread; others on the loop don't."""
    gate = Gate(ledger)
    booking = asyncio.create_task(ledger.book("i-1", 0.0))
    await asyncio.sleep(0)
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
    assert (await usage_of(ledger, "i-1")).used == 0


class SlowBooking:
    """Holds a booking up amid the file's work until it is told to go on, or to fail."""

    def __init__(self, ledger: SqliteLedger, monkeypatch: pytest.MonkeyPatch) -> None:
        self.made: list[object] = []
        self.fault: Exception | None = None
        self._begun, self._go_on = threading.Event(), threading.Event()
        self._book = ledger._file.book
        monkeypatch.setattr(ledger._file, "book", self._slow_book)

    def _slow_book(self, key: str, max_wait_s: float) -> object:
        self._begun.set()
        assert self._go_on.wait(30)
        if self.fault is not None:
            raise self.fault
        self.made.append(self._book(key, max_wait_s))
        return self.made[-1]

    async def has_begun(self) -> None:
        assert await asyncio.to_thread(self._begun.wait, 30)

    async def finish(self, ledger: SqliteLedger) -> None:
        self._go_on.set()
        for _ in range(2):  # the thread has made the booking, and given it back
            await ledger.check_writable()


async def test_a_caller_who_leaves_in_the_middle_gives_its_booking_back(
    ledger: SqliteLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A booking that was made while its caller was cancelled is cancelled in its turn."""
    slow = SlowBooking(ledger, monkeypatch)
    booking = asyncio.create_task(ledger.book("i-1", 0.0))
    await slow.has_begun()
    booking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await booking
    await slow.finish(ledger)
    assert isinstance(slow.made[0], Booked)
    assert (await usage_of(ledger, "i-1")).used == 0


async def test_a_booking_that_comes_too_late_is_given_back(
    ledger: SqliteLedger, monkeypatch: pytest.MonkeyPatch, process_clock: ProcessClock
) -> None:
    """Its caller was told that the file doesn't answer."""
    slow = SlowBooking(ledger, monkeypatch)
    booking = asyncio.create_task(ledger.book("i-1", 0.0))
    await slow.has_begun()
    await process_clock.forward(sqlite_ledger.ANSWER_TIMEOUT_S + 1.0)
    with pytest.raises(LedgerError, match="doesn't answer"):
        await booking
    await slow.finish(ledger)
    assert isinstance(slow.made[0], Booked)
    assert (await usage_of(ledger, "i-1")).used == 0


@pytest.mark.parametrize("fails", [False, True])
async def test_who_leaves_without_a_booking_leaves_nothing(
    ledger: SqliteLedger,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    fails: bool,
) -> None:
    """Neither a refusal nor a fault is given back, nor is what was only asked for."""
    for _ in range(BUDGET.limit):
        await booked(ledger)
    slow = SlowBooking(ledger, monkeypatch)
    slow.fault = LedgerError("planted") if fails else None
    calls: list[asyncio.Task[Any]] = [asyncio.create_task(ledger.book("i-1", 0.0))]
    await slow.has_begun()
    calls.append(asyncio.create_task(ledger.book("i-1", 0.0)))
    calls.append(asyncio.create_task(ledger.usages(["i-1"])))
    await asyncio.sleep(0)
    for call in calls:
        call.cancel()
    await asyncio.wait(calls)
    with capture_logs() as events:
        await slow.finish(ledger)
    assert events == []
    assert caplog.messages == []
    assert slow.made == ([] if fails else [TooLong(61.0 + BUDGET.hold_s)])


async def test_a_file_that_does_not_answer_is_an_error(
    ledger: SqliteLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hanging disk ends the wait with an error, and the booking isn't made later."""
    monkeypatch.setattr(sqlite_ledger, "ANSWER_TIMEOUT_S", 0.05)
    gate = Gate(ledger)
    with pytest.raises(LedgerError, match=r"doesn't answer within 0\.05 s"):
        await ledger.book("i-1", 0.0)
    gate.open()
    monkeypatch.setattr(sqlite_ledger, "ANSWER_TIMEOUT_S", 30.0)
    assert (await usage_of(ledger, "i-1")).used == 0


async def test_the_queue_is_bounded(ledger: SqliteLedger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the bound a call is refused at once instead of waiting in line."""
    monkeypatch.setattr(sqlite_ledger, "MAX_WAITING", 2)
    gate = Gate(ledger)
    waiting = [asyncio.create_task(usage_of(ledger, "i-1")) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(LedgerError, match="too many calls waiting"):
        await usage_of(ledger, "i-1")
    gate.open()
    assert [usage.used for usage in await asyncio.gather(*waiting)] == [0, 0]
    assert (await usage_of(ledger, "i-1")).used == 0


async def test_a_dial_does_not_wait_for_the_disk(ledger: SqliteLedger) -> None:
    """Its booking is on the disk, which covers it; that it was made is recorded later."""
    booking = await booked(ledger)
    gate = Gate(ledger)
    assert await ledger.spend(booking)
    gate.open()
    await ledger.check_writable()
    assert await ledger.dials() == [Dial(booking.id, "i-1", 0.0)]


async def test_a_permit_given_back_does_not_wait_for_the_disk(ledger: SqliteLedger) -> None:
    """Who leaves isn't held up."""
    booking = await booked(ledger)
    gate = Gate(ledger)
    await ledger.cancel(booking)
    gate.open()
    assert (await usage_of(ledger, "i-1")).used == 0


async def test_a_dial_that_can_not_be_recorded_counts_until_its_permit_ends(
    ledger: SqliteLedger, clock: FakeClock, disk: LedgerDisk
) -> None:
    """The disk is full: the dial is made, the log says so, and the booking stands for it."""
    booking = await booked(ledger)
    disk.fault = full_disk()
    with capture_logs() as events:
        assert await ledger.spend(booking)
        with pytest.raises(LedgerError, match="disk is full"):
            await ledger.check_writable()
    [event] = events
    assert event["event"] == "booking.not_recorded_as_spent"
    assert "the disk is full" in event["why"]
    assert "Error" not in event["why"]
    disk.fault = None
    clock.seconds += 65.0
    assert (await usage_of(ledger, "i-1")).used == 1
    clock.seconds += 6.1
    assert (await usage_of(ledger, "i-1")).used == 0


async def test_a_fault_of_the_daemon_s_own_is_logged(
    ledger: SqliteLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In what nobody waits for."""

    def fail(*_: object) -> None:
        raise ZeroDivisionError("planted")

    booking = await booked(ledger)
    monkeypatch.setattr(ledger._file, "spent", fail)
    with capture_logs() as events:
        assert await ledger.spend(booking)
        with suppress(ZeroDivisionError):  # if it is in the same transaction
            await ledger.check_writable()
    [event] = events
    assert event["event"] == "booking.not_recorded_as_spent"
    assert event["why"] == "ZeroDivisionError('planted')"


async def test_on_a_slow_disk_permits_are_good(
    ledger: SqliteLedger, clock: FakeClock, disk: LedgerDisk
) -> None:
    """However slow it is: the permit comes later, and can be dialled with for its whole time."""
    disk.commit_s = 8.0
    await ledger.check_writable()
    for _ in range(3):
        booking = await booked(ledger)
        assert booking.wait_s == 0.0
        clock.seconds += BUDGET.hold_s
        assert await ledger.spend(booking)
    assert isinstance(await ledger.book("i-1", 0.0), TooLong)


async def test_a_disk_that_is_slow_all_at_once_is_blamed(
    ledger: SqliteLedger, disk: LedgerDisk
) -> None:
    """The first permit has lapsed before it is there; the next ones are held for longer."""
    await ledger.check_writable()
    disk.plan = [14.0]
    with pytest.raises(LedgerSlow, match="took 14 s to record a permit: see whether its disk"):
        await ledger.book("i-1", 0.0)
    disk.commit_s = 14.0
    assert await ledger.spend(await booked(ledger))
    assert (await usage_of(ledger, "i-1")).used == 1


async def test_a_permit_is_good_until_its_last_instant(
    ledger: SqliteLedger, clock: FakeClock, disk: LedgerDisk
) -> None:
    """Also if somebody else books then, or if it comes no earlier."""
    await ledger.check_writable()
    booking = await booked(ledger)
    clock.seconds += BUDGET.hold_s
    assert isinstance(await ledger.book("i-2", 0.0), Booking)
    assert await ledger.spend(booking)
    disk.plan = [BUDGET.hold_s]
    assert await ledger.spend(await booked(ledger))


async def test_a_wait_ends_when_the_permit_begins(ledger: SqliteLedger, disk: LedgerDisk) -> None:
    """What the disk took is no longer to be waited for."""
    for _ in range(3):
        assert await ledger.spend(await booked(ledger))
    await ledger.check_writable()
    disk.commit_s = 4.0
    assert (await booked(ledger)).wait_s == 57.0


async def test_what_waits_becomes_one_transaction(ledger: SqliteLedger, disk: LedgerDisk) -> None:
    """Forty consoles whose links are lost at once wait for the disk once, not forty times."""
    await ledger.check_writable()
    gate = Gate(ledger)
    bookings = [asyncio.create_task(ledger.book(f"i-{n}", 0.0)) for n in range(40)]
    await asyncio.sleep(0)
    disk.commits = 0
    gate.open()
    assert all(isinstance(one, Booking) for one in await asyncio.gather(*bookings))
    assert disk.commits == 1


async def test_a_fault_is_everybody_s_and_passes(ledger: SqliteLedger, disk: LedgerDisk) -> None:
    """Nothing of the transaction is kept, and the thread goes on."""
    await ledger.check_writable()
    gate = Gate(ledger)
    calls = [asyncio.create_task(ledger.book(f"i-{n}", 0.0)) for n in range(3)]
    await asyncio.sleep(0)
    disk.fault = full_disk()
    gate.open()
    for fault in await asyncio.gather(*calls, return_exceptions=True):
        assert isinstance(fault, LedgerError)
    disk.fault = None
    assert (await usage_of(ledger, "i-0")).used == 0
    assert isinstance(await ledger.book("i-0", 0.0), Booking)


async def test_after_close_nothing_is_booked(ledger: SqliteLedger) -> None:
    """A closed ledger refuses, and its thread has ended."""
    booking = await booked(ledger)
    await ledger.close()
    with pytest.raises(LedgerError, match="is closed"):
        await ledger.book("i-1", 0.0)
    assert not await ledger.spend(booking), "it couldn't be recorded"
    ledger._thread._thread.join(20)
    assert not ledger._thread._thread.is_alive()


async def test_closing_does_not_wait_for_ever(
    ledger: SqliteLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hanging disk ends the wait with an error; the second time there is nothing to wait for."""
    monkeypatch.setattr(sqlite_ledger, "ANSWER_TIMEOUT_S", 0.05)
    gate = Gate(ledger)
    with pytest.raises(LedgerError, match=r"doesn't answer within 0\.05 s"):
        await ledger.close()
    await ledger.close()
    gate.open()
    # The thread ends as ever, though nobody waits for it any more.
    ledger._thread._thread.join(20)
    assert not ledger._thread._thread.is_alive()


async def test_a_dial_that_is_recorded_later_keeps_its_instant(
    ledger: SqliteLedger, clock: FakeClock
) -> None:
    """Nobody waits for it; what the file takes isn't counted for it."""
    gate = Gate(ledger)
    ledger.record_later(Dial("a", "i-1", 1.0))
    clock.seconds += 5.0
    gate.open()
    assert await ledger.dials() == [Dial("a", "i-1", 6.0)]


async def test_dials_of_another_ledger_and_another_law(tmp_path: Path, clock: FakeClock) -> None:
    """Both are taken over by the file, and counted there."""
    budget = CurrentBudget(BUDGET)
    ledger = SqliteLedger(tmp_path / "ledger.sqlite", budget, clock)
    await ledger.record([Dial("a", "i-1", 1.0)])
    assert await ledger.dials() == [Dial("a", "i-1", 1.0)]
    budget.now = replace(BUDGET, limit=1)
    assert isinstance(await ledger.book("i-1", 0.0), TooLong)
    await ledger.close()


async def test_the_machine_s_clock_is_the_default(tmp_path: Path) -> None:
    """Without a clock of the tests, the boot clock is used."""
    ledger = SqliteLedger(tmp_path / "ledger.sqlite", lambda: BUDGET)
    booking = await ledger.book("i-1", 0.0)
    assert isinstance(booking, Booking)
    assert await ledger.spend(booking)
    await ledger.close()


async def test_an_error_of_the_file_reaches_the_caller(tmp_path: Path, clock: FakeClock) -> None:
    """A ledger that can't be written says so, and can still be closed."""
    ledger = SqliteLedger(tmp_path / "missing" / "x", lambda: BUDGET, clock)
    with pytest.raises(LedgerError, match="can't be opened"):
        await ledger.check_writable()
    await ledger.close()
