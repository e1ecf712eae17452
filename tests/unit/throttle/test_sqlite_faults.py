"""Faults of SQLite and of the system, provoked for real, in words that say what to do."""

from __future__ import annotations

import os
import resource
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from vncproxy.errors import LedgerError
from vncproxy.throttle.sqlite_faults import in_plain_words, no_answer


@contextmanager
def database(path: Path, query: str = "") -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(f"file:{path}{query}", uri=True, isolation_level=None, timeout=0)
    with closing(connection):
        yield connection


def test_a_full_disk() -> None:
    """SQLite has no room for another page."""
    with sqlite3.connect(":memory:", isolation_level=None) as db:
        db.execute("PRAGMA max_page_count = 2")
        with pytest.raises(LedgerError, match="disk is full; free some space"), in_plain_words():
            db.execute("CREATE TABLE a (x)")
            db.execute("CREATE TABLE b (x)")
    db.close()


def test_a_read_only_file(tmp_path: Path) -> None:
    """The file can be read but not written."""
    path = tmp_path / "x"
    path.touch()
    with (
        database(path, "?mode=ro") as db,
        pytest.raises(LedgerError, match="give the daemon's user write access"),
        in_plain_words(),
    ):
        db.execute("CREATE TABLE a (x)")


def test_a_file_that_can_not_be_opened(tmp_path: Path) -> None:
    """There is no such directory."""
    with pytest.raises(LedgerError, match="see that the directory exists"), in_plain_words():
        sqlite3.connect(tmp_path / "missing" / "x")


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    """Something else is in the file."""
    path = tmp_path / "x"
    path.write_bytes(b"this is not a database " * 100)
    with (
        database(path) as db,
        pytest.raises(LedgerError, match=r"damaged or isn't a ledger.*delete the file"),
        in_plain_words(),
    ):
        db.execute("SELECT * FROM booking")


def test_a_file_that_somebody_else_has_locked(tmp_path: Path) -> None:
    """Another connection sits on the lock."""
    with database(tmp_path / "x") as one, database(tmp_path / "x") as two:
        one.execute("BEGIN EXCLUSIVE")
        with pytest.raises(LedgerError, match="locked by another process"), in_plain_words():
            two.execute("BEGIN IMMEDIATE")


def test_a_fault_nobody_thought_of() -> None:
    """An unnamed fault still is a LedgerError, with its cause for the log."""
    with pytest.raises(LedgerError, match="the log has the cause") as caught, in_plain_words():
        error = sqlite3.OperationalError("odd")
        error.sqlite_errorcode = sqlite3.SQLITE_NOLFS
        raise error
    assert isinstance(caught.value.__cause__, sqlite3.OperationalError)


def test_faults_of_the_system() -> None:
    """A refused or failed system call is reported in the same way."""
    with pytest.raises(LedgerError, match="write access"), in_plain_words():
        raise PermissionError(13, "Permission denied")
    with pytest.raises(LedgerError, match="disk is full; free some space"), in_plain_words():
        raise OSError(28, "No space left on device")


def test_a_disk_that_hangs() -> None:
    """No answer is a fault with words of its own."""
    assert "doesn't answer within 30 s" in no_answer(30.0).public_text


def test_no_word_names_a_path(tmp_path: Path) -> None:
    """The public text holds no path of the machine."""
    with pytest.raises(LedgerError) as caught, in_plain_words():
        sqlite3.connect(tmp_path / "missing" / "x")
    assert str(tmp_path) not in caught.value.public_text


def test_no_file_descriptor_left(tmp_path: Path) -> None:
    """Reported as such, though SQLite says only that it can't open something."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    with closing(sqlite3.connect(tmp_path / "x", isolation_level=None)) as db:
        db.execute("CREATE TABLE a (x)")
        lowest = os.dup(0)
        os.close(lowest)
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, limits[1]))
        try:
            with (
                pytest.raises(LedgerError, match=r"out of file descriptors \(LimitNOFILE\)"),
                in_plain_words(),
            ):
                db.execute("INSERT INTO a VALUES (1)")
            with (
                pytest.raises(LedgerError, match=r"out of file descriptors \(LimitNOFILE\)"),
                in_plain_words(),
            ):
                (tmp_path / "y").touch()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
