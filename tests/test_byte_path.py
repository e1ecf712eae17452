"""What a screen, a key and a small update cost on their way through the daemon, in Python calls.

Counted, not timed: from what the socket of one side has read to what the other side's socket is
given to write. The bounds are a little above what was reached, so that they don't grow unseen.
"""

from __future__ import annotations

import asyncio
import gc
import struct
import sys
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Callable, Iterable
from types import FrameType
from typing import Any

import pytest
from websockets.frames import Frame, Opcode

from tests.unit.console.fakes import PIXEL_FORMAT, greeting, request, set_encodings
from tests.unit.console.test_message_router import RouterHarness, clear
from vncproxy.console.link import Link
from vncproxy.console.viewer import Viewer, ViewerIdentity
from vncproxy.console.viewer_limits import ViewerLimits
from vncproxy.observe.metrics import Metrics
from vncproxy.observe.traffic import Sampling, Traffic
from vncproxy.rfb import encodings as enc
from vncproxy.rfb.tight import compact_length
from vncproxy.websocket.browser_transport import BrowserTransport
from vncproxy.websocket.frame_dispatcher import FrameDispatcher
from vncproxy.websocket.frames import Broken, ControlFrame, FrameReader, Slice
from vncproxy.websocket.transport import BodyReceiver, TransportReceiver

WIDTH, HEIGHT = 1920, 1080
READ_BYTES = 256_000
"""What uvloop reads at once."""


class Connection(asyncio.Transport):
    """A browser's TCP connection whose system takes everything at once."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self.writes = 0

    def writelines(self, slices: Iterable[bytes | bytearray | memoryview[Any]]) -> None:
        self.written += b"".join(slices)
        self.writes += 1

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        self.writelines([data])

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def is_closing(self) -> bool:
        return False

    def resume_reading(self) -> None:
        pass

    def pause_reading(self) -> None:
        pass

    def abort(self) -> None:
        pass


class Gateway:
    """The cloud's connection: a real dispatcher of frames; what goes up is noted."""

    backlog_bytes = sent_bytes = 0

    def __init__(self) -> None:
        self.taken = bytearray()
        self.flow = FrameDispatcher(FrameReader(), self)
        self.pause, self.resume = self.flow.pause, self.flow.resume
        self.again, self.waste = self.flow.again, self.flow.waste

    def attach(self, receiver: TransportReceiver, body: BodyReceiver | None = None) -> None:
        self.flow.attach(receiver, body)
        self.flow.resume()

    def send(self, slices: Iterable[Slice]) -> None:
        for slice_ in slices:
            assert isinstance(slice_, bytes)
            self.taken += slice_

    async def close(self, reason: object = None) -> None:
        pass

    async def shut(self) -> None:
        pass

    def input_wanted(self, on: bool) -> None:
        pass

    def input_flooded(self) -> None:
        raise AssertionError

    def control_came(self, control: ControlFrame) -> None:
        raise AssertionError

    def rules_broken(self, broken: Broken) -> None:
        raise AssertionError

    def receiver_failed(self) -> None:
        raise AssertionError


class Path:
    """A link and one browser on it, from socket to socket."""

    def __init__(self) -> None:
        self.gateway, self.connection = Gateway(), Connection()
        self.harness = RouterHarness()
        self.browser = BrowserTransport(
            self.connection, lambda: None, ping_interval_s=60, ping_timeout_s=60
        )

    async def open(self, *encodings: int) -> None:
        """Handshakes, and a whole picture."""
        link = Link(self.gateway, self.harness, None, opaque=False)
        shaking = asyncio.create_task(link.shake_hands(5))
        await asyncio.sleep(0)
        await self.cloud(greeting(WIDTH, HEIGHT))
        self.harness.router.link_up(link, await shaking)  # type: ignore[arg-type]
        link.read_on(self.harness.router)
        who = ViewerIdentity("a", "a", "127.0.0.1", "local", may_control=True)
        viewer = Viewer(who, self.browser, ViewerLimits(0, 0, 60, 8 << 20))
        traffic = Traffic(0.0, Metrics(), Sampling(), "i-1")
        traffic.begin(link)
        viewer.moved = traffic.moved
        self.harness.viewers.append(viewer)
        viewer.open(self.harness)
        self.harness.router.add(viewer)
        await self.user(b"RFB 003.008\n", b"\x01", b"\x01")
        await self.user(b"\0\0\0\0" + PIXEL_FORMAT + set_encodings(*encodings))
        await self.user(request(width=WIDTH, height=HEIGHT))
        await self.cloud(picture(), 65_536)
        assert viewer.end is None
        assert self.harness.router.shared_screen is not None
        assert self.harness.router.shared_screen.viewers["a"].synced

    async def cloud(self, data: bytes, size: int = 1 << 20) -> None:
        """The gateway sends this in frames of so many bytes."""
        for read in reads(framed(data, size)):
            self.gateway.flow.put(read)
            while self.gateway.flow.held_bytes:
                await asyncio.sleep(0)
        for _ in range(50):
            await asyncio.sleep(0)

    async def user(self, *messages: bytes) -> None:
        """The browser sends these, each in a frame."""
        for message in messages:
            self.browser.data_received(masked(message))
            await asyncio.sleep(0)
            await asyncio.sleep(0)


