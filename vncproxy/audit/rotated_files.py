"""The files of an audit: the one in use and those that were moved away beside it.

They are found by name, and opened only where nobody else could have written them. What isn't read
is told in a sentence. Everything here blocks as long as the disk does.
"""

from __future__ import annotations

import gzip
import io
import os
import re
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, cast

from vncproxy.audit.record import LINE_MAX_BYTES, parse
from vncproxy.audit.verification import RUBBLE_MAX_BYTES

FILES_MAX = 1000
"""The newest of them are read."""
UNPACKED_BYTES = io.DEFAULT_BUFFER_SIZE
"""Read at once of a compressed file, as its lines are: a piece with damage in it is lost."""
_GZIP_SUFFIX = ".gz"
_BAD_GZIP = (EOFError, gzip.BadGzipFile, zlib.error)
_DAMAGED = "it is damaged, or cut short"
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


class AuditFileError(Exception):
    """A file that isn't read; its text is why, and follows its name in a sentence."""


class _DamagedError(AuditFileError):
    """One that can't be unpacked, or is cut short."""


@dataclass(frozen=True, slots=True)
class Part:
    """One file of the audit.

    Args:
        size_bytes: On the disk.
        length: In bytes; of a compressed one what its end says.
        begins: Time, number and hash of its first record, by which the files are in order.
    """

    path: Path
    inode: int
    size_bytes: int
    modified_ns: int
    length: int
    begins: tuple[str, int, str]

    @property
    def packed(self) -> bool:
        """Whether it is compressed, and so never grows."""
        return _is_packed(self.path)


@dataclass(frozen=True, slots=True)
class Parts:
    """What there is of an audit.

    Args:
        found: In the order in which they were written.
        problems: What isn't read, a sentence each.
    """

    found: tuple[Part, ...]
    problems: tuple[str, ...]


def parts_of(path: Path) -> Parts:
    """The audit's files.

    Beside `audit.jsonl` those count that are called `audit.jsonl.1`, `audit.jsonl-20261130`,
    `audit-2026.jsonl` and the like, also with `.gz` behind it.

    Args:
        path: The one in use.
    """
    problems: list[str] = []
    try:
        names = sorted(
            entry.name for entry in os.scandir(path.parent) if _is_like(path, entry.name)
        )
    except OSError as fault:
        return Parts((), (f"The audit's folder {path.parent} can't be read: {fault.strerror}.",))
    if path.name not in names:
        problems.append(f"The audit {path} is missing.")
    found: list[Part] = []
    for name in names:
        try:
            part = _part(path.with_name(name))
        except AuditFileError as why:
            # As when it is just being compressed.
            plain = name.removesuffix(_GZIP_SUFFIX)
            has_plain = any(plain == one.path.name for one in found)
            if not (isinstance(why, _DamagedError) and has_plain):
                problems.append(f"{name} isn't read: {why}.")
        except OSError as fault:
            problems.append(f"{name} can't be read: {fault.strerror}.")
        else:
            if part is not None:
                found.append(part)
    found = _without_copies(found, problems)
    if len(found) > FILES_MAX:
        problems.append(f"Of {len(found)} audit files, only the newest {FILES_MAX} are read.")
    return Parts(tuple(found[-FILES_MAX:]), tuple(problems))


def _without_copies(found: list[Part], problems: list[str]) -> list[Part]:
    """In order; of files that begin with the same record one.

    That is one that can be read to its end, if there is one; of these the longest, which has all of
    it; of these a plain one.
    """
    copies: dict[tuple[str, int, str], list[Part]] = {}
    for part in found:
        copies.setdefault(part.begins, []).append(part)
    return [_best(copies[begins], problems) for begins in sorted(copies)]


def _best(copies: list[Part], problems: list[str]) -> Part:
    """The one that is read; a damaged one that has more is a problem."""
    if len(copies) == 1:
        return copies[0]
    measured = []
    for part in copies:
        length, is_whole = part.length, True
        if part.packed:
            # What its end says is true only of a whole one.
            length, is_whole = 0, False
            with suppress(OSError):
                length, is_whole = _unpacked(
                    part.path, part.inode, part.size_bytes, part.modified_ns
                )
        measured.append((is_whole, length, not part.packed, part))
    *_, length, _, best = max(measured, key=lambda one: one[:3])
    why = _DAMAGED
    problems += (
        f"{part.path.name} isn't read: {why}."
        for is_whole, readable, _, part in measured
        if not is_whole and readable > length
    )
    return replace(best, length=length)


