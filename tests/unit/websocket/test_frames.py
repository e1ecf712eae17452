"""The walk through a WebSocket server's frames."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from vncproxy.websocket.frames import Broken, Control, FrameWalker, Payload, Piece


def frame(opcode: int, data: bytes, fin: bool = True) -> bytes:
    """A frame as the websockets library writes it for a server."""
    return Frame(Opcode(opcode), data, fin).serialize(mask=False)


def walk(walker: FrameWalker, pieces: list[bytes]) -> list[Piece]:
    """All that comes out."""
    return [piece for data in pieces for piece in walker.feed(data)]


def payload(pieces: list[Piece]) -> bytes:
    """What the binary frames hold."""
    return b"".join(bytes(piece.data) for piece in pieces if isinstance(piece, Payload))


def cut(data: bytes, at: list[int]) -> list[bytes]:
    """The data in pieces."""
    marks = [0, *sorted(mark % (len(data) + 1) for mark in at), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(marks)]


FRAGMENTS = st.lists(st.binary(max_size=300), min_size=1, max_size=4)
CONTROLS = st.tuples(st.sampled_from([9, 10]), st.binary(max_size=125))


@given(
    st.lists(st.tuples(FRAGMENTS, st.lists(CONTROLS, max_size=2)), max_size=5),
    st.lists(st.integers(0, 5000), max_size=12),
)
def test_any_split_gives_the_same(
    messages: list[tuple[list[bytes], list[tuple[int, bytes]]]], at: list[int]
) -> None:
    """However frames are cut, their payload and the control frames between them come out."""
    stream, wanted, controls = b"", b"", []
    for fragments, between in messages:
        for number, data in enumerate(fragments):
            stream += frame(2 if number == 0 else 0, data, fin=number == len(fragments) - 1)
            wanted += data
            for opcode, body in between:
                controls.append(frame(opcode, body))
                stream += controls[-1]
    pieces = walk(FrameWalker(), cut(stream, at))
    assert payload(pieces) == wanted
    assert [piece.frame for piece in pieces if isinstance(piece, Control)] == controls
    assert not any(isinstance(piece, Broken) for piece in pieces)


@given(st.lists(st.binary(max_size=200), max_size=8))
def test_rubbish_never_raises(data: list[bytes]) -> None:
    """Any bytes give pieces, and nothing follows a broken one."""
    pieces = walk(FrameWalker(), data)
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
        frame(1, b"text"),
        frame(0, b"continues nothing"),
        frame(2, b"a", fin=False) + frame(2, b"another message inside"),
    ],
)
def test_broken_rules(stream: bytes) -> None:
    """Reserved bits, masks, unknown opcodes, bad control frames, text and disorder end the walk."""
    pieces = walk(FrameWalker(), [stream, frame(2, b"more")])
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
        pieces = walk(FrameWalker(), [*stream, frame(1, b"later")])
        assert payload(pieces) == (b"a" if inside else b"")
        assert pieces[-1] == Control(b"\x88\x00")
        assert sum(isinstance(piece, Control) for piece in pieces) == 1


@pytest.mark.parametrize("body", [b"", b"\x03\xe8", b"\x03\xf3why", b"\x13\x87" + b"x" * 123])
def test_a_proper_close_comes_out_as_it_is(body: bytes) -> None:
    """With its code and its words."""
    pieces = walk(FrameWalker(), [frame(8, body) + frame(2, b"late")])
    assert pieces == [Control(frame(8, body))]


def test_large_lengths() -> None:
    """16- and 64-bit lengths are understood."""
    for size in (126, 65535, 65536):
        pieces = walk(FrameWalker(), [frame(2, bytes(size)), frame(8, b"")])
        assert len(payload(pieces)) == size
        assert isinstance(pieces[-1], Control)
