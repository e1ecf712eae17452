"""A recording as it is written: compressed at once, and readable whenever it is cut off.

To be used from one thread. See `layout` for the form.
"""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Sequence

import msgspec

from vncproxy.recording import layout
from vncproxy.recording.layout import Block, Header, Index, Kind, Note

LEVEL = 4
"""Of compression: the pixels come uncompressed, and this is done for each screen that is seen."""
CHUNK_BYTES = 64 * 1024
"""So much compressed data is written at the latest."""
_GZIP = 16 + zlib.MAX_WBITS


class RecordingFile:
    """One file, from its header to its index.

    Every method but `close` raises OSError when the disk can't take it. What was written of the
    failed chunk is taken back, and the file goes on with the next `begin`.
    """

    def __init__(self, descriptor: int, header: Header) -> None:
        """Own an empty file's descriptor, and write the header."""
        self.written_bytes = 0
        self.unsynced = False
        self._descriptor = descriptor
        self._hash = hashlib.sha256()
        self._blocks: list[Block] = []
        self._notes: list[Note] = []
        self._gzip: zlib._Compress | None = None
        self._packed = bytearray()
        self._tag = layout.BLOCK
        self._flags = 0
        self._first_ms = self._last_ms = 0
        self._dirty = False
        self._write(layout.start(header))

    @property
    def sha256(self) -> str:
        """Of everything in the file."""
        return self._hash.hexdigest()

    @property
    def in_block(self) -> bool:
        """Whether records may follow."""
        return self._gzip is not None

    def begin(self, time_ms: int, opening: bytes, *, whole: bool, continues: bool) -> None:
        """A block begins; the one before is complete."""
        self._end_block()
        self._gzip = zlib.compressobj(LEVEL, zlib.DEFLATED, _GZIP)
        self._tag = layout.BLOCK
        self._flags = Block(0, time_ms, whole, continues).flags
        self._first_ms = self._last_ms = time_ms
        self._add(time_ms, Kind.OPENING, [opening])

    def add(self, time_ms: int, kind: Kind, slices: Sequence[bytes]) -> None:
        """A record of the current block."""
        assert self._gzip is not None, "records are in a block"
        self._add(time_ms, kind, slices)
        if len(self._packed) >= CHUNK_BYTES:
            self.flush()

    def _add(self, time_ms: int, kind: Kind, slices: Sequence[bytes]) -> None:
        assert self._gzip is not None, "records are in a block"
        self._last_ms = max(self._last_ms, time_ms)
        self._dirty = True
        for piece in layout.record(time_ms, kind, slices):
            self._packed += self._gzip.compress(piece)

    def flush(self) -> None:
        """Put all that was added into the file."""
        if self._gzip is not None and self._dirty:
            self._packed += self._gzip.flush(zlib.Z_SYNC_FLUSH)
            self._put_packed()

    def note(self, time_ms: int, what: str) -> None:
        """Something happened."""
        self.flush()
        self._chunk(layout.NOTE, 0, time_ms, time_ms, what.encode())
        self._notes.append(Note(time_ms, what))

    def sync(self) -> None:
        """Put what is in the file on the disk. Raises: OSError."""
        os.fsync(self._descriptor)
        self.unsynced = False

    def close(self, time_ms: int, *, gap: bool = False) -> str | None:
        """End the recording and close the file; what went wrong with that, if anything did.

        Args: gap - what was shown up to here isn't all in the file. It is noted in the index; as it
        is what the disk has no room for, the index may be missing then.
        """
        problem = None
        try:
            try:
                self._end_block()
            except OSError as fault:
                problem, gap = _in_words(fault), True
            notes = (*self._notes, *([Note(time_ms, layout.GAP)] if gap else []))
            index = Index(time_ms, tuple(self._blocks), notes)
            offset = self.written_bytes
            self._chunk(layout.INDEX, 0, 0, time_ms, msgspec.json.encode(index))
            self._write(layout.end(offset))
            self.sync()
        except OSError as fault:
            return _in_words(fault)
        finally:
            os.close(self._descriptor)
        return problem

    def _end_block(self) -> None:
        if self._gzip is not None:
            self._packed += self._gzip.flush()
            self._put_packed()
            self._gzip = None

    def _put_packed(self) -> None:
        packed, self._packed = bytes(self._packed), bytearray()
        tag, self._tag = self._tag, layout.MORE
        offset = self.written_bytes
        try:
            self._chunk(tag, self._flags, self._first_ms, self._last_ms, packed)
        except OSError:
            # What the compressor knows isn't in the file: its member can't go on.
            self._gzip = None
            raise
        if tag == layout.BLOCK:
            whole, continues = self._flags & layout.WHOLE, self._flags & layout.CONTINUES
            self._blocks.append(Block(offset, self._first_ms, bool(whole), bool(continues)))
        self._flags = 0
        self._first_ms = self._last_ms
        self._dirty = False

    def _chunk(self, tag: bytes, flags: int, first_ms: int, last_ms: int, data: bytes) -> None:
        self._write(layout.chunk(tag, flags, first_ms, last_ms, data))

    def _write(self, data: bytes) -> None:
        left = memoryview(data)
        try:
            while left:
                left = left[os.write(self._descriptor, left) :]
        except OSError:
            # What stands there must stay readable.
            os.ftruncate(self._descriptor, self.written_bytes)
            os.lseek(self._descriptor, self.written_bytes, os.SEEK_SET)
            raise
        self._hash.update(data)
        self.written_bytes += len(data)
        self.unsynced = True


def _in_words(fault: OSError) -> str:
    return fault.strerror or "it fails"
