"""The parser of a viewer's messages, one rule at a time."""

from __future__ import annotations

import struct

import pytest

from vncproxy.rfb.client_events import (
    ClientEvent,
    ContinuousUpdatesEnabled,
    CutTextSent,
    DesktopSizeSet,
    EncodingsSet,
    FenceSent,
    KeySent,
    PixelFormatSet,
    PointerSent,
    QemuAudioSent,
    QemuKeySent,
    StreamBroken,
    UpdateRequested,
    XvpSent,
)
from vncproxy.rfb.client_stream import ENCODINGS_MAX, ClientStream
from vncproxy.rfb.pixel_format import PixelFormat

KEY_A = b"\x04\x01\x00\x00\x00\x00\x00\x61"
REQUEST = b"\x03\x01\x00\x01\x00\x02\x00\x03\x00\x04"
FORMAT = bytes.fromhex("00000000 20180001 00ff00ff00ff 001008 000000")


@pytest.mark.parametrize(
    ("raw", "event"),
    [
        (FORMAT, PixelFormatSet(FORMAT, PixelFormat(red_shift=0, green_shift=16, blue_shift=8))),
        (
            b"\x02\x00\x00\x02\x00\x00\x00\x07\xff\xff\xff\x11",
            EncodingsSet(b"\x02\x00\x00\x02\x00\x00\x00\x07\xff\xff\xff\x11", (7, -239)),
        ),
        (b"\x02\x00\x00\x00", EncodingsSet(b"\x02\x00\x00\x00", ())),
        (REQUEST, UpdateRequested(REQUEST, True, 1, 2, 3, 4)),
        (KEY_A, KeySent(KEY_A)),
        (b"\x05\x81\x00\x0a\x00\x14", PointerSent(b"\x05\x81\x00\x0a\x00\x14")),
        (b"\x06\0\0\0\0\0\0\x02hi", CutTextSent(b"\x06\0\0\0\0\0\0\x02hi", 2)),
        (
            b"\x06\0\0\0\xff\xff\xff\xfc\x01\0\0\x01",
            CutTextSent(b"\x06\0\0\0\xff\xff\xff\xfc\x01\0\0\x01", 4, extended=True),
        ),
        (
            b"\x96\x01\0\x01\0\x02\0\x03\0\x04",
            ContinuousUpdatesEnabled(b"\x96\x01\0\x01\0\x02\0\x03\0\x04", True, 1, 2, 3, 4),
        ),
        (
            b"\xf8\0\0\0\x80\0\0\x01\x02ab",
            FenceSent(b"\xf8\0\0\0\x80\0\0\x01\x02ab", 0x80000001, b"ab"),
        ),
        (b"\xfa\0\x01\x02", XvpSent(b"\xfa\0\x01\x02")),
        (
            b"\xfb\0\x04\0\x03\0\x01\0" + bytes(16),
            DesktopSizeSet(b"\xfb\0\x04\0\x03\0\x01\0" + bytes(16)),
        ),
        (
            b"\xff\0\0\x01\0\0\0\x61\0\0\0\x1e",
            QemuKeySent(b"\xff\0\0\x01\0\0\0\x61\0\0\0\x1e"),
        ),
        (b"\xff\x01\0\x01", QemuAudioSent(b"\xff\x01\0\x01")),
        (
            b"\xff\x01\0\x02\x03\x02\0\0\xac\x44",
            QemuAudioSent(b"\xff\x01\0\x02\x03\x02\0\0\xac\x44"),
        ),
    ],
)
def test_each_message_is_one_event(raw: bytes, event: ClientEvent) -> None:
    """Every message of facts.md comes out alone, and as the first of two."""
    assert ClientStream().feed(raw) == [event]
    assert ClientStream().feed(raw + KEY_A) == [event, KeySent(KEY_A)]


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"\x01", "type 1"),
        (b"\xfd", "type 253"),
        (b"\xff\x02", "type 2"),
        (b"\xff\x01\0\x03", "operation 3"),
        (b"\xff\x01\0\x02\x06\x01\0\0\xac\x44", "sample format"),
        (b"\xff\x01\0\x02\x00\x03\0\0\xac\x44", "sample format"),
        (b"\0\0\0\0" + b"\x18" + bytes(15), "24 bits"),
        (b"\0\0\0\0" + bytes((16, 16, 0, 0)) + bytes(12), "a colour map and 16 bits"),
        (b"\0\0\0\0" + bytes((32, 24, 0, 0)) + bytes(12), "a colour map and 32 bits"),
        (b"\x06\0\0\0" + struct.pack(">I", (1 << 20) + 1), "clipboard"),
        (b"\x06\0\0\0" + struct.pack(">i", -(1 << 31)), "clipboard"),
        (b"\x06\0\0\0\xff\xff\xff\xfd", "flags"),
        (b"\xf8\0\0\0\0\0\0\0\x41", "fence"),
    ],
)
def test_a_violation_is_the_last_event(data: bytes, word: str) -> None:
    """Messages before a bad one come out, then its reason, then nothing, as soon as it shows."""
    stream = ClientStream()
    before, end = stream.feed(KEY_A + data)
    assert before == KeySent(KEY_A)
    assert isinstance(end, StreamBroken)
    assert word in end.reason
    assert not stream.at_boundary
    assert stream.feed(KEY_A) == []


