"""What is wrong with the ledger's file, in words that say what to do."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from vncproxy.errors import LedgerError

_NAME = "the reconnect ledger (ledger.sqlite in the state directory)"
_READ_ONLY = "can't be written: give the daemon's user write access to the directory and the file"
_DAMAGED = (
    "is damaged or isn't a ledger: stop every vncproxy, wait a minute, delete the file, start again"
)
_WORDS = {
    sqlite3.SQLITE_FULL: "can't be written: the disk is full; free some space",
    sqlite3.SQLITE_READONLY: _READ_ONLY,
    sqlite3.SQLITE_PERM: _READ_ONLY,
    sqlite3.SQLITE_CANTOPEN: (
        "can't be opened: see that the directory exists and belongs to the daemon's user"
    ),
    sqlite3.SQLITE_BUSY: (
        "is locked by another process for too long: see which one has the file open"
    ),
    sqlite3.SQLITE_IOERR: "can't be read or written: the disk reports an error, or is full",
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_NOTADB: _DAMAGED,
    sqlite3.SQLITE_ERROR: _DAMAGED,
}


def no_answer() -> LedgerError:
    """The file's disk hangs."""
    return LedgerError(f"{_NAME} doesn't answer in time: see whether its disk is overloaded")


@contextmanager
def in_plain_words() -> Iterator[None]:
    """Turn faults of SQLite and of the system into LedgerError, with the cause chained."""
    try:
        yield
    except sqlite3.Error as error:
        # Extended codes keep the primary one in the low byte. Source: sqlite.org/rescode.html
        primary = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        words = _WORDS.get(primary, "can't be used: the log has the cause")
        raise LedgerError(f"{_NAME} {words}") from error
    except PermissionError as error:
        raise LedgerError(f"{_NAME} {_READ_ONLY}") from error
    except OSError as error:
        reason = error.strerror or "unknown system error"
        raise LedgerError(f"{_NAME} can't be opened: {reason.lower()}") from error
