"""The audit's file: appended to, never rewritten, by one process. To be used from one thread.

What stands at its end decides how the chain goes on. A line that a crash cut short is left where it
is and noted by the record that follows.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from vncproxy.audit.record import Entry, Event, Head, encode, parse
from vncproxy.audit.verification import RUBBLE_MAX_BYTES
from vncproxy.durable_files import sync_folder
from vncproxy.errors import AuditError


@dataclass(frozen=True, slots=True)
class _Tail:
    """The end of a file.

    Args:
        event: Of the last record.
        rubble: The bytes after it, which are no record.
        line_end_missing: Whether the last record ends without its line end.
    """

    head: Head
    event: str | None = None
    rubble: bytes = b""
    line_end_missing: bool = False


class AuditFile:
    """An open, locked file and the chain in it."""

    def __init__(self, path: Path, head: Head | None = None) -> None:
        """Open or make it.

        Args:
            path: Where the file is.
            head: The chain goes on from there, as when another file is full; else from what stands
                in the file.

        Raises:
            AuditError: The audit can't be written.
        """
        self.path = path
        self._descriptor = _opened(path)
        self._unfinished = b""
        self._state = (0, 0)
        self.unsynced = False
        self.ended_with: str | None = None
        """The last event that was in it when it was opened."""
        self.notes: list[Entry] = []
        """What has to be recorded before anything else."""
        try:
            _lock(self._descriptor, path)
            if head is None:
                tail = _tail_of(self._descriptor, path)
                self.head, self.ended_with = tail.head, tail.event
                self._begin_after(tail)
            else:
                self.head = head
                self._start_on_a_line()
            self._note_state()
            sync_folder(path.parent)
        except OSError as fault:
            os.close(self._descriptor)
            raise AuditError(f"The audit file {path} can't be used: {fault.strerror}.") from fault
        except AuditError:
            os.close(self._descriptor)
            raise

    @classmethod
    def begun(cls, path: Path) -> AuditFile:
        """A file with nothing in it yet, for a chain that comes from another one: set `head`.

        Raises:
            AuditError: Something is in it already, or it can't be used.
        """
        file = cls(path)
        if file.is_empty:
            return file
        file.close()
        raise AuditError(
            f"The audit can't go on in {path}: there is something in it already. Name a new file, "
            "or move that one away."
        )

    @property
    def is_empty(self) -> bool:
        """Whether nothing is in it."""
        return os.fstat(self._descriptor).st_size == 0

    def clear(self) -> None:
        """Take back what a chain was to begin with here, and didn't; and close it."""
        try:
            os.ftruncate(self._descriptor, 0)
        finally:
            self.close()

    def append(self, entry: Entry, time_s: float) -> None:
        """Write one record after the others; it is safe only after `sync`.

        Raises:
            OSError: Nothing of it was written. Once its first byte is in the file the record counts
                as written, and `sync` sees to the rest.
        """
        self._finish_line()
        line, head = encode(entry, self.head, time_s)
        written = self._write(line)
        self.head = head
        self.unsynced = True
        self._unfinished = line[written:]

    def sync(self) -> None:
        """Put everything on the disk.

        Raises:
            OSError: The file can't be read or written.
        """
        self._finish_line()
        os.fsync(self._descriptor)
        self.unsynced = False

    def changed(self) -> str | None:
        """What another program did to the file since the last write, in words; each change once."""
        status = os.fstat(self._descriptor)
        size, _ = self._state
        if (status.st_size, status.st_mtime_ns) == self._state:
            return None
        self._note_state()
        self._start_on_a_line()
        if status.st_size < size:
            return f"it was cut from {size} to {status.st_size} bytes while in use"
        if status.st_size > size:
            return f"{status.st_size - size} bytes were written to it by another program"
        return "it was written to by another program"

    @property
    def is_gone(self) -> bool:
        """Whether what is written would be lost, since no name leads to the file any more."""
        return os.fstat(self._descriptor).st_nlink == 0

    @property
    def is_in_place(self) -> bool:
        """Whether the path still leads to this file."""
        own = os.fstat(self._descriptor)
        try:
            there = self.path.lstat()
        except OSError:
            return False
        return (own.st_dev, own.st_ino) == (there.st_dev, there.st_ino)

    def close(self) -> None:
        """Give the lock back."""
        os.close(self._descriptor)

    def _finish_line(self) -> None:
        # A write may be short when the disk is nearly full. The chain has counted the record by
        # then, so its rest must come before anything else: half a record would break the chain.
        while self._unfinished:
            self._unfinished = self._unfinished[self._write(self._unfinished) :]

    def _write(self, data: bytes) -> int:
        """How many of the bytes, at least one, are written; short when the disk is nearly full."""
        try:
            written = os.write(self._descriptor, data)
        except OSError:
            self._note_time()
            raise
        self._note_state()
        return written

    def _note_time(self) -> None:
        """A write that failed, as on a full disk, may have changed the time all the same."""
        status = os.fstat(self._descriptor)
        if status.st_size == self._state[0]:
            self._state = (status.st_size, status.st_mtime_ns)

    def _note_state(self) -> None:
        status = os.fstat(self._descriptor)
        self._state = (status.st_size, status.st_mtime_ns)

    def _start_on_a_line(self) -> None:
        size = os.fstat(self._descriptor).st_size
        if size and not self._unfinished and os.pread(self._descriptor, 1, size - 1) != b"\n":
            self._unfinished = b"\n"

    def _begin_after(self, tail: _Tail) -> None:
        # Nothing is cut off: a record that a crash left unfinished gets its line end and a note
        # with length and hash, by which a verification tells it from somebody's later change.
        left = tail.rubble
        if tail.line_end_missing:
            self._unfinished = b"\n"
            self.notes.append(Entry(event=Event.TORN, text="the last record had no line end"))
        elif left.endswith(b"\n"):
            self.notes.append(
                Entry(
                    event=Event.DAMAGED,
                    text="the file ended in lines that are no records",
                    size_bytes=len(left),
                    sha256=hashlib.sha256(left).hexdigest(),
                )
            )
        elif left:
            self._unfinished = b"\n"
            self.notes.append(
                Entry(
                    event=Event.TORN,
                    text="the file ended in a record that wasn't finished",
                    size_bytes=len(left),
                    sha256=hashlib.sha256(left).hexdigest(),
                )
            )


