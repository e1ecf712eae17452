"""SQLite databases that only repeat what other files hold: lists are answered from them quickly.

One that is missing, damaged or of another version is begun anew, and filled from those files.
Everything here blocks as long as the disk does; for any thread.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from vncproxy.errors import LocalError

BUSY_TIMEOUT_S = 5.0
CACHE_KIB = 8192
"""Of each connection, at most."""
_BESIDE = ("", "-wal", "-shm", "-journal")


class IndexDatabase:
    """One such file."""

    def __init__(self, path: Path, schema: str, version: int) -> None:
        """Nothing is touched yet.

        Args:
            path: In a folder that exists.
            schema: Statements that make the tables.
            version: Of the schema, above 0.
        """
        self.path = path
        self._schema = schema
        self._version = version
        # Two that make the tables, or turn the journal to WAL, would get in each other's way.
        self._opening = threading.Lock()

    @contextmanager
    def opened(self) -> Iterator[sqlite3.Connection]:
        """A connection that commits each statement, but for what stands in transactions.

        Raises:
            LocalError: It can't be used, in words. What was damaged was thrown away.
        """
        try:
            with self._opening:
                connection = self._connected_to_one_of_ours()
            with closing(connection):
                yield connection
        except sqlite3.OperationalError as fault:
            raise self._unusable(fault) from fault
        except sqlite3.DatabaseError as fault:
            self.discard()
            raise self._unusable(fault) from fault
        except OSError as fault:
            raise self._unusable(fault) from fault

    def discard(self) -> None:
        """Throw it away; it is made anew when it is opened next."""
        for ending in _BESIDE:
            with suppress(FileNotFoundError):
                Path(f"{self.path}{ending}").unlink()

    def _unusable(self, fault: Exception) -> LocalError:
        why = fault.strerror if isinstance(fault, OSError) else str(fault)
        return LocalError(f"The index {self.path} can't be used: {why}.")

    def _connected_to_one_of_ours(self) -> sqlite3.Connection:
        try:
            return self._connected()
        except sqlite3.DatabaseError as fault:
            if isinstance(fault, sqlite3.OperationalError):
                raise
            self.discard()
            return self._connected()

    def _connected(self) -> sqlite3.Connection:
        # Made here, since SQLite would let others read it, as far as the umask does.
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        os.close(os.open(self.path, flags, 0o600))
        connection = sqlite3.connect(self.path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
        try:
            # A power failure may cost the newest transactions, which are made again.
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
            self._make_tables(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _make_tables(self, connection: sqlite3.Connection) -> None:
        (found,) = connection.execute("PRAGMA user_version").fetchone()
        if found == self._version:
            return
        if found:
            raise sqlite3.DatabaseError("it is of another version")
        connection.executescript(
            f"BEGIN IMMEDIATE; {self._schema} PRAGMA user_version = {self._version}; COMMIT;"
        )


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """All of the block's statements count, or none: not, if it raises."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        with suppress(sqlite3.Error):
            db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")
