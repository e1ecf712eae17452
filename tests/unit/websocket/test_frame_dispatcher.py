"""Frames opened on the way in: all arrives, in order, whatever goes past unread."""

from __future__ import annotations

import asyncio
import itertools
import struct
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from vncproxy.rfb.pixel_format import PixelFormat
from vncproxy.rfb.server_events import RawReceived, ServerEvent, plain_slices
from vncproxy.rfb.server_stream import ServerStream
from vncproxy.websocket.frame_dispatcher import (
    PASSED_BYTES,
    TURN_FRAMES,
    FrameDispatcher,
)
from vncproxy.websocket.frames import (
    CONTROL_WORK,
    Broken,
    ControlFrame,
    FrameReader,
    Slice,
    WholeFrames,
)
from vncproxy.websocket.input_flow_control import TURN_BYTES
from vncproxy.websocket.transport import TransportEnd

WIDTH, HEIGHT = 640, 480
BELL = b"\x02"


def raw_update(*sizes: tuple[int, int]) -> bytes:
    """An update of Raw rectangles."""
    parts = [struct.pack(">BxH", 0, len(sizes))]
    for width, height in sizes:
        parts.append(struct.pack(">HHHHi", 0, 0, width, height, 0))
        parts.append(bytes(range(256)) * (width * height * 4 // 256))
        parts.append(bytes(width * height * 4 % 256))
    return b"".join(parts)


def frame(data: bytes, opcode: Opcode = Opcode.BINARY, fin: bool = True) -> bytes:
    """A server's frame."""
    return Frame(opcode, data, fin).serialize(mask=False)


class Peer:
    """A parser that counts Raw, behind a dispatcher; notes what it got in each turn."""

    def __init__(self, *, takes: int | None = None, counts: bool = True) -> None:
        """Nothing came.

        Args:
            takes: Of what is given, so many bytes at a time.
            counts: Pixels are only counted.
        """
        self.stream = ServerStream(WIDTH, HEIGHT, PixelFormat())
        self.events: list[ServerEvent] = []
        self.content = bytearray()
        self.controls: list[ControlFrame] = []
        self.broken: list[Broken] = []
        self.whole_bytes = 0
        self.most_read = self.most_passed = 0
        self._read = self._passed = 0
        self._takes = takes
        self.faults = 0
        self.flow = FrameDispatcher(FrameReader(), self)
        self.flow.attach(self, self if counts else None)
        self.flow.resume()

    def input_wanted(self, on: bool) -> None:
        """What comes, comes when the test says so."""

    def control_came(self, control: ControlFrame) -> None:
        """Kept."""
        self.controls.append(control)

    def rules_broken(self, broken: Broken) -> None:
        """Kept."""
        self.broken.append(broken)

    def input_flooded(self) -> None:
        """Never."""
        raise AssertionError

    def receiver_failed(self) -> None:
        """Counted."""
        self.faults += 1

    def _turn(self) -> None:
        self._read = self._passed = 0

    @property
    def body_bytes(self) -> int:
        """So much of Raw is due."""
        return self.stream.body_bytes

    def transport_passed(self, slices: Sequence[Slice], size_bytes: int) -> None:
        """Counted only."""
        plain = plain_slices(slices)
        assert sum(map(len, plain)) == size_bytes <= self.body_bytes
        self.whole_bytes += sum(len(s) for s in slices if isinstance(s, WholeFrames))
        self.content += b"".join(plain)
        self.events += self.stream.passed(size_bytes)
        self._count(passed=size_bytes)

    def transport_received(self, data: bytes | memoryview) -> int:
        """Parsed."""
        if self._takes is not None:
            data = data[: self._takes]
        self.content += data
        self.events += [e for e in self.stream.feed(data) if not isinstance(e, RawReceived)]
        self._count(read=len(data))
        return len(data)

    def _count(self, read: int = 0, passed: int = 0) -> None:
        if not self._read and not self._passed:
            asyncio.get_running_loop().call_soon(self._turn)
        self._read += read
        self._passed += passed
        self.most_read = max(self.most_read, self._read)
        self.most_passed = max(self.most_passed, self._read + self._passed)

    def transport_drained(self) -> None:
        """Never."""
        raise AssertionError

    def transport_ended(self, end: TransportEnd) -> None:
        """Never."""
        raise AssertionError

    async def put(self, pieces: Sequence[bytes]) -> None:
        """The peer sent these, one read each; wait until all was taken."""
        for piece in pieces:
            self.flow.put(piece)
            await asyncio.sleep(0)
        ended: list[bool] = []
        self.flow.end(lambda: ended.append(True))
        async with asyncio.timeout(60):
            while not ended:
                await asyncio.sleep(0)


MESSAGES = st.one_of(
    st.just(BELL),
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=3).map(
        lambda sizes: raw_update(*sizes)
    ),
    st.just(struct.pack(">BxHHHHHi", 0, 1, 0, 0, 8, 8, 1) + bytes(4)),
)
CUTS = st.lists(st.integers(0, 1 << 20), max_size=30)


def cut(data: bytes, at: list[int]) -> list[bytes]:
    """The data in pieces, none of them empty."""
    marks = sorted({0, len(data), *(mark % (len(data) + 1) for mark in at)})
    return [data[a:b] for a, b in itertools.pairwise(marks)]


@given(
    st.lists(MESSAGES, max_size=6),
    CUTS,
    CUTS,
    st.sampled_from([None, 1000]),
    st.booleans(),
    st.booleans(),
)
def test_all_arrives_in_order(
    messages: list[bytes],
    frames: list[int],
    reads: list[int],
    takes: int | None,
    counts: bool,
    pinged: bool,
) -> None:
    """However it is framed, read and taken, and whether or not pixels go past."""
    content = b"".join(messages)
    wire = b"".join(
        frame(piece) + (frame(b"?", Opcode.PING) if pinged and number % 3 == 0 else b"")
        for number, piece in enumerate(cut(content, frames))
    )

    async def run() -> Peer:
        peer = Peer(takes=takes, counts=counts)
        await peer.put(cut(wire, reads))
        return peer

    peer = asyncio.run(run())
    assert bytes(peer.content) == content
    wanted = ServerStream(WIDTH, HEIGHT, PixelFormat()).feed(content)
    assert peer.events == [event for event in wanted if not isinstance(event, RawReceived)]
    assert not peer.broken and not peer.faults
    assert len(peer.controls) == wire.count(frame(b"?", Opcode.PING)) or not pinged


@pytest.mark.parametrize("size", [1024, 4096, 65536])
async def test_a_screen_goes_past_in_whole_frames(size: int) -> None:
    """All but what is cut by the ends of reads, and what begins and ends the picture."""
    content = raw_update((WIDTH, HEIGHT))
    wire = b"".join(frame(content[at : at + size]) for at in range(0, len(content), size))
    reads = [wire[at : at + 256_000] for at in range(0, len(wire), 256_000)]
    peer = Peer()
    await peer.put(reads)
    assert bytes(peer.content) == content
    # The first frames are joined before the picture is known.
    cut_off = max(8192, size) + (len(reads) + 1) * size
    assert peer.whole_bytes >= len(content) - cut_off


async def test_a_turn_is_bounded() -> None:
    """Of what is read 64 KiB in a turn, of what is only counted some more."""
    picture, bells = raw_update((WIDTH, HEIGHT)) * 3, BELL * 300_000
    peer = Peer()
    await peer.put([frame(picture), frame(bells), frame(picture)])
    assert bytes(peer.content) == picture + bells + picture
    assert peer.most_read <= TURN_BYTES
    assert TURN_BYTES < peer.most_passed <= PASSED_BYTES + TURN_BYTES


async def test_a_turn_has_so_many_frames() -> None:
    """However little they hold: each costs some time; and a control frame, answered, more."""
    peer = Peer()
    await asyncio.sleep(0)
    await peer.put([frame(BELL) * (3 * TURN_FRAMES)])
    assert bytes(peer.content) == BELL * (3 * TURN_FRAMES)
    assert peer.most_read == TURN_FRAMES
    peer = Peer()
    await asyncio.sleep(0)
    await peer.put([(frame(b"", Opcode.PING) * 8 + frame(BELL)) * 100])
    assert bytes(peer.content) == BELL * 100
    assert peer.most_read <= TURN_FRAMES // (8 * CONTROL_WORK + 1) + 1
    tiny = raw_update((WIDTH, 4))
    peer = Peer()
    await asyncio.sleep(0)
    cuts = [at for start in range(16, 2576, 3) for at in (start, start + 1)]
    pixels = [tiny[at:to] for at, to in zip(cuts, [*cuts[1:], 2576], strict=True)]
    await peer.put([frame(tiny[:16]), b"".join(map(frame, pixels))])
    assert bytes(peer.content[:2576]) == tiny[:2576]
    assert peer.most_passed <= TURN_FRAMES * 3 // 2 + 16, "pixels of changing lengths, too"


async def test_small_frames_are_joined() -> None:
    """Up to 8 KiB are given in one call, and a larger one by itself as it stands."""
    calls: list[int] = []

    class Noting(Peer):
        def transport_received(self, data: bytes | memoryview) -> int:
            calls.append(len(data))
            return super().transport_received(data)

    peer = Noting(counts=False)
    await peer.put([frame(BELL * 100) * 200])
    assert calls[:2] == [8200, 8200]
    assert sum(calls) == 20_000


async def test_a_receiver_that_pauses_gets_nothing_more() -> None:
    """What it has had no frame of stays held, in order, until it goes on."""

    class Pausing(Peer):
        def transport_received(self, data: bytes | memoryview) -> int:
            self.flow.pause()
            return super().transport_received(data)

    peer = Pausing(counts=False)
    peer.flow.put(frame(BELL * 8192) + frame(BELL * 10))
    await asyncio.sleep(0)
    assert len(peer.content) == 8192
    for _ in range(10):
        await asyncio.sleep(0)
    assert len(peer.content) == 8192
    peer.flow.resume()
    for _ in range(10):
        await asyncio.sleep(0)
    assert len(peer.content) == 8202


async def test_a_goodbye_is_reported_after_nothing_is_given() -> None:
    """Who closes wants no content any more, and the peer's answer all the same."""
    peer = Peer()
    peer.flow.discard()
    await peer.put([frame(BELL) + frame(b"", Opcode.CLOSE)])
    assert not peer.content
    assert peer.controls == [ControlFrame(Opcode.CLOSE, b"")]


async def test_a_fault_of_the_receiver_is_reported() -> None:
    """Whichever way the bytes came."""

    class Faulty(Peer):
        def transport_received(self, data: bytes | memoryview) -> int:
            raise ZeroDivisionError

    peer: Peer = Faulty()
    await peer.put([frame(BELL)])
    assert peer.faults == 1

    class FaultyPixels(Peer):
        def transport_passed(self, slices: Sequence[Slice], size_bytes: int) -> None:
            super().transport_passed(slices, size_bytes)
            raise ZeroDivisionError

    peer = FaultyPixels()
    picture = raw_update((WIDTH, 100))
    await peer.put([frame(picture[:16]), frame(picture[16:])])
    assert peer.faults == 1


async def test_a_fault_of_the_listener_is_reported() -> None:
    """And what follows is read all the same."""

    class Failing(Peer):
        def control_came(self, control: ControlFrame) -> None:
            raise ZeroDivisionError

    peer = Failing()
    await peer.put([frame(b"", Opcode.PING) + frame(BELL)])
    assert peer.faults == 1
    assert bytes(peer.content) == BELL


async def test_broken_frames_are_reported() -> None:
    """What came before is given first."""
    peer = Peer()
    await peer.put([frame(BELL) + frame(b"text", Opcode.TEXT) + frame(BELL)])
    assert bytes(peer.content) == BELL
    assert len(peer.broken) == 1
