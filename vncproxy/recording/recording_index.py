"""Recordings, found by user, instance and time: an index of what the files of the folder say.

A recording is read once, and again when it has changed. The index may be thrown away at any time.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from vncproxy.errors import RecordingError
from vncproxy.index_database import IndexDatabase, transaction
from vncproxy.recording.folder import FoundRecording, RecordingFolder
from vncproxy.recording.reader import Recording
from vncproxy.recording.recording_state import RecordingState, is_running, state_of

FILE_NAME = "recordings.sqlite"
YOUNG_S = 10.0
"""What was written to so lately may be about to be locked by its writer: it is left alone."""
GROWING_S = 30.0
"""How old may be what is known of a recording that is being written."""
FILES_PER_TURN = 16
"""After so many, some 5 ms, what was read is put down, and other threads have their turn."""
TURN_S = 0.0002
_VERSION = 3
_SCHEMA = """
CREATE TABLE recordings (
    name TEXT PRIMARY KEY, inode INTEGER, size INTEGER, changed_ns INTEGER, read_at REAL,
    problem TEXT, caution TEXT,
    instance TEXT, alias TEXT, region TEXT, user TEXT, viewer TEXT, address TEXT,
    started_at TEXT, started_ms INTEGER, duration_ms INTEGER,
    state TEXT, ended INTEGER, gaps INTEGER, damaged INTEGER
);
CREATE INDEX recordings_by_start ON recordings (started_ms, name);
"""
UNKNOWN_INSTANCE = ""
"""Of recordings that don't tell whose they are."""


@dataclass(frozen=True, slots=True)
class IndexedRecording:
    """One recording.

    Args:
        changed_ns: When it was written to, since 1970.
        problem: Why it can't be played, a sentence; "": it can.
        caution: As of `FoundRecording`.
        instance: The instance's id, or `UNKNOWN_INSTANCE`.
        started_at: As in the header.
        started_ms: The same since 1970; of one without a header when it was written to.
        state: What it is.
        ended: It has its proper end.
        gaps: How often something that was shown isn't in it.
        damaged: Heads of its parts aren't what was written; of the data playing shows it.
    """

    name: str
    inode: int
    size_bytes: int
    changed_ns: int
    read_at: float
    problem: str = ""
    caution: str = ""
    instance: str = UNKNOWN_INSTANCE
    alias: str = ""
    region: str = ""
    user: str = ""
    viewer: str = ""
    address: str = ""
    started_at: str = ""
    started_ms: int = 0
    duration_ms: int = 0
    state: RecordingState = RecordingState.UNREADABLE
    ended: bool = False
    gaps: int = 0
    damaged: bool = False

    @property
    def running(self) -> bool:
        """A daemon still writes it."""
        return self.state is RecordingState.RUNNING


@dataclass(frozen=True, slots=True)
class RecordingQuery:
    """Which recordings.

    Args:
        instances: Ids of those that may be shown, and `UNKNOWN_INSTANCE`.
        user: What the user's name has in it, in capital or small letters.
        since_ms: They ended later, or are being written.
        until_ms: They began earlier.
        before: Place of the one after which the list goes on: its `started_ms` and `name`.
    """

    instances: Collection[str]
    user: str = ""
    since_ms: int | None = None
    until_ms: int | None = None
    before: tuple[int, str] | None = None


