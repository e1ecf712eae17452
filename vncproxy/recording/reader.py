"""A recording as it is read: never more of it in memory than one record.

Whatever happened to the file, what is left of it is read: one without its end, cut by a crash or
still being written, as far as it goes; one that is damaged, from the next block on that is whole.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import stat
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vncproxy.errors import RecordingError
from vncproxy.recording import file_format
from vncproxy.recording.file_format import Chunk, Header, Record

_GZIP = 16 + zlib.MAX_WBITS
_PIECE_BYTES = 256 * 1024
"""At most so much is inflated at a time."""
_READ_BYTES = 1 << 20
_TAG = re.compile(b"|".join(file_format.TAGS))
UNKNOWN = Header(instance="unknown", viewer="", user="unknown", started_at="")
"""Where the file's beginning and its end are gone."""


@dataclass(frozen=True, slots=True)
class Block:
    """Where a block is.

    Args:
        offset: Of its BLOK chunk, in bytes.
        time_ms: When it begins.
        whole: Its KEY records make the whole picture.
        continues: Nothing is missing between the block before and this one.
    """

    offset: int
    time_ms: int
    whole: bool
    continues: bool


@dataclass(frozen=True, slots=True)
class Note:
    """Something that happened.

    Args:
        what: One of `file_format.NOTES`.
    """

    time_ms: int
    what: str


@dataclass(frozen=True, slots=True)
class Damage:
    """From when until when it isn't known what the screen showed."""

    from_ms: int
    to_ms: int


