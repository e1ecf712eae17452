"""A disk that is slow to sync, under every ledger's file that is opened from then on."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from typing import Any

import pytest

from vncproxy.throttle import ledger_file


def full_disk() -> sqlite3.Error:
    """What SQLite raises when there is no room."""
    fault = sqlite3.OperationalError("database or disk is full")
    fault.sqlite_errorcode = sqlite3.SQLITE_FULL
    return fault


class SlowDisk:
    """Each transaction that has written something takes `commit_s` longer, or the next `plan`.

    Args: sleep - has that time pass. `fault` is raised instead of committing.
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
            ledger_file,
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
