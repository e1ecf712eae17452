"""The file of a recording: what a session's screen showed, so that it can be played and sought.

It holds what a server sends to a viewer (RFB's server messages), with times. No key, no pointer and
no clipboard text is ever in it. config/recording-format.md describes every byte of it; this is an
outline. Times are milliseconds since the session began; numbers are big-endian.

    file        SIGNATURE, version (U16), length of the JSON of the `Header` (U32), CRC-32 of the
                version, that length and the JSON (U32), the JSON, then chunks
    chunk       a head, see `Chunk`, then data
      BLOK      begins a block: the first part of a gzip member
      MORE      the next part of that member
      NOTE      something that happened, one of `NOTES`, in ASCII; stands between the parts
      ENDS      the header's JSON once more; the last chunk of a recording that was ended

Whatever happens to a file, what is left of it can be read: each head and all data have checksums;
chunks are numbered, so that one that is gone is noticed; and each has the file's own random
identity, so that the next one can be looked for where one is broken, and isn't taken for one if it
is only a picture of another recording.

A block's gzip member holds records: time (U64), kind (U8), length (U32), bytes. The first is the
OPENING, a ServerInit: size, pixel format and name of the screen. KEY records follow, from which
together a decoder that knows nothing has the whole picture, then LIVE records. A player begins at
any whole block with its OPENING and its KEY records; one that comes from the block before leaves
those out if the block continues it. All Tight rectangles reset their zlib streams, so none needs
one that came before it.

Every part of a member ends at a byte boundary of the compressor, so a file that was cut can be used
up to its last whole chunk.
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
VERSION = 2
SUFFIX = ".vncrec"
HEADER_MAX_BYTES = 64 * 1024
RECORD_MAX_BYTES = 128 << 20
"""More than one record can have: a rectangle has at most 64 MiB."""
CHUNK_MAX_BYTES = 1 << 30
"""More than the data of one chunk can have."""
IDENTITY_BYTES = 8

LINK_LOST, LINK_REPLACED, GAP = "link-lost", "link-renewed", "gap"
NOTES = frozenset({LINK_LOST, LINK_REPLACED, GAP})
"""The link to the cloud broke; another one took its place; some time up to here wasn't recorded."""

BLOCK, MORE, NOTE, END = b"BLOK", b"MORE", b"NOTE", b"ENDS"
TAGS = (BLOCK, MORE, NOTE, END)
WHOLE, CONTINUES, LAST = 1, 2, 4
"""Flags. Of a BLOK: its KEY records make the whole picture; nothing is missing between the block
before and this one. Of a BLOK or a MORE: the gzip member ends with it."""

# What follows SIGNATURE: version, length of the JSON, CRC-32; and what of it the CRC-32 covers.
_START = struct.Struct(">HII")
_SUMMED_START = struct.Struct(">HI")
# A chunk's head: tag, flags, number, identity, first and last time, length, CRC-32 of the data;
# then a CRC-32 of the head itself, so that a reader that seeks the next head isn't misled by data.
_HEAD = struct.Struct(">4sB3xI8sQQII")
_SUM = struct.Struct(">I")
_RECORD = struct.Struct(">QBI")
START_BYTES = len(SIGNATURE) + _START.size
CHUNK_HEADER_BYTES = _HEAD.size + _SUM.size
RECORD_HEADER_BYTES = _RECORD.size


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """Whose session it was.

    Args:
        started_at: UTC, ISO 8601.
        version: Vncproxy's.
    """

    instance: str
    viewer: str
    user: str
    started_at: str
    alias: str = ""
    region: str = ""
    address: str = ""
    door: str = ""
    version: str = ""


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
    """The head of a chunk.

    Args:
        tag: One of `TAGS`.
        flags: Of `WHOLE`, `CONTINUES`, `LAST`.
        number: 0, 1, 2 … within the file.
        identity: The file's, the same in each chunk.
        first_ms: Time of its first record.
        last_ms: Time of its last record.
        length: Of its data, in bytes.
        crc: CRC-32 of that.
    """

    tag: bytes
    flags: int
    number: int
    identity: bytes
    first_ms: int
    last_ms: int
    length: int
    crc: int


def start(header: Header) -> bytes:
    """The file's first bytes."""
    text = header_text(header)
    crc = zlib.crc32(text, zlib.crc32(_SUMMED_START.pack(VERSION, len(text))))
    return SIGNATURE + _START.pack(VERSION, len(text), crc) + text


def header_text(header: Header) -> bytes:
    """As it stands in the file."""
    return msgspec.json.encode(header)


def parse_start(beginning: bytes) -> tuple[Header, int] | None:
    """The header, and where the chunks begin; None if the beginning is damaged.

    Args:
        beginning: At least the first `START_BYTES` and `HEADER_MAX_BYTES`, if there are so many.

    Raises:
        RecordingError: It is whole, and of another version.
    """
    if len(beginning) < START_BYTES or not beginning.startswith(SIGNATURE):
        return None
    version, length, crc = _START.unpack_from(beginning, len(SIGNATURE))
    text = beginning[START_BYTES : START_BYTES + length]
    if length > HEADER_MAX_BYTES or len(text) < length:
        return None
    if zlib.crc32(text, zlib.crc32(_SUMMED_START.pack(version, length))) != crc:
        return None
    if version != VERSION:
        raise RecordingError(
            f"This recording has version {version}; this vncproxy plays version {VERSION}."
        )
    header = parse_header(text)
    return None if header is None else (header, START_BYTES + length)


def parse_header(text: bytes) -> Header | None:
    """A header's JSON; None if it is none."""
    try:
        return msgspec.json.decode(text, type=Header)
    except (msgspec.MsgspecError, RecursionError):
        return None


def chunk(
    tag: bytes,
    data: bytes,
    *,
    flags: int = 0,
    number: int,
    identity: bytes,
    first_ms: int,
    last_ms: int,
) -> bytes:
    """A chunk's bytes, from the values that `Chunk` has."""
    crc = zlib.crc32(data)
    head = _HEAD.pack(tag, flags, number, identity, first_ms, last_ms, len(data), crc)
    return head + _SUM.pack(zlib.crc32(head)) + data


def parse_chunk(head: bytes) -> Chunk | None:
    """A chunk's head; None if it isn't as it was written."""
    if len(head) < CHUNK_HEADER_BYTES:
        return None
    summed, (crc,) = head[: _HEAD.size], _SUM.unpack_from(head, _HEAD.size)
    if zlib.crc32(summed) != crc:
        return None
    found = Chunk(*_HEAD.unpack(summed))
    return found if found.tag in TAGS and found.length <= CHUNK_MAX_BYTES else None


def record(time_ms: int, kind: Kind, slices: Sequence[bytes]) -> Iterator[bytes]:
    """A record in pieces, so that nothing large is copied."""
    yield _RECORD.pack(time_ms, kind, sum(map(len, slices)))
    yield from slices


def parse_record(head: bytes) -> tuple[int, Kind, int]:
    """Time, kind and length of a record.

    Raises:
        RecordingError: It isn't a recording, or it is damaged.
    """
    time_ms, kind, length = _RECORD.unpack(head)
    if kind not in Kind.__members__.values() or length > RECORD_MAX_BYTES:
        raise damaged()
    return time_ms, Kind(kind), length


def damaged() -> RecordingError:
    """What is read can't have been written."""
    return RecordingError("This recording is damaged; what comes before can be played.")