class Recording:
    """An open recording, to be played and sought. `close` closes the file.

    Attributes:
        path: The file.
        size_bytes, inode: The file's, when it was opened.
        header: Whose session it was.
        known: Whether the header could be read; else it is `UNKNOWN`.
        whole: Whether the recording has its proper end.
        duration_ms: How long it is.
        blocks: Where playing can begin.
        notes: What happened: lost links, gaps.
        damage: The times of which the file doesn't show what it did when it was written.
    """

    def __init__(self, path: Path, *, check: bool = True, descriptor: int | None = None) -> None:
        """Open it.

        Args:
            path: The file.
            check: Read all of it and check the checksums; else only the chunks' heads are read.
            descriptor: Of the file, if it is open already; the recording owns it.

        Raises:
            RecordingError: It can't be read, or is no recording.
        """
        self.path = path
        try:
            # Opening a named pipe without O_NONBLOCK would wait for a writer.
            flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
            self._file = os.open(path, flags) if descriptor is None else descriptor
        except OSError as fault:
            raise self._cannot_be_read(fault) from fault
        try:
            status = os.fstat(self._file)
            if not stat.S_ISREG(status.st_mode):
                raise RecordingError(f"{path} is no regular file.")
            self.size_bytes = status.st_size
            self.inode = status.st_ino
            self._open(check=check)
        except OSError as fault:
            self.close()
            raise self._cannot_be_read(fault) from fault
        except RecordingError:
            self.close()
            raise

    def _cannot_be_read(self, fault: OSError) -> RecordingError:
        return RecordingError(f"{self.path} can't be read: {fault.strerror}.")

    def is_written(self) -> bool:
        """Whether a daemon still writes it: then it has locked it."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        fcntl.flock(self._file, fcntl.LOCK_UN)
        return False

    def close(self) -> None:
        """Give the file back."""
        os.close(self._file)

    def _open(self, *, check: bool) -> None:
        beginning = os.pread(self._file, file_format.START_BYTES + file_format.HEADER_MAX_BYTES, 0)
        found = file_format.parse_start(beginning)
        scan = _ChunkScan(self._file, self.size_bytes, check=check)
        scan.run(None if found is None else found[1])
        header = found[0] if found is not None else scan.header
        if found is None and scan.identity is None:
            raise RecordingError("This is no recording of vncproxy, or nothing of it is left.")
        self.known = header is not None
        self.header: Header = header or UNKNOWN
        self.whole = scan.ended
        self.duration_ms = scan.duration_ms
        self.blocks = tuple(scan.blocks)
        self.notes = tuple(scan.notes)
        self.damage = scan.damage
        self._identity = scan.identity

    @property
    def gaps(self) -> int:
        """How often something that was shown isn't in it."""
        return sum(note.what == file_format.GAP for note in self.notes)

    @property
    def complete(self) -> bool:
        """Whether it has its end, and all that was shown until then, as it was written."""
        return self.whole and self.gaps == 0 and not self.damage

    def sha256(self) -> str:
        """Of the file as long as it was when it was opened.

        Raises:
            RecordingError: It isn't a recording, or it is damaged.
        """
        digest = hashlib.sha256()
        try:
            for at in range(0, self.size_bytes, _READ_BYTES):
                length = min(_READ_BYTES, self.size_bytes - at)
                digest.update(os.pread(self._file, length, at))
        except OSError as fault:
            raise self._cannot_be_read(fault) from fault
        return digest.hexdigest()

    def records(self, number: int) -> Iterator[Record]:
        """The records of a block, one by one.

        Raises:
            RecordingError: The file is damaged here; what came before is right.
        """
        inflater = zlib.decompressobj(_GZIP)
        held = bytearray()
        ended = False
        for packed, last in self._packed(self.blocks[number].offset):
            ended = last
            left = packed
            while left:
                try:
                    held += inflater.decompress(left, _PIECE_BYTES)
                except zlib.error as fault:
                    raise file_format.damaged() from fault
                left = inflater.unconsumed_tail
                yield from _complete(held)
        if ended and (held or not inflater.eof or inflater.unused_data):
            raise file_format.damaged()

    def _packed(self, offset: int) -> Iterator[tuple[bytes, bool]]:
        """What the chunks of one block hold, and whether its member ends there.

        Raises:
            RecordingError: One of them is damaged, or gone.
        """
        wanted = None
        while (chunk := self._chunk(offset)) is not None:
            if wanted is not None and chunk.number != wanted:
                raise file_format.damaged()
            if wanted is not None and chunk.tag in (file_format.BLOCK, file_format.END):
                # The disk failed, and the recording went on with another block, or ended.
                return
            if chunk.tag != file_format.NOTE:
                last = bool(chunk.flags & file_format.LAST)
                yield self._data(offset, chunk), last
                if last:
                    return
            wanted = chunk.number + 1
            offset += file_format.CHUNK_HEADER_BYTES + chunk.length

    def _chunk(self, offset: int) -> Chunk | None:
        """The chunk that begins there; None if the file was cut before its end.

        Raises:
            RecordingError: What is there is none.
        """
        head = os.pread(self._file, file_format.CHUNK_HEADER_BYTES, offset)
        if len(head) < file_format.CHUNK_HEADER_BYTES:
            return None
        chunk = file_format.parse_chunk(head)
        if chunk is None or chunk.identity != self._identity:
            raise file_format.damaged()
        after = offset + file_format.CHUNK_HEADER_BYTES + chunk.length
        return chunk if after <= self.size_bytes else None

    def _data(self, at: int, chunk: Chunk) -> bytes:
        # Read here and not kept open at a place: several may read at once.
        data = os.pread(self._file, chunk.length, at + file_format.CHUNK_HEADER_BYTES)
        if len(data) < chunk.length or zlib.crc32(data) != chunk.crc:
            raise file_format.damaged()
        return data


