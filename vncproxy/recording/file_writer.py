"""A recording as it is written: compressed at once, and readable whenever it is cut off.

To be used from one thread. See `file_format` for the form.
"""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Sequence

from vncproxy.recording import file_format
from vncproxy.recording.file_format import Header, Kind

LEVEL = 4
"""Of compression: the pixels come uncompressed, and this is done for each screen that is seen."""
CHUNK_BYTES = 64 * 1024
"""So much compressed data is written at the latest."""
_GZIP = 16 + zlib.MAX_WBITS


class RecordingFile:
    """One file, from its header to its end.

    Every method but `close` raises OSError when the disk can't take it. What was written of the
    failed chunk is taken back, and the file goes on with the next `begin`.
    """

    def __init__(self, descriptor: int, header: Header) -> None:
        """Own an empty file's descriptor, and write the header."""
        self.written_bytes = 0
        self.unsynced = False
        self._descriptor = descriptor
        self._hash = hashlib.sha256()
        self._header = header
        self._identity = os.urandom(file_format.IDENTITY_BYTES)
        self._number = 0
        self._gzip: zlib._Compress | None = None
        self._packed = bytearray()
        self._tag = file_format.BLOCK
        self._flags = 0
        self._first_ms = self._last_ms = 0
        self._dirty = False
        self._write(file_format.start(header))

    @property
    def sha256(self) -> str:
        """Of everything in the file."""
        return self._hash.hexdigest()

    def begin(self, time_ms: int, opening: bytes, *, whole: bool, continues: bool) -> None:
        """A block begins; the one before is complete."""
        self._end_block()
        self._gzip = zlib.compressobj(LEVEL, zlib.DEFLATED, _GZIP)
        self._tag = file_format.BLOCK
        self._flags = file_format.WHOLE * whole | file_format.CONTINUES * continues
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
        for piece in file_format.record(time_ms, kind, slices):
            self._packed += self._gzip.compress(piece)

    def flush(self) -> None:
        """Put all that was added into the file."""
        if self._gzip is not None and self._dirty:
            self._packed += self._gzip.flush(zlib.Z_SYNC_FLUSH)
            self._put_packed()

    def note(self, time_ms: int, what: str) -> None:
        """Something happened."""
        self.flush()
        self._chunk(file_format.NOTE, what.encode(), time_ms, time_ms)

    def sync(self) -> None:
        """Put what is in the file on the disk.

        Raises:
            OSError: The file can't be read or written.
        """
        os.fsync(self._descriptor)
        self.unsynced = False

    def discard(self) -> None:
        """Close the file as it is: it is of no use."""
        os.close(self._descriptor)

    def close(self, time_ms: int, *, gap: bool = False) -> str | None:
        """End the recording and close the file; what went wrong with that, if anything did.

        Args:
            time_ms: When it ended.
            gap: What was shown up to here isn't all in the file, which is noted; if the disk has no
                room for the note either, the file has no end.
        """
        problem = None
        try:
            try:
                self._end_block()
            except OSError as fault:
                problem, gap = _in_words(fault), True
            if gap:
                self._chunk(file_format.NOTE, file_format.GAP.encode(), time_ms, time_ms)
            self._chunk(file_format.END, file_format.header_text(self._header), 0, time_ms)
            self.sync()
        except OSError as fault:
            return _in_words(fault)
        finally:
            os.close(self._descriptor)
        return problem

    def _end_block(self) -> None:
        if self._gzip is not None:
            self._packed += self._gzip.flush()
            self._put_packed(file_format.LAST)
            self._gzip = None

    def _put_packed(self, flags: int = 0) -> None:
        packed, self._packed = bytes(self._packed), bytearray()
        tag, self._tag = self._tag, file_format.MORE
        try:
            self._chunk(tag, packed, self._first_ms, self._last_ms, self._flags | flags)
        except OSError:
            # What the compressor knows isn't in the file: its member can't go on.
            self._gzip = None
            raise
        self._flags = 0
        self._first_ms = self._last_ms
        self._dirty = False

    def _chunk(self, tag: bytes, data: bytes, first_ms: int, last_ms: int, flags: int = 0) -> None:
        whole = file_format.chunk(
            tag,
            data,
            flags=flags,
            number=self._number,
            identity=self._identity,
            first_ms=first_ms,
            last_ms=last_ms,
        )
        self._write(whole)
        self._number += 1

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
