"""ServerStream: bounds, limits, and what it follows by itself."""

from __future__ import annotations

import struct

import pytest

from vncproxy.rfb import rectangles
from vncproxy.rfb.pixel_format import PixelFormat
from vncproxy.rfb.server_events import (
    AudioReceived,
    BellRung,
    ColourMapSet,
    ContinuousUpdatesEnded,
    CutTextReceived,
    CutTextSkipped,
    FenceReceived,
    RawEnded,
    RawReceived,
    RawStarted,
    RectangleReceived,
    ServerEvent,
    StreamBroken,
    UpdateEnded,
    UpdateStarted,
    XvpReceived,
)
from vncproxy.rfb.server_stream import ServerStream


def new_stream(width: int = 100, height: int = 50) -> ServerStream:
    return ServerStream(width, height, PixelFormat())


def update(*rectangles: bytes, count: int | None = None) -> bytes:
    count = len(rectangles) if count is None else count
    return struct.pack(">BxH", 0, count) + b"".join(rectangles)


def rectangle(x: int, y: int, width: int, height: int, encoding: int, data: bytes = b"") -> bytes:
    return struct.pack(">HHHHi", x, y, width, height, encoding) + data


def broken(events: list[ServerEvent]) -> str:
    event = events[-1]
    assert isinstance(event, StreamBroken)
    return event.reason


LAST = rectangle(0, 0, 0, 0, -224)
FILL = rectangle(1, 2, 3, 4, 7, b"\x80abc")


def test_short_messages() -> None:
    """Each message that isn't an update is one event."""
    wire = (
        b"\x02\x96\xfa\x00\x01\x01\xff\x01\x00\x00\xff\x01\x00\x02\x00\x00\x00\x02ab"
        b"\x03\x00\x00\x00\x00\x00\x00\x02hi\xf8\x00\x00\x00\x00\x00\x00\x05\x01z"
        b"\x01\x00\x00\x00\x00\x01rrggbb"
    )
    assert new_stream().feed(wire) == [
        BellRung(),
        ContinuousUpdatesEnded(),
        XvpReceived(b"\xfa\x00\x01\x01"),
        AudioReceived(0),
        AudioReceived(2),
        CutTextReceived(b"\x03\x00\x00\x00\x00\x00\x00\x02hi"),
        FenceReceived(5, b"z"),
        ColourMapSet(b"\x01\x00\x00\x00\x00\x01rrggbb"),
    ]


def test_clipboard_and_pixels_stay_out_of_reprs() -> None:
    """An event can be logged without giving away what it carries."""
    events = new_stream().feed(
        b"\x03\x00\x00\x00\x00\x00\x00\x06secret" + update(rectangle(0, 0, 1, 1, 0, b"pixl"))
    )
    assert "secret" not in repr(events)
    assert "pixl" not in repr(events)


@pytest.mark.parametrize("inner", [0, 5, 99])
def test_a_cursor_that_is_too_large_is_none_however_it_is_cut(inner: int) -> None:
    """Its size counts before the encoding within it, Hextile's too, which is walked over."""
    wire = update(rectangle(0, 0, 1025, 1, -314, struct.pack(">i", inner)))
    assert broken(new_stream().feed(wire)) == "a cursor of 1025 by 1"
    stream = new_stream()
    events = [event for byte in wire for event in stream.feed(bytes((byte,)))]
    assert broken(events) == "a cursor of 1025 by 1"


def test_counted_open_and_cut_short_updates() -> None:
    """An update ends by its count or by LastRect, whichever comes first."""
    shape = RectangleReceived(1, 2, 3, 4, 7, b"\x80abc")
    end = UpdateEnded(1, True)
    assert new_stream().feed(update(FILL)) == [UpdateStarted(1), shape, end]
    assert new_stream().feed(update(FILL, LAST, count=0xFFFF)) == [UpdateStarted(None), shape, end]
    assert new_stream().feed(update(FILL, LAST, count=7)) == [UpdateStarted(7), shape, end]
    assert new_stream().feed(update()) == [UpdateStarted(0), UpdateEnded(0, False)]


