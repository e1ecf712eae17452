"""The folder of the recordings: who may reach it, how much it may hold, and what goes first.

Files are found by their form of name and only regular ones are touched; those that are being
written are locked, by whichever daemon. May be used from several threads.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import secrets
import stat
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from vncproxy.errors import OUT_OF_DESCRIPTORS, RecordingError
from vncproxy.recording.file_format import SUFFIX

PROBE_BYTES = 4096
TIDY_BYTES = 8 << 20
TIDY_PART = 16
"""After so much of one recording, or this part of what all may take, the limits are checked."""
SESSION_PART = 4
"""One session's recording takes no more than this part of what all may take, so that nobody pushes
out what was recorded before by staying on."""
OVER_LIMIT = "recordings that still run have reached max_bytes"
_NAME = re.compile(rf"\d{{8}}T\d{{6}}Z-[A-Za-z0-9._-]+{re.escape(SUFFIX)}")
_ODD = re.compile(r"[^A-Za-z0-9._-]+")
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


class Why(StrEnum):
    """Why a recording was deleted."""

    AGE = "age"
    ROOM = "room"


@dataclass(frozen=True, slots=True)
class Removed:
    """A recording that was deleted."""

    name: str
    size_bytes: int
    why: Why


@dataclass(frozen=True, slots=True)
class FoundRecording:
    """A recording in the folder.

    Args:
        changed_ns: When it was written to, since 1970.
        caution: Why it may be somebody else's work, a sentence without its subject; "": it isn't.
    """

    name: str
    size_bytes: int
    changed_ns: int
    inode: int
    caution: str = ""

    @property
    def changed_at(self) -> float:
        """The same in seconds."""
        return self.changed_ns / 1e9


class RecordingFolder:
    """Where recordings are kept."""

    def __init__(
        self,
        path: Path,
        *,
        max_bytes: int,
        max_age_s: float,
        clock: Callable[[], float] = time.time,
        removed: Callable[[Removed], object] | None = None,
        keeper: int | None = None,
    ) -> None:
        """Nothing is touched yet.

        Args:
            path: The folder.
            max_bytes: Of all recordings together.
            max_age_s: Of one, from its last byte on.
            clock: Seconds since 1970.
            removed: Called for each that was deleted for one of these, in any thread.
            keeper: The account that records besides this one, by its number.
        """
        self.path = path
        self.tidy_bytes = min(TIDY_BYTES, max_bytes // TIDY_PART)
        self.session_bytes = max_bytes // SESSION_PART
        self._max_bytes = max_bytes
        self._max_age_s = max_age_s
        self._clock = clock
        self._report = removed
        self._keepers = {os.geteuid(), 0} | ({keeper} if keeper is not None else set())
        self._lock = threading.Lock()

    def check_place(self) -> None:
        """Make the folder if it is missing.

        Raises:
            RecordingError: It can't be used.
        """
        try:
            with self._opened(make=True):
                return
        except OSError as fault:
            raise _refused(fault.strerror or "it fails") from fault

    def check(self) -> None:
        """Find out whether a recording could begin now, and make room for it.

        Raises:
            RecordingError: None could.
        """
        self.probe()
        try:
            if not self.tidy():
                raise OSError(errno.EDQUOT, OVER_LIMIT)
        except OSError as fault:
            raise self.cannot(fault) from fault

    def probe(self) -> None:
        """Find out whether it can be written to: by doing so.

        Raises:
            RecordingError: It can't.
        """
        name = f".probe-{secrets.token_hex(8)}"
        try:
            with self._opened(make=True) as folder:
                descriptor = _created(name, folder)
                try:
                    if os.write(descriptor, bytes(PROBE_BYTES)) < PROBE_BYTES:
                        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                finally:
                    os.close(descriptor)
                    os.unlink(name, dir_fd=folder)
        except OSError as fault:
            raise self.cannot(fault) from fault

    def create(self, started_at: float, instance: str, viewer: str) -> tuple[str, int]:
        """A new, empty, locked file's name and descriptor.

        Args:
            started_at: Seconds since 1970.
            instance: Part of the name.
            viewer: Part of the name.

        Raises:
            OSError: The file can't be read or written.
            RecordingError: The folder can't be used.
        """
        moment = datetime.fromtimestamp(started_at, UTC)
        name = f"{moment:%Y%m%dT%H%M%SZ}-{_plain(instance)}-{_plain(viewer)}{SUFFIX}"
        with self._opened(make=True) as folder:
            descriptor = _created(name, folder)
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return name, descriptor

    def remove(self, name: str) -> None:
        """Take away a recording that didn't come about."""
        with suppress(OSError, RecordingError), self._opened() as folder:
            os.unlink(name, dir_fd=folder)

    def listed(self) -> list[FoundRecording]:
        """The recordings that are there, by their names.

        Raises:
            RecordingError: The folder can't be used.
        """
        try:
            with self._opened() as folder:
                return sorted(_recordings(folder, self._keepers), key=lambda one: one.name)
        except FileNotFoundError:
            return []
        except OSError as fault:
            raise _refused(fault.strerror or "it fails") from fault

    def open(self, name: str) -> int:
        """A recording's descriptor, to be read.

        Raises:
            FileNotFoundError: There is none of this name.
            RecordingError: It can't be read.
        """
        if _NAME.fullmatch(name) is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        try:
            with self._opened() as folder:
                flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
                return os.open(name, flags, dir_fd=folder)
        except FileNotFoundError:
            raise
        except OSError as fault:
            raise RecordingError(f"{name} can't be read: {fault.strerror}.") from fault

    def tidy(self) -> bool:
        """Delete what is too old, then the oldest until the rest fits; whether it fits now.

        Raises:
            OSError: The file can't be read or written.
            RecordingError: The folder can't be used.
        """
        with self._lock, self._opened() as folder:
            by_age = sorted(
                _recordings(folder, self._keepers), key=lambda one: (one.changed_at, one.name)
            )
            oldest = self._clock() - self._max_age_s
            left_bytes = sum(one.size_bytes for one in by_age)
            for one in by_age:
                too_old = one.changed_at < oldest
                if not too_old and left_bytes <= self._max_bytes:
                    break
                gone = _removed(one.name, folder)
                if gone is not None:
                    left_bytes -= one.size_bytes
                if gone and self._report is not None:
                    self._report(
                        Removed(one.name, one.size_bytes, Why.AGE if too_old else Why.ROOM)
                    )
            return left_bytes <= self._max_bytes

    def tidy_if_there(self) -> None:
        """`tidy`, without making a folder that nobody needs.

        Raises:
            RecordingError: The folder can't be used.
        """
        try:
            self.tidy()
        except FileNotFoundError:
            return
        except OSError as fault:
            raise self.cannot(fault) from fault

    def cannot(self, fault: OSError) -> RecordingError:
        """Why nothing can be recorded, in words."""
        return RecordingError(
            f"This session has to be recorded, and it can't be: {_in_words(fault)}."
        )

    @contextmanager
    def _opened(self, *, make: bool = False) -> Iterator[int]:
        """The folder's descriptor: it can't be exchanged while something is done in it.

        Raises:
            OSError: The file can't be read or written.
            RecordingError: Others may write to it, or it is a link.
        """
        if make:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with suppress(FileExistsError):
                self.path.mkdir(mode=0o700)
        try:
            folder = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError as fault:
            if fault.errno in (errno.ELOOP, errno.ENOTDIR):
                raise _refused("it is a link, or no folder") from fault
            raise
        try:
            status = os.fstat(folder)
            if status.st_mode & _OTHERS_WRITE:
                mode = stat.S_IMODE(status.st_mode)
                raise _refused(f"others may write to it (mode {mode:04o})")
            if status.st_uid not in self._keepers:
                raise _refused("it belongs to another user")
            yield folder
        finally:
            os.close(folder)


