"""Past sessions, found by user, instance and time: an index of what the audit's files hold.

It is no part of the audit, and proves nothing: it may be thrown away at any time, and is made again
from the files. Each transaction has records with how far the file is read, so whenever the process
ends, it goes on from there. A file that isn't any more what was read has all of it read anew.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from vncproxy.audit.record import LINE_MAX_BYTES
from vncproxy.audit.rotated_files import (
    UNPACKED_BYTES,
    AuditFileError,
    Part,
    next_line,
    opened,
    parts_of,
)
from vncproxy.audit.session_index_writer import (
    NOTES_MAX,
    UNFINISHED,
    ReadFile,
    SessionWriter,
)
from vncproxy.index_database import IndexDatabase, transaction

if TYPE_CHECKING:
    from hashlib import _Hash

FILE_NAME = "past-sessions.sqlite"
RECORDS_PER_TRANSACTION = 8192
RECORDS_PER_TURN = 128
"""After so many, some 2 ms, other threads have their turn."""
TURN_S = 0.0002
_READ_BYTES = 1 << 20
_VERSION = 4
_SCHEMA = """
CREATE TABLE files (
    place INTEGER PRIMARY KEY, name TEXT, inode INTEGER, size INTEGER, modified_ns INTEGER,
    read INTEGER, digest BLOB, seq INTEGER, hash TEXT, rubble INTEGER, wrong INTEGER,
    unread TEXT
);
CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT);
CREATE TABLE changed (id INTEGER PRIMARY KEY, name TEXT, begins TEXT, read INTEGER, digest BLOB);
CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT UNIQUE);
CREATE TABLE instances (
    id INTEGER PRIMARY KEY, instance TEXT, alias TEXT, region TEXT, UNIQUE (instance, alias, region)
);
CREATE TABLE sessions (
    id INTEGER PRIMARY KEY, viewer TEXT, user INTEGER, instance INTEGER,
    started_ms INTEGER, ended_ms INTEGER, lost_ms INTEGER, watching INTEGER, seconds REAL,
    identity TEXT, door TEXT, address TEXT, rule TEXT,
    side TEXT, code INTEGER, reason TEXT, text TEXT, recording TEXT
);
CREATE INDEX sessions_by_viewer ON sessions (viewer, started_ms);
CREATE INDEX sessions_by_start
    ON sessions (started_ms, id, user, instance, ended_ms, lost_ms);
CREATE INDEX sessions_open ON sessions (id) WHERE ended_ms IS NULL AND lost_ms IS NULL;
"""
_FIND = """
SELECT s.id AS id, viewer, users.name, s.instance, started_ms, ended_ms, lost_ms, watching, seconds,
    identity, door, address, rule, side, code, reason, text, recording