def test_pseudo_and_empty_rectangles_are_no_picture() -> None:
    """Only a rectangle with pixels makes an update a picture."""
    wire = update(rectangle(9, 9, 0, 5, 0), rectangle(0, 0, 100, 50, -258))
    assert new_stream().feed(wire)[-1] == UpdateEnded(2, False)


def test_raw_is_not_held() -> None:
    """Its pixels come as they are split; between its start and its end nothing else does."""
    pixels = bytes(range(200))
    wire = update(rectangle(7, 8, 10, 5, 0, pixels), FILL)
    start = RawStarted(7, 8, 10, 5, 200)
    assert start.header_bytes == wire[4:16]
    shape, end = RectangleReceived(1, 2, 3, 4, 7, b"\x80abc"), UpdateEnded(2, True)
    whole = [UpdateStarted(2), start, RawReceived(pixels), RawEnded(), shape, end]
    assert new_stream().feed(wire) == whole
    stream = new_stream()
    assert stream.feed(wire[:16]) == [UpdateStarted(2), start]
    assert stream.feed(wire[16:19]) == [RawReceived(pixels[:3])]
    assert not stream.at_boundary
    assert stream.feed(wire[19:216]) == [RawReceived(pixels[3:]), RawEnded()]
    assert stream.feed(wire[216:]) == [shape, end]


def test_empty_raw_is_a_rectangle_like_any_other() -> None:
    """Nothing follows it."""
    empty = RectangleReceived(1, 2, 0, 4, 0, b"")
    wire = update(rectangle(1, 2, 0, 4, 0))
    assert new_stream().feed(wire) == [UpdateStarted(1), empty, UpdateEnded(1, False)]


def test_nothing_of_the_input_is_kept() -> None:
    """The caller may reuse its buffer as soon as feed returns."""
    buffer = bytearray(update(FILL))
    stream = new_stream()
    first = stream.feed(memoryview(buffer)[:20])
    rest = bytes(buffer[20:])
    buffer[:] = bytes(len(buffer))
    events = first + stream.feed(rest)
    assert events == new_stream().feed(update(FILL))


@pytest.mark.parametrize("encoding", [0, 1, 2, 5, 6, 7, 16, -260])
def test_a_picture_outside_the_framebuffer_breaks_the_stream(encoding: int) -> None:
    """The bounds are checked before any data is waited for."""
    for x, y, width, height in ((1, 0, 100, 5), (0, 1, 5, 50), (65535, 0, 65535, 1)):
        stream = new_stream()
        assert "outside" in broken(stream.feed(update(rectangle(x, y, width, height, encoding))))


def test_a_copy_from_outside_breaks_the_stream() -> None:
    """CopyRect's source lies within the framebuffer too."""
    wire = update(rectangle(0, 0, 10, 10, 1, struct.pack(">HH", 91, 0)))
    assert "CopyRect" in broken(new_stream().feed(wire))


def test_sizes_are_followed() -> None:
    """DesktopSize and a successful ExtendedDesktopSize move the bounds; a refused one doesn't."""
    stream = new_stream()
    stream.feed(update(rectangle(0, 0, 300, 200, -223)))
    assert (stream.width, stream.height) == (300, 200)
    assert stream.feed(update(rectangle(290, 190, 10, 10, 7, b"\x80abc")))[-1] == UpdateEnded(
        1, True
    )
    stream.feed(update(rectangle(1, 3, 7, 7, -308, bytes(4))))
    assert (stream.width, stream.height) == (300, 200)
    stream.feed(update(rectangle(1, 0, 20, 30, -308, b"\x01" + bytes(19))))
    assert (stream.width, stream.height) == (20, 30)
    assert "outside" in broken(stream.feed(update(rectangle(0, 0, 21, 1, 0))))