class _ChunkScan:
    """One pass over a file's chunks: where blocks begin, what was noted, what is damaged."""

    def __init__(self, file: int, size_bytes: int, *, check: bool) -> None:
        """Scan nothing yet.

        Args:
            file: Its descriptor.
            size_bytes: How much of the file is read.
            check: Read all data and check the checksums.
        """
        self.identity: bytes | None = None
        self.header: Header | None = None
        self.ended = False
        self.duration_ms = 0
        self.blocks: list[Block] = []
        self.notes: list[Note] = []
        self._file = file
        self._size_bytes = size_bytes
        self._check = check
        self._number = 0
        self._damage: list[Damage] = []
        self._right_until_ms = 0
        self._broken_from_ms: int | None = None

    @property
    def damage(self) -> tuple[Damage, ...]:
        """The times that are missing, up to the end where the last gap has none."""
        if self._broken_from_ms is None:
            return tuple(self._damage)
        return (*self._damage, Damage(self._broken_from_ms, self.duration_ms))

    def run(self, at: int | None) -> None:
        """Follow the chunks.

        Args:
            at: Where the first one should begin, if that is known.
        """
        if at is None:
            self._broke()
            at = 0
        while at < self._size_bytes:
            chunk = self._parsed(os.pread(self._file, file_format.CHUNK_HEADER_BYTES, at))
            if self.ended:
                # Nothing follows the end.
                self._broke()
                return
            if chunk is None:
                found = self._next_head(at + 1)
                if found is None:
                    if self._size_bytes - at >= file_format.CHUNK_HEADER_BYTES:
                        self._broke()
                    return
                self._broke()
                at = found
                continue
            after = at + file_format.CHUNK_HEADER_BYTES + chunk.length
            if after > self._size_bytes:
                return
            if chunk.number != self._number:
                self._broke()
            self.identity = chunk.identity
            self._number = chunk.number + 1
            self._take(at, chunk)
            at = after

    def _parsed(self, head: bytes) -> Chunk | None:
        """A head that may follow what was found until now."""
        chunk = file_format.parse_chunk(head)
        if chunk is None or self.identity not in (None, chunk.identity):
            return None
        return chunk if chunk.number >= self._number else None

    def _next_head(self, at: int) -> int | None:
        """Where the next chunk begins; None if there is no other."""
        while at < self._size_bytes:
            # Overlapping pieces: a head may begin in one and end in the next.
            piece = os.pread(self._file, _READ_BYTES + file_format.CHUNK_HEADER_BYTES - 1, at)
            for found in _TAG.finditer(piece):
                head = piece[found.start() : found.start() + file_format.CHUNK_HEADER_BYTES]
                if self._parsed(head) is not None:
                    return at + found.start()
            at += _READ_BYTES
        return None

    def _take(self, at: int, chunk: Chunk) -> None:
        self.duration_ms = max(self.duration_ms, chunk.last_ms)
        intact = not self._check or self._sum(at, chunk) == chunk.crc
        if chunk.tag == file_format.BLOCK:
            whole, continues = chunk.flags & file_format.WHOLE, chunk.flags & file_format.CONTINUES
            # A player can't begin at a block whose first chunk is damaged. The damage lasts until
            # the next block with a whole picture: what comes before that builds on what is lost.
            whole = whole and intact
            if self._broken_from_ms is not None:
                continues = False
                if whole:
                    self._damage.append(Damage(self._broken_from_ms, chunk.first_ms))
                    self._broken_from_ms = None
            self.blocks.append(Block(at, chunk.first_ms, bool(whole), bool(continues)))
        if not intact:
            self._broke()
        elif chunk.tag == file_format.END:
            self.header = file_format.parse_header(self._read(at, chunk))
        elif chunk.tag == file_format.NOTE:
            what = self._read(at, chunk).decode("ascii", "replace")
            self.notes.append(
                Note(chunk.first_ms, what if what in file_format.NOTES else file_format.GAP)
            )
        self.ended = chunk.tag == file_format.END
        if self._broken_from_ms is None:
            self._right_until_ms = max(self._right_until_ms, chunk.last_ms)

    def _broke(self) -> None:
        if self._broken_from_ms is None:
            self._broken_from_ms = self._right_until_ms

    def _read(self, at: int, chunk: Chunk) -> bytes:
        # Notes and headers are short, whatever length a damaged file claims.
        length = min(chunk.length, file_format.HEADER_MAX_BYTES)
        return os.pread(self._file, length, at + file_format.CHUNK_HEADER_BYTES)

    def _sum(self, at: int, chunk: Chunk) -> int:
        crc, done = 0, 0
        while done < chunk.length:
            length = min(_READ_BYTES, chunk.length - done)
            data = os.pread(self._file, length, at + file_format.CHUNK_HEADER_BYTES + done)
            if not data:
                return -1
            crc = zlib.crc32(data, crc)
            done += len(data)
        return crc


def _complete(held: bytearray) -> Iterator[Record]:
    """The complete records at the beginning of `held`, which are taken off it."""
    at = 0
    while len(held) - at >= file_format.RECORD_HEADER_BYTES:
        body_at = at + file_format.RECORD_HEADER_BYTES
        time_ms, kind, length = file_format.parse_record(bytes(held[at:body_at]))
        if len(held) - body_at < length:
            break
        at = body_at + length
        yield Record(time_ms, kind, bytes(held[body_at:at]))
    del held[:at]