def test_at_the_limits() -> None:
    """The longest fence, an empty text and a map of 8 bits are as good as any."""
    fence = b"\xf8\0\0\0\0\0\0\x01\x40" + bytes(64)
    text = b"\x06" + bytes(7)
    colour_map = b"\0\0\0\0" + bytes((8, 8, 0, 0)) + bytes(12)
    events = ClientStream().feed(fence + text + colour_map)
    assert [event.raw for event in events if not isinstance(event, StreamBroken)] == [
        fence,
        text,
        colour_map,
    ]


@pytest.mark.parametrize(
    ("raw", "cost"),
    [
        (KEY_A, 1),
        (REQUEST, 1),
        (b"\x03\x00" + REQUEST[2:], 4),
        (FORMAT, 64),
        (b"\xfb\0\x04\0\x03\0\x01\0" + bytes(16), 64),
        (b"\x02\0\0\x02" + bytes(8), 8),
        (b"\x02\0\x04\0" + bytes(4096), 16),
        (b"\x06\0\0\0\0\0\x40\0" + bytes(16384), 3),
    ],
)
def test_what_is_dear_leaves_more_for_later(raw: bytes, cost: int) -> None:
    """A message is taken while less than the limit was done; the rest isn't looked at."""
    stream = ClientStream()
    for limit, messages in ((1, 1), (cost, 1), (cost + 1, 2), (2 * cost + 1, 3)):
        assert len(stream.feed(raw * 5, limit)) == messages
        assert stream.untaken == (5 - messages) * len(raw)
        assert stream.at_boundary
    assert len(stream.feed(raw * 5)) == 5
    assert stream.untaken == 0


def test_extended_buttons_count_from_the_next_message() -> None:
    """A pointer message begun before the confirmation keeps its six bytes; later ones get seven."""
    stream = ClientStream()
    stream.feed(b"\x05")
    stream.extended_buttons = True
    assert stream.feed(b"\x80\0\x01\0\x01") == [PointerSent(b"\x05\x80\0\x01\0\x01")]
    assert stream.feed(b"\x05\x80\0\x01\0\x01") == []
    assert stream.feed(b"\x02") == [PointerSent(b"\x05\x80\0\x01\0\x01\x02")]
    assert stream.feed(b"\x05\x01\0\x01\0\x01") == [PointerSent(b"\x05\x01\0\x01\0\x01")]


def test_extended_buttons_count_wherever_they_are_confirmed() -> None:
    """Between two messages, or within one: what begins afterwards has seven bytes, in any feed."""
    short, long = b"\x05\x80\0\x01\0\x01", b"\x05\x80\0\x01\0\x01\x02"
    stream = ClientStream()
    assert stream.feed(short) == [PointerSent(short)]
    stream.extended_buttons = True
    assert stream.feed(long + long) == [PointerSent(long)] * 2
    stream = ClientStream()
    stream.feed(short[:3])
    stream.extended_buttons = True
    assert stream.feed(short[3:] + long) == [PointerSent(short), PointerSent(long)]


def test_the_cut_text_limit_is_the_callers() -> None:
    """A text as long as the limit passes, a longer one is refused by its header alone."""
    stream = ClientStream(max_cut_text_bytes=4)
    assert stream.feed(b"\x06\0\0\0\0\0\0\x04abcd") == [CutTextSent(b"\x06\0\0\0\0\0\0\x04abcd", 4)]
    (end,) = stream.feed(b"\x06\0\0\0\0\0\0\x05")
    assert isinstance(end, StreamBroken)


def test_buffers_of_every_kind_are_taken_and_not_kept() -> None:
    """A view of a buffer that is written over afterwards gives the bytes as they were."""
    buffer = bytearray(KEY_A)
    stream = ClientStream()
    assert stream.feed(memoryview(buffer)[:5]) == []
    buffer[:5] = bytes(5)
    assert stream.feed(bytearray(KEY_A[5:])) == [KeySent(KEY_A)]


def test_a_long_message_in_single_bytes_costs_linear_time() -> None:
    """A million pieces of one message end within the test's time limit, as no copying would."""
    size = 1 << 20
    stream = ClientStream()
    header = b"\x06\0\0\0" + size.to_bytes(4, "big")
    assert stream.feed(header) == []
    for _ in range(size - 1):
        assert not stream.feed(b"a")
    assert stream.feed(b"a") == [CutTextSent(header + b"a" * size, size)]


def test_of_endless_encodings_the_most_wanted_are_taken() -> None:
    """The message is taken whole; what it names beyond them costs nobody anything."""
    raw = struct.pack(">BxH65535i", 2, 65535, *range(65535))
    (event, key) = ClientStream().feed(raw + KEY_A)
    assert event == EncodingsSet(raw, tuple(range(ENCODINGS_MAX)))
    assert isinstance(key, KeySent)