def _refused(why: str) -> RecordingError:
    return RecordingError(f"The folder for recordings can't be used: {why}.")


def _created(name: str, folder: int) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.open(name, flags, 0o600, dir_fd=folder)


def _plain(text: str) -> str:
    return _ODD.sub("_", text)[:80] or "_"


def _caution(status: os.stat_result, keepers: Collection[int]) -> str:
    if status.st_uid not in keepers:
        return "It belongs to another account."
    if status.st_mode & _OTHERS_WRITE:
        mode = f"{stat.S_IMODE(status.st_mode):04o}"
        return f"Others may write to it (mode {mode})."
    return ""


def _recordings(folder: int, keepers: Collection[int]) -> Iterator[FoundRecording]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if _NAME.fullmatch(entry.name) is None:
                continue
            with suppress(FileNotFoundError):
                status = entry.stat(follow_symlinks=False)
                if stat.S_ISREG(status.st_mode):
                    yield FoundRecording(
                        *(entry.name, status.st_size, status.st_mtime_ns, status.st_ino),
                        _caution(status, keepers),
                    )


def _removed(name: str, folder: int) -> bool | None:
    """Delete a recording; whether it was this that did it, or None if it is being written."""
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=folder)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.unlink(name, dir_fd=folder)
    except BlockingIOError:
        return None
    except FileNotFoundError:
        return False
    finally:
        os.close(descriptor)
    return True


_WORDS = {
    errno.ENOSPC: "the disk is full",
    errno.EROFS: "the disk is read-only",
    errno.EACCES: "this user may not write to the folder for recordings",
    **OUT_OF_DESCRIPTORS,
}


def _in_words(fault: OSError) -> str:
    return _WORDS.get(fault.errno or 0, fault.strerror or "writing fails")
