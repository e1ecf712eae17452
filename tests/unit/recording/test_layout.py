"""The form of a recording's parts."""

from __future__ import annotations

import struct
import zlib

import pytest

from vncproxy.errors import RecordingError
from vncproxy.recording import layout
from vncproxy.recording.layout import Header, Kind

HEADER = Header(instance="i-1", viewer="v-1", user="ann", started_at="2026-01-01T00:00:00Z")


def test_a_header_is_read_back() -> None:
    """What was written of the session comes back, with where the chunks begin."""
    beginning = layout.start(HEADER)
    assert layout.parse_start(beginning + b"chunks") == (HEADER, len(beginning))


@pytest.mark.parametrize(
    "beginning",
    [
        b"",
        b"RFB 003.008\n" + bytes(20),
        layout.start(HEADER)[:10],
        layout.start(HEADER)[:-1],
        layout.start(HEADER).replace(b"\r\n", b"\n"),
        layout.start(HEADER).replace(b"ann", b"bob"),
        layout.SIGNATURE + struct.pack(">HII", 1, 10, 0),
        layout.SIGNATURE + struct.pack(">HII", layout.VERSION, 1 << 30, 0),
    ],
)
def test_no_beginning(beginning: bytes) -> None:
    """Another file, one that was taken for text, or one that is damaged."""
    assert layout.parse_start(beginning) is None


def test_another_version() -> None:
    """A later form is named, not misread."""
    summed = struct.pack(">HI", layout.VERSION + 1, 2) + b"{}"
    beginning = layout.SIGNATURE + struct.pack(">HII", layout.VERSION + 1, 2, zlib.crc32(summed))
    with pytest.raises(RecordingError, match=f"version {layout.VERSION + 1}"):
        layout.parse_start(beginning + b"{}")


def test_no_header() -> None:
    """JSON of another kind."""
    assert layout.parse_header(b'{"instance": 1}') is None


def chunk(tag: bytes, data: bytes) -> bytes:
    """A chunk in the middle of a file."""
    return layout.chunk(tag, data, flags=2, number=7, identity=b"identity", first_ms=10, last_ms=20)


def test_a_chunk_is_read_back() -> None:
    """Its head says what follows."""
    raw = chunk(layout.MORE, b"data")
    found = layout.Chunk(layout.MORE, 2, 7, b"identity", 10, 20, 4, zlib.crc32(b"data"))
    assert layout.parse_chunk(raw) == found
    assert raw[layout.CHUNK_HEADER_BYTES :] == b"data"


def test_no_chunk() -> None:
    """Too few bytes, an unknown tag, or any bit that isn't as it was written."""
    raw = chunk(layout.MORE, b"")
    assert layout.parse_chunk(raw[:-1]) is None
    assert layout.parse_chunk(chunk(b"EROM", b"")) is None
    for bit in range(8 * len(raw)):
        altered = bytearray(raw)
        altered[bit // 8] ^= 1 << bit % 8
        assert layout.parse_chunk(bytes(altered)) is None


def test_a_record_is_read_back() -> None:
    """Its pieces make a head and the data."""
    raw = b"".join(layout.record(1 << 40, Kind.KEY, [b"ab", b"c"]))
    head = raw[: layout.RECORD_HEADER_BYTES]
    assert layout.parse_record(head) == (1 << 40, Kind.KEY, 3)
    assert raw[layout.RECORD_HEADER_BYTES :] == b"abc"


@pytest.mark.parametrize(("kind", "length"), [(7, 1), (1, layout.RECORD_MAX_BYTES + 1)])
def test_no_record(kind: int, length: int) -> None:
    """An unknown kind or a length beyond reason is damage."""
    with pytest.raises(RecordingError, match="damaged"):
        layout.parse_record(struct.pack(">QBI", 0, kind, length))