FROM sessions AS s JOIN users ON users.id = s.user
WHERE s.id IN (SELECT id FROM sessions WHERE {where} ORDER BY started_ms DESC, id DESC LIMIT :limit)
ORDER BY started_ms DESC, id DESC
"""
_NEVER = 1 << 62


@dataclass(frozen=True, slots=True)
class RecordedInstance:
    """An instance as records name it: a new alias makes another one.

    Args:
        key: Of the index; the same whenever that is made again.
    """

    key: int
    id: str
    alias: str
    region: str


@dataclass(frozen=True, slots=True)
class PastSession:
    """One session.

    Args:
        key: Of the index; with `started_ms` its place in the list.
        started_ms: Since 1970.
        ended_ms: None: it is open, or its end isn't in the audit.
        lost_ms: When the next daemon started, where the one that had it recorded no end.
        watching: Whether it was opened only to watch; None: its opening isn't in the audit.
        seconds: How long the viewer was on; None where it never came on.
        side, code, reason, text: Why it ended, as in `Entry`.
        recording: The recording's file name.
    """

    key: int
    viewer: str
    user: str
    instance: RecordedInstance
    started_ms: int
    ended_ms: int | None
    lost_ms: int | None
    watching: bool | None
    seconds: float | None
    identity: str
    door: str
    address: str
    rule: str
    side: str
    code: int | None
    reason: str
    text: str
    recording: str


@dataclass(frozen=True, slots=True)
class SessionQuery:
    """Which sessions.

    Args:
        instances: Keys of those that may be shown.
        user: What the user's name has in it, in capital or small letters.
        since_ms: They ended later, or are open.
        until_ms: They began earlier.
        before: Place of the session after which the list goes on: its `started_ms` and `key`.
    """

    instances: Collection[int]
    user: str = ""
    since_ms: int | None = None
    until_ms: int | None = None
    before: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class _Reading:
    """A file that is being read.

    Args:
        before: The file before it.
        behind: Part of all files that comes before it.
    """

    known: ReadFile
    part: Part
    before: ReadFile | None
    behind: float


class _Stopped(Exception):  # noqa: N818 - no error
    """Somebody asked for the end."""


class SessionIndex:
    """The index of one daemon's audit; `refresh` runs in one thread at a time."""

    def __init__(self, database: Path, audit: Callable[[], Path]) -> None:
        """Nothing is touched yet.

        Args:
            database: The index's file.
            audit: Gives the audit's file in use.
        """
        self._database = IndexDatabase(database, _SCHEMA, _VERSION)
        self._audit = audit
        self._problems: tuple[str, ...] = ()
        self._digests: dict[int, _Hash] = {}
        """Of what was read, by the file's place."""
        self._compared: dict[tuple[int, str], tuple[int, int]] = {}
        """What a changed file (its key in the index) was held against: by name, inode and time."""
        self._proven = False
        """Whether this process has held all that was read against the digests."""
        self._lock = threading.Lock()
        self.progress: float | None = None
        """Part that is read, while much is to be read; None: nothing is."""

    # Reading the audit

    def refresh(self, stopped: Callable[[], bool] = lambda: False) -> None:
        """Read what the audit has got since the last time.

        Args:
            stopped: Whether to end before it is done.

        Raises:
            LocalError: The index can't be written.
        """
        with self._lock:
            try:
                with suppress(_Stopped):
                    self._refresh(stopped)
            finally:
                self.progress = None

    def _refresh(self, stopped: Callable[[], bool]) -> None:
        parts = parts_of(self._audit())
        self._problems = parts.problems
        with self._database.opened() as db:
            known = _known_files(db)
            if self._must_begin_anew(db, known, parts.found, stopped):
                _clear(db)
                known = []
            self._forget_changed(db, parts.found, stopped)
            if not known:
                self._forget_digests()
            self._proven = True
            total = sum(one.size_bytes for one in parts.found)
            behind = 0
            before = None
            for place, part in enumerate(parts.found):
                file = known[place] if place < len(known) else ReadFile(place, part.path.name)
                if place >= len(known) - 1:
                    self._read(db, _Reading(file, part, before, behind / total), stopped)
                behind += part.size_bytes
                before = file

    def _forget_digests(self) -> None:
        """Have them made again from the files before anything is added."""
        self._digests = {}
        self._proven = False

    def _must_begin_anew(
        self,
        db: sqlite3.Connection,
        known: Sequence[ReadFile],
        parts: Sequence[Part],
        stopped: Callable[[], bool],
    ) -> bool:
        """Whether what was read doesn't count any more; a file that was changed is remembered."""
        if len(known) > len(parts):
            # One is gone, and with it what it told.
            return True
        for file, part in zip(known, parts, strict=False):
            is_last = file.place == len(known) - 1
            is_same = file.inode == part.inode
            if is_same and self._proven:
                if (part.size_bytes, part.modified_ns) == (file.size, file.modified_ns):
                    continue
                if is_last and not part.packed and part.size_bytes > file.size:
                    continue
            digest, is_whole = _digest(part, file.read, stopped)
            if digest is None or digest.digest() != file.digest:
                if is_same:
                    _remember_changed(db, file, part)
                return True
            is_as_read = part.size_bytes == file.size and (is_same or not part.packed)
            if not is_last and not is_whole and not is_as_read:
                return True
            self._digests[file.place] = digest
            # As when it was moved to another disk, or compressed.
            file.name, file.inode, file.modified_ns = part.path.name, part.inode, part.modified_ns
            file.size = part.size_bytes if is_whole else min(file.size, part.size_bytes)
            if is_whole:
                file.unread = ""
            _store(db, file)
        return False

    def _forget_changed(
        self, db: sqlite3.Connection, parts: Sequence[Part], stopped: Callable[[], bool]
    ) -> None:
        """Of files that were changed, those that are gone while another has all that was read."""
        folder = self._audit().parent
        rows = db.execute("SELECT id, name, begins, read, digest FROM changed").fetchall()
        for key, name, begins, read, wanted in rows:
            if os.path.lexists(folder / name):
                continue
            for part in parts:
                place, is_now = (key, part.path.name), (part.inode, part.modified_ns)
                if part.begins[-1] != begins or self._compared.get(place) == is_now:
                    continue
                digest, _ = _digest(part, read, stopped)
                self._compared[place] = is_now
                if digest is not None and digest.digest() == wanted:
                    db.execute("DELETE FROM changed WHERE id = ?", (key,))
                    break

    def _read(self, db: sqlite3.Connection, reading: _Reading, stopped: Callable[[], bool]) -> None:
        known, part = reading.known, reading.part
        if (known.inode, known.size) == (part.inode, part.size_bytes):
            return
        known.name, known.inode = part.path.name, part.inode
        digest = self._digests.setdefault(known.place, hashlib.sha256())
        try:
            with opened(part.path) as file:
                file.seek(known.read)
                is_more = True
                while is_more:
                    try:
                        is_more = self._read_some(db, reading, file, digest)
                    except BaseException:
                        # It is ahead of what the index has now.
                        self._forget_digests()
                        raise
                    of_this = min(1.0, known.read / (part.length or 1))
                    self.progress = reading.behind + (1 - reading.behind) * of_this
                    if stopped():
                        raise _Stopped
        except (OSError, AuditFileError) as fault:
            why = fault.strerror if isinstance(fault, OSError) else str(fault)
            self._problems = (*self._problems, f"{part.path.name} isn't read to its end: {why}.")

    def _read_some(
        self, db: sqlite3.Connection, reading: _Reading, file: BinaryIO, digest: _Hash
    ) -> bool:
        """Put the next records into the index, in one transaction; whether there may be more."""
        known, part = reading.known, reading.part
        writer = SessionWriter(db, known, reading.before)
        is_more = True
        known.unread = ""
        with transaction(db):
            for count in range(1, RECORDS_PER_TRANSACTION + 1):
                try:
                    line = next_line(file)
                except AuditFileError as why:
                    # What came before it counts.
                    known.unread = str(why)
                    is_more = False
                    break
                if not line.endswith(b"\n") and len(line) < LINE_MAX_BYTES:
                    # The rest of this line may come.
                    is_more = False
                    break
                digest.update(line)
                known.read += len(line)
                writer.take(line)
                if count % RECORDS_PER_TURN == 0:
                    time.sleep(TURN_S)
            known.size = UNFINISHED if is_more else part.size_bytes
            known.modified_ns = part.modified_ns
            known.digest = digest.digest()
            _store(db, known)
        if writer.found_altered:
            # By another program: what was read before it wrote may be something else now.
            self._proven = False
        return is_more

    # What it holds

    @contextmanager
    def _read_at_once(self) -> Iterator[sqlite3.Connection]:
        """A connection that sees nothing of what is written meanwhile."""
        with self._database.opened() as db:
            db.execute("BEGIN")
            yield db

    @property
    def problems(self) -> list[str]:
        """What was wrong with the files, a sentence each."""
        with self._database.opened() as db:
            changed = db.execute("SELECT name FROM changed GROUP BY name ORDER BY min(id)")
            said = [f"{name} was cut or changed after it had been read." for (name,) in changed]
            said += (text for (text,) in db.execute("SELECT text FROM notes ORDER BY id"))
            for known in _known_files(db):
                if why := known.unread:
                    said.append(f"{known.name} isn't read to its end: {why}.")
                if known.wrong:
                    said.append(
                        f"{known.name} isn't what was written: of its records some were changed, "
                        f"moved or taken out ({known.wrong}). vncproxy audit verify says which."
                    )
        return [*self._problems[:NOTES_MAX], *said[-NOTES_MAX:]]

    def instances(self) -> list[RecordedInstance]:
        """All that were opened."""
        with self._database.opened() as db:
            rows = db.execute("SELECT id, instance, alias, region FROM instances")
            return [RecordedInstance(*row) for row in rows]

    def find(self, query: SessionQuery, limit: int) -> list[PastSession]:
        """The newest of these sessions.

        Args:
            query: Which.
            limit: At most so many.

        Raises:
            LocalError: The index can't be read.
        """
        with self._read_at_once() as db:
            where, values = _where(db, query)
            named = {
                row[0]: RecordedInstance(*row)
                for row in db.execute("SELECT id, instance, alias, region FROM instances")
            }
            # The inner part reads nothing but the index that has all that is looked for.
            rows = db.execute(_FIND.format(where=where), {**values, "limit": limit})
            return [_session_of(row, named[row[3]]) for row in rows]

    def count(self, query: SessionQuery) -> int:
        """How many there are; raises as `find` does."""
        with self._read_at_once() as db:
            where, values = _where(db, replace(query, before=None))
            statement = f"SELECT count(*) FROM sessions WHERE {where}"  # noqa: S608
            return int(db.execute(statement, values).fetchone()[0])


