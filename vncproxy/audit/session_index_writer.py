"""Puts the audit's records into the index of past sessions."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from dataclasses import dataclass
from datetime import datetime

from vncproxy.audit.record import NO_HASH, TEXT_MAX_LENGTH, Event, Record, parse

NOTES_MAX = 20
"""Sentences about the files, the newest."""
UNFINISHED = -1
_NUMBER_MAX = 1e9
"""More than any duration or code: 30 years in seconds."""


@dataclass(slots=True)
class ReadFile:
    """An audit file, and how far it is read.

    Args:
        size: Of the file on the disk, once it was read to its end; else `UNFINISHED`.
        read: Bytes, decompressed, that make whole lines.
        digest: SHA-256 of these.
        seq, hash: Of the last record.
        rubble: Whether a line that is no record stands at the end.
        wrong: How often a record wasn't what was written, or didn't follow the last one.
        unread: Why the rest of it isn't read; "": there is none, or it is read later.
    """

    place: int
    name: str
    inode: int = 0
    size: int = UNFINISHED
    modified_ns: int = 0
    read: int = 0
    digest: bytes = hashlib.sha256().digest()
    seq: int = 0
    hash: str = NO_HASH
    rubble: bool = False
    wrong: int = 0
    unread: str = ""


def _add_note(db: sqlite3.Connection, text: str) -> None:
    """Keep a sentence about the files, until all is read anew."""
    db.execute("DELETE FROM notes WHERE text = ?", (text,))
    db.execute("INSERT INTO notes (text) VALUES (?)", (text,))
    db.execute(
        "DELETE FROM notes WHERE id <= (SELECT max(id) FROM notes) - ?",
        (NOTES_MAX,),
    )


class SessionWriter:
    """Puts the records of one file into the index, within a transaction of the caller's."""

    def __init__(self, db: sqlite3.Connection, known: ReadFile, before: ReadFile | None) -> None:
        """Put nothing yet.

        Args:
            db: The index.
            known: The file; what a record changes of it is set.
            before: The file before it.
        """
        self.found_altered = False
        self._db = db
        self._known = known
        self._before = before

    def take(self, line: bytes) -> None:
        """The next line, with its line end."""
        known = self._known
        record = parse(line.removesuffix(b"\n"))
        if record is None:
            known.rubble = True
            return
        if known.rubble and record.event not in (Event.TORN, Event.DAMAGED):
            known.wrong += 1
        known.rubble = False
        if not record.sound:
            known.wrong += 1
        elif not known.seq:
            self._begin(record)
        elif record.seq != known.seq + 1 or record.prev != known.hash:
            known.wrong += 1
        known.seq, known.hash = record.seq, record.hash
        if record.sound:
            self._put(record)

    def _begin(self, record: Record) -> None:
        before = self._before
        if before is not None and record.seq > before.seq + 1:
            text = f"Between {before.name} and {self._known.name} records are missing."
            _add_note(self._db, text)

    def _put(self, record: Record) -> None:
        match record.event:
            case Event.OPEN | Event.VIEW:
                self._open(record)
            case Event.CLOSE:
                self._close(record)
            case Event.RECORDED:
                self._db.execute(
                    "UPDATE sessions SET recording = ? WHERE id = "
                    "(SELECT max(id) FROM sessions WHERE viewer = ?)",
                    (_text(record, "file"), _text(record, "viewer")),
                )
            case Event.START:
                self._db.execute(
                    "UPDATE sessions SET lost_ms = ? WHERE ended_ms IS NULL AND lost_ms IS NULL",
                    (_time_ms(record),),
                )
            case Event.ALTERED | Event.DAMAGED | Event.UNWRITTEN:
                self.found_altered = self.found_altered or record.event == Event.ALTERED
                said = _text(record, "text")
                _add_note(
                    self._db,
                    f"{self._known.name}, record {record.seq}, {_text(record, 'time')}: {said}.",
                )

    def _open(self, record: Record) -> None:
        viewer, at_ms = _text(record, "viewer"), _time_ms(record)
        known = self._db.execute(
            "SELECT 1 FROM sessions WHERE viewer = ? AND started_ms = ?", (viewer, at_ms)
        )
        # One that is there already is of another copy of the same file.
        if known.fetchone() is None:
            self._insert(record, at_ms, None, record.event == Event.VIEW)

    def _close(self, record: Record) -> None:
        viewer, at_ms = _text(record, "viewer"), _time_ms(record)
        found = self._db.execute(
            "SELECT id, ended_ms FROM sessions WHERE viewer = ? AND started_ms <= ? "
            "ORDER BY started_ms DESC, id DESC LIMIT 1",
            (viewer, at_ms),
        ).fetchone()
        if found is not None and found[1] == at_ms:
            return
        seconds = _number(record, "seconds")
        if found is not None and found[1] is None:
            key = found[0]
        else:
            # Its opening isn't in what is left of the audit.
            key = self._insert(record, at_ms - round(1000 * (seconds or 0)), None, None)
        self._db.execute(
            "UPDATE sessions SET ended_ms = ?, lost_ms = NULL, seconds = ?, side = ?, code = ?, "
            "reason = ?, text = ? WHERE id = ?",
            (
                at_ms,
                seconds,
                _text(record, "side"),
                _number(record, "code"),
                _text(record, "reason"),
                _text(record, "text"),
                key,
            ),
        )

    def _insert(
        self, record: Record, started_ms: int, ended_ms: int | None, watching: bool | None
    ) -> int:
        names = ("viewer", "identity", "door", "address", "rule")
        viewer, *rest = (_text(record, name) for name in names)
        made = self._db.execute(
            "INSERT INTO sessions (viewer, user, instance, started_ms, ended_ms, watching, "
            "identity, door, address, rule, side, reason, text, recording) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '', '', '', '')",
            (
                viewer,
                self._user(_text(record, "user")),
                self._instance(record),
                started_ms,
                ended_ms,
                watching,
                *rest,
            ),
        )
        assert made.lastrowid is not None, "a row was put in"
        return made.lastrowid

    def _user(self, name: str) -> int:
        """Of a user of this name."""
        self._db.execute("INSERT OR IGNORE INTO users (name) VALUES (?)", (name,))
        found = self._db.execute("SELECT id FROM users WHERE name = ?", (name,))
        return int(found.fetchone()[0])

    def _instance(self, record: Record) -> int:
        """Of the instance that a record names."""
        names = [_text(record, name) for name in ("instance", "alias", "region")]
        # Made of the names: whoever asked for instances before the index was made anew, and then
        # for their sessions, must not be shown another's.
        digest = hashlib.sha256(json.dumps(names).encode()).digest()
        key = int.from_bytes(digest[:8]) >> 1
        self._db.execute("INSERT OR IGNORE INTO instances VALUES (?, ?, ?, ?)", (key, *names))
        return key


def _text(record: Record, name: str) -> str:
    value = record.content.get(name)
    # What stands in a file may have been put there by somebody who knows how hashes are made.
    if not isinstance(value, str):
        return ""
    # Half a surrogate pair is no text that SQLite takes.
    return value[:TEXT_MAX_LENGTH].encode(errors="replace").decode()


def _number(record: Record, name: str) -> float | None:
    value = record.content.get(name)
    return value if isinstance(value, int | float) and abs(value) < _NUMBER_MAX else None


def _time_ms(record: Record) -> int:
    try:
        moment = datetime.fromisoformat(_text(record, "time"))
        return round(moment.timestamp() * 1000)
    except (ValueError, OverflowError):
        return 0