def picture() -> bytes:
    """A whole screen, in one Raw rectangle."""
    pixels = bytes(range(256)) * (WIDTH * HEIGHT * 4 // 256)
    return struct.pack(">BxHHHHHi", 0, 1, 0, 0, WIDTH, HEIGHT, enc.RAW) + pixels


def framed(data: bytes, size: int = 1 << 20) -> bytes:
    """In a server's frames."""
    pieces = (data[at : at + size] for at in range(0, len(data), size))
    return b"".join(Frame(Opcode.BINARY, piece).serialize(mask=False) for piece in pieces)


def masked(data: bytes) -> bytes:
    """A browser's frame."""
    return Frame(Opcode.BINARY, data).serialize(mask=True)


def reads(wire: bytes) -> list[bytes]:
    """As the socket gives it."""
    return [wire[at : at + READ_BYTES] for at in range(0, len(wire), READ_BYTES)]


class Calls:
    """The calls of the package's functions, and the classes whose objects they were on."""

    def __init__(self, act: Callable[[], None]) -> None:
        """Count while `act` runs."""
        self.count = 0
        self.classes: set[str] = set()
        sys.setprofile(self._profile)
        try:
            act()
        finally:
            sys.setprofile(None)

    def _profile(self, frame: FrameType, event: str, argument: object) -> None:
        if event == "call" and frame.f_globals.get("__name__", "").startswith("vncproxy."):
            self.count += 1
            if (owner := frame.f_locals.get("self")) is not None:
                self.classes.add(type(owner).__name__)


@pytest.fixture
async def path() -> AsyncIterator[Path]:
    """A console that runs, with one browser."""
    path = Path()
    await path.open(enc.RAW, enc.COPY_RECT, enc.DESKTOP_SIZE, enc.LAST_RECT)
    yield path
    await clear(path.harness)


@pytest.mark.parametrize("size", [1024, 4096, 8192, 65_536])
async def test_pixels(path: Path, size: int) -> None:
    """A read full of them: one write, few calls whatever the frames, few objects on the way."""
    await path.user(request(width=WIDTH, height=HEIGHT))
    all_reads = reads(framed(picture(), size))
    path.gateway.flow.put(all_reads[0])
    await asyncio.sleep(0)
    before = path.connection.writes
    calls = Calls(lambda: path.gateway.flow.put(all_reads[1]))
    assert path.connection.writes == before + 1
    assert calls.count <= 36, calls.count
    # Frames and link, who the pixels are for, and what frames and sends them to each viewer;
    # `WholeFrames` is what is carried.
    classes = calls.classes - {"WholeFrames"}
    assert len(classes) <= 7, " ".join(sorted(classes))


@pytest.mark.parametrize("size", [1024, 65_536])
async def test_a_screen_is_one_update_in_few_writes(path: Path, size: int) -> None:
    """Pixel for pixel, with hardly any bytes of our own."""
    await path.user(request(width=WIDTH, height=HEIGHT))
    path.connection.written.clear()
    path.connection.writes = 0
    whole = picture()
    wire = framed(whole, size)
    await path.cloud(whole, size)
    view, at, content = memoryview(bytes(path.connection.written)), 0, bytearray()
    reader = FrameReader()
    while at < len(view):
        at, piece = reader.next(view, at)
        assert isinstance(piece, memoryview)
        content += piece
    assert bytes(content) == whole
    assert path.connection.writes <= 2 * len(reads(wire))
    assert len(path.connection.written) <= len(wire) + 40 * len(reads(wire))


async def test_a_key(path: Path) -> None:
    """From the browser's frame to the message that goes up."""
    path.gateway.taken.clear()
    press = masked(struct.pack(">BBxxI", 4, 1, 0x61))
    calls = Calls(lambda: path.browser.data_received(press))
    assert bytes(path.gateway.taken) == struct.pack(">BBxxI", 4, 1, 0x61)
    assert calls.count <= 20, calls.count
    # As a keyboard or a script gives them: its release comes in the same packet.
    both = press + masked(struct.pack(">BBxxI", 4, 0, 0x61))
    calls = Calls(lambda: path.browser.data_received(both))
    assert len(path.gateway.taken) == 3 * 8
    assert calls.count <= 22, calls.count


async def test_a_small_update(path: Path) -> None:
    """The echo of a key, and the browser's request for what comes next."""
    await path.user(request(incremental=True, width=WIDTH, height=HEIGHT))
    echo = struct.pack(">BxHHHHHi", 0, 1, 5, 5, 1, 1, enc.RAW) + b"\1\2\3\0"
    before = path.connection.writes
    frame = framed(echo, 100)
    calls = Calls(lambda: path.gateway.flow.put(frame))
    assert path.connection.writes == before + 1
    assert bytes(path.connection.written).endswith(echo)
    assert calls.count <= 50, calls.count
    ask = masked(request(incremental=True, width=WIDTH, height=HEIGHT))
    calls = Calls(lambda: path.browser.data_received(ask))
    assert calls.count <= 27, calls.count


RECTANGLES = 50


async def test_tight_rectangles() -> None:
    """Many small ones in one update, to a browser that has seen all since the streams began."""
    path = Path()
    await path.open(enc.TIGHT, enc.RAW, enc.COPY_RECT, enc.DESKTOP_SIZE, enc.LAST_RECT)
    deflater = zlib.compressobj()
    rectangles = []
    for n in range(RECTANGLES):
        pixels = bytes([n]) * (40 * 10 * 3)
        data = deflater.compress(pixels) + deflater.flush(zlib.Z_SYNC_FLUSH)
        header = struct.pack(">HHHHi", n, n, 40, 10, enc.TIGHT)
        rectangles.append(header + b"\x00" + compact_length(len(data)) + data)
    update = struct.pack(">BxH", 0, RECTANGLES) + b"".join(rectangles)
    await path.user(request(incremental=True, width=WIDTH, height=HEIGHT))
    frame = framed(update)
    before = path.connection.writes
    calls = Calls(lambda: path.gateway.flow.put(frame))
    assert path.connection.writes == before + 1
    assert bytes(path.connection.written).endswith(update)
    per_rectangle = calls.count / RECTANGLES
    assert per_rectangle <= 3.1, per_rectangle
    await clear(path.harness)


IDLE = 20


async def test_an_idle_console_takes_little() -> None:
    """What a link, its screen and a browser that has the whole picture keep, in Python's memory."""
    paths = [Path() for _ in range(IDLE + 1)]
    # What the first one makes is for all.
    await paths[0].open(enc.RAW, enc.COPY_RECT, enc.DESKTOP_SIZE, enc.LAST_RECT)
    gc.collect()
    tracemalloc.start()
    try:
        for path in paths[1:]:
            await path.open(enc.RAW, enc.COPY_RECT, enc.DESKTOP_SIZE, enc.LAST_RECT)
            path.connection.written = bytearray()
        gc.collect()
        kept = tracemalloc.take_snapshot().filter_traces(
            [tracemalloc.Filter(True, "*/vncproxy/*"), tracemalloc.Filter(True, "*/collections/*")]
        )
    finally:
        tracemalloc.stop()
    each = sum(trace.size for trace in kept.traces) / IDLE
    for path in paths:
        await clear(path.harness)
    assert each <= 8_000, each