def _where(db: sqlite3.Connection, query: SessionQuery) -> tuple[str, dict[str, object]]:
    terms, values = ["TRUE"], dict[str, object]()
    shown = set(query.instances)
    # Who may see all of them, and looks for none, needs none compared.
    if any(key not in shown for (key,) in db.execute("SELECT id FROM instances")):
        terms.append("instance IN (SELECT value FROM json_each(:instances))")
        values["instances"] = json.dumps(sorted(query.instances))
    if query.user:
        wanted = query.user.casefold()
        users = db.execute("SELECT id, name FROM users").fetchall()
        values["users"] = json.dumps([key for key, name in users if wanted in name.casefold()])
        terms.append("user IN (SELECT value FROM json_each(:users))")
    if query.since_ms is not None:
        values["since"] = query.since_ms
        terms.append(f"coalesce(ended_ms, lost_ms, {_NEVER}) >= :since")
    if query.until_ms is not None:
        values["until"] = query.until_ms
        terms.append("started_ms <= :until")
    if query.before is not None:
        values["before_ms"], values["before_key"] = query.before
        terms.append("(started_ms, id) < (:before_ms, :before_key)")
    return " AND ".join(terms), values


def _session_of(row: Sequence[object], instance: RecordedInstance) -> PastSession:
    key, viewer, user, _, started, ended, lost, watching, *rest = row
    return PastSession(
        key,  # type: ignore[arg-type]
        viewer,  # type: ignore[arg-type]
        user,  # type: ignore[arg-type]
        instance,
        started,  # type: ignore[arg-type]
        ended,  # type: ignore[arg-type]
        lost,  # type: ignore[arg-type]
        None if watching is None else bool(watching),
        *rest,  # type: ignore[arg-type]
    )