def test_too_large_framebuffers_break_the_stream() -> None:
    """At ServerInit and at a change of size."""
    assert "16385" in broken(new_stream(16385, 1).feed(b"\x02"))
    assert "16385" in broken(new_stream().feed(update(rectangle(0, 0, 16385, 1, -223))))


def test_a_long_cut_text_is_skipped() -> None:
    """Text over the limit is read past, and only its size is reported."""
    stream = ServerStream(10, 10, PixelFormat(), max_cut_text_bytes=100)
    head = b"\x03\x00\x00\x00"
    assert stream.feed(head + struct.pack(">i", 100) + bytes(100)) == [
        CutTextReceived(head + struct.pack(">i", 100) + bytes(100))
    ]
    assert stream.feed(head + struct.pack(">i", -101) + bytes(60)) == []
    assert not stream.at_boundary
    assert stream.feed(bytes(41) + b"\x02") == [CutTextSkipped(101), BellRung()]


@pytest.mark.parametrize("size", [4096, 4097, 5000, 300_000])
def test_a_long_name_is_read_and_cut(size: int) -> None:
    """As in ServerInit; what follows is found, however the bytes are split."""
    name = b"n" * size
    named = rectangle(0, 0, 0, 0, -307, struct.pack(">I", size) + name)
    wire = update(named, FILL) + b"\x02"
    kept = RectangleReceived(0, 0, 0, 0, -307, struct.pack(">I", 4096) + name[:4096])
    expected = [
        UpdateStarted(2),
        kept,
        RectangleReceived(1, 2, 3, 4, 7, b"\x80abc"),
        UpdateEnded(2, True),
        BellRung(),
    ]
    assert new_stream().feed(wire) == expected
    for piece in (7, 4100, 4112, 4999):
        stream = new_stream()
        pieces = (wire[at : at + piece] for at in range(0, len(wire), piece))
        assert [event for data in pieces for event in stream.feed(data)] == expected


def test_too_long_rectangles_break_the_stream() -> None:
    """A rectangle that would have to be held is refused by its announced length."""
    for encoding, announced in ((16, 1 << 31), (2, 1 << 27)):
        wire = update(rectangle(0, 0, 1, 1, encoding, struct.pack(">I", announced)))
        assert f"encoding {encoding}" in broken(new_stream().feed(wire))


def test_nothing_follows_a_broken_stream() -> None:
    """What was valid before the fault is delivered, then the reason, then nothing."""
    stream = new_stream()
    assert stream.feed(b"\x02\x07\x02") == [
        BellRung(),
        StreamBroken("unknown message type 7", unknown=True),
    ]
    assert stream.feed(b"\x02") == []
    assert not stream.at_boundary


def test_an_unknown_encoding_is_named() -> None:
    """The reason has the number."""
    assert "encoding 50" in broken(new_stream().feed(update(rectangle(0, 0, 1, 1, 50))))


def test_a_new_pixel_format_counts_from_the_next_rectangle() -> None:
    """Lengths follow set_pixel_format; a rectangle under way keeps its format."""
    stream = new_stream()
    stream.feed(update(rectangle(0, 0, 2, 2, 0, bytes(9)), count=2))
    stream.set_pixel_format(PixelFormat(8, 8, red_max=7, green_max=7, blue_max=3))
    events = stream.feed(bytes(7) + rectangle(0, 0, 2, 2, 0, b"abcd") + b"\x02")
    assert events == [
        RawReceived(bytes(7)),
        RawEnded(),
        RawStarted(0, 0, 2, 2, 4),
        RawReceived(b"abcd"),
        RawEnded(),
        UpdateEnded(2, True),
        BellRung(),
    ]


def test_a_cursor_with_alpha_may_hold_hextile() -> None:
    """Its tiles are walked over like any others, cut anywhere."""
    data = struct.pack(">i", 5) + b"\x02ABCD" + b"\x00"
    wire = update(rectangle(3, 4, 17, 16, -314, data)) + b"\x02"
    expected = [
        UpdateStarted(1),
        RectangleReceived(3, 4, 17, 16, -314, data),
        UpdateEnded(1, False),
        BellRung(),
    ]
    assert new_stream().feed(wire) == expected
    stream = new_stream()
    assert [event for byte in wire for event in stream.feed(bytes((byte,)))] == expected


