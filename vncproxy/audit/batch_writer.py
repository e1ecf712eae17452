"""Batches of records to the audit's file, and what became of each. For one thread, which may block.

Also watches the file: what other programs did to it is recorded, and a file that was moved away, or
whose place is another one from now on, is exchanged for a new one when somebody asks for that.
"""

from __future__ import annotations

import asyncio
import errno
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from vncproxy.audit.chained_file import AuditFile
from vncproxy.audit.record import Entry, Event, Head
from vncproxy.errors import OUT_OF_DESCRIPTORS, AuditError

_IN_WORDS = {
    errno.ENOSPC: "its disk is full",
    errno.EDQUOT: "its disk quota is used up",
    errno.EFBIG: "the file may not grow any further",
    errno.EROFS: "its file system is read-only",
    errno.EIO: "its disk fails",
    **OUT_OF_DESCRIPTORS,
}
DAEMON_FAULT = "a fault of the daemon, which its log describes"


@dataclass(slots=True, eq=False)
class Job:
    """Records that are written one after the other.

    Args:
        done: Set once they are on the disk; None: nobody waits for it.
    """

    entries: tuple[Entry, ...]
    time_s: float
    done: asyncio.Future[None] | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a batch.

    Args:
        written: What is in the file now, with its number.
        head: The chain's end.
        safe: Jobs that are on the disk.
        failed: Jobs that aren't, and whose callers wait: they get the problem.
        left: Jobs that aren't, and that are tried again.
        spoilt: Jobs that can't be written by a fault of the daemon, each with the exception.
        problem: Why jobs are in `failed` or `left`, in words.
        cause: The same as an exception, for the log.
        troubles: What other programs did to the file.
    """

    head: Head
    written: list[tuple[int, Entry]]
    safe: list[Job]
    failed: list[Job]
    left: list[Job]
    problem: str | None
    cause: Exception | None
    troubles: list[str]
    spoilt: list[tuple[Job, Exception]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Rotation:
    """The audit went on in another file.

    Args:
        ended: The head with which the old file ends.
        head: That of the new one.
        written: As in `Outcome`.
    """

    ended: Head
    head: Head
    written: list[tuple[int, Entry]]


class AuditWriter:
    """Owns the open file."""

    def __init__(self, file: AuditFile, clock: Callable[[], float]) -> None:
        """Take over a file.

        Args:
            file: The open file, which the writer closes.
            clock: Seconds since 1970, for the writer's own records.
        """
        self._file = file
        self._clock = clock
        self._notes = deque(file.notes)
        self._is_moved = False

    @property
    def unsynced(self) -> bool:
        """Whether something is in the file that may not be on the disk yet."""
        return self._file.unsynced

    def write(self, jobs: Sequence[Job]) -> Outcome:
        """Write and sync a batch; raises nothing, whatever a disk or a record causes."""
        rest = deque(jobs)
        taken: list[Job] = []
        failed: list[Job] = []
        written: list[tuple[int, Entry]] = []
        troubles: list[str] = []
        spoilt: list[tuple[Job, Exception]] = []
        fault: Exception | None = None
        try:
            self._check_file(troubles)
            while self._notes:
                self._append(self._notes[0], self._clock(), written)
                self._notes.popleft()
            while rest:
                try:
                    for entry in rest[0].entries:
                        self._append(entry, rest[0].time_s, written)
                except OSError:
                    raise
                except Exception as error:
                    # It will never be written: the others mustn't wait behind it.
                    spoilt.append((rest.popleft(), error))
                else:
                    taken.append(rest.popleft())
        except Exception as first:
            fault = first
        try:
            self._file.sync()
        except Exception as second:
            fault = fault or second
            # They are in the file, and will be safe once a later attempt to sync succeeds.
            failed, taken = [job for job in taken if job.done is not None], []
        failed += [job for job in rest if job.done is not None]
        left = [job for job in rest if job.done is None]
        problem = None if fault is None else in_words(fault)
        return Outcome(
            self._file.head, written, taken, failed, left, problem, fault, troubles, spoilt
        )

    def reopen(self) -> None:
        """Go on in a new file if this one was moved away.

        Raises:
            AuditError: What is in its place can't be used, or the old file isn't safe: it stays in
                use.
        """
        old = self._file
        if old.is_in_place:
            return
        with _refusing("The audit goes on in the old file"):
            old.sync()
        self._exchange(Event.ROTATED, "this file continues the one that was moved away")

    def go_on_in(self, file: AuditFile) -> Rotation:
        """Exchange the file for another, empty one; the old one says so at its end.

        The new one's first record is on the disk when this returns.

        Raises:
            AuditError: The old file stays in use, and the new one is given back.
        """
        old = self._file
        written: list[tuple[int, Entry]] = []
        try:
            with _refusing(f"The audit goes on in the old file, {old.path}"):
                old.sync()
                text = f"the audit is to go on in {file.path}"
                self._append(Entry(event=Event.CONTINUED, text=text), self._clock(), written)
                old.sync()
            ended = file.head = old.head
            with _refusing(f"The audit can't go on in {file.path}"):
                entry = Entry(event=Event.ROTATED, text=f"this file continues {old.path}")
                file.append(entry, self._clock())
                file.sync()
        except AuditError:
            with suppress(OSError):
                file.clear()
            raise
        written.append((file.head.seq, entry))
        self._file, self._is_moved = file, False
        old.close()
        return Rotation(ended, file.head, written)

    def close(self) -> None:
        """Give the file back."""
        self._file.close()

    def _append(self, entry: Entry, time_s: float, written: list[tuple[int, Entry]]) -> None:
        self._file.append(entry, time_s)
        written.append((self._file.head.seq, entry))

    def _check_file(self, troubles: list[str]) -> None:
        # A record in a removed file is lost, so a removed file is replaced at once. One that was
        # moved, as logrotate does, keeps its records and is written to until `reopen`. What another
        # program wrote is no reason to stop: a record notes it, which the chain then covers.
        file = self._file
        if file.is_gone:
            text = "the file before this one was removed while in use"
            self._exchange(Event.ALTERED, text)
            troubles.append(text)
            return
        moved, self._is_moved = self._is_moved, not file.is_in_place
        if self._is_moved and not moved:
            troubles.append("the file was moved; a reload begins a new one")
        if (changed := file.changed()) is not None:
            self._notes.append(Entry(event=Event.ALTERED, text=changed))
            troubles.append(changed)

    def _exchange(self, event: Event, text: str) -> None:
        old = self._file
        self._file = AuditFile(old.path, old.head)
        old.close()
        self._is_moved = False
        # The new file's first record says why it begins; notes meant for the old one come after it.
        self._notes.appendleft(Entry(event=event, text=text))


@contextmanager
def _refusing(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as fault:
        raise AuditError(f"{what}: {in_words(fault)}.") from fault


def in_words(fault: Exception) -> str:
    """Why the file can't be written."""
    if isinstance(fault, AuditError):
        return fault.public_text.removesuffix(".")
    if not isinstance(fault, OSError):
        return DAEMON_FAULT
    return _IN_WORDS.get(fault.errno or 0, fault.strerror or "it fails")