@lru_cache(FILES_MAX)
def _unpacked(path: Path, _inode: int, _size_bytes: int, _modified_ns: int) -> tuple[int, bool]:
    """How many bytes can be unpacked, and whether that is all; raises OSError."""
    length = 0
    try:
        with opened(path) as file:
            while piece := file.read(UNPACKED_BYTES):
                length += len(piece)
    except AuditFileError:
        return length, False
    return length, True


def _is_like(path: Path, name: str) -> bool:
    plain = name.removesuffix(_GZIP_SUFFIX)
    if plain == path.name:
        return True
    stem, suffix = re.escape(path.stem), re.escape(path.suffix)
    moved = rf"{re.escape(path.name)}[.-].+"
    return re.fullmatch(rf"{moved}|{stem}[.-].+{suffix}" if suffix else moved, plain) is not None


def _is_packed(path: Path) -> bool:
    return path.name.endswith(_GZIP_SUFFIX)


def _part(path: Path) -> Part | None:
    """The file; None if nothing is in it yet.

    Raises:
        AuditFileError: It isn't read.
        OSError: It can't be read.
    """
    with opened(path) as file:
        status = os.fstat(file.fileno())
        if not status.st_size:
            return None
        length = status.st_size
        if _is_packed(path):
            # Source: RFC 1952, section 2.3.1, ISIZE.
            length = int.from_bytes(
                os.pread(file.fileno(), 4, max(0, status.st_size - 4)), "little"
            )
        begins = _beginning(file)
    return Part(path, status.st_ino, status.st_size, status.st_mtime_ns, length, begins)


def _beginning(file: BinaryIO) -> tuple[str, int, str]:
    """Time, number and hash of the first record.

    Raises:
        AuditFileError: There is none near the beginning.
    """
    left = RUBBLE_MAX_BYTES + LINE_MAX_BYTES
    while left > 0 and (line := file.readline(LINE_MAX_BYTES)):
        record = parse(line.removesuffix(b"\n"))
        if record is not None and record.sound:
            return str(record.content.get("time", "")), record.seq, record.hash
        left -= len(line)
    raise AuditFileError("there is no record of vncproxy in it")


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """The file to be read from its beginning, decompressed if it is.

    Raises:
        AuditFileError: It isn't one to be believed, or it is damaged.
        OSError: It can't be read.
    """
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    if path.is_symlink():
        raise AuditFileError("it is a symbolic link")
    descriptor = os.open(path, flags)
    try:
        _check(os.fstat(descriptor))
    except BaseException:
        os.close(descriptor)
        raise
    with os.fdopen(descriptor, "rb") as raw:
        try:
            if _is_packed(path):
                with gzip.GzipFile(fileobj=raw) as unpacked:
                    yield cast("BinaryIO", unpacked)
            else:
                yield raw
        except _BAD_GZIP as fault:
            raise _DamagedError(_DAMAGED) from fault


def next_line(file: BinaryIO) -> bytes:
    """A line of what `opened` gave, or so much of it as a record may have.

    Raises:
        AuditFileError: From here on it is damaged.
        OSError: It can't be read.
    """
    try:
        return file.readline(LINE_MAX_BYTES)
    except _BAD_GZIP as fault:
        raise _DamagedError(_DAMAGED) from fault


def _check(status: os.stat_result) -> None:
    """Raises: AuditFileError: it isn't one to be believed."""
    if not stat.S_ISREG(status.st_mode):
        raise AuditFileError("it is no regular file")
    if status.st_uid not in (os.geteuid(), 0):
        raise AuditFileError("it belongs to another account")
    if status.st_mode & _OTHERS_WRITE:
        raise AuditFileError(f"others may write to it (mode {stat.S_IMODE(status.st_mode):04o})")
