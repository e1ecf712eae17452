"""The thread under the ledger's file: order, batches, faults, its end."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clock import FakeClock
from tests.unit.throttle.usage import usage_in
from vncproxy.errors import LedgerError
from vncproxy.throttle import sqlite_thread
from vncproxy.throttle.reconnect_budget import Budget
from vncproxy.throttle.sqlite_queries import Booked, LedgerFile
from vncproxy.throttle.sqlite_thread import LedgerThread

WAIT_S = 60.0


class Held:
    """Keeps the thread busy until it is let go, so that what is submitted meanwhile waits."""

    def __init__(self, thread: LedgerThread) -> None:
        self._go_on = threading.Event()
        self._begun = threading.Event()
        self.done = thread.submit(self._run)
        assert self._begun.wait(WAIT_S)

    def _run(self) -> None:
        self._begun.set()
        assert self._go_on.wait(WAIT_S)

    def let_go(self) -> None:
        self._go_on.set()


@pytest.fixture
def file(tmp_path: Path) -> LedgerFile:
    return LedgerFile(tmp_path / "ledger.sqlite", Budget, FakeClock())


@pytest.fixture
def thread(file: LedgerFile) -> Iterator[LedgerThread]:
    made = LedgerThread(file)
    yield made
    made.close().exception(WAIT_S)


def test_work_is_done_in_its_order(thread: LedgerThread) -> None:
    """One piece after the other, and each caller gets his own outcome."""
    held = Held(thread)
    done: list[int] = []
    futures = [thread.submit(lambda n=n: done.append(n) or n) for n in range(5)]  # type: ignore[misc, func-returns-value]
    held.let_go()
    assert [future.result(WAIT_S) for future in futures] == list(range(5))
    assert done == list(range(5))


def test_reading_alone_takes_no_lock(file: LedgerFile, thread: LedgerThread) -> None:
    """Only what writes begins a transaction."""
    began: list[str] = []
    batch = file.batch
    file.batch = lambda: began.append("batch") or batch()  # type: ignore[method-assign, func-returns-value]
    thread.submit(lambda: usage_in(file, "i-1")).result(WAIT_S)
    assert began == []
    thread.submit(lambda: file.book("i-1", 0.0), writes=True).result(WAIT_S)
    assert began == ["batch"]


@pytest.mark.parametrize("writes", [True, False])
def test_what_may_wait_shares_the_next_transaction(
    file: LedgerFile, thread: LedgerThread, monkeypatch: pytest.MonkeyPatch, writes: bool
) -> None:
    """Whatever comes next: it is done before that, in one transaction with it."""
    monkeypatch.setattr(sqlite_thread, "SHARING_WAIT_S", WAIT_S)
    began: list[str] = []
    done: list[str] = []
    batch = file.batch
    file.batch = lambda: began.append("batch") or batch()  # type: ignore[method-assign, func-returns-value]
    late = thread.submit(lambda: done.append("late"), writes=True, may_wait=True)
    thread.submit(lambda: done.append("next"), writes=writes).result(WAIT_S)
    assert done == ["late", "next"]
    assert late.done()
    assert began == ["batch"]


def test_what_may_wait_is_done_without_another(
    thread: LedgerThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once nothing came for long enough."""
    monkeypatch.setattr(sqlite_thread, "SHARING_WAIT_S", 0.01)
    done: list[int] = []
    waiting = [
        thread.submit(lambda n=n: done.append(n), writes=True, may_wait=True)  # type: ignore[misc]
        for n in range(2)
    ]
    for one in waiting:
        one.result(WAIT_S)
    assert done == [0, 1]


def test_what_may_wait_is_done_at_the_end(
    thread: LedgerThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At once, then."""
    monkeypatch.setattr(sqlite_thread, "SHARING_WAIT_S", 2 * WAIT_S)
    done: list[int] = []
    late = thread.submit(lambda: done.append(1), writes=True, may_wait=True)
    assert thread.close().result(WAIT_S) is None
    assert late.done()
    assert done == [1]


def test_a_transaction_has_a_bounded_number_of_works(
    file: LedgerFile, thread: LedgerThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many wait; the next ones come in the next transaction."""
    monkeypatch.setattr(sqlite_thread, "BATCH_MAX", 2)
    began: list[str] = []
    batch = file.batch
    file.batch = lambda: began.append("batch") or batch()  # type: ignore[method-assign, func-returns-value]
    held = Held(thread)
    futures = [
        thread.submit(lambda n=n: file.book(f"i-{n}", 0.0), writes=True)  # type: ignore[misc]
        for n in range(5)
    ]
    held.let_go()
    assert all(isinstance(future.result(WAIT_S), Booked) for future in futures)
    assert len(began) == 3


def test_a_fault_ends_nothing_but_its_batch(thread: LedgerThread) -> None:
    """Whatever is raised reaches who waits, and the thread goes on."""

    def fail() -> None:
        raise SystemExit("planted")

    assert isinstance(thread.submit(fail).exception(WAIT_S), SystemExit)
    assert thread.submit(lambda: 1).result(WAIT_S) == 1


def test_work_that_was_withdrawn_is_not_done(thread: LedgerThread) -> None:
    """As that of somebody who left."""
    held = Held(thread)
    done: list[int] = []
    future = thread.submit(lambda: done.append(1))
    assert future.cancel()
    held.let_go()
    assert thread.submit(lambda: 2).result(WAIT_S) == 2
    assert done == []


def test_closing_finishes_what_was_asked(thread: LedgerThread, file: LedgerFile) -> None:
    """Then the file is closed and the thread ends."""
    held = Held(thread)
    last = thread.submit(lambda: file.book("i-1", 0.0), writes=True)
    closed = thread.close()
    held.let_go()
    assert closed.result(WAIT_S) is None
    assert last.done()
    assert last.exception() is None
    thread._thread.join(WAIT_S)
    assert not thread._thread.is_alive()
    assert file._connection is None


def test_closing_what_was_never_used(file: LedgerFile) -> None:
    """Nothing is there to close."""
    assert LedgerThread(file).close().result(WAIT_S) is None


def test_a_fault_in_closing_is_reported(
    thread: LedgerThread, file: LedgerFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To who waits for the end."""

    def fail() -> None:
        raise LedgerError("planted")

    monkeypatch.setattr(file, "close", fail)
    assert isinstance(thread.close().exception(WAIT_S), LedgerError)


def test_the_process_may_end_while_the_disk_hangs(thread: LedgerThread) -> None:
    """Nobody waits for a thread that can't be cancelled."""
    assert thread._thread.daemon