def _digest(part: Part, size: int, stopped: Callable[[], bool]) -> tuple[_Hash | None, bool]:
    """Of a file's beginning, None if there isn't so much of it; and whether that is all of it."""
    digest = hashlib.sha256()
    at_once = UNPACKED_BYTES if part.packed else _READ_BYTES
    try:
        with opened(part.path) as file:
            while size:
                piece = file.read(min(size, at_once))
                if not piece:
                    return None, False
                digest.update(piece)
                size -= len(piece)
                if stopped():
                    raise _Stopped
            with suppress(AuditFileError):
                return digest, not next_line(file)
            return digest, False
    except (OSError, AuditFileError):
        return None, False


_COLUMNS = tuple(field.name for field in fields(ReadFile))


def _known_files(db: sqlite3.Connection) -> list[ReadFile]:
    columns = ", ".join(_COLUMNS)
    rows = db.execute(f"SELECT {columns} FROM files ORDER BY place").fetchall()  # noqa: S608
    return [ReadFile(*row) for row in rows]


def _store(db: sqlite3.Connection, known: ReadFile) -> None:
    columns = ", ".join(_COLUMNS)
    marks = ", ".join("?" * len(_COLUMNS))
    values = [getattr(known, name) for name in _COLUMNS]
    db.execute(f"INSERT OR REPLACE INTO files ({columns}) VALUES ({marks})", values)  # noqa: S608


def _clear(db: sqlite3.Connection) -> None:
    """Begin anew; that a file was changed is remembered."""
    with transaction(db):
        for table in ("files", "sessions", "users", "instances", "notes"):
            db.execute(f"DELETE FROM {table}")  # noqa: S608


def _remember_changed(db: sqlite3.Connection, known: ReadFile, part: Part) -> None:
    """That a file isn't what was read of it, with what that was."""
    with transaction(db):
        db.execute(
            "INSERT INTO changed (name, begins, read, digest) VALUES (?, ?, ?, ?)",
            (part.path.name, part.begins[-1], known.read, known.digest),
        )
        db.execute(
            "DELETE FROM changed WHERE id <= (SELECT max(id) FROM changed) - ?", (NOTES_MAX,)
        )