class RecordingIndex:
    """The index of one daemon's recordings; `refresh` runs in one thread at a time."""

    def __init__(
        self,
        database: Path,
        folder: Callable[[], RecordingFolder],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Nothing is touched yet.

        Args:
            database: The index's file.
            folder: Gives the one in force.
            clock: Seconds since 1970.
        """
        self._database = IndexDatabase(database, _SCHEMA, _VERSION)
        self._folder = folder
        self._clock = clock
        self._lock = threading.Lock()
        self.problems: list[str] = []
        """What was wrong with the folder, a sentence each."""
        self.progress: float | None = None
        """Part that is read, while something is; None: nothing is."""

    def refresh(self, stopped: Callable[[], bool] = lambda: False) -> None:
        """Read what is new or has changed, and forget what is gone.

        Args:
            stopped: Whether to end before it is done.

        Raises:
            LocalError: The index can't be written.
        """
        with self._lock:
            try:
                self._refresh(stopped)
            finally:
                self.progress = None

    def _refresh(self, stopped: Callable[[], bool]) -> None:
        folder = self._folder()
        try:
            found = folder.listed()
        except RecordingError as error:
            found, self.problems = [], [error.public_text]
        else:
            self.problems = []
        with self._database.opened() as db:
            known = {one.name: one for one in map(_row, db.execute("SELECT * FROM recordings"))}
            gone = known.keys() - {one.name for one in found}
            db.executemany("DELETE FROM recordings WHERE name = ?", [(name,) for name in gone])
            stale = [one for one in found if self._is_stale(one, known.get(one.name))]
            # The newest first: that is how they are listed.
            stale.reverse()
            for at in range(0, len(stale), FILES_PER_TURN):
                self.progress = at / len(stale)
                if stopped():
                    return
                self._read(db, folder, stale[at : at + FILES_PER_TURN])
                time.sleep(TURN_S)

    def _is_stale(self, found: FoundRecording, known: IndexedRecording | None) -> bool:
        now = self._clock()
        if known is not None and found.caution != known.caution:
            return True
        if known is None:
            return now - found.changed_at > YOUNG_S or found.changed_at > now
        if (found.inode, found.size_bytes, found.changed_ns) != (
            known.inode,
            known.size_bytes,
            known.changed_ns,
        ):
            return found.inode != known.inode or now - known.read_at > GROWING_S
        # One that is complete isn't written any more, which changes nothing else of it.
        return known.running and now - known.read_at > GROWING_S

    def _read(
        self, db: sqlite3.Connection, folder: RecordingFolder, found: Sequence[FoundRecording]
    ) -> None:
        now = self._clock()
        rows = [row for one in found if (row := described(folder, one, now)) is not None]
        marks = ", ".join("?" * len(_COLUMNS))
        with transaction(db):
            db.executemany(
                f"INSERT OR REPLACE INTO recordings VALUES ({marks})",  # noqa: S608
                [[getattr(row, name) for name in _COLUMNS] for row in rows],
            )

    def instances(self) -> list[tuple[str, str, str]]:
        """Id, alias and region of all that were recorded."""
        with self._database.opened() as db:
            rows = db.execute("SELECT DISTINCT instance, alias, region FROM recordings")
            return rows.fetchall()

    def get(self, name: str) -> IndexedRecording | None:
        """What is known of one."""
        with self._database.opened() as db:
            row = db.execute("SELECT * FROM recordings WHERE name = ?", (name,)).fetchone()
            return _row(row) if row is not None else None

    def states(self, names: Collection[str]) -> dict[str, RecordingState]:
        """What these recordings are; what isn't in the index yet is looked at itself.

        Args:
            names: As many as a page shows.

        Raises:
            LocalError: The index can't be read.
        """
        if not names:
            return {}
        with self._database.opened() as db:
            rows = db.execute(
                "SELECT name, state FROM recordings WHERE name IN (SELECT value FROM json_each(?))",
                (json.dumps(sorted(names)),),
            )
            known = {name: RecordingState(state) for name, state in rows}
        folder = self._folder()
        return {name: known.get(name) or _state_now(folder, name) for name in names}

    def find(self, query: RecordingQuery, limit: int) -> list[IndexedRecording]:
        """The newest of these recordings.

        Args:
            query: Which.
            limit: At most so many.

        Raises:
            LocalError: The index can't be read.
        """
        with self._database.opened() as db:
            where, values = _where(db, query)
            rows = db.execute(
                f"SELECT * FROM recordings WHERE {where} "  # noqa: S608 - the values come apart
                "ORDER BY started_ms DESC, name DESC LIMIT :limit",
                {**values, "limit": limit},
            )
            return list(map(_row, rows))

    def count(self, query: RecordingQuery) -> int:
        """How many there are; raises as `find` does."""
        with self._database.opened() as db:
            where, values = _where(db, replace(query, before=None))
            statement = f"SELECT count(*) FROM recordings WHERE {where}"  # noqa: S608
            return int(db.execute(statement, values).fetchone()[0])


_COLUMNS = tuple(IndexedRecording.__dataclass_fields__)


def _row(row: Sequence[Any]) -> IndexedRecording:
    values = dict(zip(_COLUMNS, row, strict=True))
    values |= {
        "state": RecordingState(values["state"]),
        "ended": bool(values["ended"]),
        "damaged": bool(values["damaged"]),
    }
    return IndexedRecording(**values)


def _where(db: sqlite3.Connection, query: RecordingQuery) -> tuple[str, dict[str, object]]:
    terms = ["instance IN (SELECT value FROM json_each(:instances))"]
    values: dict[str, object] = {"instances": json.dumps(sorted(query.instances))}
    if query.user:
        wanted = query.user.casefold()
        users = [name for (name,) in db.execute("SELECT DISTINCT user FROM recordings")]
        values["users"] = json.dumps([name for name in users if wanted in name.casefold()])
        terms.append("user IN (SELECT value FROM json_each(:users))")
    if query.since_ms is not None:
        values["since"] = query.since_ms
        terms.append("(state = 'running' OR started_ms + duration_ms >= :since)")
    if query.until_ms is not None:
        values["until"] = query.until_ms
        terms.append("started_ms <= :until")
    if query.before is not None:
        values["before_ms"], values["before_name"] = query.before
        terms.append("(started_ms, name) < (:before_ms, :before_name)")
    return " AND ".join(terms), values


def described(
    folder: RecordingFolder, found: FoundRecording, read_at: float
) -> IndexedRecording | None:
    """What a recording is by the heads of its parts; None if it is gone.

    Args:
        folder: Where it is.
        found: The file.
        read_at: Now, seconds since 1970.
    """
    row = IndexedRecording(
        *(found.name, found.inode, found.size_bytes, found.changed_ns, read_at),
        caution=found.caution,
        started_ms=found.changed_ns // 1_000_000,
    )
    try:
        return _described(row, folder)
    except FileNotFoundError:
        return None
    except RecordingError as error:
        return replace(row, problem=error.public_text)


def _described(row: IndexedRecording, folder: RecordingFolder) -> IndexedRecording:
    """The row with what the file says.

    Raises:
        FileNotFoundError: It is gone.
        RecordingError: It can't be played.
    """
    recording = opened_recording(folder, row.name, check=False)
    try:
        header = recording.header
        if recording.known:
            row = replace(
                row,
                instance=header.instance,
                alias=header.alias,
                region=header.region,
                user=header.user,
                viewer=header.viewer,
                address=header.address,
                started_at=header.started_at,
            )
            with suppress(ValueError, OverflowError):
                at = datetime.fromisoformat(header.started_at).timestamp()
                row = replace(row, started_ms=round(at * 1000))
        return replace(
            row,
            size_bytes=recording.size_bytes,
            duration_ms=recording.duration_ms,
            state=state_of(recording, running=is_running(recording)),
            ended=recording.whole,
            gaps=recording.gaps,
            damaged=bool(recording.damage),
            problem="" if recording.blocks else f"Nothing was shown in {row.name}.",
        )
    finally:
        recording.close()


def _state_now(folder: RecordingFolder, name: str) -> RecordingState:
    """What a recording is that is too new for the index: its writer's lock isn't touched."""
    try:
        recording = opened_recording(folder, name, check=False)
    except FileNotFoundError:
        return RecordingState.GONE
    except RecordingError:
        return RecordingState.UNREADABLE
    try:
        return state_of(recording, running=False)
    finally:
        recording.close()


def opened_recording(folder: RecordingFolder, name: str, *, check: bool) -> Recording:
    """A recording of the folder, open.

    Args:
        folder: Where it is.
        name: Of the file.
        check: As of `Recording`.

    Raises:
        FileNotFoundError: There is none of this name.
        RecordingError: It can't be played.
    """
    # The name alone: where the folder is is nobody's business who looks at the list.
    return Recording(Path(name), check=check, descriptor=folder.open(name))
