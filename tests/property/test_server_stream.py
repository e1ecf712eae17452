"""ServerStream's laws: any split gives the same events, and no input raises.

Pixels of Raw are never held, so they are compared joined.
"""

from __future__ import annotations

import random
import tracemalloc
from itertools import accumulate

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.property.server_messages import HEIGHT, WIDTH, Message, Rectangle, cut, messages
from tests.property.server_streams import check_end, fed_with_limit, joined
from vncproxy.rfb.pixel_format import PixelFormat
from vncproxy.rfb.server_events import (
    AudioReceived,
    CutTextReceived,
    FenceReceived,
    RawEnded,
    RawReceived,
    RawStarted,
    RectangleReceived,
    ServerEvent,
    StreamBroken,
    UpdateEnded,
    UpdateStarted,
)
from vncproxy.rfb.server_stream import ServerStream

MANY = st.lists(messages(), max_size=6)


def new_stream() -> ServerStream:
    return ServerStream(WIDTH, HEIGHT, PixelFormat())


def check_update(message: Message, events: list[ServerEvent]) -> None:
    rectangles = message.rectangles
    assert rectangles is not None
    started, ended = events[0], events[-1]
    assert isinstance(started, UpdateStarted)
    assert (started.count is None) == message.open_count
    received: list[Rectangle] = []
    inner = joined(events[1:-1])
    while inner:
        event = inner.pop(0)
        if isinstance(event, RawStarted):
            pixels, end = inner.pop(0), inner.pop(0)
            assert isinstance(pixels, RawReceived)
            assert isinstance(end, RawEnded)
            assert len(pixels.data) == event.size_bytes
            received.append(
                Rectangle(event.x, event.y, event.width, event.height, 0, bytes(pixels.data))
            )
            assert event.header_bytes + pixels.data == received[-1].wire
            continue
        assert isinstance(event, RectangleReceived)
        received.append(
            Rectangle(event.x, event.y, event.width, event.height, event.encoding, event.data)
        )
        assert event.message_bytes == received[-1].wire
    assert received == list(rectangles)
    assert ended == UpdateEnded(len(received), any(item.paints for item in rectangles))


@settings(max_examples=60)
@given(MANY)
def test_every_valid_message_is_one_group_of_events(many: list[Message]) -> None:
    """A message fed alone gives exactly its events, and the stream stands at a boundary."""
    stream = new_stream()
    assert stream.at_boundary
    for message in many:
        events = stream.feed(message.wire)
        assert stream.at_boundary
        if message.rectangles is not None:
            check_update(message, events)
            continue
        assert len(events) == 1
        match events[0]:
            case CutTextReceived(raw):
                assert raw == message.wire
            case FenceReceived(flags, payload):
                assert flags == 0x80000001
                assert message.wire.endswith(payload)
                assert len(payload) == message.wire[8]
            case AudioReceived(size):
                assert size == max(len(message.wire) - 8, 0)
            case UpdateStarted() | UpdateEnded() | StreamBroken():
                raise AssertionError(events[0])


@settings(max_examples=60)
@given(MANY, st.data())
def test_any_split_gives_the_same_events(many: list[Message], data: st.DataObject) -> None:
    """However the bytes are cut, the events are the same, and at_boundary marks message ends."""
    wire = b"".join(message.wire for message in many)
    ends = {0, *accumulate(len(message.wire) for message in many)}
    whole = joined(new_stream().feed(wire))
    stream = new_stream()
    events: list[ServerEvent] = []
    done = 0
    for piece in data.draw(cut(wire)):
        kind = data.draw(st.sampled_from((bytes, bytearray, memoryview)))
        events += stream.feed(kind(piece))
        done += len(piece)
        assert stream.at_boundary == (done in ends)
    assert joined(events) == whole
    assert not any(isinstance(event, StreamBroken) for event in events)


@settings(max_examples=60, deadline=None)
@given(MANY, st.data(), st.integers(1, 60))
def test_any_limit_on_the_work_gives_the_same_events(
    many: list[Message], data: st.DataObject, most_work: int
) -> None:
    """What one feed leaves alone, the next ones give; none gives more than a few events a unit."""
    wire = b"".join(message.wire for message in many)
    whole = joined(new_stream().feed(wire))
    events = fed_with_limit(new_stream(), data.draw(cut(wire)), most_work)
    assert joined(events) == whole


def survive(wire: bytes, pieces: list[bytes]) -> None:
    whole = joined(new_stream().feed(wire))
    stream = new_stream()
    events = joined([event for piece in pieces for event in stream.feed(piece)])
    assert events == whole
    check_end(events, stream)


@settings(max_examples=100)
@given(st.binary(max_size=400), st.data())
def test_arbitrary_bytes_never_raise(wire: bytes, data: st.DataObject) -> None:
    """Rubbish ends in at most one StreamBroken, the same one for any split, and then silence."""
    survive(wire, data.draw(cut(wire)))


@settings(max_examples=100)
@given(MANY, st.integers(0, 1 << 32), st.data())
def test_damaged_streams_never_raise(many: list[Message], seed: int, data: st.DataObject) -> None:
    """Valid messages with some bytes changed, lost or doubled end the same for any split."""
    wire = bytearray().join(message.wire for message in many)
    rng = random.Random(seed)
    for _ in range(rng.randrange(1, 6)):
        if not wire:
            break
        at = rng.randrange(len(wire))
        match rng.randrange(3):
            case 0:
                wire[at] = rng.randrange(256)
            case 1:
                del wire[at : at + rng.randrange(1, 9)]
            case _:
                wire[at:at] = wire[at : at + rng.randrange(1, 9)]
    survive(bytes(wire), data.draw(cut(bytes(wire))))


def test_memory_is_bounded_whatever_comes() -> None:
    """Streams of random messages with huge announced lengths hold no more than was fed."""
    rng = random.Random(5)
    tracemalloc.start()
    try:
        for _ in range(300):
            stream = new_stream()
            start = tracemalloc.get_traced_memory()[0]
            tracemalloc.reset_peak()
            stream.feed(
                bytes((rng.choice((0, 1, 3, 248, 255)),)) + rng.randbytes(rng.randrange(40))
            )
            for _ in range(20):
                stream.feed(rng.randbytes(1000))
            assert tracemalloc.get_traced_memory()[1] - start < 200_000
    finally:
        tracemalloc.stop()
