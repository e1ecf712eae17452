"""Disks that fill up, fail, hang or are slow: for one file of this process, or for its ledgers."""

from __future__ import annotations

import errno
import os
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vncproxy.throttle import sqlite_queries

_write, _fsync = os.write, os.fsync


class Disk:
    """Stands between the process and one file, as long as the test runs.

    Args:
        room: Bytes that may still be written. `failing` makes syncing fail; while `hanging` is
            cleared, writing waits; `waiting` counts the writers that do.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, path: Path, room: int = 10**9) -> None:
        """Every other file is written as ever."""
        self.room = room
        self.failing = False
        self.hanging = threading.Event()
        self.hanging.set()
        self.waiting = 0
        self._path = path
        monkeypatch.setattr(os, "write", self._limited)
        monkeypatch.setattr(os, "fsync", self._unreliable)

    def _limited(self, descriptor: int, data: bytes) -> int:
        if not self._is_ours(descriptor):
            return _write(descriptor, data)
        self.waiting += 1
        assert self.hanging.wait(30.0)
        self.waiting -= 1
        with memoryview(data) as view:
            if not self.room and view:
                # File systems note the time before they find out.
                os.utime(descriptor)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            written = _write(descriptor, view[: self.room])
        self.room -= written
        return written

    def _unreliable(self, descriptor: int) -> None:
        if self.failing and self._is_ours(descriptor):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        _fsync(descriptor)

    def _is_ours(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), self._path.stat())
        except FileNotFoundError:
            return False


def full_disk() -> sqlite3.Error:
    """What SQLite raises when there is no room."""
    fault = sqlite3.OperationalError("database or disk is full")
    fault.sqlite_errorcode = sqlite3.SQLITE_FULL
    return fault


class LedgerDisk:
    """A disk that is slow to sync, or full, under every ledger's file that is opened from then on.

    Each transaction that has written something takes `commit_s` longer, or the next `plan`.

    Args:
        sleep: Has that time pass. `fault` is raised instead of committing.
    """

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        """As quick as ever, for now."""
        self.commit_s = 0.0
        self.plan: list[float] = []
        self.fault: sqlite3.Error | None = None
        self.commits = 0
        self._sleep = sleep
        disk = self
        connect: Callable[..., sqlite3.Connection] = sqlite3.connect

        class Connection(sqlite3.Connection):
            changes_before = 0
            schema_changed = False

            def execute(self, statement: str, *values: Any) -> sqlite3.Cursor:
                self.schema_changed |= statement.lstrip().startswith(("CREATE", "PRAGMA user_v"))
                if statement == "BEGIN IMMEDIATE":
                    self.changes_before, self.schema_changed = self.total_changes, False
                elif statement == "COMMIT" and (
                    self.schema_changed or self.total_changes > self.changes_before
                ):
                    disk._commit()
                return super().execute(statement, *values)

        monkeypatch.setattr(
            sqlite_queries,
            "connect",
            lambda path, **how: connect(path, factory=Connection, **how),
        )

    def _commit(self) -> None:
        self.commits += 1
        if self.fault is not None:
            raise self.fault
        seconds = self.plan.pop(0) if self.plan else self.commit_s
        if seconds:
            self._sleep(seconds)
