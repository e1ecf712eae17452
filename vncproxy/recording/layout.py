"""The file of a recording: what a session's screen showed, so that it can be played and sought.

It holds what a server says to a viewer (RFB's server messages), with times. No key, no pointer and
no clipboard text is ever in it. Times are milliseconds since the session began; numbers are
big-endian.

    file        SIGNATURE, version (U16), length and CRC-32 (U32 each) of the JSON of the `Header`,
                which follows, then chunks
    chunk       tag (4 bytes), flags (U8), 3 zero bytes, time of its first and of its last record
                (U64 each), length of what follows (U32), CRC-32 of what follows (U32), and that
      BLOK        begins a block: the first part of a gzip member; flags: see `Block`
      MORE        the next part of that member
      NOTE        something that happened, one of `NOTES`, in ASCII; stands between the parts
      INDX        JSON of the `Index`; the last chunk
    end         offset of INDX (U64), END

A block's gzip member holds records: time (U64), kind (U8), length (U32), bytes. The first is the
OPENING, a ServerInit: size, pixel format and name of the screen. KEY records follow, from which
together a decoder that knows nothing has the whole picture, then LIVE records. A player begins at
any whole block with its OPENING and its KEY records; one that comes from the block before leaves
those out if the block continues it. All Tight rectangles reset their zlib streams, so none needs
one that came before it.

A file that was cut lacks its end, and is read by following the chunks. Every part of a member ends
at a byte boundary of the compressor, so all but the last, broken chunk can be used.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum

import msgspec

from vncproxy.errors import RecordingError

SIGNATURE = b"\x89vncproxy-rec\r\n\x1a"
"""The first byte has its high bit set and the last ones are a line end and an end of file, so that
a copy that was taken for text shows."""
VERSION = 1
END = b"vncp-end"
SUFFIX = ".vncrec"
HEADER_MAX_BYTES = 64 * 1024
RECORD_MAX_BYTES = 128 << 20
"""More than one record can have: a rectangle has at most 64 MiB."""
INDEX_MAX_BYTES = 64 << 20

LINK_LOST, LINK_RENEWED, GAP = "link-lost", "link-renewed", "gap"
NOTES = frozenset({LINK_LOST, LINK_RENEWED, GAP})
"""The link to the cloud broke; another one took its place; some time up to here wasn't recorded."""

BLOCK, MORE, NOTE, INDEX = b"BLOK", b"MORE", b"NOTE", b"INDX"
WHOLE, CONTINUES = 1, 2

_START = struct.Struct(">HII")
_CHUNK = struct.Struct(">4sB3xQQII")
_RECORD = struct.Struct(">QBI")
_TRAILER = struct.Struct(">Q8s")
START_BYTES = len(SIGNATURE) + _START.size
CHUNK_HEADER_BYTES = _CHUNK.size
RECORD_HEADER_BYTES = _RECORD.size
TRAILER_BYTES = _TRAILER.size


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """Whose session it was. Args: started_at - UTC, ISO 8601; version - of vncproxy."""

    instance: str
    viewer: str
    user: str
    started_at: str
    alias: str = ""
    region: str = ""
    address: str = ""
    door: str = ""
    version: str = ""


class Block(msgspec.Struct, frozen=True, array_like=True):
    """Where a block is.

    Args: offset - of its BLOK chunk, in bytes; time_ms - when it begins; whole - its KEY records
    make the whole picture; continues - nothing is missing between the block before and this one.
    """

    offset: int
    time_ms: int
    whole: bool
    continues: bool

    @property
    def flags(self) -> int:
        """As in its chunk."""
        return WHOLE * self.whole | CONTINUES * self.continues


class Note(msgspec.Struct, frozen=True, array_like=True):
    """Something that happened. Args: what - one of `NOTES`."""

    time_ms: int
    what: str


class Index(msgspec.Struct, frozen=True):
    """What is where, and how long it all is."""

    duration_ms: int
    blocks: tuple[Block, ...]
    notes: tuple[Note, ...] = ()


class Kind(IntEnum):
    """What a record is for."""

    OPENING = 0
    KEY = 1
    LIVE = 2


@dataclass(frozen=True, slots=True)
class Record:
    """Whole server messages, or an OPENING."""

    time_ms: int
    kind: Kind
    data: bytes


@dataclass(frozen=True, slots=True)
class Chunk:
    """The head of a chunk. Args: length - of what follows it, in bytes; crc - of that."""

    tag: bytes
    flags: int
    first_ms: int
    last_ms: int
    length: int
    crc: int


def start(header: Header) -> bytes:
    """The file's first bytes."""
    text = msgspec.json.encode(header)
    return SIGNATURE + _START.pack(VERSION, len(text), zlib.crc32(text)) + text


def header_length(beginning: bytes) -> int:
    """How long the JSON is that follows the first `START_BYTES`. Raises: RecordingError."""
    if len(beginning) < START_BYTES or not beginning.startswith(SIGNATURE):
        raise RecordingError("This is no recording of vncproxy, or it was damaged on its way here.")
    version, length, _ = _START.unpack_from(beginning, len(SIGNATURE))
    if version != VERSION:
        raise RecordingError(
            f"This recording has version {version}; this vncproxy plays version {VERSION}."
        )
    if length > HEADER_MAX_BYTES:
        raise RecordingError("The beginning of this recording is damaged.")
    return int(length)


def parse_header(beginning: bytes, text: bytes) -> Header:
    """The header. Args: beginning - the first `START_BYTES`. Raises: RecordingError."""
    *_, crc = _START.unpack_from(beginning, len(SIGNATURE))
    try:
        if zlib.crc32(text) != crc:
            raise msgspec.ValidationError
        return msgspec.json.decode(text, type=Header)
    except msgspec.MsgspecError as fault:
        raise RecordingError("The beginning of this recording is damaged.") from fault


def chunk(tag: bytes, flags: int, first_ms: int, last_ms: int, data: bytes) -> bytes:
    """A chunk."""
    return _CHUNK.pack(tag, flags, first_ms, last_ms, len(data), zlib.crc32(data)) + data


def parse_chunk(head: bytes) -> Chunk | None:
    """A chunk's head; None if it can't be one."""
    if len(head) < CHUNK_HEADER_BYTES:
        return None
    found = Chunk(*_CHUNK.unpack(head[:CHUNK_HEADER_BYTES]))
    return found if found.tag in (BLOCK, MORE, NOTE, INDEX) else None


def record(time_ms: int, kind: Kind, slices: Sequence[bytes]) -> Iterator[bytes]:
    """A record in pieces, so that nothing large is copied."""
    yield _RECORD.pack(time_ms, kind, sum(map(len, slices)))
    yield from slices


def parse_record(head: bytes) -> tuple[int, Kind, int]:
    """Time, kind and length of a record. Raises: RecordingError."""
    time_ms, kind, length = _RECORD.unpack(head)
    if kind not in Kind.__members__.values() or length > RECORD_MAX_BYTES:
        raise damaged()
    return time_ms, Kind(kind), length


def end(index_offset: int) -> bytes:
    """The file's last bytes."""
    return _TRAILER.pack(index_offset, END)


def parse_end(last: bytes) -> int | None:
    """Where the index is; None if these aren't the last bytes of a whole file."""
    if len(last) != TRAILER_BYTES:
        return None
    offset, mark = _TRAILER.unpack(last)
    return int(offset) if mark == END else None


def damaged() -> RecordingError:
    """What is read can't have been written."""
    return RecordingError("This recording is damaged; what comes before can be played.")
