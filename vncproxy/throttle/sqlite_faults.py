"""What is wrong with the ledger's file, in words that say what to do."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from vncproxy.errors import LedgerError, LedgerSlow, LedgerUnusable, out_of_descriptors

_NAME = "the reconnect ledger (ledger.sqlite in the state directory)"
_READ_ONLY = "can't be written: give the daemon's user write access to the directory and the file"
_FULL = "can't be written: the disk is full; free some space"
_DAMAGED = (
    "is damaged or isn't a ledger: stop every vncproxy, wait a minute, delete the file, start again"
)
_WORDS = {
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_READONLY: _READ_ONLY,
    sqlite3.SQLITE_PERM: _READ_ONLY,
    sqlite3.SQLITE_CANTOPEN: (
        "can't be opened: see that the directory exists and belongs to the daemon's user"
    ),
    sqlite3.SQLITE_BUSY: (
        "is locked by another process for too long: see which one has the file open"
    ),
    sqlite3.SQLITE_IOERR: "can't be read or written: the disk reports an error, or is full",
}
_LASTING = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR})
"""Waiting mends none of these."""
_SYSTEM_WORDS = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: "can't be written: the disk quota is used up; free some space",
    errno.EROFS: "can't be written: its file system is read-only",
}
_OPENING = frozenset({sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR})
"""SQLite reports these too when the system has no file descriptor for the journal."""
_SLOW = "see whether its disk is overloaded or fails"


def no_answer(timeout_s: float) -> LedgerSlow:
    """The file's disk hangs, or is very slow."""
    return LedgerSlow(f"{_NAME} doesn't answer within {timeout_s:g} s: {_SLOW}")


def overcrowded() -> LedgerSlow:
    """Too many wait for the file's disk already."""
    return LedgerSlow(f"{_NAME} has too many calls waiting: {_SLOW}")


def too_slow(took_s: float) -> LedgerSlow:
    """The disk took so long for a booking that its time was over by then."""
    return LedgerSlow(f"{_NAME} took {took_s:.0f} s to record a permit: {_SLOW}")


def newer_version() -> LedgerUnusable:
    """A file whose tables this version doesn't know."""
    return LedgerUnusable(
        f"{_NAME} was written by a newer version of vncproxy; run that version, or stop it, wait a "
        "minute and delete the file"
    )


def _shortage() -> str | None:
    """In words, if no file descriptor is left, which SQLite doesn't report as such; else None."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
    except OSError as error:
        return out_of_descriptors(error)
    return None


@contextmanager
def in_plain_words() -> Iterator[None]:
    """Turn faults of SQLite and of the system into LedgerError, with the cause chained."""
    try:
        yield
    except sqlite3.Error as error:
        # Extended codes keep the primary one in the low byte. Source: sqlite.org/rescode.html
        primary = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        if primary in _LASTING:
            raise LedgerUnusable(f"{_NAME} {_DAMAGED}") from error
        words = _WORDS.get(primary, "can't be used: the log has the cause")
        if primary in _OPENING and (shortage := _shortage()) is not None:
            words = f"can't be opened: {shortage}"
        raise LedgerError(f"{_NAME} {words}") from error
    except PermissionError as error:
        raise LedgerError(f"{_NAME} {_READ_ONLY}") from error
    except OSError as error:
        reason = (error.strerror or "unknown system error").lower()
        reason = out_of_descriptors(error) or reason
        words = _SYSTEM_WORDS.get(error.errno or 0, f"can't be opened: {reason}")
        raise LedgerError(f"{_NAME} {words}") from error