def _opened(path: Path) -> int:
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    try:
        descriptor = os.open(path, flags, 0o600)
    except OSError as fault:
        why = "it is a symbolic link" if path.is_symlink() else fault.strerror
        raise AuditError(f"The audit file {path} can't be opened: {why}.") from fault
    status = os.fstat(descriptor)
    wrong = None
    if not stat.S_ISREG(status.st_mode):
        wrong = "it isn't a regular file"
    elif status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        wrong = f"others may write to it (mode {stat.S_IMODE(status.st_mode):04o}); chmod 600 it"
    elif status.st_nlink > 1:
        wrong = "it has a second name (a hard link)"
    if wrong is not None:
        os.close(descriptor)
        raise AuditError(f"The audit file {path} can't be used: {wrong}.")
    return descriptor


def _lock(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as fault:
        raise AuditError(
            "Another vncproxy daemon is running already, with the same state directory or audit "
            f"file: {path} is in use. Stop that one, or give this one a directory of its own under "
            "[state] and, where file is set under [audit], another file."
        ) from fault


def _tail_of(descriptor: int, path: Path) -> _Tail:
    # From the end backwards: the chain goes on at the last sound record, and what a crash left
    # after it is noted and kept (`_begin_after`). Only so much is read, so that a start takes no
    # longer with an old file.
    size = os.fstat(descriptor).st_size
    start = max(0, size - RUBBLE_MAX_BYTES)
    end = os.pread(descriptor, size - start, start)
    lines = end.split(b"\n")
    for index in range(len(lines) - 1, -1, -1):
        record = parse(lines[index])
        if record is not None and record.sound:
            rubble = b"\n".join(lines[index + 1 :])
            end_missing = index == len(lines) - 1
            return _Tail(record.head, record.event, rubble, line_end_missing=end_missing)
    if start or len(lines) > 1:
        raise AuditError(
            f"The audit file {path} doesn't end in records of vncproxy. Move it away, and look at "
            "what became of it."
        )
    # Nothing, or the very first record, cut short by a crash.
    return _Tail(Head(), rubble=end)