def test_a_hextile_rectangle_byte_by_byte_costs_as_much_as_its_bytes() -> None:
    """The walk doesn't start over: a megabyte of single bytes is done in one sweep."""
    tile = b"\x1a" + b"ABCD" + b"\xff" + b"CCCCxy" * 255
    data = tile * 600
    stream = new_stream(16 * 600, 16)
    stream.feed(update(rectangle(0, 0, 16 * 600, 16, 5)))
    looked = 0

    class Counting(bytes):
        def __getitem__(self, key):  # type: ignore[no-untyped-def]
            nonlocal looked
            looked += 1
            return super().__getitem__(key)

    events: list[ServerEvent] = []
    for at in range(0, len(data), 7):
        events += stream.feed(Counting(data[at : at + 7]))
    assert events[0] == RectangleReceived(0, 0, 16 * 600, 16, 5, data)
    # Two bytes decide a tile's length, and each piece is copied once.
    assert looked <= 2 * 600 + len(data) // 7 + 1


def test_little_is_done_at_once_however_short_the_messages() -> None:
    """Bells, empty updates and rectangles, Hextile's empty tiles: each costs, and what is left
    alone is fed again.
    """
    empty = struct.pack(">HHHHi", 0, 0, 0, 0, 0)
    floods = {
        "bells": b"\2" * 4000,
        "empty updates": bytes(4) * 1000,
        "empty rectangles": struct.pack(">BxH", 0, 300) + 300 * empty,
        "Hextile": struct.pack(">BxHHHHHi", 0, 1, 0, 0, 16384, 4096, 5) + bytes(60000),
    }
    for what, flood in floods.items():
        stream = ServerStream(16384, 4096, PixelFormat())
        events = stream.feed(flood, 100)
        assert len(events) <= 201, what
        assert stream.untaken > len(flood) // 2, what


def test_what_inflates_a_lot_is_the_last_of_its_feed() -> None:
    """A rectangle of Tight costs as much as it inflates to, whatever it is on the line."""
    stream = ServerStream(4096, 4096, PixelFormat())
    large = struct.pack(">HHHHi", 0, 0, 4096, 4096, 7) + b"\0\4abcd"
    events = stream.feed(struct.pack(">BxH", 0, 40) + 40 * large, 256)
    assert [type(event).__name__ for event in events] == ["UpdateStarted", "RectangleReceived"]
    assert stream.untaken == 39 * len(large)


@pytest.mark.parametrize("encoding", [2, 5, 6, 16])
@pytest.mark.parametrize("spare", [0, 1])
def test_a_rectangle_of_more_bytes_than_are_held_is_refused(
    monkeypatch: pytest.MonkeyPatch, encoding: int, spare: int
) -> None:
    """One that just fits is delivered; of a longer one no more is kept, whatever its encoding."""
    data = {
        2: struct.pack(">I", 4) + b"back" + 4 * b"ABCDxxyywwhh",
        5: 900 * b"\x02ABCD",
        6: struct.pack(">I", 60) + bytes(60),
        16: struct.pack(">I", 60) + bytes(60),
    }[encoding]
    monkeypatch.setattr(rectangles, "MAX_RECTANGLE_BYTES", len(data) - 1 + spare)
    wire = update(rectangle(0, 0, 16 * 900, 16, encoding, data))
    whole, cut = new_stream(16 * 900, 16), new_stream(16 * 900, 16)
    events = [event for at in range(0, len(wire), 7) for event in cut.feed(wire[at : at + 7])]
    for end in (whole.feed(wire)[-1], events[-1]):
        assert isinstance(end, UpdateEnded if spare else StreamBroken)
