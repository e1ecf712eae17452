"""Which events go together, and what is known of them."""

from __future__ import annotations

import struct
import zlib

import msgspec

from vncproxy.console.rectangle_runs import RectangleRun, leading_run, leading_update
from vncproxy.rfb import encodings as enc
from vncproxy.rfb.pixel_format import PixelFormat
from vncproxy.rfb.server_events import (
    BellRung,
    RawEnded,
    RawReceived,
    RawStarted,
    RectangleReceived,
    ServerEvent,
    UpdateEnded,
    UpdateStarted,
)
from vncproxy.rfb.server_stream import ServerStream
from vncproxy.rfb.tight import compact_length
from vncproxy.rfb.tight_streams import STEP_BYTES

COPY = struct.pack(">HHHHiHH", 0, 0, 8, 8, enc.COPY_RECT, 8, 8)
DOT = struct.pack(">HHHHi", 1, 2, 1, 1, enc.RAW) + b"\1\2\3\0"
CURSOR = struct.pack(">HHHHi", 0, 0, 0, 0, enc.CURSOR)


def words(count: int) -> list[bytes]:
    """Small Tight rectangles; every third is of one colour."""
    deflater, found = zlib.compressobj(), []
    for number in range(count):
        head = struct.pack(">HHHHi", number, 0, 8, 8, enc.TIGHT)
        if number % 3:
            data = deflater.compress(bytes([number]) * 192) + deflater.flush(zlib.Z_SYNC_FLUSH)
            found.append(head + b"\0" + compact_length(len(data)) + data)
        else:
            found.append(head + b"\x80" + bytes([number]) * 3)
    return found


def update(*rectangles: bytes, count: int | None = None) -> list[ServerEvent]:
    """As the stream gives it."""
    head = struct.pack(">BxH", 0, len(rectangles) if count is None else count)
    return ServerStream(64, 48, PixelFormat()).feed(head + b"".join(rectangles))


def test_where_a_run_ends() -> None:
    """At what isn't a whole, small rectangle of Tight with something in it."""
    (_, first, *_) = update(*words(1))
    assert isinstance(first, RectangleReceived)
    assert first.tight is not None
    others: list[ServerEvent] = [
        BellRung(),
        msgspec.structs.replace(first, tight=None),
        msgspec.structs.replace(first, width=0),
        msgspec.structs.replace(first, height=0),
        msgspec.structs.replace(
            first, tight=msgspec.structs.replace(first.tight, size=STEP_BYTES + 1)
        ),
    ]
    for other in others:
        assert leading_run([first, other, first]) == [first]
        assert leading_run([other, first]) == []


def test_an_update_that_is_all_there() -> None:
    """Of any pictures, with small Raw; what stands behind it is another's."""
    wires = [COPY, *words(4), DOT]
    events = update(*wires)
    rects, many = leading_update([*events, BellRung()])
    assert many == len(events)
    assert [rect.message_bytes for rect in rects] == wires
    run = RectangleRun(rects, [None] * len(rects), moves_streams=True)
    assert run.wires.update() == struct.pack(">BxH", 0, 6) + b"".join(wires)
    assert run.encodings == {enc.COPY_RECT, enc.TIGHT, enc.RAW}
    assert [part is not None for part in run.parts()] == [False, *[True] * 4, False]


def test_what_is_no_such_update() -> None:
    """It is cut, open, empty, too large, or has more than pictures."""
    events = update(COPY, *words(2), DOT)
    large: list[ServerEvent] = [
        RawStarted(0, 0, 64, 48, 12_288),
        RawReceived(bytes(12_288)),
        RawEnded(),
    ]
    others: list[list[ServerEvent]] = [
        *(events[:end] for end in range(1, len(events))),
        events[1:],
        update(),
        update(COPY, CURSOR),
        update(COPY, struct.pack(">HHHHi", 0, 0, 0, 8, enc.RAW)),
        [UpdateStarted(None), *events[1:]],
        [UpdateStarted(1), *large, UpdateEnded(1, True)],
        [UpdateStarted(1), large[0], RawReceived(bytes(9)), RawReceived(bytes(9)), large[2]],
        [BellRung(), *events],
    ]
    for other in others:
        assert leading_update(other) == ([], 0)
