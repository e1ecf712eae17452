"""The ledger's file: epochs, damage, and what is left on the disk."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from tests.clock import FakeClock
from tests.current_budget import CurrentBudget
from tests.disks import LedgerDisk
from tests.unit.throttle.usage import usage_in
from vncproxy.errors import LedgerError
from vncproxy.throttle import sqlite_queries
from vncproxy.throttle.ledger_interface import Dial, TooLong
from vncproxy.throttle.reconnect_budget import MAX_AHEAD_S, Budget
from vncproxy.throttle.sqlite_queries import Booked, LedgerFile
from vncproxy.throttle.store_latency import KEPT

BUDGET = Budget(limit=3, window_s=60.0, margin_s=1.0, hold_s=10.0)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


@pytest.fixture
def file(path: Path, clock: FakeClock) -> Iterator[LedgerFile]:
    made = LedgerFile(path, lambda: BUDGET, clock)
    yield made
    made.close()


def booked(file: LedgerFile, key: str = "i-1") -> Booked:
    answer = file.book(key, 1000.0)
    assert isinstance(answer, Booked)
    return answer


def dialled(file: LedgerFile, clock: FakeClock) -> None:
    one = booked(file)
    file.spent(one.id, one.key, clock.seconds)


def rows(path: Path) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as db:
        return db.execute("SELECT key, epoch, at, spent FROM booking ORDER BY at").fetchall()


def test_the_file_is_private_and_alone(file: LedgerFile, path: Path) -> None:
    """It and its journal have mode 0600; once it is closed nothing lies beside it."""
    booked(file)
    modes = {one.name: one.stat().st_mode & 0o777 for one in path.parent.iterdir()}
    assert modes == {"ledger.sqlite": 0o600, "ledger.sqlite-journal": 0o600}
    file.close()
    assert [entry.name for entry in path.parent.iterdir()] == ["ledger.sqlite"]


def test_a_journal_that_stays_has_nothing_to_roll_back(file: LedgerFile, path: Path) -> None:
    """So what was booked is booked, though the process is killed and the power fails then."""
    booked(file)
    # Source: SQLite's database file format, section 3: the header begins with d9 d5 05 f9.
    header = path.with_name("ledger.sqlite-journal").read_bytes()[:28]
    assert header == bytes(28)


def test_the_journal_of_another_process_stays(
    file: LedgerFile, path: Path, clock: FakeClock
) -> None:
    """It may be what a transaction that is cut off is rolled back by."""
    booked(file)
    journal = path.with_name("ledger.sqlite-journal")
    with closing(LedgerFile(path, lambda: BUDGET, clock)) as other:
        other.dials()
        with pytest.raises(ZeroDivisionError), file._transaction() as db:
            db.execute("DELETE FROM booking")
            before = journal.read_bytes()
            other.close()
            assert journal.read_bytes() == before
            raise ZeroDivisionError
        assert len(rows(path)) == 1
        booked(other, "i-2")
        file.close()
        booked(other, "i-3")
    assert [row[0] for row in rows(path)] == ["i-1", "i-2", "i-3"]


def test_the_journal_of_a_file_in_its_place_stays(
    file: LedgerFile, path: Path, clock: FakeClock
) -> None:
    """It isn't this one's."""
    booked(file)
    path.unlink()
    with closing(LedgerFile(path, lambda: BUDGET, clock)) as other:
        booked(other)
        file.close()
        assert path.with_name("ledger.sqlite-journal").exists()


def test_a_booking_is_on_record_at_once(file: LedgerFile, path: Path) -> None:
    """One row for each booking, committed when the call returns."""
    booked(file)
    assert rows(path) == [("i-1", "boot-1", 1000.0, 0)]


def test_a_restart_forgets_nothing(file: LedgerFile, path: Path, clock: FakeClock) -> None:
    """Another process, or the same one restarted, sees the dials and the promises."""
    for _ in range(3):
        dialled(file, clock)
    with closing(LedgerFile(path, lambda: BUDGET, clock)) as restarted:
        assert restarted.book("i-1", 0.0) == TooLong(61.0)


def test_two_processes_share_the_budget(file: LedgerFile, path: Path, clock: FakeClock) -> None:
    """What one books, the other counts; what one booked, the other may give back."""
    with closing(LedgerFile(path, lambda: BUDGET, clock)) as other:
        bookings = [booked(file), booked(other), booked(file)]
        assert isinstance(other.book("i-1", 0.0), TooLong)
        other.cancel(bookings[0].id)
        assert booked(file).claim.at == clock.seconds


def test_after_a_reboot_earlier_dials_count_as_made_now(
    file: LedgerFile, path: Path, clock: FakeClock
) -> None:
    """The clock starts again at each boot: what came before it is taken to be as late as it can."""
    for _ in range(3):
        dialled(file, clock)
    clock.epoch, clock.seconds = "boot-2", 15.0
    with closing(LedgerFile(path, lambda: BUDGET, clock)) as rebooted:
        assert usage_in(rebooted, "i-1").next_free_s == 61.0
        assert rebooted.book("i-1", 0.0) == TooLong(61.0)
        clock.seconds += 61.0
        assert booked(rebooted).claim.at == clock.seconds


def test_on_another_machine_that_has_run_for_long_nothing_is_lost(
    file: LedgerFile, path: Path, clock: FakeClock
) -> None:
    """A state directory that moved to a machine with a later clock keeps its dials."""
    for _ in range(3):
        dialled(file, clock)
    clock.epoch, clock.seconds = "boot-2", 9_000_000.0
    with closing(LedgerFile(path, lambda: BUDGET, clock)) as moved:
        assert moved.book("i-1", 0.0) == TooLong(61.0)


def test_a_row_from_an_impossible_future_blocks_for_one_window_only(
    file: LedgerFile, path: Path, clock: FakeClock
) -> None:
    """Damage that names a far instant is taken as a dial made now, and ages from there."""
    for _ in range(3):
        booked(file)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("UPDATE booking SET at = ?", (clock.seconds + MAX_AHEAD_S * 1000,))
    assert usage_in(file, "i-1").next_free_s == 61.0
    assert file.book("i-1", 0.0) == TooLong(61.0)
    clock.seconds += 61.0
    assert booked(file).claim.at == clock.seconds


def test_old_rows_are_deleted(file: LedgerFile, path: Path, clock: FakeClock) -> None:
    """The file doesn't grow: what can't matter any more is deleted with the next booking."""
    for number in range(20):
        booked(file, f"i-{number}")
    clock.seconds += 100.0
    booked(file, "i-last")
    assert [row[0] for row in rows(path)] == ["i-last"]


def test_a_replaced_file_is_noticed(file: LedgerFile, path: Path) -> None:
    """When the file was deleted, all go on in the same new one instead of counting apart."""
    booked(file)
    path.unlink()
    booked(file, "i-2")
    assert [row[0] for row in rows(path)] == ["i-2"]


def test_a_transaction_cut_off_by_a_fault_leaves_nothing(file: LedgerFile, path: Path) -> None:
    """A fault in the middle rolls back, and the ledger works again afterwards."""
    booked(file)
    with pytest.raises(ZeroDivisionError), file._transaction() as db:
        db.execute("DELETE FROM booking")
        raise ZeroDivisionError
    assert len(rows(path)) == 1
    booked(file)
    assert len(rows(path)) == 2


def test_a_dial_whose_row_was_lost_with_its_file_is_recorded(
    file: LedgerFile, path: Path, clock: FakeClock
) -> None:
    """It was made all the same, so the new file counts it."""
    one = booked(file)
    path.unlink()
    file.spent(one.id, one.key, clock.seconds)
    assert rows(path) == [("i-1", "boot-1", 1000.0, 1)]


def test_a_batch_is_one_transaction(file: LedgerFile, path: Path) -> None:
    """All of it is on the disk afterwards; after a fault in it, nothing is."""
    with file.batch():
        first = booked(file)
        booked(file)
        file.cancel(first.id)
        assert rows(path) == []
    assert len(rows(path)) == 1
    with pytest.raises(ZeroDivisionError), file.batch():
        booked(file)
        raise ZeroDivisionError
    assert len(rows(path)) == 1


def test_on_a_slow_disk_a_permit_is_held_for_longer(
    path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By what the slowest of the last transactions took, until it is quick again."""
    slow = LedgerDisk(monkeypatch, clock.forward)
    slow.commit_s = 4.0
    with closing(LedgerFile(path, lambda: BUDGET, clock)) as file:
        first, second = booked(file), booked(file)
        assert (first.claim.latest, second.claim.latest) == (1014.0, 1022.0)
        slow.commit_s = 0.0
        for _ in range(KEPT):
            file.check_writable()
        one = booked(file)
        assert one.claim.latest == one.claim.at + BUDGET.hold_s


