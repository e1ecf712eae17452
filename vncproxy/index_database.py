"""SQLite databases that only repeat what other files hold: lists are answered from them quickly.

One that is missing, damaged or of another version is begun anew, and filled from those files.
Everything here blocks as long as the disk does; for any thread.
"""

from __future__ import annotations

import errno
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from vncproxy.errors import LocalError

BUSY_TIMEOUT_S = 5.0
CACHE_KIB = 8192
"""Of each connection, at most."""
_ROOM_BYTES = 64 * 1024
"""With less, SQLite fails at what it keeps beside a database."""
_OF_THE_DISK = (
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
)
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
        self._alone = threading.Lock()

    @contextmanager
    def opened(self) -> Iterator[sqlite3.Connection]:
        """A connection that commits each statement, but for what stands in transactions.

        Where the disk is full, or read-only, it has all that there is, and only writing fails.

        Raises:
            LocalError: It can't be used, in words. What was damaged was thrown away.
        """
        try:
            with ExitStack() as held:
                try:
                    with self._opening:
                        connection = self._connected_to_one_of_ours()
                except (sqlite3.OperationalError, OSError) as fault:
                    if not _is_of_the_disk(fault):
                        raise
                    held.enter_context(self._alone)
                    connection = self._connected_without_room(fault)
                held.enter_context(closing(connection))
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
        if _is_of_the_disk(fault) and self._is_disk_full():
            # SQLite often calls it an I/O error.
            why = "the disk is full"
        return LocalError(f"The index {self.path} can't be used: {why}.")

    def _is_disk_full(self) -> bool:
        try:
            disk = os.statvfs(self.path.parent)
        except OSError:
            return False
        return disk.f_bavail * disk.f_frsize < _ROOM_BYTES

    def _connected_without_room(self, fault: Exception) -> sqlite3.Connection:
        """A connection that needs no file besides. One at a time: others would have to wait.

        Raises:
            Exception: `fault`, if that isn't possible either.
        """
        is_read_only = isinstance(fault, OSError) and fault.errno == errno.EROFS
        place = f"file:{quote(str(self.path))}{'?mode=ro&immutable=1' if is_read_only else ''}"
        try:
            connection = sqlite3.connect(
                place, uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None
            )
        except sqlite3.Error:
            raise fault from None
        try:
            # The index of the WAL is in memory then. Source: SQLite, Write-Ahead Logging, 8.
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
            (found,) = connection.execute("PRAGMA user_version").fetchone()
        except sqlite3.Error:
            connection.close()
            raise fault from None
        if found != self._version:
            connection.close()
            raise fault
        return connection

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


def _is_of_the_disk(fault: Exception) -> bool:
    """Whether it may be that nothing can be written, and what is there can be read."""
    if isinstance(fault, OSError):
        return fault.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
    code = getattr(fault, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in _OF_THE_DISK


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
