"""Only masked frames reach the reader, however they are split."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.web.raw_socket import BINARY, CLOSE, PING, frame
from vncproxy.web.masked_frames import MaskedFrames

FRAMES = st.builds(
    lambda opcode, size: frame(opcode, bytes(size)),
    st.sampled_from([BINARY, PING, CLOSE, 0]),
    st.sampled_from([0, 1, 5, 125, 126, 300, 65535, 65536]),
)
UNMASKED = st.builds(
    lambda size: frame(BINARY, bytes(size), masked=False), st.sampled_from([0, 1, 126, 65536])
)


class Reader:
    """Keeps what it is fed."""

    def __init__(self) -> None:
        self.data = b""
        self.ended = False

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        """More."""
        self.data += data
        return False, b""

    def feed_eof(self) -> None:
        """No more."""
        self.ended = True


def fed(data: bytes, places: list[int]) -> Reader:
    """A reader behind the guard, after these bytes in pieces."""
    reader = Reader()
    frames = MaskedFrames(reader)
    ends = sorted({min(place, len(data)) for place in places} | {0, len(data)})
    for start, end in itertools.pairwise(ends):
        assert frames.feed_data(data[start:end]) == (False, b"")
    frames.feed_eof()
    assert reader.ended
    return reader


@given(st.lists(FRAMES, max_size=5), st.lists(st.integers(0, 70_000), max_size=12))
def test_masked_frames_pass_untouched(frames: list[bytes], places: list[int]) -> None:
    """Every byte of them."""
    data = b"".join(frames)
    assert fed(data, places).data == data


@given(
    st.lists(FRAMES, max_size=3),
    UNMASKED,
    st.lists(FRAMES, max_size=2),
    st.lists(st.integers(0, 70_000), max_size=12),
)
def test_nothing_from_an_unmasked_frame_on(
    frames: list[bytes], bad: bytes, rest: list[bytes], places: list[int]
) -> None:
    """In its place the reader is given what it must refuse."""
    data = b"".join(frames)
    assert fed(data + bad + b"".join(rest), places).data == data + b"\x70\x80"