def test_a_lock_held_for_too_long_is_an_error_and_passes(
    file: LedgerFile, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wait for another process is bounded; once it lets go, booking works."""
    monkeypatch.setattr(sqlite_queries, "BUSY_TIMEOUT_S", 0.05)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(LedgerError, match="locked by another process"):
            file.book("i-1", 0.0)
    booked(file)


def test_a_damaged_file_is_an_error_each_time(file: LedgerFile, path: Path) -> None:
    """The ledger never starts afresh by itself: that would forget the dials."""
    path.write_bytes(b"damage " * 1000)
    for _ in range(2):
        with pytest.raises(LedgerError, match="damaged or isn't a ledger"):
            file.book("i-1", 0.0)
        with pytest.raises(LedgerError, match="damaged or isn't a ledger"):
            file.check_writable()
    assert path.read_bytes().startswith(b"damage")


def test_a_database_of_somebody_else_is_refused(file: LedgerFile, path: Path) -> None:
    """A database with another table of the same name isn't written to."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("CREATE TABLE booking (hotel TEXT)")
    with pytest.raises(LedgerError, match="damaged or isn't a ledger"):
        file.book("i-1", 0.0)


def test_a_newer_schema_is_refused(file: LedgerFile, path: Path) -> None:
    """A file of a newer version is left alone, and the error says so."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(LedgerError, match="newer version"):
        file.check_writable()


def test_dials_of_another_ledger_count(file: LedgerFile, clock: FakeClock) -> None:
    """They are counted from when they were made, or may still be, and recorded once."""
    dials = [Dial("a", "i-1", 50.0), Dial("b", "i-1", -5.0), Dial("c", "i-2", 1.0)]
    file.record(dials)
    file.record(dials)
    assert usage_in(file, "i-1").used == 2
    clock.seconds += 12.0
    assert usage_in(file, "i-1").used == 1
    assert {(dial.id, dial.age_s) for dial in file.dials()} == {("b", 7.0), ("c", 13.0)}


def test_dials_of_another_ledger_do_not_pile_up(
    file: LedgerFile, path: Path, clock: FakeClock
) -> None:
    """Nothing is ever booked here while the shared ledger answers; old dials go all the same."""
    for number in range(3):
        file.record([Dial(f"d-{number}", "i-1", 0.0)])
        clock.seconds += 100.0
    assert len(rows(path)) == 1


def test_dials_are_reported_until_they_don_t_count(file: LedgerFile, clock: FakeClock) -> None:
    """Neither permits that weren't dialled nor old dials are."""
    dialled(file, clock)
    booked(file)
    clock.seconds += 60.0
    assert [(dial.key, dial.age_s) for dial in file.dials()] == [("i-1", 60.0)]
    clock.seconds += 1.0
    assert file.dials() == []


def test_dials_of_another_boot_are_reported_as_made_now(file: LedgerFile, clock: FakeClock) -> None:
    """How long ago they were can't be known, so they count for a whole window."""
    dialled(file, clock)
    clock.epoch = "boot-2"
    clock.seconds = 5.0
    assert [dial.age_s for dial in file.dials()] == [0.0]


def test_any_number_of_budgets_is_one_query(file: LedgerFile, clock: FakeClock) -> None:
    """However many consoles an administrator looks at."""
    for number in range(5):
        booked(file, f"i-{number}")
    statements: list[str] = []
    file._opened().set_trace_callback(statements.append)
    found = file.usages([f"i-{number}" for number in range(1000)])
    assert len(statements) == 1
    assert [found[f"i-{number}"].used for number in range(7)] == [1, 1, 1, 1, 1, 0, 0]


def test_the_law_may_be_exchanged(path: Path, clock: FakeClock) -> None:
    """A smaller limit counts what is on record."""
    budget = CurrentBudget(BUDGET)
    with closing(LedgerFile(path, budget, clock)) as file:
        dialled(file, clock)
        budget.now = replace(BUDGET, limit=1)
        assert isinstance(file.book("i-1", 0.0), TooLong)
        assert usage_in(file, "i-1").limit == 1


def test_a_missing_directory_is_an_error(tmp_path: Path, clock: FakeClock) -> None:
    """The ledger doesn't make its directory."""
    with pytest.raises(LedgerError, match="no such file or directory"):
        LedgerFile(tmp_path / "missing" / "x", lambda: BUDGET, clock).check_writable()


def test_a_file_in_the_place_of_the_directory_is_an_error(tmp_path: Path, clock: FakeClock) -> None:
    """A directory in the file's place is reported plainly too."""
    with pytest.raises(LedgerError, match="is a directory"):
        LedgerFile(tmp_path, lambda: BUDGET, clock).check_writable()


def test_the_wall_clock_is_never_asked(
    file: LedgerFile, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Setting the wall clock back or forward can't matter, since nothing reads it."""

    def ask() -> float:
        raise AssertionError("the wall clock was asked")

    for name in ("time", "time_ns"):
        monkeypatch.setattr(time, name, ask)
    dialled(file, clock)
    file.cancel(booked(file).id)
    assert usage_in(file, "i-1").used == 1
