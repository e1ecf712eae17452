"""The ledger's SQLite file, to be used from one thread.

Each method is one transaction, or a part of the one that `batch` has begun.

Times are CLOCK_BOOTTIME of the boot (the *epoch*) in which they were booked, so no setting of the
wall clock, back or forward, has any effect; the wall clock isn't recorded at all.

The law for rows of another epoch. How long ago they were can't be known for sure, but their
processes can't dial any more: `spend` accepts rows of the own epoch only. So their dials lie in
the past, and the first process of the new epoch that books adopts them as if they had been
dialled at that very moment. That errs to the safe side, by at most one window after a reboot, and
only for the rows of the last minute in use, since older ones are deleted with each booking. A row
further in the future than anything that can be booked is damage and is adopted in the same way.

Each row has the latest instant of its dial, so processes whose holds differ, as those with an older
configuration's, believe each other. A booking is no use before it is on the disk, so on a slow disk
it is held for longer, by what the slowest of the last transactions took.

Safe against SIGKILL and loss of power: a rollback journal with synchronous=FULL, BEGIN IMMEDIATE,
and the clock read inside the transaction, so that the order of the rows is the order of the
commits. A rollback journal rather than WAL: nearly every access writes, so WAL's readers gain
nothing; a file that is put in this one's place never meets what another has left beside it; and
there is no switch of journal that several starting processes could collide on. The journal stays
between transactions, without a header, so there is nothing to roll back: to make and delete it each
time costs as much as the syncs, and one whose deletion isn't on the disk yet undoes the last
booking after a loss of power.
"""

from __future__ import annotations

import os
import random
import secrets
import sqlite3
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from sqlite3 import connect
from typing import Any

from msgspec import json

from vncproxy.throttle.boot_clock import EpochClock
from vncproxy.throttle.ledger_interface import Dial, TooLong
from vncproxy.throttle.reconnect_budget import (
    ACCOUNT,
    MAX_AHEAD_S,
    MAX_HOLD_S,
    Budget,
    Claim,
    Tally,
    Usage,
    counting_for,
)
from vncproxy.throttle.sqlite_faults import in_plain_words, newer_version
from vncproxy.throttle.store_latency import Delays

BUSY_TIMEOUT_S = 14.0
"""How long a statement waits for another process's transaction to end: on a disk that takes 2.5 s
to sync, one takes 12.5 s."""

BUSY_RETRY_INTERVAL_S = 0.004
"""At most; each pause is drawn below it. SQLite's own waiting grows to 0.1 s a pause: beside
processes that book without pause it was seen to find the file taken for all of its 5 s."""

SCHEMA_VERSION = 1

_SCHEMA = """
CREATE TABLE booking (
    id TEXT PRIMARY KEY,
    key TEXT NOT NULL,
    epoch TEXT NOT NULL,
    at REAL NOT NULL,
    latest REAL NOT NULL,
    spent INTEGER NOT NULL
) STRICT
"""
_COUNTING = """
SELECT epoch, at, latest, spent FROM booking WHERE key IN (:key, :account) OR :key = :account
"""
"""Rows of keys that overlap; see `budget.counting_for`."""

_DAMAGED = "epoch <> :epoch OR at > :horizon OR latest > :latest_horizon"
_TALLIES = f"""
SELECT json_group_array(json_array(key, used, earliest, promised)) FROM (
    SELECT key, count(*) AS used, min(latest) AS earliest, max(promised) AS promised FROM (
        SELECT
            key,
            CASE WHEN {_DAMAGED} THEN :now ELSE latest END AS latest,
            CASE WHEN {_DAMAGED} OR spent THEN NULL ELSE at END AS promised
        FROM booking
    ) WHERE latest > :forgettable GROUP BY key
)
"""  # noqa: S608 - constants
"""The tally of every key, as `budget.Tally`. One row, since the interpreter's lock is let go and
fought for again at every row; what counts as dialled now is as in `LedgerFile._seen_at`."""
_LATEST = f"""
SELECT json_group_array(json_array(key, CASE WHEN {_DAMAGED} THEN :now ELSE latest END))
FROM booking WHERE latest > :forgettable OR epoch <> :epoch
"""  # noqa: S608 - constants
"""Of every claim that counts its latest instant."""


@dataclass(frozen=True, slots=True)
class Booked:
    """A claim on record."""

    id: str
    key: str
    claim: Claim


