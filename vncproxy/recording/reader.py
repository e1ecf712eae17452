"""A recording as it is read: never more of it in memory than one record.

A file without its end, cut by a crash or still being written, is read as far as it goes.
"""

from __future__ import annotations

import hashlib
import os
import stat
import zlib
from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from vncproxy.errors import RecordingError
from vncproxy.recording import layout
from vncproxy.recording.layout import Block, Chunk, Header, Index, Note, Record

_GZIP = 16 + zlib.MAX_WBITS
_PIECE_BYTES = 256 * 1024
"""At most so much is inflated at a time."""
_CHUNK_MAX_BYTES = 1 << 30
_READ_BYTES = 1 << 20


class Recording:
    """An open file. `whole`: it has its end. `close` gives the file back."""

    def __init__(self, path: Path) -> None:
        """Open it. Raises: RecordingError - it can't be read, or is no recording."""
        self._path = path
        try:
            # A pipe would let nobody read before somebody writes.
            flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
            self._file: BinaryIO = os.fdopen(os.open(path, flags), "rb")
        except OSError as fault:
            raise self._cannot_be_read(fault) from fault
        try:
            status = os.fstat(self._file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise RecordingError(f"{path} is no regular file.")
            self.size_bytes = status.st_size
            beginning = self._file.read(layout.START_BYTES)
            length = layout.header_length(beginning)
            self.header: Header = layout.parse_header(beginning, self._file.read(length))
            self._chunks_at = layout.START_BYTES + length
            index = self._index()
            self.whole = index is not None
            self._contents = index or self._scanned()
        except OSError as fault:
            self._file.close()
            raise self._cannot_be_read(fault) from fault
        except RecordingError:
            self._file.close()
            raise

    def _cannot_be_read(self, fault: OSError) -> RecordingError:
        return RecordingError(f"{self._path} can't be read: {fault.strerror}.")

    def close(self) -> None:
        """Give the file back."""
        self._file.close()

    @property
    def duration_ms(self) -> int:
        """How long it is."""
        return self._contents.duration_ms

    @property
    def blocks(self) -> tuple[Block, ...]:
        """Where playing can begin."""
        return self._contents.blocks

    @property
    def notes(self) -> tuple[Note, ...]:
        """What happened."""
        return self._contents.notes

    @property
    def gaps(self) -> int:
        """How often something that was shown isn't in it."""
        return sum(note.what == layout.GAP for note in self.notes)

    @property
    def complete(self) -> bool:
        """Whether it has its end, and all that was shown until then."""
        return self.whole and self.gaps == 0

    def sha256(self) -> str:
        """Of the file as long as it was when it was opened. Raises: RecordingError."""
        digest = hashlib.sha256()
        try:
            for at in range(0, self.size_bytes, _READ_BYTES):
                length = min(_READ_BYTES, self.size_bytes - at)
                digest.update(os.pread(self._file.fileno(), length, at))
        except OSError as fault:
            raise self._cannot_be_read(fault) from fault
        return digest.hexdigest()

    def damaged_at_ms(self) -> int | None:
        """From when on what it showed can't be relied upon; None: every part is as it was written.

        Against accidents: whoever changes a file on purpose can make its parts fit again.
        """
        at_ms, after = 0, self._chunks_at
        for offset, chunk in self._chunks(self._chunks_at):
            try:
                self._content(offset, chunk)
            except RecordingError:
                return at_ms
            at_ms = max(at_ms, chunk.last_ms)
            after = offset + layout.CHUNK_HEADER_BYTES + chunk.length
        ends = self.size_bytes - layout.TRAILER_BYTES
        return at_ms if self.whole and after != ends else None

    def block_at(self, time_ms: int) -> int:
        """The number of the block from which to play to see the picture at `time_ms`."""
        number = bisect_right(self.blocks, time_ms, key=lambda block: block.time_ms) - 1
        while number > 0 and not self.blocks[number].whole:
            number -= 1
        return max(number, 0)

    def records(self, number: int) -> Iterator[Record]:
        """The records of a block, one by one.

        Raises: RecordingError - the file is damaged here; what came before is right.
        """
        inflater = zlib.decompressobj(_GZIP)
        held = bytearray()
        for piece in self._packed(self.blocks[number].offset):
            packed = piece
            while packed:
                try:
                    held += inflater.decompress(packed, _PIECE_BYTES)
                except zlib.error as fault:
                    raise layout.damaged() from fault
                packed = inflater.unconsumed_tail
                yield from _complete(held)

    def _packed(self, offset: int) -> Iterator[bytes]:
        """What the chunks of one block hold."""
        first = True
        for at, chunk in self._chunks(offset):
            if not first and chunk.tag in (layout.BLOCK, layout.INDEX):
                return
            first = False
            if chunk.tag == layout.NOTE:
                continue
            yield self._content(at, chunk)

    def _content(self, at: int, chunk: Chunk) -> bytes:
        # Read here and not kept open at a place: several may read at once.
        data = os.pread(self._file.fileno(), chunk.length, at + layout.CHUNK_HEADER_BYTES)
        if len(data) < chunk.length or zlib.crc32(data) != chunk.crc:
            raise layout.damaged()
        return data

    def _chunks(self, offset: int) -> Iterator[tuple[int, Chunk]]:
        """The complete chunks from `offset` on, with their offsets."""
        while True:
            head = os.pread(self._file.fileno(), layout.CHUNK_HEADER_BYTES, offset)
            chunk = layout.parse_chunk(head)
            if chunk is None or chunk.length > _CHUNK_MAX_BYTES:
                return
            after = offset + layout.CHUNK_HEADER_BYTES + chunk.length
            if after > self.size_bytes:
                return
            yield offset, chunk
            offset = after

    def _index(self) -> Index | None:
        """What the end of the file says; None if it has no end that could be right."""
        at = self.size_bytes - layout.TRAILER_BYTES
        offset = layout.parse_end(os.pread(self._file.fileno(), layout.TRAILER_BYTES, max(at, 0)))
        if offset is None or offset < self._chunks_at:
            return None
        found = next(self._chunks(offset), None)
        if found is None:
            return None
        _, chunk = found
        if chunk.tag != layout.INDEX or chunk.length > layout.INDEX_MAX_BYTES:
            return None
        try:
            index = msgspec.json.decode(self._content(offset, chunk), type=Index)
        except (RecordingError, msgspec.MsgspecError):
            return None
        return index if all(b.offset < offset for b in index.blocks) else None

    def _scanned(self) -> Index:
        """What the chunks say."""
        blocks: list[Block] = []
        notes: list[Note] = []
        duration_ms = 0
        for at, chunk in self._chunks(self._chunks_at):
            duration_ms = max(duration_ms, chunk.last_ms)
            if chunk.tag == layout.BLOCK:
                whole, continues = chunk.flags & layout.WHOLE, chunk.flags & layout.CONTINUES
                blocks.append(Block(at, chunk.first_ms, bool(whole), bool(continues)))
            elif chunk.tag == layout.NOTE:
                what = self._content(at, chunk).decode("ascii", "replace")
                notes.append(Note(chunk.first_ms, what if what in layout.NOTES else layout.GAP))
        return Index(duration_ms, tuple(blocks), tuple(notes))


def _complete(held: bytearray) -> Iterator[Record]:
    """The complete records at the beginning of `held`, which are taken off it."""
    at = 0
    while len(held) - at >= layout.RECORD_HEADER_BYTES:
        body_at = at + layout.RECORD_HEADER_BYTES
        time_ms, kind, length = layout.parse_record(bytes(held[at:body_at]))
        if len(held) - body_at < length:
            break
        at = body_at + length
        yield Record(time_ms, kind, bytes(held[body_at:at]))
    del held[:at]
