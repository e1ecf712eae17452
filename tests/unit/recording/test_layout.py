"""The form of a recording's parts."""

from __future__ import annotations

import struct
import zlib

import pytest

from vncproxy.errors import RecordingError
from vncproxy.recording import layout
from vncproxy.recording.layout import Block, Header, Kind

HEADER = Header(instance="i-1", viewer="v-1", user="ann", started_at="2026-01-01T00:00:00Z")


def _start_of(text: bytes) -> bytes:
    return layout.SIGNATURE + struct.pack(">HII", 1, len(text), zlib.crc32(text))


def test_a_header_is_read_back() -> None:
    """What was written of the session comes back."""
    beginning = layout.start(HEADER)
    length = layout.header_length(beginning[: layout.START_BYTES])
    assert layout.START_BYTES + length == len(beginning)
    assert layout.parse_header(beginning, beginning[layout.START_BYTES :]) == HEADER


@pytest.mark.parametrize(
    "beginning",
    [
        b"",
        b"RFB 003.008\n" + bytes(20),
        layout.start(HEADER)[:10],
        layout.start(HEADER).replace(b"\r\n", b"\n"),
    ],
)
def test_what_is_no_recording(beginning: bytes) -> None:
    """Another file, or one that was taken for text, is refused as such."""
    with pytest.raises(RecordingError, match="no recording"):
        layout.header_length(beginning[: layout.START_BYTES])


def test_another_version() -> None:
    """A later form is named, not misread."""
    beginning = layout.SIGNATURE + struct.pack(">HII", 2, 10, 0)
    with pytest.raises(RecordingError, match="version 2"):
        layout.header_length(beginning)


def test_a_header_too_long_or_wrong() -> None:
    """A length that can't be right isn't read, nor is JSON of another kind."""
    with pytest.raises(RecordingError, match="damaged"):
        layout.header_length(layout.SIGNATURE + struct.pack(">HII", 1, 1 << 30, 0))
    with pytest.raises(RecordingError, match="damaged"):
        layout.parse_header(_start_of(b'{"instance": 1}'), b'{"instance": 1}')
    text = layout.start(HEADER)[layout.START_BYTES :].replace(b"ann", b"bob")
    with pytest.raises(RecordingError, match="damaged"):
        layout.parse_header(layout.start(HEADER), text)


def test_a_chunk_is_read_back() -> None:
    """Its head says what follows."""
    raw = layout.chunk(layout.MORE, 2, 10, 20, b"data")
    found = layout.parse_chunk(raw)
    assert found is not None
    assert (found.tag, found.flags, found.first_ms, found.last_ms) == (layout.MORE, 2, 10, 20)
    assert raw[layout.CHUNK_HEADER_BYTES :] == b"data"
    assert found.length == 4


def test_no_chunk() -> None:
    """Too few bytes, or an unknown tag."""
    raw = layout.chunk(layout.MORE, 0, 0, 0, b"")
    assert layout.parse_chunk(raw[:-1]) is None
    assert layout.parse_chunk(b"EROM" + raw[4:]) is None


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


def test_the_end_is_read_back() -> None:
    """Only whole last bytes say where the index is."""
    raw = layout.end(1234)
    assert layout.parse_end(raw) == 1234
    assert layout.parse_end(raw[1:]) is None
    assert layout.parse_end(bytes(len(raw))) is None


@pytest.mark.parametrize(("whole", "continues", "flags"), [(True, False, 1), (False, True, 2)])
def test_a_blocks_flags(whole: bool, continues: bool, flags: int) -> None:
    """As in its chunk."""
    assert Block(0, 0, whole, continues).flags == flags