class LedgerFile:
    """Bookings in a file shared by processes. Every method raises LedgerError in plain words."""

    def __init__(self, path: Path, budget: Callable[[], Budget], clock: EpochClock) -> None:
        """Remember where; the file is opened at the first use.

        Args:
            path: Made with mode 0600 when missing; its folder must exist.
            budget: Gives the one in force; asked once in each transaction.
            clock: Shared by all processes of the machine.
        """
        self._path = path
        self._budget = budget
        self._clock = clock
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None
        self._in_transaction = False
        self._delays = Delays()

    @property
    def budget(self) -> Budget:
        """The one in force."""
        return self._budget()

    def book(self, instance_id: str, max_wait_s: float) -> Booked | TooLong:
        """See `Ledger.book`."""
        budget = self.budget
        key = budget.key_of(instance_id)
        with self._transaction() as db:
            # Inside the transaction: read before, it could be earlier than a booking that another
            # process made meanwhile, and rows would not be in the order of their commits.
            now = self._clock.now()
            self._tidy(db, now)
            at = budget.next_free(self._claims(db, key, now), now)
            if at - now > min(max_wait_s, MAX_AHEAD_S):
                return TooLong(at - now)
            booked = Booked(
                secrets.token_hex(8), key, budget.booked(at, extra_s=self._delays.longest_s)
            )
            db.execute(
                "INSERT INTO booking VALUES (?, ?, ?, ?, ?, 0)",
                (booked.id, key, self._clock.epoch, at, booked.claim.latest),
            )
        return booked

    def spent(self, booking_id: str, key: str, at: float) -> None:
        """Record that a booking was dialled with; again, when its file was replaced meanwhile."""
        with self._transaction() as db:
            db.execute(
                "INSERT INTO booking VALUES (:id, :key, :epoch, :at, :at, 1) "
                "ON CONFLICT (id) DO UPDATE SET at = :at, latest = :at, spent = 1",
                {"id": booking_id, "key": key, "epoch": self._clock.epoch, "at": at},
            )

    def cancel(self, booking_id: str) -> None:
        """See `Ledger.cancel`."""
        with self._transaction() as db:
            db.execute("DELETE FROM booking WHERE id = ? AND spent = 0", (booking_id,))

    def usages(self, instance_ids: Collection[str]) -> dict[str, Usage]:
        """See `Ledger.usages`."""
        budget = self.budget
        now = self._clock.now()
        horizon = now + MAX_AHEAD_S
        values: dict[str, str | float] = {
            "epoch": self._clock.epoch,
            "now": now,
            "horizon": horizon,
            "latest_horizon": horizon + MAX_HOLD_S,
            "forgettable": budget.forgettable_until(now),
        }
        by_key = {key: Tally(*numbers) for key, *numbers in self._asked(_TALLIES, values)}
        keys = {one: budget.key_of(one) for one in instance_ids}
        tallies = {key: Tally.of(counting_for(key, by_key)) for key in keys.values()}
        latest: dict[str, list[float]] = {}
        if any(budget.is_crowded(tally) for tally in tallies.values()):
            for key, at in self._asked(_LATEST, values):
                latest.setdefault(key, []).append(at)
        found = {
            key: budget.usage_of(
                tally,
                now,
                chain.from_iterable(counting_for(key, latest)) if budget.is_crowded(tally) else (),
            )
            for key, tally in tallies.items()
        }
        return {one: found[key] for one, key in keys.items()}

    def _asked(self, question: str, values: Mapping[str, str | float]) -> list[Any]:
        """What a question gives that is answered by one text in JSON."""
        with in_plain_words():
            ((text,),) = _patiently(self._opened(), question, values)
        rows: list[Any] = json.decode(text)
        return rows

    def record(self, dials: Sequence[Dial]) -> None:
        """Put dials on record that another ledger gave the permits for; known ids stay as they are.

        One that may still be made, some seconds from now, counts from then.
        """
        with self._transaction() as db:
            now = self._clock.now()
            self._tidy(db, now)
            db.executemany(
                "INSERT OR IGNORE INTO booking VALUES (:id, :key, :epoch, :at, :at, 1)",
                [
                    {
                        "id": dial.id,
                        "key": dial.key,
                        "epoch": self._clock.epoch,
                        "at": now - dial.age_s,
                    }
                    for dial in dials
                ],
            )

    def dials(self) -> list[Dial]:
        """The dials on record that still count, of all keys."""
        with in_plain_words():
            now = self._clock.now()
            rows = _patiently(
                self._opened(), "SELECT id, key, epoch, at FROM booking WHERE spent = 1"
            )
        found = [
            Dial(row[0], row[1], now - row[3] if row[2] == self._clock.epoch else 0.0)
            for row in rows
        ]
        return [dial for dial in found if dial.age_s < self.budget.span_s]

    def check_writable(self) -> None:
        """See `Ledger.check_writable`: rewrites the schema's version, journal and all."""
        with self._transaction() as db:
            db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

    def close(self) -> None:
        """Close the file, and leave none but it; the next use opens it again."""
        if self._connection is not None and self._identity == self._file_identity():
            with suppress(sqlite3.Error):
                # Takes the journal away, unless others are in a transaction.
                self._connection.execute("PRAGMA journal_mode = DELETE")
        self._let_go()

    def _let_go(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _claims(self, db: sqlite3.Connection, key: str, now: float) -> list[Claim]:
        """What counts for the key, with those that the law adopts seen as dialled now."""
        rows = _patiently(db, _COUNTING, {"key": key, "account": ACCOUNT})
        return self._seen_at(now, rows)

    def _seen_at(self, now: float, rows: Iterable[tuple[Any, ...]]) -> list[Claim]:
        own, horizon = self._clock.epoch, now + MAX_AHEAD_S
        return [
            Claim.dialled(now)
            if epoch != own or at > horizon or latest > horizon + MAX_HOLD_S
            else Claim(at, latest, bool(spent))
            for epoch, at, latest, spent in rows
        ]

    def _tidy(self, db: sqlite3.Connection, now: float) -> None:
        """Delete what can't matter any more and adopt what another epoch or damage left."""
        epoch, horizon = self._clock.epoch, now + MAX_AHEAD_S
        db.execute(
            "DELETE FROM booking WHERE epoch = ? AND latest <= ?",
            (epoch, self.budget.forgettable_until(now)),
        )
        db.execute(
            "UPDATE booking SET epoch = :epoch, at = :now, latest = :now, spent = 1 "  # noqa: S608 - constants
            f"WHERE {_DAMAGED}",
            {
                "epoch": epoch,
                "now": now,
                "horizon": horizon,
                "latest_horizon": horizon + MAX_HOLD_S,
            },
        )

    @contextmanager
    def batch(self) -> Iterator[None]:
        """Make what the block does one transaction: all of it is on the disk afterwards, or none.

        Raises:
            LedgerError: The ledger can't be read or written.
        """
        with self._transaction():
            yield

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """A write transaction, committed when the block ends without an exception."""
        with in_plain_words():
            db = self._opened()
            if self._in_transaction:
                yield db
                return
            try:
                # IMMEDIATE takes the write lock at once. A deferred transaction reads first, and
                # can't become a writer any more if that is out of date by then.
                _patiently(db, "BEGIN IMMEDIATE")
                self._in_transaction = True
                began = self._clock.now()
                yield db
                _patiently(db, "COMMIT")
                self._delays.note(self._clock.now() - began)
            except BaseException:
                # Closing rolls back, and after a fault the next use starts from the file.
                self._let_go()
                raise
            finally:
                self._in_transaction = False

    def _opened(self) -> sqlite3.Connection:
        """The open file; opened again when another file has taken its place."""
        if self._in_transaction and self._connection is not None:
            return self._connection
        if self._connection is not None and self._identity != self._file_identity():
            # Else this process would count in a deleted file, and the others in the new one.
            self._let_go()
        if self._connection is None:
            # SQLite would make the file with the umask's mode.
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            self._identity = self._file_identity()
            connection = connect(self._path, timeout=0.0, isolation_level=None)
            try:
                _set_up(connection)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def _file_identity(self) -> tuple[int, int] | None:
        try:
            status = self._path.stat()
        except FileNotFoundError:
            return None
        return status.st_dev, status.st_ino


def _set_up(connection: sqlite3.Connection) -> None:
    """Set the connection up, and make the table in a new file."""
    _patiently(connection, "PRAGMA journal_mode = PERSIST")
    connection.execute("PRAGMA synchronous = FULL")
    _patiently(connection, "BEGIN IMMEDIATE")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > SCHEMA_VERSION:
        raise newer_version()
    if version == 0:
        connection.execute(_SCHEMA)
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    _patiently(connection, "COMMIT")


def _patiently(
    db: sqlite3.Connection, statement: str, values: Mapping[str, str | float] | None = None
) -> list[tuple[Any, ...]]:
    """Execute a statement that may find the file locked, for at most `BUSY_TIMEOUT_S`."""
    deadline = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            return db.execute(statement, values or {}).fetchall()
        except sqlite3.OperationalError as error:
            busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
            if not busy or time.monotonic() >= deadline:
                raise
        time.sleep(random.uniform(0.0, BUSY_RETRY_INTERVAL_S))  # noqa: S311 - scatters, hides nothing
