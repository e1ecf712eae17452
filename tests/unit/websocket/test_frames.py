"""The frames of a peer, and our own."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from vncproxy.rfb.server_events import plain_slices
from vncproxy.websocket.frames import (
    CONTROL_WORK,
    OWN_FRAME_BYTES,
    Broken,
    ControlFrame,
    FrameReader,
    Piece,
    Slice,
    WholeFrames,
    framed,
    masked_frame,
)


def frame(opcode: int, data: bytes, fin: bool = True, mask: bool = False) -> bytes:
    """A frame as the websockets library writes it, for a server unless there is a mask."""
    return Frame(Opcode(opcode), data, fin).serialize(mask=mask)


def read(reader: FrameReader, pieces: list[bytes], *, short_way: bool = False) -> list[Piece]:
    """All that comes out; by `only`, too, if the `short_way` is to be tried."""
    found: list[Piece] = []
    for data in pieces:
        if short_way and (content := reader.only(data)) is not None:
            found.append(content)
            continue
        view, at = memoryview(data), 0
        while at < len(view):
            at, piece = reader.next(view, at)
            if piece is not None:
                found.append(piece)
    return found


def payload(pieces: list[Piece]) -> bytes:
    """What the binary frames hold."""
    return b"".join(bytes(piece) for piece in pieces if isinstance(piece, bytes | memoryview))


def cut(data: bytes, at: list[int]) -> list[bytes]:
    """The data in pieces."""
    marks = [0, *sorted(mark % (len(data) + 1) for mark in at), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(marks)]


FRAGMENTS = st.lists(st.binary(max_size=300), min_size=1, max_size=4)
CONTROLS = st.tuples(st.sampled_from([9, 10]), st.binary(max_size=125))


@given(
    st.lists(st.tuples(FRAGMENTS, st.lists(CONTROLS, max_size=2)), max_size=5),
    st.lists(st.integers(0, 5000), max_size=12),
    st.booleans(),
    st.booleans(),
)
def test_any_split_gives_the_same(
    messages: list[tuple[list[bytes], list[tuple[int, bytes]]]],
    at: list[int],
    masked: bool,
    short_way: bool,
) -> None:
    """However frames are cut, their payload and the control frames between them come out."""
    stream, wanted, controls = b"", b"", []
    for fragments, between in messages:
        for number, data in enumerate(fragments):
            fin = number == len(fragments) - 1
            stream += frame(2 if number == 0 else 0, data, fin=fin, mask=masked)
            wanted += data
            for opcode, body in between:
                controls.append(ControlFrame(Opcode(opcode), body))
                stream += frame(opcode, body, mask=masked)
    pieces = read(FrameReader(masked=masked), cut(stream, at), short_way=short_way)
    assert payload(pieces) == wanted
    assert [piece for piece in pieces if isinstance(piece, ControlFrame)] == controls
    assert not any(isinstance(piece, Broken) for piece in pieces)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("size", [1, 2, 125, 126, 127, 8192])
def test_a_small_frame_by_itself(size: int, masked: bool) -> None:
    """It is taken in one step, if it is all that there is; from a client only a key's size."""
    data = bytes(range(256)) * (size // 256 + 1)
    wire = frame(2, data[:size], mask=masked)
    reader = FrameReader(masked=masked)
    taken = reader.only(wire)
    assert taken == (data[:size] if size < 126 or not masked else None)
    assert reader.work == (taken is not None)
    whole = FrameReader(masked=masked)
    assert payload(read(whole, [wire])) == data[:size]


def test_some_small_frames_of_a_client() -> None:
    """A key's press and release, which come in one packet."""
    reader = FrameReader(masked=True)
    assert reader.only(frame(2, b"down", mask=True) + frame(2, b"up", mask=True)) == b"downup"
    assert reader.work == 2


@pytest.mark.parametrize("masked", [False, True])
def test_what_is_no_small_frame_by_itself(masked: bool) -> None:
    """Nothing is taken of it, so that `next` finds all of it and what is wrong with it."""
    key = frame(2, b"key", mask=masked)
    others = {
        "two and a part": key + key + key[:-1],
        "two and a ping": key + key + frame(9, b"", mask=masked),
        "many": key * 100,
        "cut": key[:-1],
        "header": key[:1],
        "nothing": b"",
        "empty": frame(2, b"", mask=masked),
        "first": frame(2, b"key", fin=False, mask=masked),
        "continued": frame(0, b"key", mask=masked),
        "text": frame(1, b"key", mask=masked),
        "ping": frame(9, b"key", mask=masked),
        "reserved": bytes((key[0] | 0x40,)) + key[1:],
        "mask": frame(2, b"key", mask=not masked),
        "long form": b"\x82" + bytes((126 | 128 * masked, 0, 3)) + key[2:],
        "large": frame(2, bytes(8193), mask=masked),
    }
    for name, wire in others.items():
        reader = FrameReader(masked=masked)
        assert reader.only(wire) is None, name
        assert reader.work == 0, name
        assert read(reader, [wire]) == read(FrameReader(masked=masked), [wire]), name
    for before in (key[:1], key[:-1], others["first"], frame(8, b"", mask=masked)):
        reader = FrameReader(masked=masked)
        read(reader, [before])
        assert reader.only(key) is None


@given(st.lists(st.binary(max_size=200), max_size=8), st.booleans())
def test_rubbish_never_raises(data: list[bytes], masked: bool) -> None:
    """Any bytes give pieces, and nothing follows a broken one."""
    pieces = read(FrameReader(masked=masked), data)
    broken = [n for n, piece in enumerate(pieces) if isinstance(piece, Broken)]
    assert broken in ([], [len(pieces) - 1])


@pytest.mark.parametrize(
    "stream",
    [
        b"\xc2\x00",
        b"\x82\x80",
        b"\x83\x00",
        b"\x8b\x00",
        b"\x09\x00",
        b"\x89\x7e\x00\x7e",
        b"\x82\x7f" + b"\xff" * 8,
        b"\x82\x7e\x00\x7d" + bytes(125),
        b"\x82\x7f" + (65_535).to_bytes(8, "big") + bytes(65_535),
        b"\x89\x7e\x00\x05hello",
        frame(1, b"text"),
        frame(0, b"continues nothing"),
        frame(2, b"a", fin=False) + frame(2, b"another message inside"),
    ],
)
def test_broken_rules(stream: bytes) -> None:
    """Reserved bits, masks, unknown opcodes, lengths not in their shortest form, control frames
    that cannot be, text and disorder end the walk. Nothing of them goes past unread.
    """
    reader = FrameReader()
    assert reader.whole(stream, 0, 1 << 20, 100) == (0, 0)
    pieces = read(reader, [stream, frame(2, b"more")])
    assert isinstance(pieces[-1], Broken)
    assert payload(pieces) in (b"", b"a")


MALFORMED = {
    "1005 on the wire": b"\x88\x02\x03\xed",
    "1006 on the wire": b"\x88\x02\x03\xee",
    "1004": b"\x88\x02\x03\xec",
    "a code of 0": b"\x88\x02\0\0",
    "half a code": b"\x88\x01\x03",
    "a reason cut inside a character": b"\x88\x04\x03\xe8\xe4\xb8",
    "reserved bits": b"\xf8\x02\x03\xe8",
    "in fragments": b"\x08\x02\x03\xe8",
    "masked": b"\x88\x82abcd\x03\xe8",
    "too long": b"\x88\x7e\x00\x80" + b"\x03\xe8" + bytes(126),
    "without end": b"\x88\x7f" + b"\xff" * 8,
}
"""Close frames that break the rules."""


@pytest.mark.parametrize("close", MALFORMED.values(), ids=MALFORMED)
@pytest.mark.parametrize("inside", [b"", frame(2, b"a", fin=False)])
def test_a_malformed_close_is_a_close(close: bytes, inside: bytes) -> None:
    """However it is cut; and nothing after it counts, not even what is broken."""
    for at in range(len(close) + 1):
        stream = inside + close[:at], close[at:] + frame(2, b"late") + b"\xff\xff"
        pieces = read(FrameReader(), [*stream, frame(1, b"later")])
        assert payload(pieces) == (b"a" if inside else b"")
        assert pieces[-1] == ControlFrame(Opcode.CLOSE, b"")
        assert sum(isinstance(piece, ControlFrame) for piece in pieces) == 1


@pytest.mark.parametrize("body", [b"", b"\x03\xe8", b"\x03\xf3why", b"\x13\x87" + b"x" * 123])
def test_a_proper_close_comes_out_as_it_is(body: bytes) -> None:
    """With its code and its words."""
    pieces = read(FrameReader(), [frame(8, body) + frame(2, b"late")])
    assert pieces == [ControlFrame(Opcode.CLOSE, body)]


def test_what_a_close_frame_holds() -> None:
    """Its code and reason; nothing where there are none, or where it is another frame."""
    close = ControlFrame(Opcode.CLOSE, b"\x03\xe8why").close
    assert close is not None
    assert (close.code, close.reason) == (1000, "why")
    assert ControlFrame(Opcode.CLOSE, b"").close is None
    assert ControlFrame(Opcode.PING, b"\x03\xe8why").close is None


def test_large_lengths() -> None:
    """16- and 64-bit lengths are understood."""
    for size in (126, 65535, 65536):
        pieces = read(FrameReader(), [frame(2, bytes(size)), frame(8, b"")])
        assert len(payload(pieces)) == size
        assert isinstance(pieces[-1], ControlFrame)


@pytest.mark.parametrize(
    "stream",
    [
        frame(2, b"not masked"),
        frame(9, b""),
        frame(8, b"\x03\xe8"),
        b"\xc2\x80" + bytes(4),
        b"\x81\x84" + bytes(4) + b"text",
        b"\x82\xfe\x00\x0b" + bytes(4),
        b"\x02\x86" + bytes(10) + b"\x80\x85" + bytes(9),
    ],
)
def test_broken_rules_of_a_client(stream: bytes) -> None:
    """No mask, reserved bits, text, and messages over the limit, in one frame or in several."""
    pieces = read(FrameReader(masked=True, max_message_bytes=10), [stream])
    assert isinstance(pieces[-1], Broken)
    assert payload(pieces) in (b"", bytes(6))


def test_a_message_of_just_the_limit() -> None:
    """It is taken, and the next one begins anew."""
    stream = frame(2, bytes(4), fin=False, mask=True) + frame(0, bytes(6), mask=True)
    pieces = read(FrameReader(masked=True, max_message_bytes=10), [stream * 2])
    assert payload(pieces) == bytes(20)


SIZES = st.one_of(st.integers(1, 300), st.sampled_from([125, 126, 65535, 65536]))


@given(
    st.lists(st.tuples(SIZES, st.integers(1, 5)), max_size=6),
    st.integers(0, 4000),
    st.integers(0, 12),
    st.binary(max_size=20),
    st.booleans(),
)
def test_whole_frames_go_past(
    sizes: list[tuple[int, int]], most_bytes: int, most_work: int, tail: bytes, view: bool
) -> None:
    """As many as fit in what is asked for, never one that is cut, and none in another's place."""
    contents = [bytes([number % 251]) * size for number, (size, times) in enumerate(sizes)
                for _ in range(times)]  # fmt: skip
    stream = b"".join(frame(2, content) for content in contents) + tail
    data = memoryview(stream) if view else stream
    reader = FrameReader()
    at, size = reader.whole(data, 0, most_bytes, most_work)
    frames = WholeFrames(memoryview(stream)[:at], size)
    passed = b"".join(frames.slices())
    assert len(frames) == len(passed) == size <= most_bytes
    assert b"".join(contents).startswith(passed) or tail
    assert reader.work <= most_work
    # The next frame, if there is one, wouldn't have fitted.
    count = len(frames.slices())
    if count < len(contents):
        assert passed == b"".join(contents[:count])
        assert reader.work == most_work or size + len(contents[count]) > most_bytes
    # What follows is read as if nothing had gone past.
    rest = read(reader, [stream[at:]])
    assert payload(rest).startswith(b"".join(contents[count:]))


@given(
    st.lists(st.tuples(st.sampled_from([1, 2, 125, 126, 300]), st.integers(1, 90)), min_size=1),
    st.integers(0, 20_000),
    st.booleans(),
)
def test_many_frames_of_one_length_go_past(
    runs: list[tuple[int, int]], most_bytes: int, view: bool
) -> None:
    """Up to the first whose header is another, wherever it stands; a long run is little work."""
    sizes = [size for size, times in runs for _ in range(times)]
    contents = [bytes((number % 251,)) * size for number, size in enumerate(sizes)]
    stream = b"".join(frame(2, content) for content in contents)
    reader = FrameReader()
    at, size = reader.whole(memoryview(stream) if view else stream, 0, most_bytes, 10_000)
    fitting = 0
    while fitting < len(contents) and sum(map(len, contents[: fitting + 1])) <= most_bytes:
        fitting += 1
    assert stream[:at] == b"".join(frame(2, content) for content in contents[:fitting])
    assert size == sum(map(len, contents[:fitting]))
    assert reader.work <= len(runs) + fitting // 64


@pytest.mark.parametrize("size", [1, 125, 126, 65_535, 65_536])
def test_one_that_just_fits_goes_past(size: int) -> None:
    """Of any length; with a byte less of room, or of the frame, it doesn't, and costs nothing."""
    first, second = frame(2, b"ab"), frame(2, bytes(size))
    stream = first + second
    assert FrameReader().whole(stream, 0, 2 + size, 9) == (len(stream), 2 + size)
    assert FrameReader().whole(stream, 0, 1 + size, 9) == (len(first), 2)
    for end in (*range(len(first) + 1, len(first) + 12), len(stream) - 1):
        reader = FrameReader()
        if end < len(stream):
            assert reader.whole(stream[:end], 0, 1 << 20, 9) == (len(first), 2)
            assert reader.work == 1


def test_nothing_goes_past_amid_a_frame() -> None:
    """Nor amid a header, a fragmented message, or where the next frame isn't one of ours."""
    whole = frame(2, b"abc")
    for first in (whole[:1], whole[:4], frame(2, b"ab", fin=False)):
        reader = FrameReader()
        read(reader, [first])
        assert reader.whole(whole, 0, 100, 100) == (0, 0)
    for other in (frame(9, b""), frame(2, b""), b"\x82\x81abcd1", frame(2, b"x", fin=False)):
        assert FrameReader().whole(other, 0, 100, 100) == (0, 0)


def test_nothing_goes_past_that_breaks_the_rules() -> None:
    """A client's frame without a mask, or anything after a close frame."""
    whole = frame(2, b"abc")
    assert FrameReader(masked=True).whole(whole, 0, 100, 100) == (0, 0)
    reader = FrameReader()
    read(reader, [frame(8, b"")])
    assert reader.whole(whole, 0, 100, 100) == (0, 0)


SLICES = st.one_of(
    st.binary(max_size=300),
    st.integers(OWN_FRAME_BYTES - 2, 2 * OWN_FRAME_BYTES + 2).map(bytes),
    st.lists(st.binary(min_size=1, max_size=200), min_size=1, max_size=3),
)


@given(st.lists(SLICES, max_size=6))
def test_what_is_sent_is_framed(parts: list[bytes | list[bytes]]) -> None:
    """Any slices and whole frames, in order, in frames of bounded size that any reader takes."""
    slices: list[Slice] = []
    for part in parts:
        if isinstance(part, bytes):
            slices.append(part)
        else:
            wire = b"".join(frame(2, content) for content in part)
            slices.append(WholeFrames(memoryview(wire), sum(map(len, part))))
    stream = b"".join(framed(slices))
    reader = FrameReader()
    assert payload(read(reader, [stream])) == b"".join(plain_slices(slices))
    assert not reader.take_idle_work(), "no empty frames"


@pytest.mark.parametrize("size", [1, 125, 126, 65_535, OWN_FRAME_BYTES])
def test_a_length_is_sent_in_its_shortest_form(size: int) -> None:
    """As the websockets library writes it; browsers refuse others."""
    assert b"".join(framed([bytes(size)])) == frame(2, bytes(size))


@pytest.mark.parametrize("size", [1, 125, 126, 127, 65_535, 65_536])
def test_what_a_client_sends_is_masked(size: int) -> None:
    """Each time by another mask; only who expects one reads it."""
    data = bytes(n % 251 for n in range(size))
    wire = masked_frame(data)
    assert payload(read(FrameReader(masked=True), [wire])) == data
    assert isinstance(read(FrameReader(), [wire])[0], Broken)
    assert len({masked_frame(data) for _ in range(4)}) > 1


@pytest.mark.parametrize("size", [0, 1, 124, 125])
def test_a_control_frame_holds_up_to_125_bytes(size: int) -> None:
    """And comes out as it was."""
    assert read(FrameReader(), [frame(9, bytes(size))]) == [ControlFrame(Opcode.PING, bytes(size))]


@pytest.mark.parametrize("opcode", [3, 7, 11, 15])
@pytest.mark.parametrize("before", [b"", frame(2, b"half", fin=False)])
def test_opcodes_without_a_meaning_are_refused(opcode: int, before: bytes) -> None:
    """Between messages and within one."""
    pieces = read(FrameReader(), [before + bytes((0x80 | opcode, 0))])
    assert isinstance(pieces[-1], Broken)


def test_frames_that_carry_nothing_are_counted() -> None:
    """Pings and empty frames, once; neither payload nor the parts of a frame."""
    reader = FrameReader()
    read(reader, [frame(2, b"data"), frame(2, b"much")[:3], frame(2, b"much")[3:]])
    assert reader.take_idle_work() == 0
    read(reader, [frame(9, b"hi")])
    a_ping = reader.take_idle_work()
    assert a_ping > 0
    read(reader, [frame(9, b""), frame(2, b""), frame(2, b"data")])
    assert reader.take_idle_work() == 2 * a_ping
    assert reader.take_idle_work() == 0


def test_what_frames_cost_is_counted() -> None:
    """One for each, whatever it holds and however it is cut; a control frame, which is answered,
    more.
    """
    reader = FrameReader()
    read(reader, [frame(2, b"data"), frame(2, b""), frame(2, b"much")[:3], frame(2, b"much")[3:]])
    assert reader.work == 3
    read(reader, [frame(9, b"hi")])
    assert reader.work == 3 + CONTROL_WORK
