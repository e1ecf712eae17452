"""The form of a recording's parts."""

from __future__ import annotations

import struct
import zlib

import pytest

from vncproxy.errors import RecordingError
from vncproxy.recording import file_format
from vncproxy.recording.file_format import Header, Kind

HEADER = Header(instance="i-1", viewer="v-1", user="ann", started_at="2026-01-01T00:00:00Z")


def test_a_header_is_read_back() -> None:
    """What was written of the session comes back, with where the chunks begin."""
    beginning = file_format.start(HEADER)
    assert file_format.parse_start(beginning + b"chunks") == (HEADER, len(beginning))


@pytest.mark.parametrize(
    "beginning",
    [
        b"",
        b"RFB 003.008\n" + bytes(20),
        file_format.start(HEADER)[:10],
        file_format.start(HEADER)[:-1],
        file_format.start(HEADER).replace(b"\r\n", b"\n"),
        file_format.start(HEADER).replace(b"ann", b"bob"),
        file_format.SIGNATURE + struct.pack(">HII", 1, 10, 0),
        file_format.SIGNATURE + struct.pack(">HII", file_format.VERSION, 1 << 30, 0),
    ],
)
def test_no_beginning(beginning: bytes) -> None:
    """Another file, one that was taken for text, or one that is damaged."""
    assert file_format.parse_start(beginning) is None


def test_another_version() -> None:
    """A later form is named, not misread."""
    summed = struct.pack(">HI", file_format.VERSION + 1, 2) + b"{}"
    beginning = file_format.SIGNATURE + struct.pack(
        ">HII", file_format.VERSION + 1, 2, zlib.crc32(summed)
    )
    with pytest.raises(RecordingError, match=f"version {file_format.VERSION + 1}"):
        file_format.parse_start(beginning + b"{}")


def test_no_header() -> None:
    """JSON of another kind."""
    assert file_format.parse_header(b'{"instance": 1}') is None


def chunk(tag: bytes, data: bytes) -> bytes:
    """A chunk in the middle of a file."""
    return file_format.chunk(
        tag, data, flags=2, number=7, identity=b"identity", first_ms=10, last_ms=20
    )


def test_a_chunk_is_read_back() -> None:
    """Its head says what follows."""
    raw = chunk(file_format.MORE, b"data")
    found = file_format.Chunk(file_format.MORE, 2, 7, b"identity", 10, 20, 4, zlib.crc32(b"data"))
    assert file_format.parse_chunk(raw) == found
    assert raw[file_format.CHUNK_HEADER_BYTES :] == b"data"


def test_no_chunk() -> None:
    """Too few bytes, an unknown tag, or any bit that isn't as it was written."""
    raw = chunk(file_format.MORE, b"")
    assert file_format.parse_chunk(raw[:-1]) is None
    assert file_format.parse_chunk(chunk(b"EROM", b"")) is None
    for bit in range(8 * len(raw)):
        altered = bytearray(raw)
        altered[bit // 8] ^= 1 << bit % 8
        assert file_format.parse_chunk(bytes(altered)) is None


def test_a_record_is_read_back() -> None:
    """Its pieces make a head and the data."""
    raw = b"".join(file_format.record(1 << 40, Kind.KEY, [b"ab", b"c"]))
    head = raw[: file_format.RECORD_HEADER_BYTES]
    assert file_format.parse_record(head) == (1 << 40, Kind.KEY, 3)
    assert raw[file_format.RECORD_HEADER_BYTES :] == b"abc"


@pytest.mark.parametrize(("kind", "length"), [(7, 1), (1, file_format.RECORD_MAX_BYTES + 1)])
def test_no_record(kind: int, length: int) -> None:
    """An unknown kind or a length beyond reason is damage."""
    with pytest.raises(RecordingError, match="damaged"):
        file_format.parse_record(struct.pack(">QBI", 0, kind, length))


def test_no_text_of_a_header() -> None:
    """What isn't one, also if it is nested deeply."""
    for text in (b"", b"[]", b'{"instance":1}', b'{"x":' + b"[" * 60_000):
        assert file_format.parse_header(text) is None
